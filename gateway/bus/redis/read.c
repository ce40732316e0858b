// SPDX-License-Identifier: Apache-2.0
#include "bus/redis/read.h"

#include "bus/redis/link.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The meta outlives its stream, so that a position stays good when the stream has expired. */
#define META_MIN_S (7u * 24 * 3600)

enum field { EPOCH, OFFSET, LINEAGE, SIZE, TTL, FIELDS };

/* The answers inside of EXEC's; then the oldest entry where it is asked for, and the entries. */
enum part { META, INFO, PARTS };

/* ---- commands ---- */

static void put_key(struct sw_buf *out, struct sw_slice prefix, struct sw_slice topic, char letter)
{
    sw_redis_put_size(out, prefix.size + topic.size + sizeof("{}:x") - 1);
    sw_buf_append_byte(out, '{');
    sw_buf_append_slice(out, prefix);
    sw_buf_append_slice(out, topic);
    sw_buf_append_slice(out, SW_SLICE("}:"));
    sw_buf_append_byte(out, letter);
    sw_redis_put_end(out);
}

static void put_number(struct sw_buf *out, uint64_t number)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%" PRIu64, number);
    sw_redis_put_argument(out, sw_slice(text, (size_t)size));
}

static void put_word(struct sw_buf *out, struct sw_slice word)
{
    sw_redis_put_command(out, 1);
    sw_redis_put_argument(out, word);
}

static void put_hmget(struct sw_buf *out, struct sw_slice prefix, struct sw_slice topic)
{
    static const char fields[FIELDS] = {
        [EPOCH] = 'e', [OFFSET] = 'o', [LINEAGE] = 'l', [SIZE] = 'n', [TTL] = 't'};
    sw_redis_put_command(out, 2 + FIELDS);
    sw_redis_put_argument(out, SW_SLICE("HMGET"));
    put_key(out, prefix, topic, 'm');
    for (size_t i = 0; i < FIELDS; i++) {
        sw_redis_put_argument(out, sw_slice(&fields[i], 1));
    }
}

static void put_xrange(struct sw_buf *out, struct sw_slice prefix, struct sw_slice topic,
                       uint64_t from, uint32_t count)
{
    sw_redis_put_command(out, 6);
    sw_redis_put_argument(out, SW_SLICE("XRANGE"));
    put_key(out, prefix, topic, 'h');
    put_number(out, from);
    sw_redis_put_argument(out, SW_SLICE("+"));
    sw_redis_put_argument(out, SW_SLICE("COUNT"));
    put_number(out, count);
}

void sw_redis_put_info(struct sw_buf *out)
{
    sw_redis_put_command(out, 2);
    sw_redis_put_argument(out, SW_SLICE("INFO"));
    sw_redis_put_argument(out, SW_SLICE("replication"));
}

uint8_t sw_redis_read_put(struct sw_buf *out, struct sw_slice prefix,
                          const struct sw_history_read *read)
{
    if (read->limit == 0) {
        put_hmget(out, prefix, read->topic);
        return 1;
    }
    put_word(out, SW_SLICE("MULTI"));
    put_hmget(out, prefix, read->topic);
    sw_redis_put_info(out);
    if (read->oldest) {
        put_xrange(out, prefix, read->topic, 0, 1);
    }
    put_xrange(out, prefix, read->topic, read->from, read->limit);
    put_word(out, SW_SLICE("EXEC"));
    return (uint8_t)(2 + PARTS + read->oldest + 1);
}

uint8_t sw_redis_read_put_settings(struct sw_buf *out, struct sw_slice prefix,
                                   const struct sw_history_read *read)
{
    uint64_t twice_s = (2 * read->ttl_ms + 999) / 1000;
    sw_redis_put_command(out, 6);
    sw_redis_put_argument(out, SW_SLICE("HSET"));
    put_key(out, prefix, read->topic, 'm');
    sw_redis_put_argument(out, SW_SLICE("n"));
    put_number(out, read->size);
    sw_redis_put_argument(out, SW_SLICE("t"));
    put_number(out, read->ttl_ms);
    sw_redis_put_command(out, 3);
    sw_redis_put_argument(out, SW_SLICE("EXPIRE"));
    put_key(out, prefix, read->topic, 'm');
    put_number(out, twice_s > META_MIN_S ? twice_s : META_MIN_S);
    return 2;
}

/* ---- answers ---- */

bool sw_redis_is_replica(struct sw_slice info)
{
    static const char role[] = "role:slave";
    return info.data && memmem(info.data, info.size, role, sizeof(role) - 1) != NULL;
}

static void fail(struct sw_history_read *read, struct sw_redis_seen *seen, enum sw_error error,
                 const char *why)
{
    read->outcome = SW_READ_FAILED;
    read->error = error;
    snprintf(seen->why, sizeof(seen->why), "%s", why);
}

/* An array with at least `elements`; else the read has failed. */
static bool take_array(struct sw_history_read *read, const redisReply *reply, size_t elements,
                       struct sw_redis_seen *seen)
{
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        char text[SW_REDIS_WHY_BYTES];
        struct sw_slice error = sw_slice(reply->str, reply->len);
        fail(read, seen,
             sw_redis_error_is(error, "NOPERM") ? SW_ERROR_FORBIDDEN : SW_ERROR_INTERNAL,
             sw_redis_error_text(text, sizeof(text), error));
        return false;
    }
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements < elements) {
        fail(read, seen, SW_ERROR_INTERNAL, "the server's answer has another form than Redis'");
        return false;
    }
    return true;
}

/* data == NULL where there is none. */
static struct sw_slice text_of(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_STRING ? sw_slice(reply->str, reply->len)
                                                      : sw_slice(NULL, 0);
}

/* Epoch, lineage and top. False: what stands there is not the function's. */
static bool take_place(struct sw_history_read *read, redisReply *const *fields)
{
    struct sw_slice epoch = text_of(fields[EPOCH]);
    struct sw_slice offset = text_of(fields[OFFSET]);
    struct sw_slice lineage = text_of(fields[LINEAGE]);
    if (!epoch.data) {
        return true; /* settings alone: nothing was published yet */
    }
    return sw_epoch_parse(epoch, &read->lineage.epoch) && read->lineage.epoch.size > 0 &&
           (!offset.data || sw_slice_to_u64(offset, SW_OFFSET_MAX, &read->top)) &&
           (!lineage.data || sw_lineage_parse_ends(&read->lineage, lineage));
}

static bool is_number(const redisReply *reply, uint64_t wanted)
{
    uint64_t number;
    return sw_slice_to_u64(text_of(reply), UINT64_MAX, &number) && number == wanted;
}

static bool take_meta(struct sw_history_read *read, const redisReply *meta,
                      struct sw_redis_seen *seen)
{
    seen->key = 'm';
    if (!take_array(read, meta, FIELDS, seen)) {
        return false;
    }
    if (!take_place(read, meta->element)) {
        fail(read, seen, SW_ERROR_INTERNAL,
             "its e, o or l is damaged; deleting it (DEL) begins the history anew");
        return false;
    }
    seen->differs = read->size > 0 && (!is_number(meta->element[SIZE], read->size) ||
                                       !is_number(meta->element[TTL], read->ttl_ms));
    return true;
}

/* "42-0" */
static bool parse_id(struct sw_slice id, uint64_t *offset)
{
    struct sw_slice rest = id;
    return id.data && sw_slice_to_u64(sw_slice_split(&rest, '-'), SW_OFFSET_MAX, offset) &&
           sw_slice_equal(rest, SW_SLICE("0"));
}

enum entry { GOOD, CUT, DAMAGED };

static enum entry take_entry(const redisReply *reply, struct sw_history_entry *entry)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        return DAMAGED;
    }
    const redisReply *id = reply->element[0];
    const redisReply *fields = reply->element[1];
    if (id->type == REDIS_REPLY_NIL) {
        return CUT;
    }
    if (!parse_id(text_of(id), &entry->offset) || fields->type != REDIS_REPLY_ARRAY ||
        fields->elements < 2) {
        return DAMAGED;
    }
    if (fields->element[0]->type == REDIS_REPLY_NIL ||
        fields->element[1]->type == REDIS_REPLY_NIL) {
        return CUT;
    }
    entry->raw = text_of(fields->element[1]);
    return sw_slice_equal(text_of(fields->element[0]), SW_SLICE("m")) && entry->raw.data ? GOOD
                                                                                         : DAMAGED;
}

/* What stands above the top is of no life that the meta knows; the next publish clears it away. */
static bool take_entries(struct sw_history_read *read, const redisReply *part,
                         struct sw_history_entry *entries, struct sw_redis_seen *seen)
{
    if (!take_array(read, part, 0, seen)) {
        return false;
    }
    for (size_t i = 0; i < part->elements && read->count < read->limit && !read->cut; i++) {
        struct sw_history_entry *entry = &entries[read->count];
        switch (take_entry(part->element[i], entry)) {
        case GOOD:
            read->count += entry->offset <= read->top;
            break;
        case CUT:
            if (read->count == 0) {
                fail(read, seen, SW_ERROR_INTERNAL, "an entry of its stream is too large to read");
                return false;
            }
            read->cut = true;
            break;
        case DAMAGED:
            fail(read, seen, SW_ERROR_INTERNAL,
                 "an entry of its stream is not the function's; deleting both keys (DEL) begins "
                 "the history anew");
            return false;
        }
    }
    read->entries = entries;
    return true;
}

static bool take_oldest(struct sw_history_read *read, const redisReply *part,
                        struct sw_redis_seen *seen)
{
    struct sw_history_entry oldest;
    seen->key = 'h';
    if (!take_array(read, part, 0, seen)) {
        return false;
    }
    if (part->elements == 0) {
        return true;
    }
    const redisReply *entry = part->element[0];
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
        !parse_id(text_of(entry->element[0]), &oldest.offset)) {
        fail(read, seen, SW_ERROR_INTERNAL,
             "an id of its stream is no offset; deleting both keys (DEL) begins the history anew");
        return false;
    }
    read->first = oldest.offset <= read->top ? oldest.offset : 0;
    return true;
}

static void take_parts(struct sw_history_read *read, const redisReply *array,
                       struct sw_history_entry *entries, struct sw_redis_seen *seen)
{
    size_t parts = PARTS + read->oldest + 1u;
    if (!take_array(read, array, parts, seen)) {
        return;
    }
    seen->replica = sw_redis_is_replica(text_of(array->element[INFO]));
    if (!seen->replica && take_meta(read, array->element[META], seen) &&
        (!read->oldest || take_oldest(read, array->element[PARTS], seen)) &&
        take_entries(read, array->element[parts - 1], entries, seen)) {
        read->outcome = SW_READ_DONE;
    }
}

void sw_redis_read_take(struct sw_history_read *read, const redisReply *array,
                        struct sw_history_entry *entries, struct sw_redis_seen *seen)
{
    *seen = (struct sw_redis_seen){0};
    read->lineage = (struct sw_lineage){0};
    read->top = 0;
    read->first = 0;
    read->count = 0;
    read->cut = false;
    read->entries = NULL;
    read->error = SW_ERROR_NONE;
    if (read->limit > 0) {
        take_parts(read, array, entries, seen);
    } else if (take_meta(read, array, seen)) {
        read->outcome = SW_READ_DONE;
    }
}

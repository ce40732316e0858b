// SPDX-License-Identifier: Apache-2.0
/* The rules of hiredis (0.14.1, and still in 1.2): act inside createString, since pointers are dead
 * once redisReaderGetReply has returned; any object but NULL will do; feed slices of about 16 KB,
 * because what is left is moved after each 1 KB that was read. */
#include "bus/redis/reader.h"

#include "common/assert.h"
#include "common/mem.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#if HIREDIS_MAJOR >= 1
typedef size_t array_size;
#else
typedef int array_size;
#endif

/* Of an array that is built: far more than any answer has, and a bound for what is reserved. */
#define ARRAY_ELEMENTS 4096

/* What may lie unread beside a bulk string as large as is read. A line that never ends would fill
 * the memory otherwise. */
#define SLACK_BYTES (256u << 10)

/* The arrays that Redis sends unasked. The last element is the text (messages, pongs) or the number
 * of subscriptions. */
struct sw_redis_shape {
    struct sw_slice verb;
    enum sw_redis_event_kind kind;
    int elements;
    int channel; /* its index, 0: none */
    bool text;   /* the last element is a string */
};

static const struct sw_redis_shape shapes[] = {
    {{"message", 7}, SW_REDIS_MESSAGE, 3, 1, true},
    {{"pmessage", 8}, SW_REDIS_PMESSAGE, 4, 2, true},
    {{"subscribe", 9}, SW_REDIS_SUBSCRIBED, 3, 1, false},
    {{"unsubscribe", 11}, SW_REDIS_UNSUBSCRIBED, 3, 1, false},
    {{"psubscribe", 10}, SW_REDIS_PSUBSCRIBED, 3, 1, false},
    {{"punsubscribe", 12}, SW_REDIS_PUNSUBSCRIBED, 3, 1, false},
    {{"pong", 4}, SW_REDIS_PONG, 2, 0, true},
};

/* hiredis only asks whether it is NULL. */
static void *object(void)
{
    static char dummy;
    return &dummy;
}

static void tell(struct sw_redis_reader *reader, struct sw_redis_event event)
{
    if (!reader->stopped) {
        reader->on_event(reader->owner, &event);
    }
}

static void tell_kind(struct sw_redis_reader *reader, enum sw_redis_event_kind kind,
                      struct sw_slice text)
{
    tell(reader, (struct sw_redis_event){.kind = kind, .text = text});
}

/* Nobody knows what the rest of this array means. */
static void tell_other(struct sw_redis_reader *reader)
{
    reader->shape = NULL;
    tell_kind(reader, SW_REDIS_OTHER, sw_slice(NULL, 0));
}

/* What is known of the current array. */
static struct sw_redis_event event_of(const struct sw_redis_reader *reader)
{
    struct sw_redis_event event = {.kind = reader->shape->kind};
    if (event.kind == SW_REDIS_PMESSAGE) {
        event.pattern = sw_buf_slice(&reader->pattern);
    }
    if (reader->named) {
        event.channel = sw_buf_slice(&reader->channel);
    }
    return event;
}

static void keep_name(struct sw_buf *name, struct sw_slice text)
{
    sw_buf_clear(name);
    sw_buf_reserve(name, 1); /* an empty name is a name: data must not be NULL */
    sw_buf_append(name, text.data,
                  text.size < SW_REDIS_NAME_BYTES ? text.size : SW_REDIS_NAME_BYTES);
}

static void begin_array(struct sw_redis_reader *reader, struct sw_slice verb, long long elements)
{
    reader->shape = NULL;
    reader->named = false;
    for (size_t i = 0; i < SW_ARRAY_SIZE(shapes); i++) {
        if (shapes[i].elements == elements && verb.size == shapes[i].verb.size &&
            memcmp(verb.data, shapes[i].verb.data, verb.size) == 0) {
            reader->shape = &shapes[i];
            return;
        }
    }
    tell_other(reader);
}

static bool in_nested(const redisReadTask *task)
{
    return task->parent && task->parent->parent;
}

static void on_reply(struct sw_redis_reader *reader, int type, struct sw_slice text)
{
    if (type == REDIS_REPLY_ERROR) {
        tell_kind(reader, SW_REDIS_ERROR, text);
    } else if (type == REDIS_REPLY_STATUS && sw_slice_equal(text, SW_SLICE("PONG"))) {
        tell_kind(reader, SW_REDIS_PONG, sw_slice("", 0));
    } else if (type == REDIS_REPLY_STATUS) {
        tell_kind(reader, SW_REDIS_STATUS, text);
    } else if (reader->build) {
        tell_kind(reader, SW_REDIS_BULK, text);
    } else {
        tell_kind(reader, SW_REDIS_PONG, text); /* nothing else is answered by a bulk string */
    }
}

static void on_element(struct sw_redis_reader *reader, const redisReadTask *task,
                       struct sw_slice text)
{
    if (task->idx == 0) {
        begin_array(reader, text, (long long)task->parent->elements);
        return;
    }
    const struct sw_redis_shape *shape = reader->shape;
    if (!shape) {
        return;
    }
    if (task->idx == shape->elements - 1) {
        if (!shape->text) {
            tell_other(reader);
            return;
        }
        struct sw_redis_event event = event_of(reader);
        event.text = text;
        tell(reader, event);
    } else if (task->idx == shape->channel) {
        keep_name(&reader->channel, text);
        reader->named = true;
    } else {
        keep_name(&reader->pattern, text);
    }
}

/* The bulk string that `task` reads is too large; its array is known as far as it has come. */
static void refuse_bulk(struct sw_redis_reader *reader, const redisReadTask *task, long long size)
{
    struct sw_redis_event event = {.kind = SW_REDIS_TOO_LARGE};
    const struct sw_redis_shape *shape = reader->shape;
    if (task->parent && !in_nested(task) && task->idx > 0 && shape && shape->text &&
        task->idx == shape->elements - 1) {
        event = event_of(reader);
        event.kind = SW_REDIS_TOO_LARGE;
    }
    event.number = size;
    snprintf(reader->why, sizeof(reader->why), "a value of %lld bytes (at most %zu are read)", size,
             reader->bulk_bytes);
    tell(reader, event);
    reader->stopped = true;
}

/* ---- arrays that are built ---- */

static void *build_string(struct sw_redis_reader *reader, const redisReadTask *task, char *data,
                          size_t size)
{
    if (size > reader->array_bytes - reader->built_bytes) {
        reader->built_bytes = reader->array_bytes; /* no smaller one behind it stands alone */
        return reader->build->createNil(task);
    }
    reader->built_bytes += size;
    return reader->build->createString(task, data, size);
}

static void *build_array(struct sw_redis_reader *reader, const redisReadTask *task,
                         array_size elements)
{
    if (elements > ARRAY_ELEMENTS) {
        snprintf(reader->why, sizeof(reader->why),
                 "an array of %lld elements (at most %d are read)", (long long)elements,
                 ARRAY_ELEMENTS);
        tell(reader, (struct sw_redis_event){.kind = SW_REDIS_TOO_LARGE, .number = elements});
        reader->stopped = true;
        return object();
    }
    reader->built_bytes = task->parent ? reader->built_bytes : 0;
    return reader->build->createArray(task, elements);
}

static void tell_array(struct sw_redis_reader *reader, void *reply)
{
    tell(reader, (struct sw_redis_event){.kind = SW_REDIS_ARRAY, .array = reply});
    freeReplyObject(reply);
}

/* ---- what hiredis calls ---- */

static void *create_string(const redisReadTask *task, char *data, size_t size)
{
    struct sw_redis_reader *reader = task->privdata;
    if (reader->stopped) {
        return object();
    }
    if (size > reader->bulk_bytes) {
        refuse_bulk(reader, task, (long long)size);
    } else if (!task->parent) {
        on_reply(reader, task->type, sw_slice(data, size));
    } else if (reader->build) {
        return build_string(reader, task, data, size);
    } else if (!in_nested(task)) {
        on_element(reader, task, sw_slice(data, size));
    }
    return object();
}

static void *create_array(const redisReadTask *task, array_size elements)
{
    struct sw_redis_reader *reader = task->privdata;
    if (reader->build && !reader->stopped) {
        return build_array(reader, task, elements);
    }
    bool told = in_nested(task) || (task->parent && task->idx > 0 && !reader->shape);
    if (!told && (task->parent || elements == 0)) {
        tell_other(reader);
    }
    return object();
}

static void *create_integer(const redisReadTask *task, long long number)
{
    struct sw_redis_reader *reader = task->privdata;
    if (!task->parent) {
        tell(reader, (struct sw_redis_event){.kind = SW_REDIS_INTEGER, .number = number});
        return object();
    }
    if (reader->build && !reader->stopped) {
        return reader->build->createInteger(task, number);
    }
    if (in_nested(task) || (task->idx > 0 && !reader->shape)) {
        return object();
    }
    const struct sw_redis_shape *shape = reader->shape;
    if (task->idx == 0 || shape->text || task->idx != shape->elements - 1) {
        tell_other(reader);
        return object();
    }
    struct sw_redis_event event = event_of(reader);
    event.number = number;
    tell(reader, event);
    return object();
}

static void *create_nil(const redisReadTask *task)
{
    struct sw_redis_reader *reader = task->privdata;
    if (reader->build && !reader->stopped) {
        if (task->parent) {
            return reader->build->createNil(task);
        }
        tell_kind(reader, SW_REDIS_BULK, sw_slice(NULL, 0));
        return object();
    }
    if (in_nested(task) || (task->parent && task->idx > 0 && !reader->shape)) {
        return object();
    }
    /* (p)unsubscribe of nothing names no channel. */
    if (!task->parent || task->idx == 0 || reader->shape->text ||
        task->idx != reader->shape->channel) {
        tell_other(reader);
    }
    return object();
}

static void free_object(void *reply)
{
    if (reply != object()) {
        freeReplyObject(reply);
    }
}

static redisReader *create_resp(struct sw_redis_reader *reader)
{
    static redisReplyObjectFunctions functions = {
        .createString = create_string,
        .createArray = create_array,
        .createInteger = create_integer,
        .createNil = create_nil,
        .freeObject = free_object,
    };
    redisReader *resp = redisReaderCreateWithFunctions(&functions);
    SW_ASSERT(resp); /* memory that is out aborts, here too */
    resp->privdata = reader;
    return resp;
}

/* The bulk string that waits for its bytes has said its size long before they all came: looked at
 * here, so that the buffer never grows beyond what is read. */
static void look_ahead(struct sw_redis_reader *reader)
{
    const redisReader *resp = reader->resp;
    if (resp->ridx < 0) {
        return;
    }
#if HIREDIS_MAJOR >= 1
    const redisReadTask *task = resp->task[resp->ridx];
#else
    const redisReadTask *task = &resp->rstack[resp->ridx];
#endif
    struct sw_slice rest = sw_slice(resp->buf + resp->pos, resp->len - resp->pos);
    if (task->type == REDIS_REPLY_STRING) {
        struct sw_slice digits = sw_slice(rest.data, sw_slice_find(rest, '\r'));
        uint64_t size;
        /* Only what hiredis will take for a size, too. */
        bool whole = digits.size + 1 < rest.size && rest.data[digits.size + 1] == '\n';
        if (whole && rest.data[0] != '0' && sw_slice_to_u64(digits, INT64_MAX, &size) &&
            size > reader->bulk_bytes) {
            refuse_bulk(reader, task, (long long)size);
            return;
        }
    }
    if (rest.size > reader->bulk_bytes + SLACK_BYTES) {
        snprintf(reader->why, sizeof(reader->why), "a reply without an end");
        reader->stopped = true;
    }
}

bool sw_redis_reader_feed(struct sw_redis_reader *reader, const char *data, size_t size)
{
    if (reader->stopped) {
        return false;
    }
    if (!reader->resp) {
        reader->resp = create_resp(reader);
    }
    void *reply = NULL;
    int status = redisReaderFeed(reader->resp, data, size);
    do {
        if (status == REDIS_OK) {
            status = redisReaderGetReply(reader->resp, &reply);
        }
        if (status == REDIS_OK && reply && reply != object()) {
            tell_array(reader, reply);
        }
    } while (status == REDIS_OK && reply && !reader->stopped);
    if (reader->stopped) {
        return false;
    }
    if (status != REDIS_OK) {
        snprintf(reader->why, sizeof(reader->why), "not the Redis protocol: %s",
                 reader->resp->errstr);
        reader->stopped = true;
        return false;
    }
    look_ahead(reader);
    return !reader->stopped;
}

void sw_redis_reader_init(struct sw_redis_reader *reader, size_t bulk_bytes,
                          void (*on_event)(void *owner, const struct sw_redis_event *event),
                          void *owner)
{
    *reader =
        (struct sw_redis_reader){.bulk_bytes = bulk_bytes, .on_event = on_event, .owner = owner};
}

void sw_redis_reader_build(struct sw_redis_reader *reader, size_t bytes)
{
    redisReader *plain = redisReaderCreate();
    SW_ASSERT(plain && !reader->resp);
    reader->build = plain->fn; /* static in hiredis */
    redisReaderFree(plain);
    reader->array_bytes = bytes;
}

void sw_redis_reader_stop(struct sw_redis_reader *reader)
{
    reader->stopped = true;
}

void sw_redis_reader_reset(struct sw_redis_reader *reader)
{
    if (reader->resp) {
        redisReaderFree(reader->resp);
        reader->resp = NULL;
    }
    reader->shape = NULL;
    reader->named = false;
    reader->stopped = false;
    reader->why[0] = '\0';
}

void sw_redis_reader_deinit(struct sw_redis_reader *reader)
{
    sw_redis_reader_reset(reader);
    sw_buf_deinit(&reader->pattern);
    sw_buf_deinit(&reader->channel);
}

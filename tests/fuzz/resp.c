// SPDX-License-Identifier: Apache-2.0
/* What Redis says, on the link that is told of messages and on the one that builds answers: the
 * same however the bytes are cut. */
#include "fuzz.h"

#include "bus/redis/reader.h"

#include <hiredis/hiredis.h>

#define BULK_BYTES  300
#define ARRAY_BYTES 500

static void note(struct sw_buf *log, const char *name, struct sw_slice text)
{
    sw_buf_printf(log, " %s%s", name, text.data ? "=" : "-");
    sw_buf_append_slice(log, text);
}

/* hiredis nests at most nine levels. */
static void note_array(struct sw_buf *log, const struct redisReply *reply)
{
    sw_buf_printf(log, " (%d %lld", reply->type, reply->integer);
    if (reply->str) {
        note(log, "str", sw_slice(reply->str, reply->len));
    }
    for (size_t i = 0; i < reply->elements; i++) {
        note_array(log, reply->element[i]);
    }
    sw_buf_append_byte(log, ')');
}

static void on_event(void *owner, const struct sw_redis_event *event)
{
    struct sw_buf *log = owner;
    FUZZ_CHECK(event->pattern.size <= SW_REDIS_NAME_BYTES);
    FUZZ_CHECK(event->channel.size <= SW_REDIS_NAME_BYTES);
    sw_buf_printf(log, "%d %lld", (int)event->kind, event->number);
    note(log, "pattern", event->pattern);
    note(log, "channel", event->channel);
    note(log, "text", event->text);
    if (event->kind == SW_REDIS_ARRAY) {
        note_array(log, event->array);
    }
    sw_buf_append_byte(log, ';');
}

static void read_by(struct sw_slice stream, size_t first, size_t step, bool builds,
                    struct sw_buf *log)
{
    struct sw_redis_reader reader;
    bool more = true;
    sw_redis_reader_init(&reader, BULK_BYTES, on_event, log);
    if (builds) {
        sw_redis_reader_build(&reader, ARRAY_BYTES);
    }
    for (size_t at = 0, size = first; more && at < stream.size; at += size, size = step) {
        size = size < stream.size - at ? size : stream.size - at;
        char *piece = fuzz_copy(sw_slice(stream.data + at, size));
        more = sw_redis_reader_feed(&reader, piece, size);
        free(piece);
    }
    sw_buf_printf(log, more ? "goes on" : "ends");
    sw_redis_reader_deinit(&reader);
}

static void read_messages(struct sw_slice stream, size_t first, size_t step, struct sw_buf *log)
{
    read_by(stream, first, step, false, log);
}

static void read_answers(struct sw_slice stream, size_t first, size_t step, struct sw_buf *log)
{
    read_by(stream, first, step, true, log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_cut_everywhere(read_messages, fuzz_input(data, size));
    fuzz_cut_everywhere(read_answers, fuzz_input(data, size));
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "transport/ws_packed.h"

#include "common/assert.h"

/* What one large message made longer than this is given back with it, or behind it. */
#define KEPT 65536

/* Of a frame's first byte. */
#define RSV1_BIT (SW_WS_RSV1 << 4)

static char *write_head(void *context, const struct sw_push *push, size_t size, char *out)
{
    const struct sw_ws_packer *packer = context;
    return sw_ws_write_text_head(packer->codec, push, size, out);
}

static struct sw_slice frame_text(struct sw_slice frame)
{
    struct sw_slice payload = sw_ws_frame_payload(frame);
    return frame.data[0] & RSV1_BIT ? sw_ws_deflate_head(payload) : payload;
}

static void trim(struct sw_buf *buf)
{
    if (buf->capacity > KEPT) {
        sw_buf_deinit(buf);
    }
    sw_buf_clear(buf);
}

/* Is it the message that was compressed last, on the tape of another pattern? The next one of the
 * same tape may have the same bytes, and is counted. */
static bool is_known(const struct sw_ws_packer *packer, const struct sw_push *push,
                     struct sw_slice rest)
{
    return push->pattern && !sw_slice_equal(push->name, sw_buf_slice(&packer->name)) &&
           sw_slice_equal(sw_message_topic(push->message), sw_buf_slice(&packer->topic)) &&
           sw_slice_equal(rest, packer->rest);
}

/* The text was rendered, and ends with `rest`. */
static void compress(struct sw_ws_packer *packer, const struct sw_push *push, struct sw_slice rest)
{
    struct sw_buf text = packer->text;
    packer->text = packer->last;
    packer->last = text;
    packer->rest = rest;
    sw_buf_clear(&packer->topic);
    sw_buf_append_slice(&packer->topic, sw_message_topic(push->message));
    sw_buf_clear(&packer->name);
    sw_buf_append_slice(&packer->name, push->name);
    trim(&packer->packed);
    sw_buf_append_slice(&packer->packed, sw_ws_deflate(sw_ws_codec_deflate(packer->codec), rest,
                                                       SW_WS_DEFLATE_WIDE));
}

static void count(struct sw_counters *counters, size_t before, size_t after)
{
    sw_count(&counters->compressed_total, 1);
    sw_count(&counters->compressed_before_bytes_total, (int64_t)before);
    sw_count(&counters->compressed_after_bytes_total, (int64_t)after);
}

static size_t payload_size(const struct sw_ws_packer *packer)
{
    return packer->head.size + packer->packed.size;
}

static size_t pack(void *context, const struct sw_language *language, const struct sw_push *push,
                   size_t size)
{
    struct sw_ws_packer *packer = context;
    size_t plain = sw_ws_head_size(size) + size;
    if (plain < packer->min_bytes) {
        return 0;
    }
    char *text = sw_buf_reserve(&packer->text, size);
    char *end = language->write(push, text);
    SW_ASSERT(end == text + size);
    struct sw_slice identity = language->identity(sw_slice(text, size));
    size_t head = (size_t)(identity.data + identity.size - text);
    sw_buf_clear(&packer->head);
    sw_ws_deflate_store(&packer->head, sw_slice(text, head));
    struct sw_slice rest = sw_slice(text + head, size - head);
    bool known = is_known(packer, push, rest);
    if (!known) {
        compress(packer, push, rest);
    }
    trim(&packer->text);
    size_t packed = sw_ws_head_size(payload_size(packer)) + payload_size(packer);
    if (!known) {
        count(packer->counters, plain, packed < plain ? packed : plain);
    }
    return packed < plain ? packed : 0;
}

static char *unpack(void *context, char *out)
{
    const struct sw_ws_packer *packer = context;
    out = sw_ws_write_deflated_head(packer->codec, payload_size(packer), out);
    memcpy(out, packer->head.data, packer->head.size);
    memcpy(out + packer->head.size, packer->packed.data, packer->packed.size);
    return out + payload_size(packer);
}

struct sw_framing sw_ws_packed_framing(struct sw_ws_packer *packer)
{
    return (struct sw_framing){.name = "ws+deflate",
                               .head_size = sw_ws_head_size,
                               .write_head = write_head,
                               .text = frame_text,
                               .pack = pack,
                               .unpack = unpack,
                               .context = packer};
}

void sw_ws_packer_init(struct sw_ws_packer *packer, struct sw_ws_codec *codec, size_t min_bytes,
                       struct sw_counters *counters)
{
    *packer = (struct sw_ws_packer){.codec = codec, .counters = counters, .min_bytes = min_bytes};
}

void sw_ws_packer_deinit(struct sw_ws_packer *packer)
{
    sw_buf_deinit(&packer->text);
    sw_buf_deinit(&packer->last);
    sw_buf_deinit(&packer->topic);
    sw_buf_deinit(&packer->name);
    sw_buf_deinit(&packer->packed);
    sw_buf_deinit(&packer->head);
}

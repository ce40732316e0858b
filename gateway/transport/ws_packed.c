// SPDX-License-Identifier: Apache-2.0
#include "transport/ws_packed.h"

#include "common/assert.h"

/* Scratch that one large message made longer than this is given back with it. */
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

/* The payload of a frame with this text. */
static struct sw_slice compress(struct sw_ws_packer *packer, const struct sw_language *language,
                                struct sw_slice text)
{
    struct sw_slice identity = language->identity(text);
    size_t head = (size_t)(identity.data + identity.size - text.data);
    return sw_ws_deflate(sw_ws_codec_deflate(packer->codec), text, head, SW_WS_DEFLATE_WIDE);
}

static void count(struct sw_counters *counters, size_t before, size_t after)
{
    sw_count(&counters->compressed_total, 1);
    sw_count(&counters->compressed_before_bytes_total, (int64_t)before);
    sw_count(&counters->compressed_after_bytes_total, (int64_t)after);
}

static size_t pack(void *context, const struct sw_language *language, const struct sw_push *push,
                   size_t size)
{
    struct sw_ws_packer *packer = context;
    struct sw_buf *text = &packer->text;
    size_t plain = sw_ws_head_size(size) + size;
    if (plain < packer->min_bytes) {
        return 0;
    }
    sw_buf_clear(text);
    char *end = language->write(push, sw_buf_reserve(text, size));
    text->size = size;
    SW_ASSERT(end == text->data + size);
    packer->payload = compress(packer, language, sw_buf_slice(text));
    if (text->capacity > KEPT) {
        sw_buf_deinit(text);
    }
    size_t packed = sw_ws_head_size(packer->payload.size) + packer->payload.size;
    count(packer->counters, plain, packed < plain ? packed : plain);
    return packed < plain ? packed : 0;
}

static char *unpack(void *context, char *out)
{
    const struct sw_ws_packer *packer = context;
    struct sw_slice payload = packer->payload;
    out = sw_ws_write_deflated_head(packer->codec, payload.size, out);
    memcpy(out, payload.data, payload.size);
    return out + payload.size;
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
}

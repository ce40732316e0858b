// SPDX-License-Identifier: Apache-2.0
#include "transport/sse_codec.h"

#define HEAD      "data: "
#define HEAD_SIZE (sizeof(HEAD) - 1)
#define TAIL      "\n\n"
#define TAIL_SIZE (sizeof(TAIL) - 1)

static size_t head_size(size_t size)
{
    (void)size;
    return HEAD_SIZE;
}

static char *write_head(void *context, const struct sw_push *push, size_t size, char *out)
{
    (void)context, (void)push, (void)size;
    memcpy(out, HEAD, HEAD_SIZE);
    return out + HEAD_SIZE;
}

static struct sw_slice frame_text(struct sw_slice frame)
{
    return sw_slice(frame.data + HEAD_SIZE, frame.size - HEAD_SIZE - TAIL_SIZE);
}

const struct sw_framing sw_sse_framing = {.name = "sse",
                                          .tail = {.data = TAIL, .size = TAIL_SIZE},
                                          .head_size = head_size,
                                          .write_head = write_head,
                                          .text = frame_text};

void sw_sse_append(struct sw_buf *out, struct sw_slice text)
{
    sw_buf_append_slice(out, SW_SLICE(HEAD));
    sw_buf_append_slice(out, text);
    sw_buf_append_slice(out, SW_SLICE(TAIL));
}

void sw_sse_append_cursor(struct sw_buf *out, struct sw_slice cursor)
{
    sw_buf_append_slice(out, SW_SLICE("id: "));
    sw_buf_append_slice(out, cursor);
    sw_buf_append_byte(out, '\n');
    sw_sse_append(out, SW_SLICE("{\"type\":\"cursor\"}"));
}

void sw_sse_append_retry(struct sw_buf *out, uint32_t ms)
{
    sw_buf_printf(out, "retry: %u\n\n", ms);
}

// SPDX-License-Identifier: Apache-2.0
#include "protocol/raw.h"

static size_t raw_size(const struct sw_push *push)
{
    return push->kind == SW_PUSH_MESSAGE ? push->message->size : 0;
}

static char *raw_write(const struct sw_push *push, char *out)
{
    size_t size = raw_size(push);
    if (size) {
        memcpy(out, sw_message_payload(push->message).data, size);
    }
    return out + size;
}

const struct sw_language sw_raw_language = {
    .name = "spillway.v1.raw", .silent = true, .size = raw_size, .write = raw_write};

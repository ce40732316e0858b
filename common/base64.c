// SPDX-License-Identifier: Apache-2.0
#include "common/base64.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *sw_base64_encode(char *out, const void *data, size_t size)
{
    const unsigned char *at = data;
    for (; size >= 3; at += 3, size -= 3) {
        uint32_t group = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = digits[group >> 6 & 63];
        *out++ = digits[group & 63];
    }
    if (size > 0) {
        uint32_t group = (uint32_t)at[0] << 16 | (size == 2 ? (uint32_t)at[1] << 8 : 0);
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = size == 2 ? digits[group >> 6 & 63] : '=';
        *out++ = '=';
    }
    return out;
}

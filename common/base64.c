// SPDX-License-Identifier: Apache-2.0
#include "common/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Without padding; returns the end. */
static char *encode(char *out, const unsigned char *at, size_t size, const char alphabet[64])
{
    for (; size >= 3; at += 3, size -= 3) {
        uint32_t group = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = alphabet[group >> 6 & 63];
        *out++ = alphabet[group & 63];
    }
    if (size > 0) {
        uint32_t group = (uint32_t)at[0] << 16 | (size == 2 ? (uint32_t)at[1] << 8 : 0);
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        if (size == 2) {
            *out++ = alphabet[group >> 6 & 63];
        }
    }
    return out;
}

char *sw_base64_encode(char *out, const void *data, size_t size)
{
    char *end = out + sw_base64_size(size);
    out = encode(out, data, size, digits);
    while (out < end) {
        *out++ = '=';
    }
    return out;
}

char *sw_base64url_encode(char *out, const void *data, size_t size)
{
    return encode(out, data, size, url_digits);
}

/* What the digit stands for, or 64. */
static uint32_t url_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z') {
        return (uint32_t)(digit - 'A');
    }
    if (digit >= 'a' && digit <= 'z') {
        return (uint32_t)(digit - 'a') + 26;
    }
    if (digit >= '0' && digit <= '9') {
        return (uint32_t)(digit - '0') + 52;
    }
    return digit == '-' ? 62 : digit == '_' ? 63 : 64;
}

bool sw_base64url_decode(char *out, struct sw_slice text, char **end)
{
    uint32_t bits = 0; /* the low `held` of them are not written yet */
    unsigned held = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint32_t value = url_value(text.data[i]);
        if (value == 64) {
            return false;
        }
        bits = (bits << 6 | value) & 0xfff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *out++ = (char)(bits >> held & 0xff);
        }
    }
    *end = out;
    return held < 6 && (bits & ((1u << held) - 1)) == 0;
}

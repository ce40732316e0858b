// SPDX-License-Identifier: Apache-2.0
/* The state between two pieces says what the next byte may be: how many bytes are missing in bits
 * 0-7, its lowest value in bits 8-15, its highest in bits 16-23. */
#include "common/utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define STATE(missing, low, high)                                                                  \
    ((uint32_t)(missing) | (uint32_t)(low) << 8 | (uint32_t)(high) << 16)

/* The bytes of ASCII at the front, found eight at a time. */
static size_t ascii_run(const unsigned char *at, const unsigned char *end)
{
    const unsigned char *start = at;
    for (uint64_t word; end - at >= 8; at += 8) {
        memcpy(&word, at, 8);
        if (word & HIGH_BITS) {
            break;
        }
    }
    while (at < end && *at < 0x80) {
        at++;
    }
    return (size_t)(at - start);
}

/* What may follow a first byte >= 0x80; 0: it cannot be a first byte. */
static uint32_t state_after(unsigned char first)
{
    switch (first) {
    case 0xe0:
        return STATE(2, 0xa0, 0xbf); /* below: overlong */
    case 0xed:
        return STATE(2, 0x80, 0x9f); /* above: surrogates */
    case 0xf0:
        return STATE(3, 0x90, 0xbf); /* below: overlong */
    case 0xf4:
        return STATE(3, 0x80, 0x8f); /* above: U+110000 */
    default:
        break;
    }
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    return STATE(first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3, 0x80, 0xbf);
}

static inline bool fits(uint32_t state, unsigned char byte)
{
    return byte >= (state >> 8 & 0xff) && byte <= (state >> 16 & 0xff);
}

static inline uint32_t one_less(uint32_t state)
{
    uint32_t missing = (state & 0xff) - 1;
    return missing ? STATE(missing, 0x80, 0xbf) : 0;
}

bool sw_utf8_feed(sw_utf8_state *state, const char *data, size_t size)
{
    const unsigned char *at = (const unsigned char *)data;
    const unsigned char *end = at + size;
    uint32_t now = *state;
    while (at < end) {
        if (now == 0) {
            if (*at < 0x80) {
                at += ascii_run(at, end);
                continue;
            }
            now = state_after(*at);
            if (now == 0) {
                return false;
            }
        } else if (fits(now, *at)) {
            now = one_less(now);
        } else {
            return false;
        }
        at++;
    }
    *state = now;
    return true;
}

size_t sw_utf8_length(const char *at, const char *end)
{
    const unsigned char *byte = (const unsigned char *)at;
    if (*byte < 0x80) {
        return 1;
    }
    uint32_t state = state_after(*byte);
    size_t length = (state & 0xff) + 1;
    if (state == 0 || (size_t)(end - at) < length || !fits(state, byte[1])) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((byte[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

size_t sw_utf8_prefix(const char *data, size_t size)
{
    const char *at = data;
    const char *end = data + size;
    while (at < end) {
        size_t length = (unsigned char)*at < 0x80
                            ? ascii_run((const unsigned char *)at, (const unsigned char *)end)
                            : sw_utf8_length(at, end);
        if (length == 0) {
            break;
        }
        at += length;
    }
    return (size_t)(at - data);
}

bool sw_utf8_valid(const char *data, size_t size)
{
    return size == 0 || sw_utf8_prefix(data, size) == size;
}

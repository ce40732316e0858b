// SPDX-License-Identifier: Apache-2.0
/* Base64 (RFC 4648): the usual alphabet with padding (section 4), and the one for URLs without
 * (section 5), as tokens are written. */
#ifndef SW_COMMON_BASE64_H
#define SW_COMMON_BASE64_H

#include "common/slice.h"

/* Bytes that `size` bytes become. */
static inline size_t sw_base64_size(size_t size)
{
    return (size + 2) / 3 * 4;
}

/* Writes sw_base64_size(size) characters, no NUL; returns the end. */
char *sw_base64_encode(char *out, const void *data, size_t size);

static inline size_t sw_base64url_size(size_t size)
{
    return (size * 4 + 2) / 3;
}

/* Writes sw_base64url_size(size) characters, no NUL; returns the end. */
char *sw_base64url_encode(char *out, const void *data, size_t size);
/* Writes at most text.size * 3 / 4 bytes; *end is behind them. Strict, so that some bytes have one
 * text only: false for other characters, padding, a size that no bytes have, and bits left over
 * that are not 0. */
bool sw_base64url_decode(char *out, struct sw_slice text, char **end);

#endif

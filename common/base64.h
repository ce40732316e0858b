// SPDX-License-Identifier: Apache-2.0
/* Base64 (RFC 4648 section 4), with padding. */
#ifndef SW_COMMON_BASE64_H
#define SW_COMMON_BASE64_H

#include <stddef.h>

/* Bytes that `size` bytes become. */
static inline size_t sw_base64_size(size_t size)
{
    return (size + 2) / 3 * 4;
}

/* Writes sw_base64_size(size) characters, no NUL; returns the end. */
char *sw_base64_encode(char *out, const void *data, size_t size);

#endif

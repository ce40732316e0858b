// SPDX-License-Identifier: Apache-2.0
/* UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF), whole or in pieces.
 */
#ifndef SW_COMMON_UTF8_H
#define SW_COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The state between two pieces; 0 at the start and at each character's end. */
typedef uint32_t sw_utf8_state;

/* False at the first byte that cannot be; ASCII runs are checked eight bytes at a time. */
bool sw_utf8_feed(sw_utf8_state *state, const char *data, size_t size);
/* Whole texts. */
bool sw_utf8_valid(const char *data, size_t size);
/* How many bytes from the front are valid, up to a character's end. */
size_t sw_utf8_prefix(const char *data, size_t size);
/* The bytes of the character at `at` (< end), 1..4; 0: it is not valid, or cut off. */
size_t sw_utf8_length(const char *at, const char *end);

#endif

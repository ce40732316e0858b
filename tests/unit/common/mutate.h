// SPDX-License-Identifier: Apache-2.0
/* Input that nobody would write by hand: good bytes with a few of them changed, lost, doubled or
 * moved. What is read of it must not depend on how it is cut. */
#ifndef SW_TESTS_COMMON_MUTATE_H
#define SW_TESTS_COMMON_MUTATE_H

#include "unit.h"

#include "common/buf.h"

/* `more` bytes of the same stand at `at` once more. */
static inline void mutate_double(struct sw_buf *bytes, size_t at, size_t more)
{
    char *copy = unit_exact_copy(bytes->data + at, bytes->size - at);
    size_t size = bytes->size - at;
    bytes->size = at + more;
    sw_buf_append(bytes, copy, size);
    free(copy);
}

static inline void mutate_lose(struct sw_buf *bytes, size_t at, size_t less)
{
    memmove(bytes->data + at, bytes->data + at + less, bytes->size - at - less);
    bytes->size -= less;
}

/* One to three changes. */
static inline void unit_mutate(struct sw_random *random, struct sw_buf *bytes)
{
    static const char likely[] = "\r\n \t:;,0123456789abcdefABCDEF$*+-%\"{}";
    for (uint64_t left = 1 + sw_random_below(random, 3); left > 0 && bytes->size > 1; left--) {
        size_t at = sw_random_below(random, bytes->size);
        size_t most = bytes->size - at < 8 ? bytes->size - at : 8;
        size_t some = 1 + sw_random_below(random, most);
        switch (sw_random_below(random, 5)) {
        case 0:
            bytes->data[at] = (char)sw_random_below(random, 256);
            break;
        case 1:
            bytes->data[at] = likely[sw_random_below(random, sizeof(likely) - 1)];
            break;
        case 2:
            bytes->data[at] = (char)(bytes->data[at] ^ (1 << sw_random_below(random, 8)));
            break;
        case 3:
            mutate_double(bytes, at, some);
            break;
        default:
            mutate_lose(bytes, at, some < bytes->size ? some : 1);
            break;
        }
    }
}

#endif

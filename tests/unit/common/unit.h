// SPDX-License-Identifier: Apache-2.0
/* What every unit test of these folders starts with: cmocka, random input from a seed that the log
 * names, and copies that end where the input ends, so that AddressSanitizer sees a byte read too
 * far. */
#ifndef SW_UNIT_H
#define SW_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/random.h"
#include "common/slice.h"

/* Input for a property: the same in every run, and printed to be found again. */
static inline struct sw_random unit_seeded(uint64_t seed)
{
    print_message("             seed %llu\n", (unsigned long long)seed);
    return (struct sw_random){.state = seed};
}

/* A number out of the environment; 0 where it does not ask for one. */
static inline uint64_t unit_asked(const char *name)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : 0;
}

/* The caller frees it. */
static inline char *unit_exact_copy(const char *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

static inline void unit_assert_slice(struct sw_slice slice, const char *text)
{
    assert_int_equal(slice.size, strlen(text));
    assert_memory_equal(slice.data, text, slice.size);
}

#endif

// SPDX-License-Identifier: Apache-2.0
/* A borrowed run of bytes: never owns, needs no NUL behind it. Passed by value. */
#ifndef SW_COMMON_SLICE_H
#define SW_COMMON_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sw_slice {
    const char *data;
    size_t size;
};

/* The slice of a string literal. */
#define SW_SLICE(literal) ((struct sw_slice){"" literal, sizeof(literal) - 1})
/* For printf's "%.*s". */
#define SW_SLICE_ARG(slice) (int)(slice).size, (slice).data

static inline struct sw_slice sw_slice(const char *data, size_t size)
{
    return (struct sw_slice){data, size};
}

/* `text` may be NULL: an empty slice. */
struct sw_slice sw_slice_of(const char *text);
bool sw_slice_equal(struct sw_slice a, struct sw_slice b);
/* ASCII letters compare without case. */
bool sw_slice_equal_nocase(struct sw_slice a, struct sw_slice b);
bool sw_slice_starts_with(struct sw_slice slice, struct sw_slice prefix);
/* The index of the first `byte`, or slice.size. */
size_t sw_slice_find(struct sw_slice slice, char byte);
/* Cuts off and returns what stands before the first `separator` (all of it where there is none);
 * `rest` is what stands behind the separator, with data == NULL at the end. */
struct sw_slice sw_slice_split(struct sw_slice *rest, char separator);
/* Without spaces and tabs at both ends. */
struct sw_slice sw_slice_trim(struct sw_slice slice);
/* Decimal digits only, no sign. False: not a number or above `max`. */
bool sw_slice_to_u64(struct sw_slice slice, uint64_t max, uint64_t *value);
/* A number that depends on every byte, and on a seed of this process (strangers choose what is
 * hashed, and must not choose collisions): for hash tables, neither for secrets nor for other
 * processes. */
uint64_t sw_slice_hash(struct sw_slice slice);

#endif

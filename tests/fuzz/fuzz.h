// SPDX-License-Identifier: Apache-2.0
/* What every fuzz target starts with. A target is one function that takes any bytes and aborts
 * where something that must be true of them is not: libFuzzer calls it with what it makes up
 * (SW_FUZZ), replay.c with what is committed in corpus/ (SW_TESTS, any compiler). */
#ifndef SW_FUZZ_H
#define SW_FUZZ_H

#include "common/buf.h"
#include "common/mem.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The target. Always returns 0, as libFuzzer wants it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must be true whatever the bytes are. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A copy that ends where the bytes end, so that AddressSanitizer sees a byte read too far. The
 * caller frees it. */
static inline char *fuzz_copy(struct sw_slice bytes)
{
    char *copy = malloc(bytes.size ? bytes.size : 1);
    FUZZ_CHECK(copy);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return copy;
}

static inline struct sw_slice fuzz_input(const uint8_t *data, size_t size)
{
    return sw_slice((const char *)data, size);
}

/* Does `part` lie in `whole`, or is it nothing? */
static inline bool fuzz_lies_in(struct sw_slice part, struct sw_slice whole)
{
    return !part.data || part.size == 0 ||
           (part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

/* Reads a stream that comes in pieces, the first of `first` bytes and the others of `step`, and
 * writes into `log` all that it came to. Each piece must be a copy of its own (fuzz_copy). */
typedef void fuzz_reader(struct sw_slice stream, size_t first, size_t step, struct sw_buf *log);

static inline void fuzz_same(fuzz_reader *read, struct sw_slice stream, size_t first, size_t step,
                             struct sw_buf *whole)
{
    struct sw_buf log = {0};
    read(stream, first, step, &log);
    if (!sw_slice_equal(sw_buf_slice(&log), sw_buf_slice(whole))) {
        fprintf(stderr, "whole: %s\ncut at %zu, then by %zu: %s\n", sw_buf_text(whole), first, step,
                sw_buf_text(&log));
        abort();
    }
    sw_buf_deinit(&log);
}

/* However a stream is cut, it comes to the same: whole, byte by byte, and in two. Short ones are
 * cut everywhere, long ones at some places (others with each input). */
static inline void fuzz_cut_everywhere(fuzz_reader *read, struct sw_slice stream)
{
    struct sw_buf whole = {0};
    size_t stride = 1 + stream.size / 40;
    size_t start = stream.size ? 1 + (unsigned char)stream.data[stream.size / 2] % stride : 1;
    read(stream, stream.size, 1, &whole);
    fuzz_same(read, stream, 1, 1, &whole);
    fuzz_same(read, stream, 3, 7, &whole);
    for (size_t cut = start; cut < stream.size; cut += stride) {
        fuzz_same(read, stream, cut, stream.size, &whole);
    }
    sw_buf_deinit(&whole);
}

#endif

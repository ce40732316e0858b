// SPDX-License-Identifier: Apache-2.0
/* A growing run of bytes. {0} is a valid empty one. Owns its memory. Not thread-safe. */
#ifndef SW_COMMON_BUF_H
#define SW_COMMON_BUF_H

#include "common/slice.h"

#include <stdarg.h>

struct sw_buf {
    char *data;
    size_t size;
    size_t capacity;
};

/* Room for `more` further bytes; returns where they go. Their writer adds to `size`. */
char *sw_buf_reserve(struct sw_buf *buf, size_t more);
void sw_buf_append(struct sw_buf *buf, const void *data, size_t size);
void sw_buf_append_slice(struct sw_buf *buf, struct sw_slice slice);
void sw_buf_append_byte(struct sw_buf *buf, char byte);
/* As printf. */
void sw_buf_printf(struct sw_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void sw_buf_vprintf(struct sw_buf *buf, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
/* Drops the first `size` bytes (<= buf->size); the rest moves to the front. */
void sw_buf_consume(struct sw_buf *buf, size_t size);
/* A NUL behind the bytes, not counted; returns the text, borrowed until the next change. */
const char *sw_buf_text(struct sw_buf *buf);
struct sw_slice sw_buf_slice(const struct sw_buf *buf);
/* Empties it and keeps the memory. */
void sw_buf_clear(struct sw_buf *buf);
/* Frees the memory; {0} again. */
void sw_buf_deinit(struct sw_buf *buf);

#endif

// SPDX-License-Identifier: Apache-2.0
#include "common/buf.h"

#include "common/assert.h"
#include "common/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_CAPACITY 64

char *sw_buf_reserve(struct sw_buf *buf, size_t more)
{
    if (buf->capacity - buf->size < more || !buf->data) {
        size_t capacity = buf->capacity ? buf->capacity * 2 : FIRST_CAPACITY;
        if (capacity < buf->size + more) {
            capacity = buf->size + more;
        }
        buf->data = sw_realloc(buf->data, capacity);
        buf->capacity = capacity;
    }
    return buf->data + buf->size;
}

void sw_buf_append(struct sw_buf *buf, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(sw_buf_reserve(buf, size), data, size);
        buf->size += size;
    }
}

void sw_buf_append_slice(struct sw_buf *buf, struct sw_slice slice)
{
    sw_buf_append(buf, slice.data, slice.size);
}

void sw_buf_append_byte(struct sw_buf *buf, char byte)
{
    *sw_buf_reserve(buf, 1) = byte;
    buf->size++;
}

void sw_buf_printf(struct sw_buf *buf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sw_buf_vprintf(buf, format, arguments);
    va_end(arguments);
}

void sw_buf_vprintf(struct sw_buf *buf, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    char *out = sw_buf_reserve(buf, FIRST_CAPACITY);
    size_t room = buf->capacity - buf->size;
    int size = vsnprintf(out, room, format, arguments);
    SW_ASSERT(size >= 0);
    if ((size_t)size >= room) {
        out = sw_buf_reserve(buf, (size_t)size + 1);
        size = vsnprintf(out, (size_t)size + 1, format, again);
    }
    buf->size += (size_t)size;
    va_end(again);
}

void sw_buf_consume(struct sw_buf *buf, size_t size)
{
    SW_ASSERT(size <= buf->size);
    if (size > 0) {
        memmove(buf->data, buf->data + size, buf->size - size);
        buf->size -= size;
    }
}

const char *sw_buf_text(struct sw_buf *buf)
{
    *sw_buf_reserve(buf, 1) = '\0';
    return buf->data;
}

struct sw_slice sw_buf_slice(const struct sw_buf *buf)
{
    return sw_slice(buf->data, buf->size);
}

void sw_buf_clear(struct sw_buf *buf)
{
    buf->size = 0;
}

void sw_buf_deinit(struct sw_buf *buf)
{
    sw_free(buf->data);
    *buf = (struct sw_buf){0};
}

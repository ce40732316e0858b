// SPDX-License-Identifier: Apache-2.0
/* Memory. None of these returns NULL: when the system has none left the process aborts, since
 * exhaustion is prevented before it (whatever a stranger can make large is bounded at its door).
 * All may be called from any thread. */
#ifndef SW_COMMON_MEM_H
#define SW_COMMON_MEM_H

#include <stddef.h>

/* The struct of which `pointer` is the member `member`. */
#define SW_CONTAINER_OF(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define SW_ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

void *sw_alloc(size_t size);
/* Zeroed. */
void *sw_zalloc(size_t size);
void *sw_realloc(void *memory, size_t size);
/* `alignment`: a power of two. Freed by sw_free. */
void *sw_alloc_aligned(size_t alignment, size_t size);
/* `memory` may be NULL. */
void sw_free(void *memory);
/* A copy of `size` bytes with a NUL behind it; the caller owns it. */
char *sw_strndup(const char *text, size_t size);

/* Address space for a table that grows in place: zeroed, costs memory only where it is touched.
 * `size` in bytes. Given back by sw_release with the same size. */
void *sw_reserve(size_t size);
void sw_release(void *memory, size_t size);

/* Hands what malloc holds unused back to the system; takes milliseconds, never on a busy loop. */
void sw_mem_trim(void);

#endif

// SPDX-License-Identifier: Apache-2.0
#include "common/mem.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Noreturn void out_of_memory(void)
{
    static const char text[] = "out of memory\n";
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
        abort();
    }
    abort();
}

static inline void *checked(void *memory)
{
    if (!memory) {
        out_of_memory();
    }
    return memory;
}

/* malloc(0) and realloc(p, 0) may return NULL, which would look like failure. */
static inline size_t at_least_one(size_t size)
{
    return size ? size : 1;
}

void *sw_alloc(size_t size)
{
    return checked(malloc(at_least_one(size)));
}

void *sw_zalloc(size_t size)
{
    return checked(calloc(1, at_least_one(size)));
}

void *sw_realloc(void *memory, size_t size)
{
    return checked(realloc(memory, at_least_one(size)));
}

void *sw_alloc_aligned(size_t alignment, size_t size)
{
    void *memory;
    if (alignment < sizeof(void *)) {
        alignment = sizeof(void *);
    }
    if (posix_memalign(&memory, alignment, at_least_one(size)) != 0) {
        out_of_memory();
    }
    return memory;
}

void sw_free(void *memory)
{
    free(memory);
}

char *sw_strndup(const char *text, size_t size)
{
    char *copy = sw_alloc(size + 1);
    if (size > 0) {
        memcpy(copy, text, size);
    }
    copy[size] = '\0';
    return copy;
}

void *sw_reserve(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        out_of_memory();
    }
    return memory;
}

void sw_release(void *memory, size_t size)
{
    if (munmap(memory, size) != 0) {
        abort();
    }
}

void sw_mem_trim(void)
{
    malloc_trim(0);
}

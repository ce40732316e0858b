// SPDX-License-Identifier: Apache-2.0
/* Random numbers: a small generator per role for jitter, and the system's for what must not be
 * guessed. */
#ifndef SW_COMMON_RANDOM_H
#define SW_COMMON_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct sw_random {
    uint64_t state;
};

/* Seeded from the system. */
void sw_random_init(struct sw_random *random);
uint64_t sw_random_u64(struct sw_random *random);
/* 0 .. bound - 1; bound > 0. */
uint64_t sw_random_below(struct sw_random *random, uint64_t bound);
/* Unguessable bytes from the system; aborts where it has none. Any thread. */
void sw_random_bytes(void *out, size_t size);
/* `size` unguessable characters of [A-Za-z0-9], no NUL. */
void sw_random_token(char *out, size_t size);

#endif

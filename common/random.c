// SPDX-License-Identifier: Apache-2.0
#include "common/random.h"

#include "common/assert.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

__extension__ typedef unsigned __int128 u128;

void sw_random_init(struct sw_random *random)
{
    sw_random_bytes(&random->state, sizeof(random->state));
}

/* splitmix64 (Steele, Lea and Flood, 2014): any state is a good one. */
uint64_t sw_random_u64(struct sw_random *random)
{
    uint64_t x = random->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* The high half of a product; the few low halves that would favour some results are drawn again
 * (Lemire, 2019). */
uint64_t sw_random_below(struct sw_random *random, uint64_t bound)
{
    SW_ASSERT(bound > 0);
    uint64_t uneven = -bound % bound;
    u128 product;
    do {
        product = (u128)sw_random_u64(random) * bound;
    } while ((uint64_t)product < uneven);
    return (uint64_t)(product >> 64);
}

void sw_random_bytes(void *out, size_t size)
{
    char *at = out;
    while (size > 0) {
        ssize_t count = getrandom(at, size, 0);
        if (count < 0) {
            SW_ASSERT(errno == EINTR);
            continue;
        }
        at += count;
        size -= (size_t)count;
    }
}

void sw_random_token(char *out, size_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const unsigned count = sizeof(letters) - 1;
    const unsigned fair = 256 / count * count; /* bytes above would favour the first letters */
    unsigned char bytes[64];
    size_t left = 0;
    while (size > 0) {
        if (left == 0) {
            sw_random_bytes(bytes, sizeof(bytes));
            left = sizeof(bytes);
        }
        unsigned byte = bytes[--left];
        if (byte < fair) {
            *out++ = letters[byte % count];
            size--;
        }
    }
}

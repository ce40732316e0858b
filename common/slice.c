// SPDX-License-Identifier: Apache-2.0
#include "common/slice.h"

#include "common/random.h"

#include <string.h>

__extension__ typedef unsigned __int128 u128;

/* Strangers choose topics: with a fixed seed they could choose such that all collide. Set before
 * main, constant from then on. */
static uint64_t hash_seed;

__attribute__((constructor)) static void seed_hashes(void)
{
    sw_random_bytes(&hash_seed, sizeof(hash_seed));
}

struct sw_slice sw_slice_of(const char *text)
{
    return sw_slice(text, text ? strlen(text) : 0);
}

bool sw_slice_equal(struct sw_slice a, struct sw_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool sw_slice_equal_nocase(struct sw_slice a, struct sw_slice b)
{
    if (a.size != b.size) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

bool sw_slice_starts_with(struct sw_slice slice, struct sw_slice prefix)
{
    return slice.size >= prefix.size && sw_slice_equal(sw_slice(slice.data, prefix.size), prefix);
}

size_t sw_slice_find(struct sw_slice slice, char byte)
{
    const char *found = slice.size ? memchr(slice.data, byte, slice.size) : NULL;
    return found ? (size_t)(found - slice.data) : slice.size;
}

struct sw_slice sw_slice_split(struct sw_slice *rest, char separator)
{
    size_t size = sw_slice_find(*rest, separator);
    struct sw_slice first = sw_slice(rest->data, size);
    if (size < rest->size) {
        *rest = sw_slice(rest->data + size + 1, rest->size - size - 1);
    } else {
        *rest = (struct sw_slice){0};
    }
    return first;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct sw_slice sw_slice_trim(struct sw_slice slice)
{
    while (slice.size > 0 && is_blank(slice.data[0])) {
        slice.data++;
        slice.size--;
    }
    while (slice.size > 0 && is_blank(slice.data[slice.size - 1])) {
        slice.size--;
    }
    return slice;
}

bool sw_slice_to_u64(struct sw_slice slice, uint64_t max, uint64_t *value)
{
    uint64_t number = 0;
    if (slice.size == 0) {
        return false;
    }
    for (size_t i = 0; i < slice.size; i++) {
        unsigned digit = (unsigned)(unsigned char)slice.data[i] - '0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    if (number > max) {
        return false;
    }
    *value = number;
    return true;
}

/* Both halves of the product: each bit of it depends on all bits of both. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t load(const char *from, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, from, size);
    return word;
}

uint64_t sw_slice_hash(struct sw_slice slice)
{
    const uint64_t odd_a = UINT64_C(0xa0761d6478bd642f);
    const uint64_t odd_b = UINT64_C(0xe7037ed1a0b428db);
    uint64_t hash = hash_seed ^ odd_a;
    const char *at = slice.data;
    size_t left = slice.size;
    for (; left > 16; at += 16, left -= 16) {
        hash = fold(load(at, 8) ^ odd_a ^ hash_seed, load(at + 8, 8) ^ hash);
    }
    uint64_t first = 0;
    uint64_t second = 0;
    if (left >= 8) {
        first = load(at, 8);
        second = load(at + left - 8, 8);
    } else if (left >= 4) {
        first = load(at, 4);
        second = load(at + left - 4, 4);
    } else if (left > 0) {
        first = (uint64_t)(unsigned char)at[0] << 16 | (uint64_t)(unsigned char)at[left / 2] << 8 |
                (unsigned char)at[left - 1];
    }
    return fold(odd_b ^ slice.size, fold(first ^ odd_b, second ^ hash));
}

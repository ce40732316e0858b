// SPDX-License-Identifier: Apache-2.0
#include "auth/algorithm.h"

#include "common/assert.h"

#include <string.h>

const struct sw_algorithm_row sw_algorithm_rows[SW_ALGORITHM_COUNT] = {
#define SW_ALGORITHM(name, family, digest, curve, half)                                            \
    [SW_##name] = {#name, SW_FAMILY_##family, digest, curve, half},
#include "auth/algorithms.def"
};
_Static_assert(SW_ALGORITHM_COUNT < 32, "a bit for each algorithm, and one that is never set");

enum sw_algorithm sw_algorithm_find(struct sw_slice name)
{
    enum sw_algorithm i = 0;
    while (i < SW_ALGORITHM_COUNT &&
           !sw_slice_equal(name, sw_slice_of(sw_algorithm_rows[i].name))) {
        i++;
    }
    return i;
}

sw_algorithms sw_algorithms_of(enum sw_algorithm_family family, const char *curve)
{
    sw_algorithms set = 0;
    for (enum sw_algorithm i = 0; i < SW_ALGORITHM_COUNT; i++) {
        const struct sw_algorithm_row *row = &sw_algorithm_rows[i];
        if (row->family == family && (!row->curve || strcmp(row->curve, curve) == 0)) {
            set |= 1u << i;
        }
    }
    return set;
}

enum sw_algorithm sw_algorithms_first(sw_algorithms set)
{
    SW_ASSERT(set);
    return (enum sw_algorithm)__builtin_ctz(set);
}

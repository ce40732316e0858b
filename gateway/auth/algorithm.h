// SPDX-License-Identifier: Apache-2.0
/* The algorithms of algorithms.def, and sets of them. Which ones a key verifies is settled when it
 * is loaded; what a token's header says only chooses among those. */
#ifndef SW_AUTH_ALGORITHM_H
#define SW_AUTH_ALGORITHM_H

#include "common/slice.h"

enum sw_algorithm {
#define SW_ALGORITHM(name, ...) SW_##name,
#include "auth/algorithms.def"
    SW_ALGORITHM_COUNT /* none of ours */
};

enum sw_algorithm_family {
    SW_FAMILY_HMAC,
    SW_FAMILY_RSA,
    SW_FAMILY_PSS,
    SW_FAMILY_ECDSA,
    SW_FAMILY_EDDSA,
};

struct sw_algorithm_row {
    const char *name;
    enum sw_algorithm_family family;
    const char *digest; /* NULL: the key knows */
    const char *curve;  /* of ECDSA, else NULL */
    size_t half;        /* of an ECDSA signature: the bytes of r, and of s; else 0 */
};
extern const struct sw_algorithm_row sw_algorithm_rows[SW_ALGORITHM_COUNT];

/* A set: a bit for each algorithm. */
typedef uint32_t sw_algorithms;

/* SW_ALGORITHM_COUNT: it is none of ours. */
enum sw_algorithm sw_algorithm_find(struct sw_slice name);
/* SW_ALGORITHM_COUNT is in no set. */
static inline bool sw_algorithms_have(sw_algorithms set, enum sw_algorithm algorithm)
{
    return set >> algorithm & 1;
}
/* The set of a family; of ECDSA, only what `curve` fits. */
sw_algorithms sw_algorithms_of(enum sw_algorithm_family family, const char *curve);
/* The one of a set that is meant where nothing else is said. The set is not empty. */
enum sw_algorithm sw_algorithms_first(sw_algorithms set);

#endif

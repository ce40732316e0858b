// SPDX-License-Identifier: Apache-2.0
/* What a token allows: topics and patterns that its bearer may subscribe to, those it may publish
 * to, and those it is subscribed to at once. Placeholders ({sub}) are replaced when the grant is
 * made; what they stood for was one token of a topic each, so that no claim widens a grant.
 * Immutable. */
#ifndef SW_AUTH_GRANT_H
#define SW_AUTH_GRANT_H

#include "common/assert.h"
#include "common/slice.h"

/* Topics and patterns, one behind another in the memory that follows the grant's owner. */
struct sw_grant_list {
    const char *names; /* a byte of size, then the name, `count` times; then a 0 */
    uint32_t count;
};

struct sw_grant {
    struct sw_grant_list sub;
    struct sw_grant_list pub;
    struct sw_grant_list automatic; /* each may be subscribed to, as if it stood in `sub` */
};

/* `name` is a valid topic or pattern; a pattern is allowed where one grant covers all of it. */
bool sw_grant_may_subscribe(const struct sw_grant *grant, struct sw_slice name, char separator);
/* `topic` is valid and concrete. */
bool sw_grant_may_publish(const struct sw_grant *grant, struct sw_slice topic, char separator);
/* Walks a list: *at starts as 0. False at the end. */
bool sw_grant_next(const struct sw_grant_list *list, size_t *at, struct sw_slice *name);

#endif

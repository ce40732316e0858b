// SPDX-License-Identifier: Apache-2.0
/* The claim `spillway` while it is read: the names of all three lists in one buffer, until the
 * identity that owns them has its memory. */
#ifndef SW_AUTH_GRANT_CLAIM_H
#define SW_AUTH_GRANT_CLAIM_H

#include "auth/claims.h"
#include "auth/grant.h"

enum sw_grant_kind { SW_GRANT_SUB, SW_GRANT_PUB, SW_GRANT_AUTO, SW_GRANT_KINDS };

struct sw_grant_claim {
    struct sw_buf names;
    size_t starts[SW_GRANT_KINDS];
    uint32_t counts[SW_GRANT_KINDS];
};

/* Without the claim every list is empty. False: it is no grant, or a placeholder's claim is no
 * single token. Ended by sw_grant_claim_deinit whatever came of it. */
bool sw_grant_claim_read(struct sw_grant_claim *claim, const struct sw_claims *claims,
                         char separator) SW_MUST_CHECK;
/* Copies claim->names.size bytes to `memory`, and makes a grant that lies there. */
void sw_grant_claim_settle(const struct sw_grant_claim *claim, char *memory,
                           struct sw_grant *grant);
void sw_grant_claim_deinit(struct sw_grant_claim *claim);

#endif

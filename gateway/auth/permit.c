// SPDX-License-Identifier: Apache-2.0
#include "auth/permit.h"

bool sw_permit_any(const struct sw_permit *permit, const struct sw_rules *rules)
{
    bool granted = !permit->grant || permit->grant->pub.count > 0;
    return (permit->node && granted) || sw_rules_grant_publish(rules);
}

bool sw_permit_publish(const struct sw_permit *permit, const struct sw_rules *rules,
                       const struct sw_rule *rule, struct sw_slice topic, const char **why)
{
    bool granted = !permit->grant || sw_grant_may_publish(permit->grant, topic, rules->separator);
    bool may = sw_rule_may_publish(rule, permit->node && granted, why);
    if (!may && permit->node && rule->client_publish < 0) {
        *why = "no grant";
    }
    return may;
}

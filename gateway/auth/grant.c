// SPDX-License-Identifier: Apache-2.0
#include "auth/grant.h"

#include "core/topic.h"

bool sw_grant_next(const struct sw_grant_list *list, size_t *at, struct sw_slice *name)
{
    if (list->count == 0 || !list->names[*at]) {
        return false;
    }
    const char *size = list->names + *at;
    *name = sw_slice(size + 1, (unsigned char)*size);
    *at += 1 + name->size;
    return true;
}

static bool covers(const struct sw_grant_list *list, struct sw_slice name, char separator)
{
    struct sw_slice granted;
    size_t at = 0;
    while (sw_grant_next(list, &at, &granted)) {
        if (sw_topic_covers(granted, name, separator)) {
            return true;
        }
    }
    return false;
}

bool sw_grant_may_subscribe(const struct sw_grant *grant, struct sw_slice name, char separator)
{
    return covers(&grant->sub, name, separator) || covers(&grant->automatic, name, separator);
}

bool sw_grant_may_publish(const struct sw_grant *grant, struct sw_slice topic, char separator)
{
    return covers(&grant->pub, topic, separator);
}

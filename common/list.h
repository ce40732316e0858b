// SPDX-License-Identifier: Apache-2.0
/* An intrusive doubly linked ring: the head is a node that belongs to nobody. An element that is on
 * no list points to itself, so unlinking twice is harmless. Not thread-safe. */
#ifndef SW_COMMON_LIST_H
#define SW_COMMON_LIST_H

#include <stdbool.h>

struct sw_list {
    struct sw_list *next;
    struct sw_list *prev;
};

static inline void sw_list_init(struct sw_list *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool sw_list_empty(const struct sw_list *list)
{
    return list->next == list;
}

/* Puts `node` last. */
static inline void sw_list_push(struct sw_list *list, struct sw_list *node)
{
    node->prev = list->prev;
    node->next = list;
    list->prev->next = node;
    list->prev = node;
}

static inline void sw_list_remove(struct sw_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    sw_list_init(node);
}

/* The first node, or NULL; it stays on the list. */
static inline struct sw_list *sw_list_first(const struct sw_list *list)
{
    return sw_list_empty(list) ? (struct sw_list *)0 : list->next;
}

/* Takes the first node off, or NULL. */
static inline struct sw_list *sw_list_pop(struct sw_list *list)
{
    struct sw_list *node = sw_list_first(list);
    if (node) {
        sw_list_remove(node);
    }
    return node;
}

#endif

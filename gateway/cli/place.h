// SPDX-License-Identifier: Apache-2.0
/* A topic that `spillway sub` reads, and how far it has read it: so that it goes on there when it
 * comes back, and without a loss where the topic has history (PROTOCOL.md, section 4). */
#ifndef SW_CLI_PLACE_H
#define SW_CLI_PLACE_H

#include "common/json.h"
#include "core/position.h"

struct sw_place {
    const char *name;
    bool wanted;     /* not asked for yet, or again after an error that passes */
    bool positioned; /* `position` is what was read last */
    struct sw_position position;
};

/* NULL: it is none of them. */
struct sw_place *sw_place_find(struct sw_place *places, size_t count, struct sw_slice name);
/* "orders.eu@Qx7:44" for one of them. False: it is none. */
bool sw_place_start(struct sw_place *places, size_t count, const char *text);
/* What its entry of a subscribe brings along: `from` where it has a position, else `last` where
 * that is not NULL. */
void sw_place_append_claim(const struct sw_place *place, const char *last, struct sw_buf *out);
/* The entry of `subscribed`, an object, says where it begins. */
void sw_place_begin(struct sw_place *place, struct sw_slice entry);
/* A frame has told of another epoch or offset; raw.data == NULL: it has not. */
void sw_place_move(struct sw_place *place, struct sw_json_value epoch, struct sw_json_value offset);

#endif

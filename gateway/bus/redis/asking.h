// SPDX-License-Identifier: Apache-2.0
/* What the parts of the commands' link share: command.c (the order of answers, the link's end) over
 * publish.c and look.c. */
#ifndef SW_BUS_REDIS_ASKING_H
#define SW_BUS_REDIS_ASKING_H

#include "bus/redis/command.h"

/* What was just appended waits for so many answers. */
void sw_redis_asked(struct sw_redis_commands *commands, enum sw_redis_ask ask, void *subject,
                    uint8_t answers, uint8_t tries, uint64_t deadline_ms);
struct sw_slice sw_redis_prefix(const struct sw_redis_commands *commands);
/* An error reply as the error of a request; `call`: of a command that not every server has. */
enum sw_error sw_redis_error_of(struct sw_slice error, bool call);
/* The server says itself that it cannot now. */
bool sw_redis_error_is_away(struct sw_slice error);
/* Asks, once in a turn, whether the server is a master. */
void sw_redis_ask_role(struct sw_redis_commands *commands, uint64_t now_ms);

/* ---- publish.c ---- */

/* The answer to a publish. */
void sw_redis_publish_answer(struct sw_redis_commands *commands,
                             const struct sw_redis_waiting *waiting,
                             const struct sw_redis_event *event, uint64_t now_ms);
/* One line for each change, not one per publish. */
void sw_redis_publish_log(struct sw_redis_commands *commands, struct sw_slice error);
/* The function has been looked for: what waited for it is sent. */
void sw_redis_publish_release(struct sw_redis_commands *commands, uint64_t now_ms);
/* The link is lost: gives it back, or keeps it to be sent again. `sent`: Redis may have read it. */
void sw_redis_publish_lost(struct sw_redis_commands *commands, struct sw_publish *publish,
                           bool sent);

/* ---- look.c ---- */

/* The answer to a read of a history or a value was too large to be read: for a while it is refused
 * at once. */
void sw_redis_leave_out(struct sw_redis_commands *commands, const struct sw_redis_waiting *waiting,
                        uint64_t now_ms);
void sw_redis_leave_out_no_more(struct sw_redis_commands *commands);

/* One of a read's answers; `last`: the one that says it all. */
void sw_redis_read_answer(struct sw_redis_commands *commands, struct sw_history_read *read,
                          bool last, const struct sw_redis_event *event, uint64_t now_ms);
/* Likewise of what goes with reads: is it a master, a rule's size and ttl. An error is logged. */
void sw_redis_beside_answer(struct sw_redis_commands *commands, bool last,
                            const struct sw_redis_event *event);
void sw_redis_value_answer(struct sw_redis_commands *commands, struct sw_value_read *read,
                           const struct sw_redis_event *event);

#endif

// SPDX-License-Identifier: Apache-2.0
/* What an operator orders to be ended: one session, all of one user, or all that are subscribed to
 * one topic or pattern; and with which close code and words. It passes from main to the workers
 * (bus/report.h) and from node to node (bus/notice.h), and is read in one place, whoever says it:
 *
 *   "session"|"user"|"topic": "...", "code"?: 4000, "reason"?: "..."          of a JSON object */
#ifndef SW_BUS_DISCONNECT_H
#define SW_BUS_DISCONNECT_H

#include "common/buf.h"
#include "core/limits.h"
#include "core/reasons.h"

enum sw_selector { SW_BY_SESSION, SW_BY_USER, SW_BY_TOPIC, SW_SELECTOR_COUNT };

struct sw_disconnect {
    enum sw_selector by;
    uint16_t code; /* 0: the reason's own */
    uint8_t size;
    uint8_t words_size;         /* 0: the reason's own */
    char name[SW_TOPIC_BYTES];  /* the session's id, the user, the topic or pattern */
    char words[SW_CLOSE_WORDS]; /* of the close frame */
};
_Static_assert(SW_USER_BYTES <= SW_TOPIC_BYTES, "a user fits into the name");

/* For the words to who asked for something else. */
#define SW_DISCONNECT_EXPECTED                                                                     \
    "expected: {\"topic\":\"orders.eu\",\"code\":4000,\"reason\":\"moved\"}, or "                  \
    "\"session\" or \"user\" in place of \"topic\"; \"code\" and \"reason\" may be left out"

/* How the JSON calls it; borrowed for ever. */
const char *sw_selector_word(enum sw_selector by);

/* Reads the members of `object`, which lies in validated bytes; others are skipped. Anything but
 * SW_ERROR_NONE: *why says in words what is wrong. */
enum sw_error sw_disconnect_read(struct sw_disconnect *disconnect, struct sw_slice object,
                                 char separator, const char **why);
/* How many of the members that it reads does `object` have? */
size_t sw_disconnect_members(struct sw_slice object);
/* Appends the members as they are read, with a comma before each. */
void sw_disconnect_write(struct sw_buf *out, const struct sw_disconnect *disconnect);

static inline struct sw_slice sw_disconnect_name(const struct sw_disconnect *disconnect)
{
    return sw_slice(disconnect->name, disconnect->size);
}
static inline struct sw_slice sw_disconnect_words(const struct sw_disconnect *disconnect)
{
    return sw_slice(disconnect->words, disconnect->words_size);
}

#endif

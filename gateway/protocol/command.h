// SPDX-License-Identifier: Apache-2.0
/* What a client says in the native language, spillway.v1.json (PROTOCOL.md, section 2). Sans-I/O:
 * bytes in, a struct out; slices are borrowed from the text. */
#ifndef SW_PROTOCOL_COMMAND_H
#define SW_PROTOCOL_COMMAND_H

#include "common/json.h"
#include "core/position.h"
#include "core/reasons.h"
#include "core/rule.h"

enum sw_command_kind {
    SW_COMMAND_BAD,     /* `problem` and `expected` say why and what */
    SW_COMMAND_UNKNOWN, /* a type that this version does not know: `type` */
    SW_COMMAND_HELLO,
    SW_COMMAND_SUBSCRIBE,
    SW_COMMAND_UNSUBSCRIBE,
    SW_COMMAND_PUBLISH,
    SW_COMMAND_REFRESH,
    SW_COMMAND_PING,
};

struct sw_command {
    enum sw_command_kind kind;
    uint64_t id;          /* 0: none */
    struct sw_slice type; /* between its quotes */
    const char *problem;
    const char *expected;  /* a line that would have been right */
    struct sw_slice token; /* hello, refresh: the string's raw form; data == NULL: none */
    struct sw_slice list;  /* subscribe, unsubscribe: the array, or the one object or string */
    bool single;
    struct sw_slice topic; /* publish: the string's raw form */
    struct sw_slice data;  /* publish: raw */
    struct sw_slice key;   /* publish: the string's raw form; data == NULL: none */
};

/* Reads one message. Never fails: what is wrong is SW_COMMAND_BAD. */
struct sw_command sw_command_parse(struct sw_slice text);

/* One entry of a subscribe. */
struct sw_command_sub {
    struct sw_slice topic; /* the string's raw form */
    struct sw_wish wish;   /* what it asks for; no rule has looked at it */
    bool has_from;         /* never with `last` */
    struct sw_position from;
    uint32_t last;       /* 1 to SW_HISTORY_SIZE, or 0: not asked */
    enum sw_error error; /* SW_ERROR_NONE, or why this entry cannot be: the rest is void */
    const char *message;
};

/* Walks a subscribe's entries: *at starts as {0}. False at the end. */
struct sw_command_walk {
    struct sw_json_walk walk;
    bool begun;
};
bool sw_command_next_sub(const struct sw_command *command, struct sw_command_walk *at,
                         struct sw_command_sub *sub);
/* Walks an unsubscribe's topics (raw strings). */
bool sw_command_next_topic(const struct sw_command *command, struct sw_command_walk *at,
                           struct sw_slice *topic);

#endif

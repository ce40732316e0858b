// SPDX-License-Identifier: Apache-2.0
/* Topic rules: what a subscription of a topic gets, and who may publish to it (`topics` of the
 * config file, PROTOCOL.md section 4). The first rule whose match covers the whole topic or pattern
 * counts; the last one matches all and says what the node says. Made once by node/, lives as long
 * as the config, and is only read from then on, from any thread.
 *
 * Invariant: the mode is among modes_allowed; `disconnect` is allowed alone or not at all, and
 * never has a max_hz; what has a history retains nothing beside it. */
#ifndef SW_CORE_RULE_H
#define SW_CORE_RULE_H

#include "common/slice.h"
#include "core/limits.h"
#include "core/reasons.h"

/* In a retain_key: where the topic stands. */
#define SW_RETAIN_TOPIC "{topic}"

/* What a reader gets that is behind. */
enum sw_mode {
    SW_MODE_ALL,        /* everything, in order, as far as it is held */
    SW_MODE_LATEST,     /* the newest of each topic and key */
    SW_MODE_DISCONNECT, /* nothing is shed: it is closed */
    SW_MODE_COUNT
};

#define SW_MODE_BIT(mode) ((uint8_t)(1u << (mode)))
/* What a client may choose where no rule says otherwise. */
#define SW_MODES_CHOICE (SW_MODE_BIT(SW_MODE_ALL) | SW_MODE_BIT(SW_MODE_LATEST))

/* For a sentence: what there is. */
#define SW_MODE_WORDS   "all, latest or disconnect"
#define SW_MAX_HZ_WORDS "1, 2, 5, 10 or 20"

const char *sw_mode_word(enum sw_mode mode);
/* False: no such mode. */
bool sw_mode_parse(struct sw_slice word, enum sw_mode *mode);
/* Is it one of the paces that there are? 0, no pace, is none. */
bool sw_max_hz_valid(uint64_t hz);

struct sw_rule {
    struct sw_slice match;      /* a topic or pattern; empty: the default rule, which matches all */
    uint8_t mode;               /* enum sw_mode: what a subscription gets that asks for none */
    uint8_t modes_allowed;      /* SW_MODE_BIT of each */
    uint8_t max_hz;             /* 0: no bound; else what a client may only lower */
    int8_t client_publish;      /* 0 no, 1 yes, -1: as the node says of the client */
    uint32_t max_message_bytes; /* never above the node's */
    uint32_t history_size;      /* messages that a topic keeps; 0: it has no history */
    uint64_t history_ttl_ms;    /* of silence, after which they may be forgotten */
    bool retain;                /* the last message of a plain topic stays for who asks for it */
    bool compress;              /* messages, for who negotiated permessage-deflate */
    struct sw_slice retain_key; /* of Redis, with {topic}: where a cold topic's is; may be empty */
};

/* In their order; the last is the default rule. */
struct sw_rules {
    struct sw_rule rows[SW_RULES + 1];
    uint32_t count;
    char separator;
};

/* Only the default rule. */
void sw_rules_init(struct sw_rules *rules);
void sw_rules_deinit(struct sw_rules *rules);
/* Adds one behind those that there are, before the default rule; copies `match`, which must not be
 * empty, and `retain_key`. max_message_bytes may be 0 until sw_rules_settle. False: SW_RULES are
 * there already. */
bool sw_rules_add(struct sw_rules *rules, const struct sw_rule *rule);
/* Fills in what is the node's: its separator, and its limit where a rule has none. Before anything
 * is asked. */
void sw_rules_settle(struct sw_rules *rules, char separator, uint32_t max_message_bytes);

/* Does its match cover the whole topic or pattern? */
bool sw_rule_covers(const struct sw_rules *rules, const struct sw_rule *rule, struct sw_slice name,
                    bool pattern);
/* The rule that counts for a valid topic or pattern; never NULL. */
const struct sw_rule *sw_rules_find(const struct sw_rules *rules, struct sw_slice name,
                                    bool pattern);
/* The rule's place, from 0. */
uint32_t sw_rule_index(const struct sw_rules *rules, const struct sw_rule *rule);

/* What a subscription asks for. */
struct sw_wish {
    int8_t mode;    /* enum sw_mode, or -1: none */
    uint8_t max_hz; /* valid, or 0: none */
};

/* What it gets. */
struct sw_choice {
    uint8_t mode;   /* enum sw_mode */
    uint8_t max_hz; /* 0: not paced */
};

/* Room enough for sw_rule_choose's words. */
#define SW_RULE_WHY_BYTES 128

/* SW_ERROR_NONE and *choice, or BAD_REQUEST and words in `why` that name what is allowed. */
enum sw_error sw_rule_choose(const struct sw_rule *rule, const struct sw_wish *wish,
                             struct sw_choice *choice, char *why, size_t why_size);
/* Up to this size a payload is too large for no rule. */
uint32_t sw_rules_least_bytes(const struct sw_rules *rules);
/* Has any topic a history? */
bool sw_rules_keep_history(const struct sw_rules *rules);
/* Is anything compressed? */
bool sw_rules_compress(const struct sw_rules *rules);
/* Does any rule let clients publish of whom the node says no? */
bool sw_rules_grant_publish(const struct sw_rules *rules);
/* May a client publish to topics of this rule? `allowed`: what the node says of this client.
 * False: *why says who forbids it. */
bool sw_rule_may_publish(const struct sw_rule *rule, bool allowed, const char **why);
/* "all, latest": the modes of a set. `out` has room for SW_MODES_BYTES. */
#define SW_MODES_BYTES 32
const char *sw_modes_words(uint8_t modes, char out[SW_MODES_BYTES]);

#endif

// SPDX-License-Identifier: Apache-2.0
/* What tests of policies share: a reader whose socket takes little, time that passes, and accounts
 * of what a client has read. */
#ifndef SW_FANOUT_RIG_POLICY_H
#define SW_FANOUT_RIG_POLICY_H

#include "rig_clock.h"

/* The smallest SO_SNDBUF there is: a few KB. */
#define SMALL 1
#define WIDE  (4 << 20)

static const struct sw_marks marks = {
    .low_bytes = 20000, .high_bytes = 60000, .high_messages = 300, .max_bytes = 300000};

/* ---- small things ---- */

/* One tape, and one reader of it in slot 0, whose socket is small. */
static inline struct sw_tape *one(struct rig *rig, enum sw_mode mode, unsigned max_hz)
{
    rig_init_marks(rig, 4, &marks);
    struct sw_tape *tape = rig_tape(rig, "a");
    rig_open(rig, 0, SMALL);
    rig_subscribe_as(rig, 0, tape, mode, max_hz);
    return tape;
}

/* The frames "<key>:<from>" to "<key>:<to>" of `size` bytes. */
static inline void send_run(struct rig *rig, struct sw_tape *tape, const char *key, unsigned from,
                            unsigned to, size_t size)
{
    for (unsigned i = from; i <= to; i++) {
        char text[32];
        snprintf(text, sizeof(text), "%s:%u", key, i);
        rig_send_long(rig, tape, text, size);
    }
}

/* The client reads all that is there and will be, while the time passes. */
static const char *drain(struct rig *rig, uint32_t slot)
{
    for (unsigned idle = 0; idle < 110; idle++) {
        if (rig_read(rig, slot, SIZE_MAX)) {
            idle = 0;
        }
        rig_pass(rig, 20);
    }
    return rig_text(rig, slot);
}

/* Its socket takes nothing more. */
static inline void stuff(struct rig *rig, uint32_t slot)
{
    for (size_t size = 4096; size > 0; size /= 16) {
        char dots[4096];
        memset(dots, '.', sizeof(dots));
        while (sw_conn_send(sw_reader(&rig->fanout, slot)->fd, dots, size) > 0) {
        }
    }
}

/* The client reads what `stuff` put there, and throws it away. */
static inline void unstuff(struct rig *rig, uint32_t slot)
{
    rig_read(rig, slot, SIZE_MAX);
    sw_buf_clear(&rig->slots[slot].got);
}

/* What a text of rig_text says. */
struct account {
    unsigned received; /* messages */
    unsigned told;     /* in all, */
    unsigned slow;     /* as slow, */
    unsigned passed;   /* as conflated or paced */
    unsigned tells;    /* of passed */
};

static inline struct account account_of(const char *text)
{
    struct account account = {0};
    while (*text) {
        char topic[16];
        char word[16];
        unsigned count;
        if (sscanf(text, "dropped %15s %u %15[a-z_]", topic, &count, word) == 3) {
            bool passed = strcmp(word, "conflated") == 0 || strcmp(word, "paced") == 0;
            account.told += count;
            account.slow += strcmp(word, "slow") == 0 ? count : 0;
            account.passed += passed ? count : 0;
            account.tells += passed;
        } else {
            account.received++;
        }
        text += strcspn(text, "|");
        text += *text == '|';
    }
    return account;
}

/* The stream of messages "x:1" to "x:<last>", with what was shed told exactly where it is missing;
 * returns how many were. */
static inline unsigned check_run(const char *text, unsigned last)
{
    unsigned next = 1;
    unsigned shed = 0;
    while (*text) {
        unsigned n;
        if (sscanf(text, "dropped a %u slow", &n) == 1) {
            next += n;
            shed += n;
        } else {
            assert_int_equal(sscanf(text, "x:%u", &n), 1);
            assert_int_equal(n, next);
            next++;
        }
        text += strcspn(text, "|");
        text += *text == '|';
    }
    assert_int_equal(next, last + 1);
    return shed;
}

/* A policy has a look at the slot though nothing new came. */
static inline void look(struct rig *rig, uint32_t slot)
{
    sw_fanout_due(&rig->fanout, slot);
    rig_turn(rig);
}

static inline void send_keys(struct rig *rig, struct sw_tape *tape, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%u:", i);
        rig_send(rig, tape, text);
    }
}

static inline void set_manner(struct rig *rig, uint32_t slot, enum sw_mode mode, unsigned max_hz)
{
    sw_hub_set_manner(&rig->fanout, slot, 0,
                      (struct sw_manner){.mode = mode, .pace = sw_pace_of(max_hz)});
}

#endif

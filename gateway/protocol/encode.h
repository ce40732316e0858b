// SPDX-License-Identifier: Apache-2.0
/* What the server says in the native language (PROTOCOL.md, section 2): pushes for tapes, through
 * the language table, and the frames of the control lane, one text each, appended to a buffer.
 * Sans-I/O. */
#ifndef SW_PROTOCOL_ENCODE_H
#define SW_PROTOCOL_ENCODE_H

#include "core/encoding.h"

/* msg, dropped, epoch and reset. */
extern const struct sw_language sw_native_language;

struct sw_welcome {
    struct sw_slice session;
    struct sw_slice node;
    uint64_t id; /* of the hello it answers; 0: unasked */
    uint64_t heartbeat_ms;
    uint64_t expires_in; /* seconds, where `tokens` */
    uint64_t frame_limit;
    uint64_t topics_limit;
    bool history; /* topics may have it */
    bool publish; /* this client may */
    bool tokens;  /* are asked for: its own expires, and can be refreshed */
};

void sw_encode_welcome(struct sw_buf *out, const struct sw_welcome *welcome);

/* {"type":"subscribed","id":..,"done":true,"subs":[ and entries ]} */
void sw_encode_subscribed_begin(struct sw_buf *out, uint64_t id, bool done);
/* Where a subscription begins, and what became of what it asked for. */
struct sw_subscribed {
    bool positioned;             /* the topic has history: `position` means something */
    struct sw_position position; /* what it will have reached when it has had its replay */
    bool has_from;               /* it asked to be resumed */
    bool resumed;
    const char *why; /* else: "epoch", "trimmed", "mode" or "no_history" */
    bool has_last;   /* it asked for the newest */
    uint32_t replay; /* messages that come first, where it is resumed or asked for the newest */
};
void sw_encode_subscribed_start(struct sw_buf *entries, struct sw_slice topic,
                                const struct sw_subscribed *subscribed);
/* `message` NULL: the error's own; retry_ms 0: none. */
void sw_encode_subscribed_error(struct sw_buf *entries, struct sw_slice topic, enum sw_error error,
                                const char *message, uint64_t retry_ms);
void sw_encode_subscribed_end(struct sw_buf *out, struct sw_slice entries);

/* {"type":"unsubscribed","id":..,"topics":[ and names ]} */
void sw_encode_unsubscribed_begin(struct sw_buf *out, uint64_t id);
void sw_encode_unsubscribed_topic(struct sw_buf *out, struct sw_slice topic, bool first);
void sw_encode_unsubscribed_end(struct sw_buf *out);

/* {"type":"unsubscribed","topics":[..],"reason":"..","retry":..}: the server ended it. */
void sw_encode_ended(struct sw_buf *out, struct sw_slice topic, enum sw_error error);

/* The end of sw_encode_unsubscribed_begin and its names where a new grant covers them no more. */
void sw_encode_revoked_end(struct sw_buf *out);

/* `expires_in` in seconds. */
void sw_encode_refreshed(struct sw_buf *out, uint64_t id, uint64_t expires_in);
void sw_encode_expiring(struct sw_buf *out, uint64_t in_ms);
/* A message of a history, with a msg's members but its type and topic. */
void sw_encode_kept(struct sw_buf *out, const struct sw_message *message, uint64_t offset);
/* Its place in the topic's history; offset 0: it has none. */
void sw_encode_published(struct sw_buf *out, uint64_t id, const struct sw_position *position);
void sw_encode_pong(struct sw_buf *out, uint64_t id);
void sw_encode_hb(struct sw_buf *out);
/* The node lost its bus `since_ms` ago, or has it back; then `gap`: something of this session may
 * have been lost. */
void sw_encode_feed(struct sw_buf *out, bool stale, uint64_t since_ms, bool gap);
/* The node leaves: come back elsewhere at a moment drawn from the window; it closes from close_ms
 * on. */
void sw_encode_drain(struct sw_buf *out, uint64_t from_ms, uint64_t to_ms, uint64_t close_ms);

struct sw_encode_error {
    enum sw_error error;
    uint64_t id;         /* 0: none */
    const char *message; /* NULL: the error's own */
    uint64_t retry_ms;   /* 0: none */
    bool outcome_unknown;
};
/* {"type":"error","id":..,"error":{"code","message","retry","retry_ms"?,"outcome"?}} */
void sw_encode_error(struct sw_buf *out, const struct sw_encode_error *error);
/* The inner object alone. */
void sw_encode_error_object(struct sw_buf *out, const struct sw_encode_error *error);

#endif

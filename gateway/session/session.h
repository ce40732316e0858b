// SPDX-License-Identifier: Apache-2.0
/* A session is one connected client, whatever carries it: its connection, its subscriptions, a
 * small lane for replies, and how it ends. Sessions of a worker live in a table of slabs; the slot
 * is also the row of fanout/. An idle one owns nothing beyond its cell.
 *
 * State: HANDSHAKE (the cell belongs to http/) -> OPEN -> CLOSING -> CLOSED. One function changes
 * it. Closing is a state and freeing a later phase: sw_session_close is safe anywhere, also in the
 * middle of a walk; subscriptions are given up at the turn's end, where no walk is under way. All
 * on the worker's loop.
 *
 *   client -> transport -> sw_session_receive -> commands -> subscribe, publish
 *   bus -> sw_sessions_on_post -> tapes -> walk -> flush -> client */
#ifndef SW_SESSION_SESSION_H
#define SW_SESSION_SESSION_H

#include "bus/bus.h"
#include "common/random.h"
#include "fanout/fanout.h"
#include "net/quota.h"
#include "session/farewell.h"

enum sw_session_state { SW_FREE, SW_HANDSHAKE, SW_OPEN, SW_CLOSING_STATE, SW_CLOSED };

#define SW_SESSION_ID_BYTES 11

struct sw_session;
struct sw_sessions;

/* How a session's words become bytes: the seam to ws, and to others beside it. It takes nothing
 * from a client that is paused, also of what was read already. */
struct sw_transport {
    const char *name;
    bool raw; /* payloads alone: nothing else is said to its clients, nor heard from them */
    enum sw_connection_kind open;
    enum sw_connection_kind closing;
    enum sw_encoding_index encoding; /* of the tapes that its sessions read */
    uint16_t topics;                 /* `limits.topics` of `welcome` */
    struct sw_slice idle;            /* bytes that say nothing, in place of `hb`; may be empty */
    /* These append to session->lane: one text as a frame (NULL where it is raw); a ping (NULL: it
     * has none, and who is dead is found by TCP); the last frame, with its code (0: none) and
     * words; when its client shall come back that knows no more than the framing (NULL: there is
     * none such). */
    void (*frame)(struct sw_session *session, struct sw_slice text);
    void (*ping)(struct sw_session *session);
    void (*close)(struct sw_session *session, uint16_t code, struct sw_slice words);
    void (*retry)(struct sw_session *session, uint32_t ms);
    /* Appends the frame that its client keeps of where it is, or nothing. NULL: clients keep that
     * by themselves. */
    void (*bookmark)(struct sw_session *session, struct sw_buf *frame);
    /* No longer paused: takes what it held back, later in the turn, and reads on. */
    void (*resume)(struct sw_session *session);
};

struct sw_request;  /* session/pending */
struct sw_recorder; /* session/report */
struct sw_intakes;  /* session/intake */
struct sw_guest;    /* session/guest */
struct sw_identity; /* auth/token */
struct sw_verifier; /* auth/verifier */

/* Why nothing is taken from a client for a while. */
enum sw_pause {
    SW_PAUSE_LANE = 1,    /* it does not take its replies */
    SW_PAUSE_VERDICT = 2, /* its token is being verified */
    SW_PAUSE_REPLIES = 4, /* the bus owes it as many replies as may be pending */
    SW_PAUSES = SW_PAUSE_LANE | SW_PAUSE_VERDICT | SW_PAUSE_REPLIES
};

struct sw_session {
    _Alignas(32) struct sw_conn conn; /* first: see sw_session_of; aligned: see SW_SLAB_CELLS */
    struct sw_timer timer;
    struct sw_sessions *all;
    const struct sw_transport *transport;
    void *codec;        /* the transport's, while a message is incomplete */
    struct sw_buf lane; /* frames of the control lane that wait to be written */
    struct sw_request *requests;
    struct sw_guest *guest;     /* NULL: no tokens are asked for */
    struct sw_subscription one; /* the list until there is a second */
    uint64_t id;
    uint32_t slot;
    uint32_t opened;      /* ticks, as all below */
    uint32_t heard;       /* when it last said anything */
    uint32_t pinged;      /* when the ping that it has not answered was written; 0: none */
    uint32_t progress;    /* when it last took anything while it was owed something */
    uint32_t seen_sent;   /* deliveries at the last look */
    uint32_t seen_kernel; /* bytes that the kernel held for it then */
    uint32_t next;        /* CLOSING: of those, slot + 1; FREE: of its slab, index + 1 */
    union {
        uint32_t bad_since;
        uint32_t leaves_at; /* raw: `leaves`, then */
        uint32_t code;      /* CLOSING: of the close frame, where it is not the reason's own */
    };
    uint32_t joins_until; /* its joins are forgotten one by one until then; in 64ths of a second */
    uint32_t host;        /* of the peer; an IPv6 one is kept by the recorder */
    uint16_t port;
    uint16_t capacity;      /* of the list; 0: `one` */
    uint16_t publishes;     /* that wait for the bus */
    uint8_t reason;         /* enum sw_reason */
    uint8_t ended_at;       /* CLOSING: its place in the flight recorder */
    uint8_t feed;           /* the change of the bus that it was told of last */
    uint8_t bad_count : 4;  /* of a minute; the last of SW_BAD_REQUESTS ends it */
    uint8_t paused : 3;     /* enum sw_pause, or'ed: not read while there is a reason */
    bool ping_strict : 1;   /* the ping is due after pong_ms: nothing stood before it */
    bool ping_followed : 1; /* something was sent behind it */
    bool may_publish : 1;
    bool after_data : 1;  /* CLOSING: what it is owed goes first */
    bool retired : 1;     /* CLOSING: given up its subscriptions, the last frame is in the lane */
    bool close_heard : 1; /* the peer's close frame has come */
    bool hb_sent : 1;
    bool drain_said : 1;
    bool echo : 1;           /* on the echo path */
    bool deflate : 1;        /* takes compressed messages, and may send them */
    bool deflate_narrow : 1; /* but none that refer back as far as ours do */
    bool ipv4 : 1;
    bool ipv6 : 1;
    bool deaf : 1;    /* nothing more is read: after a close frame or a fault, or as ever (SSE) */
    bool counted : 1; /* in all->quota, under its peer */
    bool leaves : 1;  /* raw: it is to be closed for `reason` */
    bool ignored : 1; /* raw: something it said was, and the log has it */
};

struct sw_sessions_config {
    uint32_t worker;
    uint32_t max_sessions; /* of this worker */
    uint32_t max_message_bytes;
    struct sw_marks marks;
    const struct sw_rules *rules;
    uint32_t ping_ms;
    uint32_t pong_ms;
    uint32_t stall_ms;
    uint32_t linger_ms;
    uint32_t client_messages; /* a second; 0: no limit, as at client_bytes */
    uint32_t client_bytes;
    uint32_t max_patterns;    /* of one session */
    uint32_t pending_replies; /* likewise */
    uint32_t message_ms;
    uint32_t unfinished_messages; /* of this worker */
    char separator;
    const char *node;
};

/* Cells are handed out in slabs, and a slab that is empty goes back to the system. 128 of 384
 * bytes are 12 pages to the byte. */
#define SW_SLAB_CELLS 128

struct sw_slab {
    struct sw_session *cells; /* pages of its own; NULL: given back */
    uint32_t used;
    uint32_t fresh;     /* cells from here on were never used */
    uint32_t free_head; /* index + 1 */
};
_Static_assert(SW_BAD_REQUESTS < 16, "they fit into bad_count");
#ifndef SW_LAW
_Static_assert((SW_SLAB_CELLS * sizeof(struct sw_session) + 4095) / 4096 * 4096 <
                   (SW_SLAB_CELLS + 1) * sizeof(struct sw_session),
               "a slab fills its pages");
_Static_assert(sizeof(void *) > 8 || sizeof(struct sw_session) <= 384,
               "three quarters of what an idle client may cost");
#endif

/* How it is with the bus, as far as sessions are told. */
struct sw_feed_news {
    bool stale;
    uint8_t number;    /* of the last change; odd where it is stale */
    uint32_t untold;   /* slots below it are still to be told */
    uint64_t since_ms; /* `stale`: since when */
};

/* All sessions of a worker. */
struct sw_sessions {
    struct sw_fanout fanout;
    struct sw_sessions_config config;
    struct sw_loop *loop;
    struct sw_bus *bus;
    void *codecs;                 /* the transport's, shared by the worker's sessions */
    struct sw_inbox *inbox;       /* the worker's */
    struct sw_verifier *verifier; /* the worker's; NULL: no tokens are asked for */
    struct sw_counters *counters;
    struct sw_random random;
    struct sw_recorder *recorder;
    struct sw_intakes *intakes;
    struct sw_slab *slabs;
    uint32_t slab_count;
    uint32_t slab_hint;     /* no slab below it has room */
    uint32_t count;         /* cells in use */
    uint32_t closing_head;  /* slot + 1 */
    struct sw_list news;    /* requests whose entries wait to be told */
    struct sw_quota *quota; /* of the node; NULL: nobody is counted */
    struct sw_feed_news feed;
    struct sw_farewell farewell;
    uint64_t leaving_ms; /* since when the node leaves; 0: it stays */
    /* A cell's connection has closed. */
    void (*on_free)(void *owner);
    void *owner;
};

/* ---- the table ---- */

/* Everything borrowed. `encodings` as sw_fanout_init. */
void sw_sessions_init(struct sw_sessions *all, const struct sw_sessions_config *config,
                      struct sw_loop *loop, struct sw_bus *bus, struct sw_inbox *inbox,
                      const struct sw_encoding *encodings, struct sw_counters *counters);
/* Every cell has been freed. */
void sw_sessions_deinit(struct sw_sessions *all);
/* A cell for a connection that just came, in HANDSHAKE, or NULL at the cap. */
struct sw_session *sw_session_create(struct sw_sessions *all);
/* The connection has closed, or was never opened: the cell is free. */
void sw_session_free(struct sw_session *session);
static inline struct sw_session *sw_session_of(struct sw_conn *conn)
{
    return (struct sw_session *)(void *)conn;
}
struct sw_session *sw_session_at(struct sw_sessions *all, uint32_t slot);
static inline struct sw_reader *sw_session_reader(const struct sw_session *session)
{
    return sw_reader(&session->all->fanout, session->slot);
}
static inline enum sw_session_state sw_session_state(const struct sw_session *session)
{
    return (enum sw_session_state)sw_session_reader(session)->state;
}
/* Writes SW_SESSION_ID_BYTES characters and a NUL. */
const char *sw_session_id_text(uint64_t id, char out[SW_SESSION_ID_BYTES + 1]);
/* The number of such a text; false: it is none. */
bool sw_session_id_parse(struct sw_slice text, uint64_t *id);
const char *sw_session_id(const struct sw_session *session, char out[SW_SESSION_ID_BYTES + 1]);

/* A name that outlives the session, for what comes back from elsewhere. */
uint64_t sw_session_name(const struct sw_session *session);
/* NULL: it is not OPEN or CLOSING any more. */
struct sw_session *sw_session_named(struct sw_sessions *all, uint64_t name);
/* Who its client is, by its token; empty: nobody knows. */
struct sw_slice sw_session_user(const struct sw_session *session);

/* ---- one session ---- */

/* What came with the upgrade. */
struct sw_arrival {
    struct sw_slice token;        /* data == NULL: none was shown */
    struct sw_identity *identity; /* NULL, or what came of the token already: the session's now */
    struct sw_slice subscribe;    /* what the URL asks for, as a request; may be empty */
};

/* The upgrade is done: the session is OPEN. As soon as it is known who it is (without tokens: at
 * once) it hears `welcome` and gets what the URL asks for (not on the echo path). */
void sw_session_open(struct sw_session *session, const struct sw_transport *transport,
                     const struct sw_arrival *arrival);
/* It is known who the client is: as it is accepted, or, behind a proxy, before the session opens.
 * Who was counted already stays so. False: its address has as many connections as it may. */
bool sw_session_admit(struct sw_session *session, const struct sw_peer *peer) SW_MUST_CHECK;
/* Instead of sw_session_open: the session hears nothing but the close frame of this reason, since a
 * browser could not tell a refused upgrade from a lost connection. */
void sw_session_refuse(struct sw_session *session, const struct sw_transport *transport,
                       enum sw_reason reason);
/* A whole text message came from the client. */
void sw_session_receive(struct sw_session *session, struct sw_slice text);
/* The same of a raw client: a payload for its topic. */
void sw_session_receive_payload(struct sw_session *session, struct sw_slice payload);
/* Any bytes came from the client: it lives. */
void sw_session_heard(struct sw_session *session);
/* Queues one text for the control lane. */
void sw_session_say(struct sw_session *session, struct sw_slice text);
/* Queues bytes that are framed already (pong, echo). */
void sw_session_say_raw(struct sw_session *session, const void *data, size_t size);
/* Ends it: subscriptions now, the close frame behind the frame in flight, then the connection.
 * Idempotent; the first reason stays. */
void sw_session_close(struct sw_session *session, enum sw_reason reason);
/* As sw_session_close, but what it is owed goes first. */
void sw_session_close_after_data(struct sw_session *session, enum sw_reason reason);
/* As sw_session_close with DISCONNECTED, but at once, so never between walk and turned: with a
 * close code (0: the reason's own) and words (empty: the reason's own) of an operator's. False: it
 * was ending already, and now does so without what it is owed. */
bool sw_session_disconnect(struct sw_session *session, uint16_t code, struct sw_slice words);
/* The peer's close frame came: answered, if it was the first, with the same code. */
void sw_session_close_heard(struct sw_session *session, uint16_t code);
/* The transport's on_closed: nothing of the connection is left. Frees the session. */
void sw_session_closed(struct sw_session *session);
/* The peer is gone: no close frame can reach it. */
void sw_session_lost(struct sw_session *session);
/* The node leaves: whoever is welcomed from now on hears `drain` behind it. Who is there already is
 * told by sw_session_say_drain, a bounded number in a turn. */
void sw_sessions_leave(struct sw_sessions *all, struct sw_farewell farewell);
/* Says `drain`, once; `late_ms`: so much of the farewell is over. */
void sw_session_say_drain(struct sw_session *session, uint64_t late_ms);

/* ---- the turn ---- */

/* A post for the worker's inbox that is the bus's: batch or publish. */
void sw_sessions_on_post(struct sw_sessions *all, struct sw_post *post);
/* The turn's end, behind the inbox: news, closings, walk, flush. */
void sw_sessions_turn(struct sw_sessions *all);
/* Is there work that must not wait for an event? */
bool sw_sessions_busy(const struct sw_sessions *all);

/* Ticks of the loop's clock: u32, wraps after 497 days. */
static inline uint32_t sw_sessions_tick(const struct sw_sessions *all)
{
    return (uint32_t)(sw_loop_now_ms(all->loop) / SW_WHEEL_TICK_MS);
}

#endif

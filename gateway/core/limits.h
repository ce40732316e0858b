// SPDX-License-Identifier: Apache-2.0
/* A limit on everything, each with its reason. What an operator may want to change is in
 * node/config.def instead. */
#ifndef SW_CORE_LIMITS_H
#define SW_CORE_LIMITS_H

/* A topic or pattern (PROTOCOL.md, section 3). */
#define SW_TOPIC_BYTES 255
/* Topic rules of the config; each will be a label of metrics. */
#define SW_RULES 64
/* Keys that tokens are verified with: an issuer has a handful, of which two while it changes them.
 */
#define SW_KEYS 64
/* Of those, how many a token is tried with that does not say which: a stranger chooses it, and a
 * signature costs up to a millisecond. */
#define SW_KEY_TRIES 4
/* Topics and patterns of one list of a grant: as many as a session may subscribe to. */
#define SW_GRANT_NAMES 256
/* Nesting of a token's JSON: its claim `info` may be anything. */
#define SW_TOKEN_DEPTH 32
/* A conflation key or an idempotency id. */
#define SW_KEY_BYTES 64
/* Nesting of a payload that is still spliced as JSON. */
#define SW_PAYLOAD_DEPTH 512

/* The shortest API key that is taken from the environment: 64 bits where it is written in hex. */
#define SW_API_KEY_BYTES 16

/* An HTTP head: browsers send under 2 KB, large cookies are not for us. */
#define SW_HTTP_HEAD_BYTES 16384
#define SW_HTTP_HEADERS    64
/* From the first byte (or accept) to the end of the head, and again for the body. */
#define SW_HTTP_DEADLINE_MS 10000
/* Between two requests on one connection. */
#define SW_HTTP_IDLE_MS 60000
/* Messages in one POST /v1/publish. */
#define SW_PUBLISH_BATCH 1000

/* A PROXY header: the longest line of version 1; version 2 as its specification says every reader
 * must be able to take, which leaves 484 bytes for extensions. */
#define SW_PROXY_LINE_BYTES   107
#define SW_PROXY_HEADER_BYTES 536
/* Networks of --trusted-proxy: who comes is compared with each. */
#define SW_TRUSTED_NETWORKS 64
/* Items of X-Forwarded-For that are looked at: proxies stand in a row of two or three. */
#define SW_FORWARDED_HOPS 32
/* Where there are trusted proxies, one address may have so many connections, on this node: an
 * office of a thousand behind one address, and a twentieth of a node of 20,000. */
#define SW_ADDRESS_CONNECTIONS 1024
/* And come so often in a second: that office is back within the 20 s that clients spread their
 * return over, and who does nothing else costs a twentieth of a core (a handshake with TLS and a
 * token: 1 ms). */
#define SW_ADDRESS_HANDSHAKES 50

/* What a client may send in one message (`limits.frame`). */
#define SW_FRAME_BYTES 65536
/* What the echo path takes. */
#define SW_ECHO_BYTES (16u << 20)
/* Fragments of one message: at 64 bytes each the largest that is taken; empty ones cost nothing
 * that the limits of bytes could see. */
#define SW_MESSAGE_FRAGMENTS 1024
#define SW_ECHO_FRAGMENTS    (SW_ECHO_BYTES / 64)
/* What a client sends is counted over so long: ten seconds' worth may come at once. */
#define SW_INTAKE_WINDOW_MS 10000
/* The most that client_messages and client_bytes can say: ten seconds of them fit into the eight
 * bytes in which they are counted. */
#define SW_CLIENT_MESSAGES 100000
#define SW_CLIENT_BYTES    268435456
/* Subscriptions of one session (`limits.topics`). */
#define SW_SESSION_TOPICS 256
/* Topics in the URL of a stream (PROTOCOL.md, section 9): its cursor is sent again and again, and
 * comes back in a header. */
#define SW_STREAM_TOPICS 32
/* When the client of a stream comes back that breaks off unannounced: each draws its own moment
 * within this time, which begins with half a second. */
#define SW_STREAM_RETRY_MS 5000
/* Entries of one subscribe: twice what can succeed, and an answer of at most 120 KB: 64 KB of their
 * names and 110 bytes of words for each. */
#define SW_SUBSCRIBE_ENTRIES 512
/* Topics that one session may subscribe to and nobody else on this worker reads, or with a position
 * or `last` in a history: so many at once (all that it may hold, and as many others in their
 * place), then so many a second. Each is work for the bus, and on Redis for all its other users:
 * who brings a position that never was makes it look. */
#define SW_SESSION_JOINS       512
#define SW_SESSION_JOINS_PER_S 64
/* Bad requests within a minute before the connection is closed. */
#define SW_BAD_REQUESTS 10
/* A session's control lane above this: that client is not heard until it drains. So who asks and
 * never reads costs this twice (once with the socket), one answer, and the one read (16 KB) that
 * was under way. */
#define SW_LANE_BYTES 16384
/* How long who showed no token may take to say hello with one. */
#define SW_HELLO_MS 10000
/* So long before a token ends its client is told, or at half of a shorter life. */
#define SW_EXPIRING_MS 60000
/* Time that one turn may spend verifying tokens, as much as SW_CROWD_BUDGET_NS; the rest is
 * verified beside the loop, where it holds up nobody who is connected: 3 of ES256, 10 of RS256, 75
 * of HS256, none of what is as dear as ES512. */
#define SW_VERIFY_BUDGET_NS 300000u
/* Tokens of one worker that are being verified there: at 100 us each half a second of one core, and
 * at most 32 MB. Who comes above it is answered 503. */
#define SW_VERIFYING 4096
/* The subscription of a topic that the bus does not acknowledge. */
#define SW_SUBSCRIBE_TIMEOUT_MS 5000
/* How long such an interest stays registered after its last client heard `bus_unavailable`. */
#define SW_INTEREST_KEEP_MS 30000
/* Interests that nobody reads any more and that are still subscribed, in case somebody comes back;
 * above it the one that waited longest is given up at once. A stranger may make as many as it
 * likes. A topic costs memory alone, 420 bytes; a pattern costs every PUBLISH on that Redis 24 ns
 * (measured: 256 make it three times as dear, 4,096 thirty times). */
#define SW_LINGERING_TOPICS   8192
#define SW_LINGERING_PATTERNS 256

/* A drain: between its steps; */
#define SW_DRAIN_STEP_MS 20
/* sessions that are told in one, so that all are within a second and the others' deliveries do not
 * wait for it; */
#define SW_DRAIN_SESSIONS 1024
/* how long a listener that takes nobody new waits for who is in a handshake: a round trip around
 * the world; */
#define SW_DRAIN_DOOR_MS 300
/* behind drain_ms and linger_ms: for resets to be counted; */
#define SW_DRAIN_GRACE_MS 500
/* and behind all that: a worker that stands still does not keep the node from ending. */
#define SW_DRAIN_OVERDUE_MS 5000

/* Connections of a worker that are refused and whose request is waited for, since an EventSource
 * needs another answer than all others; half of what is kept of descriptors. Above it nobody is
 * waited for. */
#define SW_REFUSED_WAITING 8
/* And how long: a round trip around the world. */
#define SW_REFUSED_WAIT_MS 300
/* A loop turns so often though nothing happens, and main looks whether it did; */
#define SW_WATCH_MS 1000
/* so many looks in vain, and it hangs: /live is red in less than 10 s. No turn of a healthy loop
 * takes a second. */
#define SW_STALL_LOOKS 6
/* With --ready-bus: a bus that has been away for so long makes the node unready. A failover of
 * Redis takes less, and a node without its bus still serves who is connected; */
#define SW_AWAY_MS 10000
/* up for so long it is back: one that flaps does not move all clients to and fro. */
#define SW_BACK_MS 5000

/* Accepts per wake-up of a listener: their requests come together in the next turn, and cost more
 * than the accept. With 8 of them p99 of who stays is half again as long, and nobody is back any
 * sooner. */
#define SW_ACCEPTS_PER_TURN 4
/* Time that one turn may spend on who comes and who goes; when it is over nobody more is accepted
 * and no further end told before the next turn. Thousands come and go at once, at 8 us to leave and
 * 30 us to come, 90 with a token; those who stay are written to in between. */
#define SW_CROWD_BUDGET_NS 300000u
/* Ends that a turn tells in any case: they give descriptors back to those who come. */
#define SW_CROWD_ENDS 8
/* Time for TLS handshakes in one turn, at 0.3 ms each: a storm of them delays the connected by no
 * more. Those that are left wait for the next turn, in order. */
#define SW_HANDSHAKE_BUDGET_NS 2000000u
/* Posts taken from an inbox per turn. */
#define SW_POSTS_PER_TURN 1024
/* Bytes taken from an inbox per turn; then the clients get theirs, and have a chance to read them.
 */
#define SW_INBOX_TURN_BYTES (512u << 10)
/* Bytes of messages that may wait in a worker's inbox before they become gap marks. */
#define SW_INBOX_BYTES (16u << 20)
/* Entries of one batch from the bus: 48 KB. */
#define SW_BATCH_ENTRIES 2048
/* Bytes of publishes that the bus holds while it waits for Redis' answers. */
#define SW_PUBLISH_QUEUE_BYTES (16u << 20)
/* Redis' reader copies what is left after each 1 KB it consumed: larger slices cost more per
 * message (measured: 16 KB 101-158 ns, 256 KB 750-820 ns). */
#define SW_REDIS_SLICE_BYTES 16384
/* Read from Redis per turn; then the clients get theirs. */
#define SW_REDIS_TURN_BYTES (1u << 20)
/* A beat goes round through the bus so often, to prove that what comes is fresh. */
#define SW_FEED_BEAT_MS 1000
/* The feed is stale when the newest beat that came round is older than this: two were awaited. A
 * client hears of it in less than 3 s. */
#define SW_FEED_LATE_MS 2250
/* It is live again when a beat takes less than this: with the time to the next one, and as much as
 * a loop may look later, no more than SW_FEED_LATE_MS. */
#define SW_FEED_FRESH_MS 1000
/* What a rule may have each of its topics keep, and a client ask for as `last`: 200 reads of
 * SW_HISTORY_READ; who is further behind than that is better served by a snapshot. */
#define SW_HISTORY_SIZE 100000
/* And for so long: 31 days. */
#define SW_HISTORY_TTL_MS 2678400000u
/* A key of Redis that a rule names. */
#define SW_RETAIN_KEY_BYTES 255
/* Entries of one read of a history: one XRANGE of 10,000 stops Redis for 12 ms, and everybody else
 * with it. */
#define SW_HISTORY_READ 500
/* What is kept of one topic's history on a node, beside its rule's size. */
#define SW_HISTORY_BYTES (8u << 20)
/* The same while memory is short; above 85 % of the budget only the newest message. */
#define SW_HISTORY_TIGHT_BYTES (512u << 10)
/* What may wait behind a look at a topic's history: a second of 4,000 messages of 256 bytes. What
 * comes above it is dropped and read again. */
#define SW_HISTORY_HELD_BYTES (1u << 20)
/* How long a hole may wait for what is missing in it, on a living link. */
#define SW_HISTORY_HOLE_MS 3000
/* All topics with history are compared with the bus in this time, */
#define SW_HISTORY_SWEEP_MS 30000
/* some of them at each step. */
#define SW_HISTORY_SWEEP_STEP_MS 250
/* One log line of messages that were published past a history, and one of histories that cannot be
 * read, for all topics. */
#define SW_HISTORY_LOG_MS 60000
/* A topic whose history cannot be read is not looked at again before so long, and up to as long
 * again (jitter); who joins meanwhile is refused at once. */
#define SW_HISTORY_FAILED_MS 1000
/* The embedded bus keeps no more than this of all topics, */
#define SW_MEMORY_STORE_BYTES (64u << 20)
/* while memory is short this, */
#define SW_MEMORY_STORE_TIGHT_BYTES (8u << 20)
/* and so many topics: 20 MB of their heads. */
#define SW_MEMORY_TOPICS 65536
/* How long an idempotency id is known (PROTOCOL.md, section 7), and how many of them the embedded
 * bus knows: 500 publishes a second with one, at 200 bytes each. */
#define SW_IDEMPOTENCY_MS 120000
#define SW_MEMORY_IDS     65536
/* What was read of histories for those who are behind, of all topics: a return of thousands lasts
 * seconds, and asks for the same again and again. */
#define SW_HISTORY_PAGES_BYTES (16u << 20)
/* How long a subscription waits for what a key of the bus says was its topic's last message. */
#define SW_RETAIN_WAIT_MS 200
/* Payloads of one lookup for an operator; who wants more asks for what is behind them. */
#define SW_LOOKUP_BYTES (4u << 20)
/* Lookups that wait for the bus. */
#define SW_LOOKUPS 64
/* One bulk string from Redis; above it the link ends. */
#define SW_REDIS_BULK_BYTES (16u << 20)
/* What is kept of one answer that is an array, the read of a history: the rest of its entries is
 * asked for again. Three of the largest messages that there may be, two of which always come. */
#define SW_REDIS_ARRAY_BYTES (12u << 20)

/* Sessions that a worker tells in one turn that the feed is stale, or live again: 20,000 hear it in
 * 20 turns of 3 ms. */
#define SW_FEED_SESSIONS 1024

/* Raw sessions that missed something are closed each at its own moment within 5 s: what a turn and
 * the wheel add is left out. */
#define SW_RAW_SPREAD_MS 4500

/* Sessions that a worker remembers after their end: an incident's worth, in 90 KB. */
#define SW_ENDED_SESSIONS 256
/* Rows of one report (sessions and their cursors, topics) that a worker looks at in one turn: about
 * 0.1 ms. */
#define SW_REPORT_ROWS 4096
/* Reports that main has out with one role: one that stands still costs neither more memory, nor
 * every operator his patience. */
#define SW_REPORTS_OUT 16
/* Rows of one answer to an operator. */
#define SW_REPORT_LIMIT 1000

/* The id of a node: it stands in the name of a channel. */
#define SW_NODE_BYTES 64
/* Who a client is to a backend: the user of a session. */
#define SW_USER_BYTES 255
/* Words of a close frame (RFC 6455: 125 bytes, two of them the code). */
#define SW_CLOSE_WORDS 123
/* One notice between nodes: the longest that this version says has under 1 KB. */
#define SW_NOTICE_BYTES 4096
/* Notices that wait for main, about 300: more come only where it stands still. */
#define SW_NOTICES_BYTES (256u << 10)
/* Requests to disconnect that are under way on a node: as many as there may be connections of
 * operators; each costs 1 KB for each worker. */
#define SW_DISCONNECTS 1024
/* What ending a session weighs among the rows that a worker looks at in one turn: 64 ends a turn,
 * whose frames are written within SW_WRITE_BUDGET_NS. */
#define SW_DISCONNECT_ROWS 64

/* Bytes of one tape in one turn before it is walked early. */
#define SW_TAPE_TURN_BYTES (256u << 10)
/* Pieces of one sendmsg; more are no faster. */
#define SW_FLUSH_PIECES 64
/* Bytes that one session may get in one turn while others wait. */
#define SW_FLUSH_BYTES (1u << 20)
/* Of these, what may come from a history: who returns is brought up to date in slices, so that many
 * share the turn and live messages go out beside them. */
#define SW_REPLAY_BYTES (64u << 10)
/* Runs of histories that a worker keeps rendered, beside those that somebody reads: about 25,000
 * messages of 100 bytes. */
#define SW_RUNS_BYTES (8u << 20)
/* Time that one turn may spend writing; what is left gets cursors. Without it a walk over 10,000
 * clients keeps the loop from reading for 50-110 ms. */
#define SW_WRITE_BUDGET_NS 2000000u
/* Sessions between two looks at the clock while writing. */
#define SW_WRITE_BUDGET_STEP 32
/* Pieces below this are copied together for one send, which beats sendmsg. */
#define SW_GATHER_BYTES 16384u
/* With more pieces than SW_FLUSH_PIECES: copied up to here. */
#define SW_GATHER_MAX_BYTES 65536u
/* Items of one session in one turn. */
#define SW_TURN_ITEMS 1024

/* Topics and keys on one board: above, the oldest is told as missing. */
#define SW_BOARD_ENTRIES 4096
/* And their bytes: 4,096 of 2 KB, or 32 of the largest. */
#define SW_BOARD_BYTES (8u << 20)
/* The same while memory is short. */
#define SW_BOARD_TIGHT_BYTES (1u << 20)
/* Entries of a board before it is looked at for those that everybody has read. */
#define SW_BOARD_TRIM 64
/* Deliveries that one session may be behind; its accounts hold no more. */
#define SW_BEHIND_MAX (1u << 30)
/* Messages that may be missing at one place; a history that goes on further ahead is another one
 * (its meta was damaged, say), of which all are told `reset` instead of being far too slow. */
#define SW_GAP_MAX (SW_BEHIND_MAX / 4)
/* What was conflated or paced is told at most once a second, less the ticks' play. */
#define SW_TOLD_STEPS 15 /* of SW_TOLD_MS */

/* How long the oldest byte may wait before its reader is pressured; a healthy one takes 800 KB in
 * 2 ms, so bytes alone do not say who is slow. */
#define SW_PRESSURE_MS 250
/* The high mark sheds only what has waited so long. */
#define SW_SHED_AGE_MS 100
/* Above the high mark so long, a `disconnect` subscription ends. */
#define SW_DISCONNECT_MS 10000
/* The kernel's queue of a pressured session is looked at so often, */
#define SW_GATE_TICK_MS 20
/* and may always hold this much unacknowledged, */
#define SW_GATE_BYTES 8192
/* or what was acknowledged within this time and two round trips. */
#define SW_GATE_WINDOW_MS 250
/* A pressure episode has ended when nothing has waited for so long. */
#define SW_CALM_MS 1000
/* Until it is known whether a session is slow, this much: at 256 kbit/s a second. */
#define SW_GATE_WATCHED_BYTES 32768
/* Sessions that are looked at in one tick. */
#define SW_GATE_LOOKS 1024
/* Written to a session between two looks at its kernel's queue: the kernel swallows 120-200 KB of a
 * slow client's bytes, seconds of them, before it says no. */
#define SW_UNLOOKED_BYTES 16384

/* What waits in the kernel but was not yet sent: a slow client's data waits as shared blocks in
 * user space instead (measured: 42 KB of kernel per silent client instead of 4 MB). */
#define SW_NOTSENT_LOWAT 16384

#endif

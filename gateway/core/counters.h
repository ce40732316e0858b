// SPDX-License-Identifier: Apache-2.0
/* counters.def as a block of numbers. Each role owns one block and is its only writer; any thread
 * reads. Gauges are signed sums: a role adds and subtracts in its own block, so a block's part may
 * be negative. */
#ifndef SW_CORE_COUNTERS_H
#define SW_CORE_COUNTERS_H

#include "common/histogram.h"
#include "core/limits.h"
#include "core/reasons.h"

#include <stdatomic.h>
#include <stdint.h>

/* The label sets of SW_FAMILY. */
enum sw_connection_kind {
    SW_CONNECTION_HTTP,       /* transport="http",state="open": handshakes and plain requests */
    SW_CONNECTION_WS_OPEN,    /* transport="ws",state="open" */
    SW_CONNECTION_WS_CLOSING, /* transport="ws",state="closing" */
    SW_CONNECTION_SSE_OPEN,
    SW_CONNECTION_SSE_CLOSING,
    SW_CONNECTION_RAW_OPEN,
    SW_CONNECTION_RAW_CLOSING,
    SW_CONNECTION_KIND_COUNT
};
enum sw_bus_kind { SW_BUS_MEMORY, SW_BUS_REDIS, SW_BUS_KIND_COUNT };
/* Why a connection was refused at the door. */
enum sw_refusal {
    SW_REFUSED_FULL,         /* as many as there may be */
    SW_REFUSED_BUDGET,       /* no memory to spare */
    SW_REFUSED_RATE,         /* too many at once */
    SW_REFUSED_ADDRESS,      /* too many at once from one address */
    SW_REFUSED_UNTRUSTED,    /* on a listener for PROXY headers, from no trusted proxy */
    SW_REFUSED_PROXY_HEADER, /* there, without one */
    SW_REFUSAL_COUNT
};
/* How a session left a node that drains. */
enum sw_departure {
    SW_DEPARTURE_LEFT,   /* by itself, once it was told */
    SW_DEPARTURE_CLOSED, /* by the server, and took it */
    SW_DEPARTURE_RESET,  /* did not take its close frame in time */
    SW_DEPARTURE_OTHER,  /* for a reason of its own (spillway_closed_total) */
    SW_DEPARTURE_COUNT
};

/* How a TLS handshake went. */
enum sw_tls_outcome {
    SW_TLS_OK_12,
    SW_TLS_OK_13,
    SW_TLS_FAILED,  /* no version or cipher in common, not TLS, an alert, ... */
    SW_TLS_PLAIN,   /* HTTP came in its place */
    SW_TLS_GONE,    /* the peer left before it was done */
    SW_TLS_TIMEOUT, /* this node left: its time was over, or the node drains */
    SW_TLS_OUTCOME_COUNT
};
/* What is charged to the memory budget (common/budget.h). */
enum sw_budget_part {
    SW_PART_BLOCKS,   /* fanout's, with those that are kept for the next burst */
    SW_PART_MESSAGES, /* the bus's, under way */
    SW_PART_HISTORY,  /* the bus's, kept */
    SW_PART_KERNEL,   /* what the kernel holds for sessions under pressure, heads left out */
    SW_PART_TLS,      /* TLS connections, and records that wait for their sockets */
    SW_PART_CLIENTS,  /* what clients sent of messages that are not whole yet, or not taken yet */
    SW_PART_COUNT
};

/* Why a topic's history was looked at. */
enum sw_look {
    SW_LOOK_ACK,    /* it was subscribed, or the link is back */
    SW_LOOK_EPOCH,  /* a message of an epoch that is not known */
    SW_LOOK_HOLE,   /* a message that does not follow the one before it */
    SW_LOOK_CHECK,  /* a worker wants to know whether a position holds */
    SW_LOOK_SWEEP,  /* its time had come */
    SW_LOOK_MORE,   /* the one before left something to be read */
    SW_LOOK_RUN,    /* for who is behind */
    SW_LOOK_LOOKUP, /* for an operator or a backend */
    SW_LOOK_COUNT
};

/* What became of a token (auth/token.h). */
enum sw_token_outcome {
    SW_OUTCOME_GOOD,
    SW_OUTCOME_TOO_LARGE,
    SW_OUTCOME_MALFORMED,
    SW_OUTCOME_NO_KEY,
    SW_OUTCOME_BAD_SIGNATURE,
    SW_OUTCOME_EXPIRED,
    SW_OUTCOME_NOT_YET,
    SW_OUTCOME_WRONG_ISSUER,
    SW_OUTCOME_WRONG_AUDIENCE,
    SW_OUTCOME_BAD_GRANT,
    SW_OUTCOME_COUNT
};

#define SW_FAMILY_SIZE_CONNECTIONS SW_CONNECTION_KIND_COUNT
#define SW_FAMILY_SIZE_REASONS     SW_REASON_COUNT
#define SW_FAMILY_SIZE_SHEDS       SW_SHED_COUNT
#define SW_FAMILY_SIZE_BUSES       SW_BUS_KIND_COUNT
#define SW_FAMILY_SIZE_REFUSALS    SW_REFUSAL_COUNT
#define SW_FAMILY_SIZE_PARTS       SW_PART_COUNT
#define SW_FAMILY_SIZE_OUTCOMES    SW_OUTCOME_COUNT
#define SW_FAMILY_SIZE_DEPARTURES  SW_DEPARTURE_COUNT
#define SW_FAMILY_SIZE_LOOKS       SW_LOOK_COUNT
#define SW_FAMILY_SIZE_HANDSHAKES  SW_TLS_OUTCOME_COUNT

struct sw_counters {
#define SW_COUNTER(field, type, help)      _Atomic int64_t field;
#define SW_FAMILY(field, type, list, help) _Atomic int64_t field[SW_FAMILY_SIZE_##list];
#define SW_SECONDS(field, type, help)      _Atomic int64_t field;
#define SW_BY_RULE(field, help)            _Atomic int64_t field[SW_RULES + 1];
#define SW_HISTOGRAM(field, help)          struct sw_histogram field;
#include "core/counters.def"
};

/* Adds to a counter of the caller's own role: no lock prefix, since nobody else writes it. */
static inline void sw_count(_Atomic int64_t *counter, int64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline int64_t sw_counter_read(const _Atomic int64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* The caller's own part of a gauge becomes `value`. */
static inline void sw_gauge_set(_Atomic int64_t *gauge, int64_t value)
{
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}

#endif

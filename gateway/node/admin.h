// SPDX-License-Identifier: Apache-2.0
/* The admin listener: for backends, probes and operators. Belongs to main's loop. */
#ifndef SW_NODE_ADMIN_H
#define SW_NODE_ADMIN_H

#include "api/ask.h"
#include "api/disconnect.h"
#include "api/guard.h"
#include "api/health.h"
#include "api/metrics.h"
#include "api/publish.h"
#include "net/listener.h"

struct sw_node;

/* What the admin side asks of the node. */
struct sw_admin_node {
    struct sw_node *node;
    enum sw_readiness (*readiness)(struct sw_node *node);
    bool (*bus_up)(struct sw_node *node);
    /* Appends the answer of /live; false: a loop hangs. */
    bool (*live)(struct sw_node *node, struct sw_buf *answer);
    /* Brings main's own gauges up to date. */
    void (*measure)(struct sw_node *node);
    /* Appends the answer. */
    void (*drain)(struct sw_node *node, struct sw_buf *answer);
    /* Appends the answer; false: something could not be read again. */
    bool (*reload)(struct sw_node *node, struct sw_buf *answer);
    /* A worker's loop sleeps (behind the last of them: the bus's); false: there is none. */
    bool (*hold)(struct sw_node *node, uint64_t worker, uint64_t ms);
    const struct sw_counters *const *blocks; /* of all roles, NULL-terminated */
    struct sw_metrics_about about;
    const struct sw_rules *rules;
    struct sw_roles roles;
};

struct sw_admin {
    struct sw_admin_node node;
    struct sw_loop *loop;
    struct sw_counters *counters;
    struct sw_guard guard;
    struct sw_publisher publisher;
    struct sw_disconnects disconnects;
    struct sw_site site;
    struct sw_listener *listener;
    struct sw_list conns;
    unsigned conn_count;
};

/* Borrows all; `guard` and `publisher` are copied. Returns 0 or a negative errno. */
int sw_admin_open(struct sw_admin *admin, struct sw_loop *loop, const struct sw_address *address,
                  const struct sw_admin_node *node, const struct sw_publisher *publisher,
                  struct sw_counters *counters) SW_MUST_CHECK;
/* Listens no more and closes what is open; the connections are gone when the loop has turned. */
void sw_admin_close(struct sw_admin *admin);

#endif

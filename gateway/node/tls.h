// SPDX-License-Identifier: Apache-2.0
/* The node's certificate, on main's side: which listeners show it, and how it is renewed. Main
 * keeps one reference, each worker another; a worker gets a renewed one by a post. */
#ifndef SW_NODE_TLS_H
#define SW_NODE_TLS_H

#include "node/reload.h"
#include "node/worker.h"

struct sw_node_tls {
    const struct sw_config *config;
    struct sw_tls_context *context; /* NULL: the node has none */
    struct sw_worker *workers;
    unsigned worker_count;
};

/* Reads the certificate, if there is one, and marks the listeners that show it: those that say tls,
 * or, if none does, all. False: `error` says in a line which file cannot be used, and why. */
bool sw_node_tls_init(struct sw_node_tls *tls, const struct sw_config *config,
                      struct sw_listen *listens, unsigned listen_count, struct sw_buf *error);
/* The workers get it again at a reload, if the node has one. */
void sw_node_tls_watch(struct sw_node_tls *tls, struct sw_reload *reload, struct sw_worker *workers,
                       unsigned worker_count);
void sw_node_tls_deinit(struct sw_node_tls *tls);

#endif

// SPDX-License-Identifier: Apache-2.0
/* The node: main's role. Starts the bus and the workers, serves the admin listener, drains, stops.
 */
#ifndef SW_NODE_NODE_H
#define SW_NODE_NODE_H

#include "node/config.h"

/* Runs a node until it is told to stop by a signal. Prints one line on standard output when it can
 * serve: "ready listen=127.0.0.1:8000,[::1]:8000 admin=127.0.0.1:9000 pid=..". What keeps it from
 * starting goes to standard error, for a person. Returns the exit code: 0 after a clean drain, 1
 * otherwise. */
int sw_node_run(const struct sw_config *config);

#endif

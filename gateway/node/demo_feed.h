// SPDX-License-Identifier: Apache-2.0
/* A synthetic market for --demo: a dozen instruments that walk at random, published as any backend
 * would on demo.ticks.<SYMBOL>. On main's loop. */
#ifndef SW_NODE_DEMO_FEED_H
#define SW_NODE_DEMO_FEED_H

#include "bus/bus.h"
#include "common/random.h"

#define SW_DEMO_SYMBOLS 12

struct sw_demo_feed {
    struct sw_timer timer;
    struct sw_loop *loop;
    struct sw_bus *bus;
    struct sw_inbox *inbox;
    struct sw_random random;
    char separator;
    bool running;
    unsigned next;
    unsigned waiting; /* publishes that have not come back */
    double price[SW_DEMO_SYMBOLS];
    double open[SW_DEMO_SYMBOLS];
    uint64_t volume[SW_DEMO_SYMBOLS];
};

void sw_demo_feed_start(struct sw_demo_feed *feed, struct sw_loop *loop, struct sw_bus *bus,
                        struct sw_inbox *inbox, char separator);
/* Harmless where it does not run. */
void sw_demo_feed_stop(struct sw_demo_feed *feed);

#endif

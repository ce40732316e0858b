// SPDX-License-Identifier: Apache-2.0
/* The exchange: which tapes of which workers read which strings of the bus. What backends see of it
 * is in backend.h; here is what the bus role asks. One per bus, on its loop; owns interests,
 * readers and outlets, and the copy of the configuration.
 *
 *   interest: join -> subscribed at the backend -> acked -> (link lost: lost -> acked) ...
 *             last reader leaves -> lingers -> unsubscribed and freed, or revived by a join
 *   own:      wanted when the bus comes up -> acked -> notices; refused: until it comes up again
 *   reader:   join -> state (now, or at the ack) -> messages and gaps -> leave, or refused
 *
 * Invariant (sw_exchange_sane): those of interests.h and readers.h. */
#ifndef SW_BUS_EXCHANGE_H
#define SW_BUS_EXCHANGE_H

#include "bus/backend.h"
#include "bus/report.h"

/* Copies the configuration; `loop` and `counters` are borrowed. */
struct sw_exchange *sw_exchange_create(struct sw_loop *loop, const struct sw_bus_config *config,
                                       struct sw_counters *counters);
/* Before anything else is asked. Borrowed until sw_exchange_clear. */
void sw_exchange_set_backend(struct sw_exchange *exchange, struct sw_backend *backend);
/* The workers in order of their ids. Borrowed. */
void sw_exchange_add_worker(struct sw_exchange *exchange, struct sw_inbox *inbox);
/* Frees all interests and readers, and forgets the backend. From now on a publish that comes back
 * is freed, since nobody is left to take it. */
void sw_exchange_clear(struct sw_exchange *exchange);
/* After sw_exchange_clear. NULLs *exchange. */
void sw_exchange_destroy(struct sw_exchange **exchange);

/* What workers ask; `join` is borrowed. A leave of who is not there (refused meanwhile) is nothing.
 */
void sw_exchange_join(struct sw_exchange *exchange, const struct sw_join *join);
void sw_exchange_leave(struct sw_exchange *exchange, const struct sw_join *join);
/* From readers of topics with history; anything else is nothing. `join` is borrowed. */
void sw_exchange_ask(struct sw_exchange *exchange, const struct sw_join *join);
void sw_exchange_check(struct sw_exchange *exchange, const struct sw_join *join);
/* Takes `lookup` until it comes back. */
void sw_exchange_lookup(struct sw_exchange *exchange, struct sw_lookup *lookup);
/* Takes `publish` until sw_exchange_published; refused at once while the bus is down or too much
 * waits. */
void sw_exchange_publish(struct sw_exchange *exchange, struct sw_publish *publish);
/* A batch that a worker handed back. */
void sw_exchange_returned(struct sw_exchange *exchange, struct sw_batch *batch);

/* Fills in what was taken of each topic that the report names, and answers it. */
void sw_exchange_report(struct sw_exchange *exchange, struct sw_report *report);

/* Messages that come from now on arrived now. */
void sw_exchange_tick(struct sw_exchange *exchange);
/* What was collected for the workers is posted. */
void sw_exchange_close_batches(struct sw_exchange *exchange);
/* The bus is left on purpose: not up any more, and no loss. */
void sw_exchange_stopped(struct sw_exchange *exchange);

/* Any thread. */
bool sw_exchange_is_up(const struct sw_exchange *exchange);
bool sw_exchange_ever_up(const struct sw_exchange *exchange);

/* For tests, which do not wait for timers. */
struct sw_histories *sw_exchange_histories(struct sw_exchange *exchange);
bool sw_exchange_sane(const struct sw_exchange *exchange);

#endif

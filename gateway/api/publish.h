// SPDX-License-Identifier: Apache-2.0
/* Publishing over HTTP: POST /v1/topics/{topic} and POST /v1/publish (PROTOCOL.md, section 1). The
 * reply waits for the bus; a client that leaves first loses only the reply. Belongs to the loop of
 * its inbox. */
#ifndef SW_API_PUBLISH_H
#define SW_API_PUBLISH_H

#include "auth/permit.h"
#include "bus/bus.h"
#include "http/server.h"

/* What the handlers need to know; borrowed. */
struct sw_publisher {
    struct sw_bus *bus;
    struct sw_inbox *inbox; /* where publishes come back */
    const struct sw_rules *rules;
    bool backend; /* who comes here may publish to every topic */
};

/* The body's bytes are the payload; the topic is what follows "/v1/topics/". Who sends an
 * `Idempotency-Key` may send the message again: within 120 s it is the same one. */
void sw_api_publish_topic(const struct sw_publisher *publisher, struct sw_http *http,
                          const struct sw_request *request);
/* One {"topic","data","key"?,"id"?} or an array of up to SW_PUBLISH_BATCH. `permit`: of this client
 * (NULL for a backend); the rule of a topic may say otherwise. */
void sw_api_publish(const struct sw_publisher *publisher, struct sw_http *http,
                    const struct sw_request *request, const struct sw_permit *permit);

#endif

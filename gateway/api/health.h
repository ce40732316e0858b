// SPDX-License-Identifier: Apache-2.0
/* /live and /ready. Liveness never depends on Redis: a blip there must not restart every pod. */
#ifndef SW_API_HEALTH_H
#define SW_API_HEALTH_H

#include "http/server.h"

enum sw_readiness { SW_STARTING, SW_READY, SW_DRAINING, SW_FULL, SW_STALE };

/* 200, or 503 where a loop hangs; `answer` says which. */
void sw_api_live(struct sw_http *http, bool live, struct sw_slice answer);
/* 200 if ready, else 503; the body says why. */
void sw_api_ready(struct sw_http *http, enum sw_readiness readiness, bool bus_up);

#endif

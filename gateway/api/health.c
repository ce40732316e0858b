// SPDX-License-Identifier: Apache-2.0
#include "api/health.h"

void sw_api_live(struct sw_http *http, bool live, struct sw_slice answer)
{
    sw_http_reply(http, live ? 200 : 503, "application/json", answer, "");
}

static const char *word(enum sw_readiness readiness)
{
    switch (readiness) {
    case SW_STARTING:
        return "starting";
    case SW_READY:
        return "ready";
    case SW_DRAINING:
        return "draining";
    case SW_FULL:
        return "full";
    case SW_STALE:
        return "stale";
    }
    return "starting";
}

void sw_api_ready(struct sw_http *http, enum sw_readiness readiness, bool bus_up)
{
    struct sw_buf body = {0};
    sw_buf_printf(&body, "{\"status\":\"%s\",\"bus\":\"%s\"}", word(readiness),
                  bus_up ? "up" : "down");
    sw_http_reply(http, readiness == SW_READY ? 200 : 503, "application/json", sw_buf_slice(&body),
                  readiness == SW_READY ? "" : "Retry-After: 1\r\n");
    sw_buf_deinit(&body);
}

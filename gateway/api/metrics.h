// SPDX-License-Identifier: Apache-2.0
/* counters.def as Prometheus text (exposition format 0.0.4) and as METRICS.md. */
#ifndef SW_API_METRICS_H
#define SW_API_METRICS_H

#include "core/counters.h"
#include "core/rule.h"
#include "http/server.h"

/* The labels of build_info: words without quotes and backslashes, borrowed. */
struct sw_metrics_about {
    const char *version;
    const char *service;
    const char *environment; /* "" where the operator names none */
};

/* The blocks of all roles, NULL-terminated; their sums are shown. What is counted by topic rule is
 * named by `rules`. */
void sw_metrics_write(struct sw_buf *out, const struct sw_counters *const *blocks,
                      const struct sw_rules *rules, const struct sw_metrics_about *about);
/* With what the kernel says of the process behind it. */
void sw_api_metrics(struct sw_http *http, const struct sw_counters *const *blocks,
                    const struct sw_rules *rules, const struct sw_metrics_about *about);
/* The table of all metrics. */
void sw_metrics_docs(struct sw_buf *out);

#endif

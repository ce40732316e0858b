// SPDX-License-Identifier: Apache-2.0
/* Who is slow, and who has ended and why: GET /v1/connections and GET /v1/connections/ended
 * (PROTOCOL.md, section 1). Belong to main's loop. */
#ifndef SW_API_CONNECTIONS_H
#define SW_API_CONNECTIONS_H

#include "api/ask.h"

/* The first of all workers by ?sort=lag|queued|dropped|age, at most ?limit of them. */
void sw_api_connections(const struct sw_roles *roles, struct sw_http *http,
                        const struct sw_request *request);
/* What all flight recorders hold, the newest first. */
void sw_api_connections_ended(const struct sw_roles *roles, struct sw_http *http,
                              const struct sw_request *request);

/* For tests: the rows of all reports in one answer. */
void sw_connections_write(struct sw_buf *out, const struct sw_report *reports, bool ended,
                          enum sw_report_sort sort, uint32_t limit, bool partial);

#endif

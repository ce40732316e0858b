// SPDX-License-Identifier: Apache-2.0
/* What is read on this node: GET /v1/topics (PROTOCOL.md, section 1). A topic may be read on every
 * worker, so two rounds are asked: each worker names those of its topics that have most readers;
 * then the workers say how many read each of the first of these, and the bus how many messages
 * came. So every number is exact; only which topics are named is each worker's own view, where
 * there are more than `limit`. Belongs to main's loop. */
#ifndef SW_API_TOPICS_H
#define SW_API_TOPICS_H

#include "api/ask.h"

/* ?match=orders.> (a topic or pattern), at most ?limit of them, those with most subscribers first.
 */
void sw_api_topics(const struct sw_roles *roles, struct sw_http *http,
                   const struct sw_request *request);

/* For tests: the topics of all reports, each once with the sum of its subscribers, the most first,
 * at most `limit`; returns how many. The caller frees *rows. */
uint32_t sw_topics_merge(const struct sw_report *reports, uint32_t limit,
                         struct sw_topic_row **rows);

#endif

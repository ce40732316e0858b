// SPDX-License-Identifier: Apache-2.0
/* What is kept of a topic: GET /v1/topics/{topic}/history (PROTOCOL.md, section 1). The bus looks
 * it up; a client that leaves first loses only the reply. Belongs to main's loop. */
#ifndef SW_API_HISTORY_H
#define SW_API_HISTORY_H

#include "api/ask.h"

/* ?from=Qx7:40 (the messages behind that position; without it the oldest), at most ?limit of them.
 * An answer may hold fewer: it is bounded in bytes, too, and so is one read of the bus. Who wants
 * more asks again, from the last one. */
void sw_api_history(const struct sw_roles *roles, struct sw_http *http,
                    const struct sw_request *request);

/* For tests: the answer that the lookup makes. */
void sw_history_write(struct sw_buf *out, const struct sw_lookup *lookup);

#endif

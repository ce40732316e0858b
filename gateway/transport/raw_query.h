// SPDX-License-Identifier: Apache-2.0
/* What the URL of a raw upgrade may ask for: payloads have no room for the answers that a
 * subscription gets, so what could not be served is refused at once. Pure functions. */
#ifndef SW_TRANSPORT_RAW_QUERY_H
#define SW_TRANSPORT_RAW_QUERY_H

#include "common/slice.h"

/* Does the URL say raw=1? False with *why set: it says something else by it. */
bool sw_raw_query_asks(struct sw_slice query, const char **why);
/* NULL, or what is wrong with it for a client that gets payloads alone. */
const char *sw_raw_query_problem(struct sw_slice query, char separator);

#endif

// SPDX-License-Identifier: Apache-2.0
/* Where a request says it comes from and goes to. Pure functions. */
#ifndef SW_HTTP_ORIGIN_H
#define SW_HTTP_ORIGIN_H

#include "common/slice.h"

/* Is the host of "host", "host:port", "[v6]:port" a name or number of this machine alone:
 * localhost, *.localhost, 127.x.x.x, [::1]? */
bool sw_host_is_loopback(struct sw_slice host);
/* The same for the host of an Origin ("http://localhost:8000"); "null" is foreign. */
bool sw_origin_is_loopback(struct sw_slice origin);
/* Is there no list (NULL or empty; NULL-terminated), no Origin (data == NULL: no browser), or is it
 * on the list? */
bool sw_origin_allowed(char *const *list, struct sw_slice origin);

#endif

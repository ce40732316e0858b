// SPDX-License-Identifier: Apache-2.0
/* How a topic or a pattern is asked for on the wire: the prefix and the name, or the Redis glob
 * that covers the pattern. Distinct patterns get distinct globs, since Redis names the glob and not
 * us. Pure functions. */
#ifndef SW_BUS_WIRE_H
#define SW_BUS_WIRE_H

#include "common/buf.h"

void sw_wire_put(struct sw_buf *out, struct sw_slice prefix, struct sw_slice name, bool pattern,
                 char separator);

#endif

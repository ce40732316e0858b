// SPDX-License-Identifier: Apache-2.0
/* What the kernel says of this process, under the names that every Prometheus client uses. */
#ifndef SW_API_PROCESS_H
#define SW_API_PROCESS_H

#include "common/buf.h"

/* Appends the metrics; what /proc does not tell is left out. */
void sw_process_write(struct sw_buf *out);
/* Appends their rows of METRICS.md. */
void sw_process_docs(struct sw_buf *out);

#endif

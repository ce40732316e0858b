// SPDX-License-Identifier: Apache-2.0
/* Compressed payloads (permessage-deflate without context takeover). */
#ifndef BENCH_INFLATE_H
#define BENCH_INFLATE_H

#include <stddef.h>

/* What it was; valid until the next call. Dies where it is no deflate data. */
const char *inflate_payload(const char *payload, size_t size, size_t *text_size);

#endif

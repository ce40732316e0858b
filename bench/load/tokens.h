// SPDX-License-Identifier: Apache-2.0
/* The tokens that clients show: the lines of a file, in turns. */
#ifndef BENCH_TOKENS_H
#define BENCH_TOKENS_H

/* NULL: nobody shows one. False: it cannot be read, or is empty. */
_Bool tokens_read(const char *path);

/* A line of the upgrade's head, with its end; "" where nobody shows any. Until the next call. */
const char *tokens_header(unsigned number);

#endif

// SPDX-License-Identifier: Apache-2.0
/* What stands around a text on its way: a frame of RFC 6455, or an event. What is found is told to
 * client_hear(). */
#ifndef BENCH_FRAMING_H
#define BENCH_FRAMING_H

#include <stddef.h>

struct client;

/* The head of a client's frame; the mask is all zeros, which RFC 6455 leaves to the client. Returns
 * its size. */
size_t framing_put_head(char *out, unsigned opcode, size_t size);

/* Take what is whole; return the bytes taken. */
size_t framing_take_frames(struct client *client, const char *data, size_t size);
size_t framing_take_events(struct client *client, const char *data, size_t size);

#endif

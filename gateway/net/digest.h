// SPDX-License-Identifier: Apache-2.0
/* SHA-1 for the WebSocket handshake (RFC 6455 section 4.2.2), and comparison in constant time. */
#ifndef SW_NET_DIGEST_H
#define SW_NET_DIGEST_H

#include "common/slice.h"

#define SW_SHA1_BYTES 20

void sw_sha1(struct sw_slice data, unsigned char out[SW_SHA1_BYTES]);
/* Takes as long for any two texts of the same sizes. */
bool sw_secret_equal(struct sw_slice a, struct sw_slice b);

#endif

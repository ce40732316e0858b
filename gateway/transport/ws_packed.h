// SPDX-License-Identifier: Apache-2.0
/* The framing of tapes whose messages are compressed (permessage-deflate), once for all who read
 * them. Short messages, and all that is no message, stay plain: a client tells by RSV1. What a
 * message is replaced by (its identity) stands at the head of its payload as it is, for boards, and
 * so that what follows is the same on the tapes of all patterns: who reads many of them would have
 * it compressed for each. */
#ifndef SW_TRANSPORT_WS_PACKED_H
#define SW_TRANSPORT_WS_PACKED_H

#include "core/counters.h"
#include "transport/ws_codec.h"

/* Of a worker; it stays where it is, since its framing points to it. */
struct sw_ws_packer {
    struct sw_ws_codec *codec; /* borrowed */
    struct sw_counters *counters;
    size_t min_bytes;     /* of a frame; what is shorter stays plain */
    struct sw_buf text;   /* scratch */
    struct sw_buf last;   /* the text that was compressed last, */
    struct sw_slice rest; /* what follows its identity, */
    struct sw_buf topic;  /* its topic, */
    struct sw_buf name;   /* and the name of its tape, */
    struct sw_buf packed; /* and what that became */
    struct sw_buf head;   /* of the payload that is not yet copied out; `packed` completes it */
};

/* `codec` and `counters` are borrowed. */
void sw_ws_packer_init(struct sw_ws_packer *packer, struct sw_ws_codec *codec, size_t min_bytes,
                       struct sw_counters *counters);
void sw_ws_packer_deinit(struct sw_ws_packer *packer);
/* The framing of text frames for tapes, with the packer as its context. */
struct sw_framing sw_ws_packed_framing(struct sw_ws_packer *packer);

#endif

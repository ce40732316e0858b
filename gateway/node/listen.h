// SPDX-License-Identifier: Apache-2.0
/* One public listener as the configuration names it: ADDR:PORT[,tls][,proxy]. Pure, any thread. */
#ifndef SW_NODE_LISTEN_H
#define SW_NODE_LISTEN_H

#include "net/address.h"

struct sw_listen {
    struct sw_address address;
    bool tls;   /* the first bytes of a connection are a TLS handshake */
    bool proxy; /* they are a PROXY header, before all else */
};

/* Is this an option of a listener, "tls" or "proxy"? */
bool sw_listen_is_option(struct sw_slice word);
/* False: *why says in words what is wrong; static. */
bool sw_listen_parse(struct sw_slice text, struct sw_listen *listen,
                     const char **why) SW_MUST_CHECK;

#endif

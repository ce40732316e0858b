// SPDX-License-Identifier: Apache-2.0
/* Socket addresses in words. Pure functions, any thread. */
#ifndef SW_NET_ADDRESS_H
#define SW_NET_ADDRESS_H

#include "common/assert.h"
#include "common/slice.h"

#include <sys/socket.h>

/* "[ffff:...:255.255.255.255]:65535" and a NUL */
#define SW_ADDRESS_TEXT 64

struct sw_address {
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
    } u;
    socklen_t size;
};

/* "127.0.0.1:8000", "[::1]:8000", "0.0.0.0:0", ":8000" (every IPv4 address); numbers only, no
 * names. Returns 0 or -EINVAL. */
int sw_address_parse(struct sw_slice text, struct sw_address *address) SW_MUST_CHECK;
/* "127.0.0.1:8000" or "[::1]:8000"; returns `out`. */
const char *sw_address_text(const struct sw_address *address, char out[SW_ADDRESS_TEXT]);
/* The same without the port. */
const char *sw_address_host(const struct sw_address *address, char out[SW_ADDRESS_TEXT]);
uint16_t sw_address_port(const struct sw_address *address);
bool sw_address_is_loopback(const struct sw_address *address);

/* The same in few bytes, for what is kept of each client. {0}: unknown. An IPv4 address that came
 * in IPv6's clothes ("::ffff:192.0.2.1") is an IPv4 address. */
struct sw_peer {
    unsigned char host[16];
    uint16_t port;
    bool ipv4;
    bool ipv6;
};

struct sw_peer sw_peer_of(const struct sw_address *address);
/* `host` in network order: 4 bytes, or 16. */
struct sw_peer sw_peer_make(const unsigned char *host, size_t size, uint16_t port);
/* "192.0.2.1" or "2001:db8::1", without a port. False: it is neither. */
bool sw_peer_parse(struct sw_slice text, struct sw_peer *peer) SW_MUST_CHECK;
bool sw_peer_is_loopback(const struct sw_peer *peer);
/* As sw_address_text; the host alone where the port is unknown (0). */
const char *sw_peer_text(const struct sw_peer *peer, char out[SW_ADDRESS_TEXT]);

#endif

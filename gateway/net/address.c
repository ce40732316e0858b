// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* A NUL-terminated copy for inet_pton. */
static bool copy_host(struct sw_slice host, char out[INET6_ADDRSTRLEN])
{
    if (host.size == 0 || host.size >= INET6_ADDRSTRLEN || memchr(host.data, 0, host.size)) {
        return false;
    }
    memcpy(out, host.data, host.size);
    out[host.size] = 0;
    return true;
}

static int parse_ipv4(struct sw_slice host, uint16_t port, struct sw_address *address)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&address->u;
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    address->size = sizeof(*in);
    if (host.size == 0) {
        in->sin_addr.s_addr = htonl(INADDR_ANY);
        return 0;
    }
    char text[INET6_ADDRSTRLEN];
    return copy_host(host, text) && inet_pton(AF_INET, text, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

static int parse_ipv6(struct sw_slice host, uint16_t port, struct sw_address *address)
{
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)&address->u;
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(port);
    address->size = sizeof(*in);
    char text[INET6_ADDRSTRLEN];
    return copy_host(host, text) && inet_pton(AF_INET6, text, &in->sin6_addr) == 1 ? 0 : -EINVAL;
}

int sw_address_parse(struct sw_slice text, struct sw_address *address)
{
    size_t colon = text.size;
    while (colon > 0 && text.data[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return -EINVAL;
    }
    struct sw_slice host = sw_slice(text.data, colon - 1);
    uint64_t port = 0;
    if (!sw_slice_to_u64(sw_slice(text.data + colon, text.size - colon), 65535, &port)) {
        return -EINVAL;
    }
    memset(address, 0, sizeof(*address));
    if (host.size >= 2 && host.data[0] == '[' && host.data[host.size - 1] == ']') {
        return parse_ipv6(sw_slice(host.data + 1, host.size - 2), (uint16_t)port, address);
    }
    return parse_ipv4(host, (uint16_t)port, address);
}

const char *sw_address_text(const struct sw_address *address, char out[SW_ADDRESS_TEXT])
{
    char host[SW_ADDRESS_TEXT];
    sw_address_host(address, host);
    /* A host is at most 48 characters, so nothing is cut. */
    size_t size = strlen(host);
    memcpy(out, host, size + 1);
    if (address->u.any.sa_family == AF_INET || address->u.any.sa_family == AF_INET6) {
        snprintf(out + size, SW_ADDRESS_TEXT - size, ":%u", (unsigned)sw_address_port(address));
    }
    return out;
}

const char *sw_address_host(const struct sw_address *address, char out[SW_ADDRESS_TEXT])
{
    char text[INET6_ADDRSTRLEN] = "";
    if (address->u.any.sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address->u;
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
        snprintf(out, SW_ADDRESS_TEXT, "%s", text);
    } else if (address->u.any.sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&address->u;
        inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof(text));
        snprintf(out, SW_ADDRESS_TEXT, "[%s]", text);
    } else {
        snprintf(out, SW_ADDRESS_TEXT, "unknown");
    }
    return out;
}

uint16_t sw_address_port(const struct sw_address *address)
{
    if (address->u.any.sa_family == AF_INET) {
        return ntohs(((const struct sockaddr_in *)&address->u)->sin_port);
    }
    if (address->u.any.sa_family == AF_INET6) {
        return ntohs(((const struct sockaddr_in6 *)&address->u)->sin6_port);
    }
    return 0;
}

bool sw_address_is_loopback(const struct sw_address *address)
{
    if (address->u.any.sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address->u;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->u.any.sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&address->u;
        if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr)) {
            return in->sin6_addr.s6_addr[12] == 127;
        }
        return IN6_IS_ADDR_LOOPBACK(&in->sin6_addr) != 0;
    }
    return false;
}

static bool is_mapped(const unsigned char host[16])
{
    static const unsigned char prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(host, prefix, sizeof(prefix)) == 0;
}

struct sw_peer sw_peer_make(const unsigned char *host, size_t size, uint16_t port)
{
    struct sw_peer peer = {.port = port};
    if (size == 16 && is_mapped(host)) {
        host += 12;
        size = 4;
    }
    peer.ipv4 = size == 4;
    peer.ipv6 = size == 16;
    memcpy(peer.host, host, size);
    return peer;
}

struct sw_peer sw_peer_of(const struct sw_address *address)
{
    unsigned char host[16];
    if (address->u.any.sa_family == AF_INET) {
        memcpy(host, &((const struct sockaddr_in *)&address->u)->sin_addr, 4);
        return sw_peer_make(host, 4, sw_address_port(address));
    }
    if (address->u.any.sa_family == AF_INET6) {
        memcpy(host, &((const struct sockaddr_in6 *)&address->u)->sin6_addr, 16);
        return sw_peer_make(host, 16, sw_address_port(address));
    }
    return (struct sw_peer){0};
}

bool sw_peer_parse(struct sw_slice text, struct sw_peer *peer)
{
    struct sw_address address;
    memset(&address, 0, sizeof(address));
    if (text.size == 0 || (parse_ipv4(text, 0, &address) && parse_ipv6(text, 0, &address))) {
        return false;
    }
    *peer = sw_peer_of(&address);
    return true;
}

bool sw_peer_is_loopback(const struct sw_peer *peer)
{
    static const unsigned char one[16] = {[15] = 1};
    return peer->ipv4 ? peer->host[0] == 127
                      : peer->ipv6 && memcmp(peer->host, one, sizeof(one)) == 0;
}

const char *sw_peer_text(const struct sw_peer *peer, char out[SW_ADDRESS_TEXT])
{
    struct sw_address address;
    memset(&address, 0, sizeof(address));
    if (peer->ipv4) {
        struct sockaddr_in *in = (struct sockaddr_in *)&address.u;
        in->sin_family = AF_INET;
        in->sin_port = htons(peer->port);
        memcpy(&in->sin_addr, peer->host, 4);
    } else if (peer->ipv6) {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)&address.u;
        in->sin6_family = AF_INET6;
        in->sin6_port = htons(peer->port);
        memcpy(&in->sin6_addr, peer->host, 16);
    }
    return peer->port ? sw_address_text(&address, out) : sw_address_host(&address, out);
}

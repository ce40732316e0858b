// SPDX-License-Identifier: Apache-2.0
#include "http/forwarded.h"

#define NAMES "X-Forwarded-For"

static bool was_sent_on(const struct sw_request *request)
{
    return sw_request_header_count(request, NAMES) > 0 ||
           sw_request_header_count(request, "Forwarded") > 0 ||
           sw_request_header_count(request, "X-Real-IP") > 0 ||
           sw_request_header_count(request, "Via") > 0;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". */
static bool read_item(struct sw_slice item, struct sw_peer *peer)
{
    struct sw_slice port = item;
    struct sw_slice host = sw_slice_split(&port, ':');
    uint64_t number = 0;
    if (item.size && item.data[0] == '[') {
        port = sw_slice(item.data + 1, item.size - 1);
        host = sw_slice_split(&port, ']');
        bool closed = port.data && sw_slice_find(host, ':') < host.size;
        if (!closed || (port.size && port.data[0] != ':')) {
            return false;
        }
        port = port.size ? sw_slice(port.data + 1, port.size - 1) : sw_slice(NULL, 0);
    } else if (port.data && sw_slice_find(port, ':') < port.size) { /* more than one colon */
        host = item;
        port = sw_slice(NULL, 0);
    }
    if ((port.data && !sw_slice_to_u64(port, UINT16_MAX, &number)) || !sw_peer_parse(host, peer)) {
        return false;
    }
    peer->port = (uint16_t)number;
    return true;
}

/* ---- the list, from its end ---- */

/* The lines of that name are one list. */
struct walk {
    const struct sw_request *request;
    size_t header;        /* lines from here on are done */
    struct sw_slice line; /* what is left of the one before; data NULL: nothing */
};

static bool last_line(struct walk *walk)
{
    while (walk->header > 0) {
        const struct sw_header *header = &walk->request->headers[--walk->header];
        if (sw_slice_equal_nocase(header->name, SW_SLICE(NAMES))) {
            walk->line = header->value;
            return true;
        }
    }
    return false;
}

/* Cuts off the last item of the list, which may be empty. */
static bool last_item(struct walk *walk, struct sw_slice *item)
{
    if (!walk->line.data && !last_line(walk)) {
        return false;
    }
    size_t at = walk->line.size;
    while (at > 0 && walk->line.data[at - 1] != ',') {
        at--;
    }
    *item = sw_slice_trim(sw_slice(walk->line.data + at, walk->line.size - at));
    walk->line = at > 0 ? sw_slice(walk->line.data, at - 1) : sw_slice(NULL, 0);
    return true;
}

/* Goes back from proxy to proxy to the first who is none. What is no address, and more items than
 * there are proxies in a row anywhere, ends the walk at the last good one. */
static struct sw_http_client walk_back(const struct sw_request *request,
                                       const struct sw_http_client *from,
                                       const struct sw_networks *trusted)
{
    struct walk walk = {.request = request, .header = request->header_count};
    struct sw_http_client client = {.peer = from->peer, .local = from->local};
    struct sw_slice item;
    for (unsigned hops = 0; sw_networks_contain(trusted, &client.peer); hops++) {
        if (!last_item(&walk, &item)) {
            return client;
        }
        if (item.size == 0 && hops < SW_FORWARDED_HOPS) {
            continue; /* as in every list of HTTP (RFC 9110, section 5.6.1) */
        }
        client.known = hops < SW_FORWARDED_HOPS && read_item(item, &client.peer);
        if (!client.known) {
            return client;
        }
        client.local = client.local && sw_peer_is_loopback(&client.peer);
    }
    return client;
}

struct sw_http_client sw_forwarded_client(const struct sw_request *request,
                                          const struct sw_http_client *from,
                                          const struct sw_networks *trusted, bool *ignored)
{
    bool named = sw_request_header_count(request, NAMES) > 0;
    bool believed = named && from->known && sw_networks_contain(trusted, &from->peer);
    struct sw_http_client client = *from;
    *ignored = named && !believed;
    if (believed) {
        client = walk_back(request, from, trusted);
        client.local = client.local && client.known;
    } else if (was_sent_on(request)) {
        client.known = false;
        client.local = false;
    }
    return client;
}

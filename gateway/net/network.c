// SPDX-License-Identifier: Apache-2.0
#include "net/network.h"

#include "common/mem.h"

#include <string.h>

/* Does `host` begin with the first `bits` of `prefix`? */
static bool begins_with(const unsigned char *host, const unsigned char *prefix, unsigned bits)
{
    unsigned bytes = bits / 8;
    unsigned mask = 0xff00u >> bits % 8 & 0xff;
    return memcmp(host, prefix, bytes) == 0 &&
           (mask == 0 || ((host[bytes] ^ prefix[bytes]) & mask) == 0);
}

/* Clears what stands behind the prefix; was there anything? */
static bool cut_behind(unsigned char host[16], unsigned bits)
{
    bool any = false;
    for (unsigned i = bits / 8; i < 16; i++) {
        unsigned char kept = (unsigned char)(i == bits / 8 ? 0xff00u >> bits % 8 : 0);
        any = any || (host[i] & ~kept & 0xff);
        host[i] &= kept;
    }
    return any;
}

static void append_host(struct sw_buf *out, const struct sw_network *network)
{
    char text[SW_ADDRESS_TEXT];
    struct sw_peer peer = sw_peer_make(network->host, network->ipv4 ? 4 : 16, 0);
    struct sw_slice host = sw_slice_of(sw_peer_text(&peer, text));
    if (!network->ipv4) { /* without the brackets that a port would need */
        host = sw_slice(host.data + 1, host.size - 2);
    }
    sw_buf_append_slice(out, host);
}

bool sw_network_parse(struct sw_slice text, struct sw_network *network, struct sw_buf *why)
{
    struct sw_slice prefix = text;
    struct sw_slice host = sw_slice_split(&prefix, '/');
    struct sw_peer peer;
    if (!sw_peer_parse(host, &peer)) {
        sw_buf_append_slice(why, SW_SLICE("a network is an address in numbers, with or without a "
                                          "prefix, like 10.0.0.0/8, 192.0.2.1 or fd00::/8"));
        return false;
    }
    unsigned most = peer.ipv4 ? 32 : 128;
    uint64_t bits = most;
    if (prefix.data && !sw_slice_to_u64(prefix, most, &bits)) {
        sw_buf_printf(why, "the prefix of an %s network is 0 to %u", peer.ipv4 ? "IPv4" : "IPv6",
                      most);
        return false;
    }
    *network = (struct sw_network){.bits = (uint8_t)bits, .ipv4 = peer.ipv4};
    memcpy(network->host, peer.host, sizeof(network->host));
    if (cut_behind(network->host, network->bits)) {
        sw_buf_append_slice(why, SW_SLICE("has bits behind its prefix: write "));
        append_host(why, network);
        sw_buf_printf(why, "/%u for the network, or %.*s for this address alone", network->bits,
                      SW_SLICE_ARG(host));
        return false;
    }
    return true;
}

bool sw_network_contains(const struct sw_network *network, const struct sw_peer *peer)
{
    return (network->ipv4 ? peer->ipv4 : peer->ipv6) &&
           begins_with(peer->host, network->host, network->bits);
}

bool sw_networks_parse(char *const *texts, struct sw_networks *networks, struct sw_buf *why)
{
    struct sw_buf words = {0};
    size_t count = 0;
    while (texts[count]) {
        count++;
    }
    *networks = (struct sw_networks){.rows = sw_zalloc((count + 1) * sizeof(struct sw_network))};
    for (; networks->count < count; networks->count++) {
        struct sw_slice text = sw_slice_of(texts[networks->count]);
        if (!sw_network_parse(text, &networks->rows[networks->count], &words)) {
            sw_buf_printf(why, "%.*s: %s", SW_SLICE_ARG(text), sw_buf_text(&words));
            sw_buf_deinit(&words);
            sw_networks_deinit(networks);
            return false;
        }
    }
    return true;
}

void sw_networks_deinit(struct sw_networks *networks)
{
    sw_free(networks->rows);
    *networks = (struct sw_networks){0};
}

bool sw_networks_contain(const struct sw_networks *networks, const struct sw_peer *peer)
{
    for (size_t i = 0; networks && i < networks->count; i++) {
        if (sw_network_contains(&networks->rows[i], peer)) {
            return true;
        }
    }
    return false;
}

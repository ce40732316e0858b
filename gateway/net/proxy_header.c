// SPDX-License-Identifier: Apache-2.0
#include "net/proxy_header.h"

#include <string.h>

/* Version 1 is a line of text:
 *     PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n
 * Version 2 is binary: a signature (12 bytes) · 2 and the command (4 bits each) · family and
 * transport (4 bits each) · the size of what follows (2 bytes): both addresses, both ports, and
 * extensions, which are skipped. */
static const char line_start[] = "PROXY ";
static const unsigned char signature[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                          0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

#define LINE_START_BYTES (sizeof(line_start) - 1)
#define HEAD_BYTES       16
#define LOCAL            0x20
#define PROXY            0x21
#define TCP_OVER_IPV4    0x11
#define TCP_OVER_IPV6    0x21
#define LAST_FAMILY      3 /* Unix sockets */
#define LAST_TRANSPORT   2 /* datagrams */

/* The two addresses and ports of version 2. */
#define IPV4_BYTES (2 * 4 + 2 * 2)
#define IPV6_BYTES (2 * 16 + 2 * 2)

static enum sw_proxy_step refuse(struct sw_proxy_header *header, const char *why)
{
    header->why = why;
    return SW_PROXY_BAD;
}

/* ---- version 1 ---- */

/* As the specification writes numbers: no leading zeros. */
static bool read_port(struct sw_slice text, uint16_t *port)
{
    uint64_t number;
    if (!sw_slice_to_u64(text, UINT16_MAX, &number) || (text.size > 1 && text.data[0] == '0')) {
        return false;
    }
    *port = (uint16_t)number;
    return true;
}

static bool read_host(struct sw_slice text, bool ipv6, struct sw_peer *peer)
{
    return ipv6 == (sw_slice_find(text, ':') < text.size) && sw_peer_parse(text, peer);
}

static enum sw_proxy_step read_line(struct sw_proxy_header *header)
{
    struct sw_slice rest =
        sw_slice((const char *)header->bytes + LINE_START_BYTES, header->size - LINE_START_BYTES);
    if (rest.size < 2 || rest.data[rest.size - 2] != '\r') {
        return refuse(header, "its line does not end in CR LF");
    }
    rest.size -= 2;
    struct sw_slice family = sw_slice_split(&rest, ' ');
    bool ipv6 = sw_slice_equal(family, SW_SLICE("TCP6"));
    if (sw_slice_equal(family, SW_SLICE("UNKNOWN"))) {
        return SW_PROXY_DONE;
    }
    if (!ipv6 && !sw_slice_equal(family, SW_SLICE("TCP4"))) {
        return refuse(header, "its family is none of TCP4, TCP6 and UNKNOWN");
    }
    struct sw_peer own;
    struct sw_slice client = sw_slice_split(&rest, ' ');
    struct sw_slice here = sw_slice_split(&rest, ' ');
    struct sw_slice client_port = sw_slice_split(&rest, ' ');
    if (!read_host(client, ipv6, &header->client) || !read_host(here, ipv6, &own) ||
        !read_port(client_port, &header->client.port) || !read_port(rest, &own.port)) {
        return refuse(header, "its line does not name two addresses and two ports");
    }
    header->named = true;
    return SW_PROXY_DONE;
}

static enum sw_proxy_step judge_line(struct sw_proxy_header *header)
{
    if (header->bytes[header->size - 1] == '\n') {
        return read_line(header);
    }
    if (header->size == SW_PROXY_LINE_BYTES) {
        return refuse(header, "its line is too long");
    }
    return SW_PROXY_MORE;
}

/* ---- version 2 ---- */

static unsigned u16_at(const struct sw_proxy_header *header, size_t at)
{
    return (unsigned)header->bytes[at] << 8 | header->bytes[at + 1];
}

static unsigned command(const struct sw_proxy_header *header)
{
    return header->bytes[12];
}

static unsigned family(const struct sw_proxy_header *header)
{
    return header->bytes[13];
}

static unsigned block_bytes(const struct sw_proxy_header *header)
{
    return u16_at(header, 14);
}

static enum sw_proxy_step judge_head(struct sw_proxy_header *header)
{
    if (command(header) != LOCAL && command(header) != PROXY) {
        return refuse(header, "it is of a version or command that is not known");
    }
    if (HEAD_BYTES + block_bytes(header) > SW_PROXY_HEADER_BYTES) {
        return refuse(header, "it is too long");
    }
    if (command(header) == LOCAL) { /* what it says of addresses is not looked at */
        return SW_PROXY_MORE;
    }
    if (family(header) >> 4 > LAST_FAMILY || (family(header) & 15) > LAST_TRANSPORT) {
        return refuse(header, "its family is not known");
    }
    unsigned least = family(header) == TCP_OVER_IPV4   ? IPV4_BYTES
                     : family(header) == TCP_OVER_IPV6 ? IPV6_BYTES
                                                       : 0;
    return block_bytes(header) < least ? refuse(header, "it is too short for its addresses")
                                       : SW_PROXY_MORE;
}

static enum sw_proxy_step read_block(struct sw_proxy_header *header)
{
    const unsigned char *hosts = header->bytes + HEAD_BYTES;
    if (command(header) == LOCAL) {
        return SW_PROXY_DONE;
    }
    if (family(header) == TCP_OVER_IPV4) {
        header->client = sw_peer_make(hosts, 4, (uint16_t)u16_at(header, HEAD_BYTES + 2 * 4));
    } else if (family(header) == TCP_OVER_IPV6) {
        header->client = sw_peer_make(hosts, 16, (uint16_t)u16_at(header, HEAD_BYTES + 2 * 16));
    }
    header->named = header->client.ipv4 || header->client.ipv6;
    return SW_PROXY_DONE;
}

static enum sw_proxy_step judge_binary(struct sw_proxy_header *header)
{
    if (header->size < HEAD_BYTES) {
        return SW_PROXY_MORE;
    }
    if (header->size == HEAD_BYTES && judge_head(header) == SW_PROXY_BAD) {
        return SW_PROXY_BAD;
    }
    return header->size < HEAD_BYTES + block_bytes(header) ? SW_PROXY_MORE : read_block(header);
}

/* ---- both ---- */

static bool starts_like(const struct sw_proxy_header *header, const void *start, size_t size)
{
    return memcmp(header->bytes, start, header->size < size ? header->size : size) == 0;
}

/* Behind each byte, so what is no header is known at its first wrong one. */
static enum sw_proxy_step judge(struct sw_proxy_header *header)
{
    if (starts_like(header, line_start, LINE_START_BYTES)) {
        return judge_line(header);
    }
    if (starts_like(header, signature, sizeof(signature))) {
        return judge_binary(header);
    }
    return refuse(header, "what comes first is none");
}

enum sw_proxy_step sw_proxy_header_take(struct sw_proxy_header *header, struct sw_slice bytes,
                                        size_t *taken)
{
    enum sw_proxy_step step = SW_PROXY_MORE;
    for (*taken = 0; step == SW_PROXY_MORE && *taken < bytes.size; ++*taken) {
        if (header->size < sizeof(header->bytes)) {
            header->bytes[header->size] = (unsigned char)bytes.data[*taken];
        }
        header->size++;
        step = judge(header);
    }
    return step;
}

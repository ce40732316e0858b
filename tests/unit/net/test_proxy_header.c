// SPDX-License-Identifier: Apache-2.0
#include "../common/mutate.h"

#include "common/buf.h"
#include "common/mem.h"
#include "net/proxy_header.h"

#include <stdio.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define BEHIND    "GET / HTTP/1.1\r\n"
#define NOBODY    NULL

/* "192.0.2.1:56324 -> 198.51.100.7:443", and the same in IPv6. */
#define IPV4_BLOCK "\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb"
#define IPV6_BLOCK                                                                                 \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\xdc\x04" \
    "\x01\xbb"
#define MAPPED_BLOCK                                                                               \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x07\xdc" \
    "\x04\x01\xbb"
/* An extension of 3 bytes. */
#define TLV                                                                                        \
    "\x04\x00\x03"                                                                                 \
    "abc"

static struct sw_slice zeros(size_t size)
{
    static const char bytes[SW_PROXY_HEADER_BYTES];
    return sw_slice(bytes, size);
}

/* Signature, command, family, and as many bytes as `size` announces: the block, then zeros. */
static void put_binary(struct sw_buf *out, unsigned command, unsigned family, size_t size,
                       struct sw_slice block)
{
    sw_buf_clear(out);
    sw_buf_append_slice(out, SW_SLICE(SIGNATURE));
    sw_buf_append_byte(out, (char)command);
    sw_buf_append_byte(out, (char)family);
    sw_buf_append_byte(out, (char)(size >> 8));
    sw_buf_append_byte(out, (char)(size & 0xff));
    sw_buf_append_slice(out, block);
    if (size > block.size && size <= SW_PROXY_HEADER_BYTES) {
        sw_buf_append_slice(out, zeros(size - block.size));
    }
}

/* Gives the bytes in two pieces and more behind them: what it takes is the header, and it names
 * `client`. */
static void expect_split(struct sw_slice bytes, size_t at, const char *client)
{
    struct sw_buf all = {0};
    struct sw_proxy_header header = {.size = 0};
    size_t taken = 0;
    sw_buf_append_slice(&all, bytes);
    sw_buf_append_slice(&all, SW_SLICE(BEHIND));
    if (at > 0) {
        enum sw_proxy_step step = sw_proxy_header_take(&header, sw_slice(all.data, at), &taken);
        assert_int_equal(step, SW_PROXY_MORE);
        assert_int_equal(taken, at);
    }
    enum sw_proxy_step step =
        sw_proxy_header_take(&header, sw_slice(all.data + at, all.size - at), &taken);
    if (step != SW_PROXY_DONE) {
        fail_msg("split at %zu: %s", at, header.why ? header.why : "wants more");
    }
    assert_int_equal(taken, bytes.size - at);
    assert_int_equal(header.named, client != NULL);
    if (client) {
        char text[SW_ADDRESS_TEXT];
        assert_string_equal(sw_peer_text(&header.client, text), client);
    }
    sw_buf_deinit(&all);
}

static void expect(struct sw_slice bytes, const char *client)
{
    struct sw_proxy_header header = {.size = 0};
    size_t taken;
    for (size_t at = 0; at < bytes.size; at++) {
        expect_split(bytes, at, client);
    }
    for (size_t at = 0; at < bytes.size; at++) { /* byte by byte */
        enum sw_proxy_step step =
            sw_proxy_header_take(&header, sw_slice(bytes.data + at, 1), &taken);
        assert_int_equal(step, at + 1 < bytes.size ? SW_PROXY_MORE : SW_PROXY_DONE);
    }
}

static void lines_name_their_client_however_they_are_cut(void **state)
{
    (void)state;
    static const struct {
        const char *line, *client;
    } rows[] = {
        {"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", "192.0.2.1:56324"},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535"},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 0 0\r\n", "1.2.3.4"},
        {"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n", "[2001:db8::1]:56324"},
        {"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.7 56324 443\r\n", "192.0.2.1:56324"},
        {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
        {"PROXY UNKNOWN\r\n", NOBODY},
        {"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", NOBODY},
        {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         NOBODY},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        expect(sw_slice_of(rows[i].line), rows[i].client);
    }
}

static void binary_headers_name_their_client_however_they_are_cut(void **state)
{
    (void)state;
    const struct {
        unsigned command, family;
        size_t size;
        struct sw_slice block;
        const char *client;
    } rows[] = {
        {0x21, 0x11, 12, SW_SLICE(IPV4_BLOCK), "192.0.2.1:56324"},
        {0x21, 0x11, 18, SW_SLICE(IPV4_BLOCK TLV), "192.0.2.1:56324"},
        {0x21, 0x11, 520, SW_SLICE(IPV4_BLOCK TLV), "192.0.2.1:56324"},
        {0x21, 0x21, 36, SW_SLICE(IPV6_BLOCK), "[2001:db8::1]:56324"},
        {0x21, 0x21, 520, SW_SLICE(IPV6_BLOCK), "[2001:db8::1]:56324"},
        {0x21, 0x21, 36, SW_SLICE(MAPPED_BLOCK), "192.0.2.1:56324"},
        /* LOCAL: whatever it says of addresses */
        {0x20, 0x00, 0, SW_SLICE(""), NOBODY},
        {0x20, 0x11, 12, SW_SLICE(IPV4_BLOCK), NOBODY},
        {0x20, 0x11, 0, SW_SLICE(""), NOBODY},
        {0x20, 0xff, 7, SW_SLICE(""), NOBODY},
        /* unspecified, datagrams, Unix sockets */
        {0x21, 0x00, 0, SW_SLICE(""), NOBODY},
        {0x21, 0x00, 12, SW_SLICE(IPV4_BLOCK), NOBODY},
        {0x21, 0x12, 12, SW_SLICE(IPV4_BLOCK), NOBODY},
        {0x21, 0x31, 216, SW_SLICE("/run/a"), NOBODY},
    };
    struct sw_buf bytes = {0};
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        put_binary(&bytes, rows[i].command, rows[i].family, rows[i].size, rows[i].block);
        expect(sw_buf_slice(&bytes), rows[i].client);
    }
    sw_buf_deinit(&bytes);
}

/* Refused, for the same reason and at the same byte, however it is cut. */
static void expect_bad(struct sw_slice bytes, const char *why)
{
    size_t end = 0;
    for (size_t at = 0; at < bytes.size; at++) {
        struct sw_proxy_header header = {.size = 0};
        size_t taken = 0;
        enum sw_proxy_step step = SW_PROXY_MORE;
        if (at > 0) {
            step = sw_proxy_header_take(&header, sw_slice(bytes.data, at), &taken);
        }
        if (step == SW_PROXY_MORE) {
            step =
                sw_proxy_header_take(&header, sw_slice(bytes.data + at, bytes.size - at), &taken);
        }
        if (step != SW_PROXY_BAD || !strstr(header.why, why)) {
            fail_msg("%.40s: \"%s\" expected, said \"%s\"", bytes.data, why,
                     header.why ? header.why : "nothing");
        }
        end = at == 0 ? header.size : end;
        assert_int_equal(header.size, end);
    }
}

static void what_is_no_header_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "what comes first is none"},
        {"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "what comes first is none"},
        {"PROXYTCP4 1.2.3.4 5.6.7.8 1 2\r\n", "what comes first is none"},
        {"\x16\x03\x01\x02", "what comes first is none"},
        {"\r\n\r\nPROXY UNKNOWN\r\n", "what comes first is none"},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", "does not end in CR LF"},
        {"PROXY \n", "does not end in CR LF"},
        {"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n", "its family is none"},
        {"PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "its family is none"},
        {"PROXY \r\n", "its family is none"},
        {"PROXY UNKNOWNS\r\n", "its family is none"},
        {"PROXY TCP4\r\n", "two addresses"},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", "two addresses"},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", "two addresses"},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", "two addresses"},
        {"PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n", "two addresses"},
        {"PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n", "two addresses"},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n", "two addresses"},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1 02\r\n", "two addresses"},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n", "two addresses"},
        {"PROXY TCP4 ::1 ::1 1 2\r\n", "two addresses"},
        {"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", "two addresses"},
        {"PROXY TCP6 [::1] [::1] 1 2\r\n", "two addresses"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        expect_bad(sw_slice_of(rows[i].text), rows[i].why);
    }
}

static void bad_binary_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        unsigned command, family;
        size_t size;
        const char *why;
    } rows[] = {
        {0x11, 0x11, 12, "version or command"},
        {0x31, 0x11, 12, "version or command"},
        {0x22, 0x11, 12, "version or command"},
        {0x2f, 0x00, 0, "version or command"},
        {0x21, 0x41, 12, "family is not known"},
        {0x21, 0x13, 12, "family is not known"},
        {0x21, 0x11, 11, "too short"},
        {0x21, 0x21, 35, "too short"},
        {0x21, 0x11, 0, "too short"},
        {0x21, 0x11, 521, "too long"},
        {0x20, 0x00, 521, "too long"},
        {0x21, 0x11, 65535, "too long"},
    };
    struct sw_buf bytes = {0};
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        put_binary(&bytes, rows[i].command, rows[i].family, rows[i].size, SW_SLICE(""));
        expect_bad(sw_buf_slice(&bytes), rows[i].why);
    }
    sw_buf_deinit(&bytes);
}

static void no_line_is_longer_than_the_longest(void **state)
{
    (void)state;
    struct sw_buf line = {0};
    sw_buf_append_slice(&line, SW_SLICE("PROXY UNKNOWN "));
    while (line.size < SW_PROXY_LINE_BYTES - 2) {
        sw_buf_append_byte(&line, 'x');
    }
    size_t longest = line.size;
    sw_buf_append_slice(&line, SW_SLICE("\r\n"));
    expect(sw_buf_slice(&line), NOBODY);
    line.size = longest;
    sw_buf_append_slice(&line, SW_SLICE("x\r\n"));
    expect_bad(sw_buf_slice(&line), "too long");
    sw_buf_deinit(&line);
}

/* One byte of a good header is another: it is refused, wants more, or is another header, and never
 * takes more than there may be. */
static void no_byte_leads_it_astray(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(7);
    struct sw_buf bytes = {0};
    for (unsigned round = 0; round < 20000; round++) {
        put_binary(&bytes, 0x21, 0x11, 30, SW_SLICE(IPV4_BLOCK TLV));
        if (round % 2) {
            sw_buf_clear(&bytes);
            sw_buf_append_slice(&bytes, SW_SLICE("PROXY TCP4 192.0.2.1 198.51.100.7 5632 443\r\n"));
        }
        bytes.data[sw_random_below(&random, bytes.size)] = (char)sw_random_u64(&random);
        struct sw_proxy_header header = {.size = 0};
        size_t taken;
        char *exact = unit_exact_copy(bytes.data, bytes.size);
        enum sw_proxy_step step =
            sw_proxy_header_take(&header, sw_slice(exact, bytes.size), &taken);
        assert_true(taken <= bytes.size && header.size == taken);
        assert_int_equal(step == SW_PROXY_BAD, header.why != NULL);
        assert_true(step != SW_PROXY_MORE || taken == bytes.size);
        free(exact);
    }
    sw_buf_deinit(&bytes);
}

/* Feeds it in pieces of `step` until it is judged. */
static enum sw_proxy_step judged(struct sw_proxy_header *header, struct sw_slice bytes, size_t step)
{
    enum sw_proxy_step answer = SW_PROXY_MORE;
    *header = (struct sw_proxy_header){.size = 0};
    for (size_t at = 0; at < bytes.size && answer == SW_PROXY_MORE; at += step) {
        size_t taken;
        size_t size = step < bytes.size - at ? step : bytes.size - at;
        char *exact = unit_exact_copy(bytes.data + at, size);
        answer = sw_proxy_header_take(header, sw_slice(exact, size), &taken);
        free(exact);
    }
    return answer;
}

static void any_bytes_are_judged_alike_however_they_are_cut(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(1080);
    for (unsigned run = 0; run < 20000; run++) {
        struct sw_buf bytes = {0};
        if (run % 3 == 0) {
            sw_buf_append_slice(&bytes,
                                SW_SLICE("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"));
        } else if (run % 3 == 1) {
            put_binary(&bytes, 0x21, 0x11, 12, SW_SLICE(IPV4_BLOCK));
        } else {
            put_binary(&bytes, 0x21, 0x21, 42, SW_SLICE(IPV6_BLOCK TLV));
        }
        sw_buf_append_slice(&bytes, SW_SLICE(BEHIND));
        unit_mutate(&random, &bytes);
        struct sw_proxy_header whole;
        struct sw_proxy_header cut;
        enum sw_proxy_step step = judged(&whole, sw_buf_slice(&bytes), bytes.size);
        assert_int_equal(judged(&cut, sw_buf_slice(&bytes), 1 + run % 7), step);
        assert_int_equal(cut.size, whole.size);
        if (step == SW_PROXY_BAD) {
            assert_string_equal(cut.why, whole.why);
        } else if (step == SW_PROXY_DONE) {
            char one[SW_ADDRESS_TEXT];
            char other[SW_ADDRESS_TEXT];
            assert_int_equal(cut.named, whole.named);
            assert_string_equal(sw_peer_text(&cut.client, one), sw_peer_text(&whole.client, other));
        }
        sw_buf_deinit(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_name_their_client_however_they_are_cut),
        cmocka_unit_test(binary_headers_name_their_client_however_they_are_cut),
        cmocka_unit_test(what_is_no_header_is_refused),
        cmocka_unit_test(bad_binary_headers_are_refused),
        cmocka_unit_test(no_line_is_longer_than_the_longest),
        cmocka_unit_test(no_byte_leads_it_astray),
        cmocka_unit_test(any_bytes_are_judged_alike_however_they_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Compressed messages: payloads there and back, what is no payload, bombs, and frames that carry
 * them however the network cuts them. */
#include "../common/unit.h"

#include "common/mem.h"
#include "core/counters.h"
#include "protocol/encode.h"
#include "transport/ws_message.h"
#include "transport/ws_packed.h"

#include <stdio.h>

#define MAX_BYTES 70000

/* Text that repeats itself, but not from its beginning. */
static char *rows_of(size_t size)
{
    char *text = malloc(size + 32);
    size_t at = 0;
    for (unsigned i = 0; at < size; i++) {
        at += (size_t)snprintf(text + at, 32, "{\"row\":%u,\"n\":%u},", i % 97, i * i);
    }
    return text;
}

static void assert_inflates(struct sw_ws_deflate *streams, struct sw_slice payload,
                            struct sw_slice expected)
{
    char *exact = unit_exact_copy(payload.data, payload.size);
    struct sw_slice text;
    assert_int_equal(sw_ws_inflate(streams, sw_slice(exact, payload.size), expected.size, &text),
                     SW_WS_INFLATED);
    assert_int_equal(text.size, expected.size);
    assert_memory_equal(text.data, expected.data, expected.size);
    if (expected.size) {
        assert_int_equal(
            sw_ws_inflate(streams, sw_slice(exact, payload.size), expected.size - 1, &text),
            SW_WS_INFLATE_TOO_BIG);
    }
    free(exact);
}

/* A payload whose first `head` bytes stand there as they are. */
static struct sw_slice pack(struct sw_ws_deflate *streams, struct sw_buf *out, struct sw_slice text,
                            size_t head, enum sw_ws_window window)
{
    sw_buf_clear(out);
    if (head) {
        sw_ws_deflate_store(out, sw_slice(text.data, head));
    }
    sw_buf_append_slice(
        out, sw_ws_deflate(streams, sw_slice(text.data + head, text.size - head), window));
    return sw_buf_slice(out);
}

static void payloads_come_back_as_they_were(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 100, 4095, 4096, 4097, 65535, 65536, 300000};
    struct sw_ws_deflate *streams = sw_ws_deflate_create();
    struct sw_buf packed = {0};
    for (size_t i = 0; i < SW_ARRAY_SIZE(sizes); i++) {
        char *text = rows_of(sizes[i]);
        for (size_t head = 0; head <= sizes[i] && head <= SW_WS_STORED_MAX; head = head * 7 + 1) {
            for (int window = SW_WS_DEFLATE_WIDE; window <= SW_WS_DEFLATE_NARROW; window++) {
                struct sw_slice whole = sw_slice(text, sizes[i]);
                struct sw_slice payload =
                    pack(streams, &packed, whole, head, (enum sw_ws_window)window);
                if (head) {
                    struct sw_slice stored = sw_ws_deflate_head(payload);
                    assert_int_equal(stored.size, head);
                    assert_memory_equal(stored.data, text, head);
                }
                assert_inflates(streams, payload, whole);
            }
        }
        free(text);
    }
    sw_buf_deinit(&packed);
    sw_ws_deflate_destroy(&streams);
    assert_null(streams);
}

static void a_message_knows_nothing_of_the_one_before(void **state)
{
    (void)state;
    struct sw_ws_deflate *streams = sw_ws_deflate_create();
    struct sw_ws_deflate *other = sw_ws_deflate_create();
    char *text = rows_of(3000);
    for (size_t size = 3000; size > 0; size -= 500) {
        struct sw_slice again = sw_ws_deflate(streams, sw_slice(text, size), SW_WS_DEFLATE_WIDE);
        struct sw_ws_deflate *fresh = sw_ws_deflate_create();
        struct sw_slice first = sw_ws_deflate(fresh, sw_slice(text, size), SW_WS_DEFLATE_WIDE);
        assert_int_equal(again.size, first.size);
        assert_memory_equal(again.data, first.data, first.size);
        assert_inflates(other, again, sw_slice(text, size));
        sw_ws_deflate_destroy(&fresh);
    }
    free(text);
    sw_ws_deflate_destroy(&streams);
    sw_ws_deflate_destroy(&other);
}

/* RFC 7692, section 7.2.3, and what is none of it; NULL: bad. */
static void streams_end_in_several_ways(void **state)
{
    (void)state;
#define HELLO "\xf3\x48\xcd\xc9\xc9\x07\0"
#define ROW(bytes, text)                                                                           \
    {                                                                                              \
        {bytes, sizeof(bytes) - 1}, text                                                           \
    }
    static const struct {
        struct sw_slice payload;
        const char *text;
    } rows[] = {
        ROW("\xf2\x48\xcd\xc9\xc9\x07\0", "Hello"),
        ROW(HELLO "\0", "Hello"),
        ROW(HELLO, "Hello"),
        ROW(HELLO HELLO "\0", "HelloHello"),
        ROW("\0\x05\0\xfa\xffHello\0", "Hello"),
        ROW("\xf2\x48\x05\0\0\0\xff\xff\xca\xc9\xc9\x07\0", "Hello"),
        ROW("\0", ""),
        ROW("", ""),
        ROW("\xff\xff\xff", NULL),
        ROW("\xf2\x48\xcd", NULL),
        ROW("\0\x05\0\xfa\xffHel", NULL),
        ROW("\0\x05\0\xfa\xfeHello\0", NULL),
        ROW("\x02\x02\0\0", NULL), /* refers to what was never there */
    };
    struct sw_ws_deflate *streams = sw_ws_deflate_create();
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_slice text;
        enum sw_ws_inflated done = sw_ws_inflate(streams, rows[i].payload, MAX_BYTES, &text);
        assert_int_equal(done, rows[i].text ? SW_WS_INFLATED : SW_WS_INFLATE_BAD);
        if (rows[i].text) {
            unit_assert_slice(text, rows[i].text);
        }
    }
    sw_ws_deflate_destroy(&streams);
}

static void noise_is_read_without_harm(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(7692);
    struct sw_ws_deflate *streams = sw_ws_deflate_create();
    char *text = rows_of(2000);
    for (int round = 0; round < 5000; round++) {
        struct sw_slice payload = sw_ws_deflate(streams, sw_slice(text, 2000), SW_WS_DEFLATE_WIDE);
        char *bytes = unit_exact_copy(payload.data, payload.size);
        size_t cut = sw_random_below(&random, payload.size + 1);
        for (uint64_t n = sw_random_below(&random, 4); n > 0 && cut > 0; n--) {
            bytes[sw_random_below(&random, cut)] = (char)sw_random_below(&random, 256);
        }
        struct sw_slice out;
        enum sw_ws_inflated done = sw_ws_inflate(streams, sw_slice(bytes, cut), 3000, &out);
        assert_true(done != SW_WS_INFLATED || out.size <= 3000);
        free(bytes);
    }
    free(text);
    sw_ws_deflate_destroy(&streams);
}

/* ---- frames ---- */

/* Masked, by a key of zeros. */
static void append_frame(struct sw_buf *out, unsigned head, struct sw_slice payload)
{
    sw_buf_append_byte(out, (char)head);
    if (payload.size < 126) {
        sw_buf_append_byte(out, (char)(0x80 | payload.size));
    } else {
        assert_true(payload.size < 65536);
        sw_buf_append_byte(out, (char)(0x80 | 126));
        sw_buf_append_byte(out, (char)(payload.size >> 8));
        sw_buf_append_byte(out, (char)payload.size);
    }
    sw_buf_append(out, "\0\0\0\0", 4);
    sw_buf_append_slice(out, payload);
}

struct peer {
    struct sw_ws_codec *codec;
    struct sw_ws_rx *rx;
    struct sw_ws_message message;
    struct sw_slice expected; /* of each message; data == NULL: none may come */
    enum sw_reason reason;
    unsigned messages;
    bool fault;
};

static void feed(struct peer *peer, struct sw_slice bytes)
{
    static const struct sw_ws_limits limits = {.bytes = MAX_BYTES, .fragments = UINT32_MAX};
    struct sw_ws_piece piece;
    sw_ws_rx_feed(peer->rx, bytes);
    while (!peer->fault && sw_ws_rx_read(peer->rx, &piece) == SW_WS_PIECE) {
        enum sw_ws_event event = sw_ws_message_take(&peer->message, &piece, &limits);
        if (event == SW_WS_MESSAGE) {
            assert_non_null(peer->expected.data);
            assert_int_equal(peer->message.payload.size, peer->expected.size);
            assert_memory_equal(peer->message.payload.data, peer->expected.data,
                                peer->expected.size);
            peer->messages++;
        }
        peer->fault = event == SW_WS_FAULT;
    }
}

/* Byte by byte, and cut in two everywhere (long ones: around their ends), also behind the last
 * byte: so many messages, then perhaps a fault. */
static void assert_frames(struct sw_ws_codec *codec, bool negotiated, struct sw_slice bytes,
                          struct sw_slice expected, unsigned messages, enum sw_reason reason)
{
    for (size_t cut = 0; cut <= bytes.size; cut++) {
        if (cut > 2000 && cut + 200 < bytes.size && cut % 997 != 0) {
            continue;
        }
        struct peer peer = {.codec = codec, .rx = sw_ws_rx_take(codec), .expected = expected};
        peer.message.deflate = negotiated ? sw_ws_codec_deflate(codec) : NULL;
        for (size_t i = 0; cut == 0 && i < bytes.size; i++) {
            feed(&peer, sw_slice(bytes.data + i, 1));
        }
        if (cut) {
            feed(&peer, sw_slice(bytes.data, cut));
            feed(&peer, sw_slice(bytes.data + cut, bytes.size - cut));
        }
        assert_int_equal(peer.messages, messages);
        assert_int_equal(peer.fault, reason != SW_REASON_COUNT);
        assert_true(!peer.fault || peer.message.reason == reason);
        sw_ws_rx_give(codec, peer.rx);
        sw_ws_message_deinit(&peer.message);
    }
}

#define FIN  0x80u
#define RSV1 0x40u
#define TEXT 0x01u
#define PING 0x09u
#define NONE SW_REASON_COUNT

static void compressed_messages_come_whole_however_they_are_cut(void **state)
{
    (void)state;
    struct sw_ws_codec *codec = sw_ws_codec_create();
    char *text = rows_of(1500);
    struct sw_slice whole = sw_slice(text, 1500);
    struct sw_slice payload = sw_ws_deflate(sw_ws_codec_deflate(codec), whole, SW_WS_DEFLATE_WIDE);
    struct sw_buf kept = {0};
    sw_buf_append_slice(&kept, payload);
    payload = sw_buf_slice(&kept);
    struct sw_buf bytes = {0};
    append_frame(&bytes, FIN | RSV1 | TEXT, payload);
    append_frame(&bytes, RSV1 | TEXT, sw_slice(payload.data, 1));
    append_frame(&bytes, 0, sw_slice(payload.data + 1, payload.size / 2));
    append_frame(&bytes, FIN | PING, SW_SLICE("between"));
    append_frame(&bytes, 0, SW_SLICE(""));
    append_frame(
        &bytes, 0,
        sw_slice(payload.data + 1 + payload.size / 2, payload.size - 1 - payload.size / 2));
    append_frame(&bytes, FIN, SW_SLICE(""));
    append_frame(&bytes, FIN | TEXT, whole);
    assert_frames(codec, true, sw_buf_slice(&bytes), whole, 3, NONE);
    assert_frames(codec, false, sw_buf_slice(&bytes), whole, 0, SW_REASON_PROTOCOL);
    sw_buf_deinit(&bytes);
    sw_buf_deinit(&kept);
    free(text);
    sw_ws_codec_destroy(&codec);
}

static void assert_fault(unsigned head, struct sw_slice payload, enum sw_reason reason)
{
    struct sw_ws_codec *codec = sw_ws_codec_create();
    struct sw_buf bytes = {0};
    append_frame(&bytes, head, payload);
    assert_frames(codec, true, sw_buf_slice(&bytes), sw_slice(NULL, 0), 0, reason);
    sw_buf_deinit(&bytes);
    sw_ws_codec_destroy(&codec);
}

static void what_may_not_be_is_a_fault(void **state)
{
    (void)state;
    struct sw_ws_deflate *streams = sw_ws_deflate_create();
    char *zeros = calloc(1, 4u << 20);
    assert_fault(FIN | RSV1 | PING, SW_SLICE(""), SW_REASON_PROTOCOL);
    assert_fault(FIN | RSV1, SW_SLICE(""), SW_REASON_PROTOCOL); /* a continuation */
    assert_fault(FIN | 0x20u | TEXT, SW_SLICE(""), SW_REASON_PROTOCOL);
    assert_fault(FIN | RSV1 | 0x10u | TEXT, SW_SLICE(""), SW_REASON_PROTOCOL);
    assert_fault(FIN | RSV1 | TEXT, SW_SLICE("\xff\xff\xff"), SW_REASON_DEFLATE);
    assert_fault(FIN | RSV1 | TEXT, sw_ws_deflate(streams, SW_SLICE("a\xc3"), SW_WS_DEFLATE_WIDE),
                 SW_REASON_UTF8);
    assert_fault(FIN | RSV1 | TEXT,
                 sw_ws_deflate(streams, sw_slice(zeros, MAX_BYTES + 1), SW_WS_DEFLATE_WIDE),
                 SW_REASON_TOO_BIG);
    assert_fault(FIN | RSV1 | TEXT,
                 sw_ws_deflate(streams, sw_slice(zeros, 4u << 20), SW_WS_DEFLATE_WIDE),
                 SW_REASON_TOO_BIG);
    free(zeros);
    sw_ws_deflate_destroy(&streams);
}

/* ---- what tapes hold ---- */

static struct sw_slice render(const struct sw_encoding *encoding, struct sw_buf *frame,
                              const struct sw_message *message, bool pattern)
{
    struct sw_push push = {.kind = SW_PUSH_MESSAGE,
                           .name = pattern ? SW_SLICE("a.>") : SW_SLICE("a.b"),
                           .pattern = pattern,
                           .message = message};
    size_t text_size;
    size_t size = sw_encoding_size(encoding, &push, &text_size);
    sw_buf_clear(frame);
    char *end = sw_encoding_write(encoding, &push, text_size, sw_buf_reserve(frame, size));
    frame->size = size;
    assert_ptr_equal(end, frame->data + size);
    return sw_buf_slice(frame);
}

static void assert_packed(const struct sw_encoding *plain, const struct sw_encoding *packed,
                          struct sw_ws_codec *codec, const char *key, size_t size, bool pattern)
{
    char *rows = rows_of(size);
    struct sw_message *message =
        sw_message_create(SW_SLICE("a.b"), sw_slice_of(key), sw_slice(rows, size), 1, 1);
    struct sw_buf left = {0};
    struct sw_buf right = {0};
    struct sw_slice frame = render(plain, &left, message, pattern);
    struct sw_slice other = render(packed, &right, message, pattern);
    char *exact = unit_exact_copy(other.data, other.size);
    struct sw_slice identity = sw_encoding_identity(packed, sw_slice(exact, other.size));
    assert_true(sw_slice_equal(identity, sw_encoding_identity(plain, frame)));
    assert_int_equal(other.data[0] & RSV1, frame.size >= 512 ? RSV1 : 0);
    if (frame.size >= 512) {
        struct sw_slice text;
        assert_true(other.size < frame.size);
        assert_int_equal(sw_ws_inflate(sw_ws_codec_deflate(codec), sw_ws_frame_payload(other),
                                       frame.size, &text),
                         SW_WS_INFLATED);
        assert_true(sw_slice_equal(text, sw_ws_frame_payload(frame)));
    } else {
        assert_true(sw_slice_equal(other, frame));
    }
    free(exact);
    free(rows);
    sw_buf_deinit(&left);
    sw_buf_deinit(&right);
    sw_message_unref(message);
}

static void tapes_hold_the_same_in_fewer_bytes(void **state)
{
    (void)state;
    static const char *const keys[] = {"", "k", "\"\\\"", "\",\"key\":\""};
    static const size_t sizes[] = {1, 200, 520, 5000, 200000};
    struct sw_counters *counters = sw_zalloc(sizeof(*counters));
    struct sw_ws_codec *codec = sw_ws_codec_create();
    struct sw_ws_packer packer;
    sw_ws_packer_init(&packer, codec, 512, counters);
    struct sw_framing framings[] = {sw_ws_framing(codec), sw_ws_packed_framing(&packer)};
    struct sw_encoding plain = {.language = &sw_native_language, .framing = &framings[0]};
    struct sw_encoding packed = {.language = &sw_native_language, .framing = &framings[1]};
    for (size_t i = 0; i < SW_ARRAY_SIZE(keys) * SW_ARRAY_SIZE(sizes); i++) {
        const char *key = keys[i % SW_ARRAY_SIZE(keys)];
        size_t size = sizes[i / SW_ARRAY_SIZE(keys)];
        assert_packed(&plain, &packed, codec, key, size, false);
        assert_packed(&plain, &packed, codec, key, size, true);
    }
    int64_t before = sw_counter_read(&counters->compressed_before_bytes_total);
    assert_int_equal(sw_counter_read(&counters->compressed_total),
                     3 * SW_ARRAY_SIZE(keys)); /* each once */
    assert_true(sw_counter_read(&counters->compressed_after_bytes_total) < before / 2);
    sw_ws_packer_deinit(&packer);
    sw_ws_codec_destroy(&codec);
    sw_free(counters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads_come_back_as_they_were),
        cmocka_unit_test(a_message_knows_nothing_of_the_one_before),
        cmocka_unit_test(streams_end_in_several_ways),
        cmocka_unit_test(noise_is_read_without_harm),
        cmocka_unit_test(compressed_messages_come_whole_however_they_are_cut),
        cmocka_unit_test(what_may_not_be_is_a_fault),
        cmocka_unit_test(tapes_hold_the_same_in_fewer_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

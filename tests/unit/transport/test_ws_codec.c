// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/mem.h"
#include "transport/ws_codec.h"

/* "hello", masked. */
static const char hello[] = "\x81\x85\x01\x02\x03\x04\x69\x67\x6f\x68\x6e";
#define HELLO (sizeof(hello) - 1)

static void frames_begin_with_the_shortest_head(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        const char *head;
        size_t head_size;
    } rows[] = {
        {0, "\x81\x00", 2},
        {1, "\x81\x01", 2},
        {125, "\x81\x7d", 2},
        {126, "\x81\x7e\x00\x7e", 4},
        {65535, "\x81\x7e\xff\xff", 4},
        {65536, "\x81\x7f\0\0\0\0\0\x01\0\0", 10},
        {1u << 20, "\x81\x7f\0\0\0\0\0\x10\0\0", 10},
    };
    struct sw_ws_codec *codec = sw_ws_codec_create();
    struct sw_framing framing = sw_ws_framing(codec);
    assert_string_equal(framing.name, "ws");
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        char *payload = malloc(rows[i].size + 1);
        memset(payload, 'x', rows[i].size + 1);
        struct sw_buf out = {0};
        sw_buf_append_slice(&out, SW_SLICE("before"));
        sw_ws_append(codec, &out, SW_WS_TEXT, sw_slice(payload, rows[i].size));
        assert_int_equal(out.size, 6 + rows[i].head_size + rows[i].size);
        assert_memory_equal(out.data, "before", 6);
        assert_memory_equal(out.data + 6, rows[i].head, rows[i].head_size);
        assert_memory_equal(out.data + 6 + rows[i].head_size, payload, rows[i].size);
        sw_buf_deinit(&out);

        char *head = malloc(rows[i].head_size);
        assert_int_equal(framing.head_size(rows[i].size), rows[i].head_size);
        assert_ptr_equal(framing.write_head(framing.context, NULL, rows[i].size, head),
                         head + rows[i].head_size);
        assert_memory_equal(head, rows[i].head, rows[i].head_size);
        free(head);
        free(payload);
    }
    sw_ws_codec_destroy(&codec);
    assert_null(codec);
}

static void frames_carry_their_opcode(void **state)
{
    (void)state;
    static const struct {
        enum sw_ws_opcode opcode;
        char first;
    } rows[] = {{SW_WS_TEXT, '\x81'},
                {SW_WS_BINARY, '\x82'},
                {SW_WS_CLOSE, '\x88'},
                {SW_WS_PING, '\x89'},
                {SW_WS_PONG, '\x8a'}};
    struct sw_ws_codec *codec = sw_ws_codec_create();
    struct sw_buf out = {0};
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        sw_ws_append(codec, &out, rows[i].opcode, SW_SLICE("ab"));
        assert_int_equal(out.size, 4);
        assert_int_equal(out.data[0], rows[i].first);
        assert_memory_equal(out.data + 1,
                            "\x02"
                            "ab",
                            3);
        sw_buf_clear(&out);
    }
    sw_buf_deinit(&out);
    sw_ws_codec_destroy(&codec);
}

static struct sw_slice read_payload(struct sw_ws_rx *rx, struct sw_ws_piece *piece)
{
    assert_int_equal(sw_ws_rx_read(rx, piece), SW_WS_PIECE);
    assert_true(piece->first && piece->last && piece->fin && piece->masked);
    assert_int_equal(piece->opcode, SW_WS_TEXT);
    assert_int_equal(piece->rsv, 0);
    return piece->data;
}

static void context_is_clean_between_two_frames_only(void **state)
{
    (void)state;
    struct sw_ws_codec *codec = sw_ws_codec_create();
    for (size_t cut = 0; cut <= HELLO; cut++) {
        struct sw_ws_rx *rx = sw_ws_rx_take(codec);
        struct sw_ws_piece piece;
        assert_true(sw_ws_rx_clean(rx));
        sw_ws_rx_feed(rx, sw_slice(hello, cut));
        while (sw_ws_rx_read(rx, &piece) == SW_WS_PIECE) {
            assert_int_equal(piece.frame_size, 5);
        }
        assert_int_equal(sw_ws_rx_clean(rx), cut == 0 || cut == HELLO);
        sw_ws_rx_give(codec, rx); /* freed where it is not clean: the next one must know nothing */
        rx = sw_ws_rx_take(codec);
        sw_ws_rx_feed(rx, sw_slice(hello, HELLO));
        unit_assert_slice(read_payload(rx, &piece), "hello");
        assert_int_equal(sw_ws_rx_read(rx, &piece), SW_WS_MORE);
        assert_true(sw_ws_rx_clean(rx));
        sw_ws_rx_give(codec, rx);
    }
    sw_ws_codec_destroy(&codec);
}

static void clean_context_is_lent_again_and_a_broken_one_is_not(void **state)
{
    (void)state;
    struct sw_ws_codec *codec = sw_ws_codec_create();
    struct sw_ws_rx *first = sw_ws_rx_take(codec);
    struct sw_ws_rx *second = sw_ws_rx_take(codec);
    assert_ptr_not_equal(first, second);
    sw_ws_rx_give(codec, first);
    assert_ptr_equal(sw_ws_rx_take(codec), first);
    sw_ws_rx_give(codec, first);
    struct sw_ws_piece piece;
    sw_ws_rx_feed(second, SW_SLICE("\x89\xfe\x00\x7e\0\0\0\0")); /* a ping of 126 bytes */
    assert_int_equal(sw_ws_rx_read(second, &piece), SW_WS_BROKEN);
    sw_ws_rx_give(codec, second);
    second = sw_ws_rx_take(codec); /* the one that is clean */
    assert_ptr_equal(second, first);
    sw_ws_rx_feed(second, sw_slice(hello, HELLO));
    unit_assert_slice(read_payload(second, &piece), "hello");
    sw_ws_rx_give(codec, second);
    sw_ws_codec_destroy(&codec);
}

static void pool_keeps_a_few(void **state)
{
    (void)state;
    struct sw_ws_codec *codec = sw_ws_codec_create();
    struct sw_ws_rx *lent[40];
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < SW_ARRAY_SIZE(lent); i++) {
            lent[i] = sw_ws_rx_take(codec);
        }
        for (size_t i = 0; i < SW_ARRAY_SIZE(lent); i++) {
            sw_ws_rx_give(codec, lent[i]);
        }
    }
    sw_ws_codec_destroy(&codec); /* AddressSanitizer says whether all were freed */
}

static void reading_may_stop_between_two_frames(void **state)
{
    (void)state;
    struct sw_ws_codec *codec = sw_ws_codec_create();
    struct sw_ws_rx *rx = sw_ws_rx_take(codec);
    struct sw_ws_piece piece;
    struct sw_buf bytes = {0};
    for (unsigned i = 0; i < 2000; i++) { /* more than wslay takes at once */
        sw_buf_append(&bytes, hello, HELLO);
    }
    sw_ws_rx_feed(rx, sw_buf_slice(&bytes));
    assert_int_equal(sw_ws_rx_read(rx, &piece), SW_WS_PIECE);
    struct sw_slice rest = sw_ws_rx_rest(rx);
    assert_in_range(rest.size, 1, bytes.size - HELLO);
    assert_ptr_equal(rest.data + rest.size, bytes.data + bytes.size);
    assert_int_equal(sw_ws_rx_rest(rx).size, 0);
    assert_false(sw_ws_rx_clean(rx));
    sw_ws_rx_feed(rx, rest);
    size_t frames = 1;
    size_t payload = 5;
    enum sw_ws_read answer;
    while ((answer = sw_ws_rx_read(rx, &piece)) == SW_WS_PIECE) {
        assert_int_equal(piece.data.data[0], "hello"[payload % 5]);
        payload += piece.data.size;
        frames += piece.last;
    }
    assert_int_equal(answer, SW_WS_MORE);
    assert_int_equal(frames, 2000);
    assert_int_equal(payload, 2000 * 5);
    assert_true(sw_ws_rx_clean(rx));
    sw_ws_rx_give(codec, rx);
    sw_buf_deinit(&bytes);
    sw_ws_codec_destroy(&codec);
}

static void raw_frames_are_text_or_binary_and_else_a_pong(void **state)
{
    (void)state;
    struct sw_ws_codec *codec = sw_ws_codec_create();
    struct sw_framing framing = sw_ws_raw_framing(codec);
    static const struct {
        struct sw_slice payload;
        unsigned char head;
    } rows[] = {{{"{}", 2}, 0x81}, {{"", 0}, 0x81}, {{"x", 1}, 0x81}, {{"\xff", 1}, 0x82}};
    char head[2];
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_push push = {
            .kind = SW_PUSH_MESSAGE,
            .message = sw_message_create(SW_SLICE("a"), SW_SLICE(""), rows[i].payload, 0, 0)};
        size_t size = rows[i].payload.size;
        assert_int_equal(framing.head_size(size), 2);
        assert_ptr_equal(framing.write_head(framing.context, &push, size, head), head + 2);
        assert_int_equal((unsigned char)head[0], rows[i].head);
        assert_int_equal(head[1], size);
        sw_message_unref((struct sw_message *)(uintptr_t)push.message);
    }
    static const enum sw_push_kind others[] = {SW_PUSH_DROPPED, SW_PUSH_EPOCH, SW_PUSH_RESET};
    for (size_t i = 0; i < SW_ARRAY_SIZE(others); i++) {
        struct sw_push push = {.kind = others[i]};
        assert_ptr_equal(framing.write_head(framing.context, &push, 0, head), head + 2);
        assert_memory_equal(head, "\x8a\x00", 2);
    }
    sw_ws_codec_destroy(&codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_begin_with_the_shortest_head),
        cmocka_unit_test(frames_carry_their_opcode),
        cmocka_unit_test(raw_frames_are_text_or_binary_and_else_a_pong),
        cmocka_unit_test(context_is_clean_between_two_frames_only),
        cmocka_unit_test(clean_context_is_lent_again_and_a_broken_one_is_not),
        cmocka_unit_test(pool_keeps_a_few),
        cmocka_unit_test(reading_may_stop_between_two_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

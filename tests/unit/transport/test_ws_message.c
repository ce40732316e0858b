// SPDX-License-Identifier: Apache-2.0
/* What a peer's bytes come to, by RFC 6455. Each row is a list of frames and the events that they
 * must make, however the network cuts them. */
#include "../common/mutate.h"

#include "common/mem.h"
#include "transport/ws_message.h"

#include <stdio.h>

#define MAX_BYTES     70000
#define MAX_FRAGMENTS 40

struct frame {
    unsigned head;       /* the first byte: fin, rsv, opcode */
    const char *payload; /* without NUL */
    size_t size;         /* 0: strlen(payload); the payload is repeated up to it */
    bool unmasked;
};

#define FIN   0x80u
#define TEXT  (FIN | SW_WS_TEXT)
#define CLOSE (FIN | SW_WS_CLOSE)
#define PING  (FIN | SW_WS_PING)
#define PONG  (FIN | SW_WS_PONG)
#define MORE  0x00u /* a continuation that is not the last */
#define LAST  FIN

struct row {
    const char *events;
    struct frame frames[6];
};

static void append_frame(struct sw_buf *out, const struct frame *frame)
{
    static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t own = strlen(frame->payload);
    size_t size = frame->size ? frame->size : own;
    unsigned char mask = frame->unmasked ? 0 : 0x80;
    sw_buf_append_byte(out, (char)frame->head);
    if (size < 126) {
        sw_buf_append_byte(out, (char)(mask | size));
    } else if (size < 65536) {
        sw_buf_append_byte(out, (char)(mask | 126));
        sw_buf_append_byte(out, (char)(size >> 8));
        sw_buf_append_byte(out, (char)size);
    } else {
        sw_buf_append_byte(out, (char)(mask | 127));
        for (int shift = 56; shift >= 0; shift -= 8) {
            sw_buf_append_byte(out, (char)((uint64_t)size >> shift));
        }
    }
    if (!frame->unmasked) {
        sw_buf_append(out, key, sizeof(key));
    }
    for (size_t i = 0; i < size; i++) {
        char byte = own ? frame->payload[i % own] : 0;
        sw_buf_append_byte(out, frame->unmasked ? byte : (char)(byte ^ key[i % 4]));
    }
}

/* Short payloads as they are, long ones by their size and first byte. */
static void note(struct sw_buf *out, const char *word, struct sw_slice payload)
{
    if (payload.size > 40) {
        sw_buf_printf(out, "%s(%c x %zu) ", word, payload.data[0], payload.size);
    } else {
        sw_buf_printf(out, "%s(%.*s) ", word, (int)payload.size, payload.size ? payload.data : "");
    }
}

/* False: nothing more is read. */
static bool note_event(struct sw_buf *out, enum sw_ws_event event,
                       const struct sw_ws_message *message)
{
    switch (event) {
    case SW_WS_NOTHING:
        return true;
    case SW_WS_MESSAGE:
        note(out, message->text ? "text" : "binary", message->payload);
        return true;
    case SW_WS_PINGED:
        note(out, "ping", message->payload);
        return true;
    case SW_WS_PONGED:
        note(out, "pong", message->payload);
        return true;
    case SW_WS_CLOSED:
        sw_buf_printf(out, "close(%u) ", message->code);
        return false;
    case SW_WS_FAULT:
        sw_buf_printf(out, "fault(%s) ", sw_reason_row(message->reason)->word);
        return false;
    }
    return false;
}

struct peer {
    struct sw_ws_codec *codec;
    struct sw_ws_rx *rx;
    struct sw_ws_message message;
    struct sw_buf events;
    bool deaf;
};

/* As transport/ws does it: the rx is given back between two frames. */
static void feed(struct peer *peer, const char *data, size_t size)
{
    static const struct sw_ws_limits limits = {MAX_BYTES, MAX_FRAGMENTS};
    struct sw_ws_piece piece;
    if (peer->deaf) {
        return;
    }
    char *exact = unit_exact_copy(data, size);
    if (!peer->rx) {
        peer->rx = sw_ws_rx_take(peer->codec);
    }
    sw_ws_rx_feed(peer->rx, sw_slice(exact, size));
    enum sw_ws_read read = SW_WS_PIECE;
    while (!peer->deaf && read == SW_WS_PIECE) {
        read = sw_ws_rx_read(peer->rx, &piece);
        if (read == SW_WS_BROKEN) {
            sw_buf_printf(&peer->events, "fault(protocol) ");
            peer->deaf = true;
        } else if (read == SW_WS_PIECE) {
            peer->deaf = !note_event(
                &peer->events, sw_ws_message_take(&peer->message, &piece, &limits), &peer->message);
        }
    }
    if (peer->deaf || sw_ws_rx_clean(peer->rx)) {
        sw_ws_rx_give(peer->codec, peer->rx);
        peer->rx = NULL;
    }
    free(exact);
}

static void finish(struct peer *peer, const char *expected)
{
    if (peer->events.size) {
        peer->events.size--; /* the space behind the last */
    }
    assert_string_equal(sw_buf_text(&peer->events), expected);
    if (peer->rx) {
        sw_ws_rx_give(peer->codec, peer->rx);
        peer->rx = NULL;
    }
    sw_ws_message_deinit(&peer->message);
    peer->message = (struct sw_ws_message){0};
    sw_buf_clear(&peer->events);
    peer->deaf = false;
}

/* Whole, byte by byte, and cut in two everywhere (long ones: around their ends). */
static void assert_events(struct sw_ws_codec *codec, struct sw_slice bytes, const char *expected)
{
    struct peer peer = {.codec = codec};
    feed(&peer, bytes.data, bytes.size);
    finish(&peer, expected);
    for (size_t i = 0; i < bytes.size; i++) {
        feed(&peer, bytes.data + i, 1);
    }
    finish(&peer, expected);
    for (size_t cut = 1; cut < bytes.size; cut++) {
        if (cut > 200 && cut + 200 < bytes.size && cut % 4093 != 0) {
            continue;
        }
        feed(&peer, bytes.data, cut);
        feed(&peer, bytes.data + cut, bytes.size - cut);
        finish(&peer, expected);
    }
    sw_buf_deinit(&peer.events);
}

static void assert_rows(const struct row *rows, size_t count)
{
    struct sw_ws_codec *codec = sw_ws_codec_create();
    for (size_t i = 0; i < count; i++) {
        struct sw_buf bytes = {0};
        for (size_t n = 0; n < SW_ARRAY_SIZE(rows[i].frames) && rows[i].frames[n].payload; n++) {
            append_frame(&bytes, &rows[i].frames[n]);
        }
        assert_events(codec, sw_buf_slice(&bytes), rows[i].events);
        sw_buf_deinit(&bytes);
    }
    sw_ws_codec_destroy(&codec);
}

static void messages_come_whole(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"text(hello)", {{TEXT, "hello", 0, false}}},
        {"text()", {{TEXT, "", 0, false}}},
        {"binary(\xff\xfe)", {{FIN | SW_WS_BINARY, "\xff\xfe", 0, false}}},
        {"text(a) text(b) text(c)",
         {{TEXT, "a", 0, false}, {TEXT, "b", 0, false}, {TEXT, "c", 0, false}}},
        {"text(hello)",
         {{SW_WS_TEXT, "he", 0, false}, {MORE, "l", 0, false}, {LAST, "lo", 0, false}}},
        {"text(hello)",
         {{SW_WS_TEXT, "", 0, false},
          {MORE, "", 0, false},
          {MORE, "hello", 0, false},
          {LAST, "", 0, false}}},
        {"text()", {{SW_WS_TEXT, "", 0, false}, {LAST, "", 0, false}}},
        {"text(ab) text(cd)",
         {{SW_WS_TEXT, "a", 0, false},
          {LAST, "b", 0, false},
          {SW_WS_TEXT, "c", 0, false},
          {LAST, "d", 0, false}}},
        {"binary(ab)", {{SW_WS_BINARY, "a", 0, false}, {LAST, "b", 0, false}}},
        {"text(x x 125)", {{TEXT, "x", 125, false}}},
        {"text(x x 126)", {{TEXT, "x", 126, false}}},
        {"text(x x 65535) text(y)", {{TEXT, "x", 65535, false}, {TEXT, "y", 0, false}}},
        {"text(x x 65536)", {{TEXT, "x", 65536, false}}},
        {"text(x x 70000)", {{SW_WS_TEXT, "x", 35000, false}, {LAST, "x", 35000, false}}},
        {"", {{SW_WS_TEXT, "never ends", 0, false}}},
    };
    assert_rows(rows, SW_ARRAY_SIZE(rows));
}

static void control_frames_come_between_fragments(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"ping() pong(x)", {{PING, "", 0, false}, {PONG, "x", 0, false}}},
        {"ping(p x 125)", {{PING, "p", 125, false}}},
        {"ping(1) text(hello)",
         {{SW_WS_TEXT, "he", 0, false}, {PING, "1", 0, false}, {LAST, "llo", 0, false}}},
        {"ping(1) pong() ping(2) text(ab)",
         {{SW_WS_TEXT, "a", 0, false},
          {PING, "1", 0, false},
          {PONG, "", 0, false},
          {PING, "2", 0, false},
          {LAST, "b", 0, false}}},
        {"ping(\xff)", {{PING, "\xff", 0, false}}},
        {"close(1000)",
         {{SW_WS_TEXT, "a", 0, false}, {CLOSE, "\x03\xe8", 0, false}, {LAST, "b", 0, false}}},
        {"fault(protocol)", {{SW_WS_PING, "x", 0, false}}}, /* a fragment */
        {"fault(protocol)", {{PING, "p", 126, false}}},
        {"fault(protocol)", {{CLOSE, "\x03\xe8", 126, false}}},
    };
    assert_rows(rows, SW_ARRAY_SIZE(rows));
}

static void frames_against_the_rules_are_faults(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"fault(protocol)", {{TEXT, "hello", 0, true}}},
        {"fault(protocol)", {{PING, "", 0, true}}},
        {"text(a) fault(protocol)", {{TEXT, "a", 0, false}, {TEXT, "b", 0, true}}},
        {"fault(protocol)", {{TEXT | 0x40, "x", 0, false}}},
        {"fault(protocol)", {{TEXT | 0x20, "x", 0, false}}},
        {"fault(protocol)", {{TEXT | 0x10, "x", 0, false}}},
        {"fault(protocol)", {{PING | 0x40, "", 0, false}}},
        {"fault(protocol)", {{SW_WS_TEXT, "a", 0, false}, {LAST | 0x40, "b", 0, false}}},
        {"fault(protocol)", {{FIN | 3, "x", 0, false}}},
        {"fault(protocol)", {{FIN | 7, "x", 0, false}}},
        {"fault(protocol)", {{FIN | 11, "", 0, false}}},
        {"fault(protocol)", {{FIN | 15, "", 0, false}}},
        {"fault(protocol)", {{LAST, "x", 0, false}}}, /* nothing to continue */
        {"fault(protocol)", {{MORE, "x", 0, false}}},
        {"text(a) fault(protocol)", {{TEXT, "a", 0, false}, {LAST, "x", 0, false}}},
        {"fault(protocol)", {{SW_WS_TEXT, "a", 0, false}, {TEXT, "b", 0, false}}},
        {"fault(protocol)", {{SW_WS_TEXT, "a", 0, false}, {SW_WS_BINARY, "b", 0, false}}},
        {"fault(too_big)", {{TEXT, "x", MAX_BYTES + 1, false}}},
        {"fault(too_big)", {{SW_WS_TEXT, "x", 35000, false}, {LAST, "x", 35001, false}}},
        {"ping() fault(too_big)",
         {{SW_WS_TEXT, "x", MAX_BYTES, false}, {PING, "", 0, false}, {MORE, "x", 0, false}}},
    };
    assert_rows(rows, SW_ARRAY_SIZE(rows));
}

static void text_must_be_utf8_across_all_cuts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"text(\xf0\x9f\x98\x80\xc3\xb6)", {{TEXT, "\xf0\x9f\x98\x80\xc3\xb6", 0, false}}},
        {"text(\xf0\x9f\x98\x80)",
         {{SW_WS_TEXT, "\xf0", 0, false}, {MORE, "\x9f\x98", 0, false}, {LAST, "\x80", 0, false}}},
        {"text(\xc3\xb6)",
         {{SW_WS_TEXT, "\xc3", 0, false}, {MORE, "", 0, false}, {LAST, "\xb6", 0, false}}},
        {"ping() text(\xc3\xb6)",
         {{SW_WS_TEXT, "\xc3", 0, false}, {PING, "", 0, false}, {LAST, "\xb6", 0, false}}},
        {"fault(utf8)", {{TEXT, "a\xff", 0, false}}},
        {"fault(utf8)", {{TEXT, "\xc3", 0, false}}},             /* cut off */
        {"fault(utf8)", {{TEXT, "\xed\xa0\x80", 0, false}}},     /* a surrogate */
        {"fault(utf8)", {{TEXT, "\xc0\xaf", 0, false}}},         /* overlong */
        {"fault(utf8)", {{TEXT, "\xf4\x90\x80\x80", 0, false}}}, /* above U+10FFFF */
        {"fault(utf8)", {{SW_WS_TEXT, "\xc3", 0, false}, {LAST, "", 0, false}}},
        {"fault(utf8)", {{SW_WS_TEXT, "\xc3", 0, false}, {LAST, "x", 0, false}}},
        {"fault(utf8)", {{SW_WS_TEXT, "\xff", 0, false}}}, /* at once, not at its end */
        {"text(a) text(b)", {{TEXT, "a", 0, false}, {TEXT, "b", 0, false}}},
        {"binary(\xc3) text(x)", {{FIN | SW_WS_BINARY, "\xc3", 0, false}, {TEXT, "x", 0, false}}},
    };
    assert_rows(rows, SW_ARRAY_SIZE(rows));
}

static void assert_close(struct sw_ws_codec *codec, const void *body, size_t size,
                         const char *expected)
{
    char text[256];
    struct sw_buf bytes = {0};
    memcpy(text, body, size);
    text[size] = 0;
    /* the mask is all zeroes: the codes hold NULs */
    sw_buf_append_byte(&bytes, (char)CLOSE);
    sw_buf_append_byte(&bytes, (char)(0x80 | size));
    sw_buf_append(&bytes, "\0\0\0\0", 4);
    sw_buf_append(&bytes, text, size);
    assert_events(codec, sw_buf_slice(&bytes), expected);
    sw_buf_deinit(&bytes);
}

static void close_codes_are_those_that_may_stand_on_the_wire(void **state)
{
    (void)state;
    struct sw_ws_codec *codec = sw_ws_codec_create();
    for (unsigned code = 0; code <= 65535; code += code < 5100 ? 1 : 977) {
        bool good = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                    (code >= 3000 && code <= 4999);
        char expected[32];
        char body[3] = {(char)(code >> 8), (char)code, '!'};
        snprintf(expected, sizeof(expected), good ? "close(%u)" : "fault(protocol)", code);
        assert_close(codec, body, 2, expected);
        assert_close(codec, body, 3, expected);
    }
    assert_close(codec, "", 0, "close(0)");
    assert_close(codec, "\x03", 1, "fault(protocol)");
    assert_close(codec, "\x03\xe8g\xc3\xb6ne", 7, "close(1000)");
    assert_close(codec, "\x03\xe8\xff", 3, "fault(utf8)");
    assert_close(codec, "\x03\xe8\xc3", 3, "fault(utf8)");
    assert_close(codec, "\x03\xed\xff", 3, "fault(protocol)"); /* 1005, whatever follows */
    sw_ws_codec_destroy(&codec);
}

/* Empty ones, too, and those of the message before do not count. */
static void fragments_of_a_message_are_counted(void **state)
{
    (void)state;
    struct sw_ws_codec *codec = sw_ws_codec_create();
    struct sw_buf bytes = {0};
    append_frame(&bytes, &(struct frame){SW_WS_TEXT, "a", 0, false});
    for (int i = 2; i < MAX_FRAGMENTS; i++) {
        append_frame(&bytes, &(struct frame){MORE, "", 0, false});
    }
    append_frame(&bytes, &(struct frame){LAST, "b", 0, false});
    append_frame(&bytes, &(struct frame){SW_WS_TEXT, "c", 0, false});
    for (int i = 2; i <= MAX_FRAGMENTS; i++) {
        append_frame(&bytes, &(struct frame){MORE, "", 0, false});
    }
    append_frame(&bytes, &(struct frame){LAST, "", 0, false});
    assert_events(codec, sw_buf_slice(&bytes), "text(ab) fault(fragments)");
    sw_buf_deinit(&bytes);
    sw_ws_codec_destroy(&codec);
}

/* wslay's own checks: a length that is longer than it need be, or negative. */
static void lengths_must_be_the_shortest(void **state)
{
    (void)state;
    struct sw_ws_codec *codec = sw_ws_codec_create();
    static const struct sw_slice heads[] = {
        {"\x81\xfe\x00\x7d\0\0\0\0", 8},
        {"\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14},
        {"\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(heads); i++) {
        assert_events(codec, heads[i], "fault(protocol)");
    }
    sw_ws_codec_destroy(&codec);
}

/* A peer may announce what it likes: memory grows by what came. */
static void announced_size_costs_nothing(void **state)
{
    (void)state;
    struct sw_ws_codec *codec = sw_ws_codec_create();
    struct peer peer = {.codec = codec};
    struct sw_buf bytes = {0};
    append_frame(&bytes, &(struct frame){SW_WS_TEXT, "x", MAX_BYTES, false});
    feed(&peer, bytes.data, 100);
    assert_true(peer.message.collected.capacity < 1024);
    assert_false(sw_ws_message_clean(&peer.message));
    feed(&peer, bytes.data + 100, bytes.size - 100);
    assert_false(sw_ws_message_clean(&peer.message));
    sw_buf_clear(&bytes);
    append_frame(&bytes, &(struct frame){LAST, "", 0, false});
    feed(&peer, bytes.data, bytes.size);
    assert_true(sw_ws_message_clean(&peer.message));
    finish(&peer, "text(x x 70000)");
    sw_buf_deinit(&peer.events);
    sw_buf_deinit(&bytes);
    sw_ws_codec_destroy(&codec);
}

/* Any cuts of a long conversation make the same events. */
static void cuts_at_random_make_the_same_events(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(6455);
    struct sw_ws_codec *codec = sw_ws_codec_create();
    struct sw_buf bytes = {0};
    static const struct frame frames[] = {{SW_WS_TEXT, "\xf0\x9f", 0, false},
                                          {PING, "p", 7, false},
                                          {LAST, "\x98\x80", 0, false},
                                          {TEXT, "x", 3000, false},
                                          {TEXT, "", 0, false},
                                          {PONG, "", 0, false},
                                          {SW_WS_BINARY, "b", 300, false},
                                          {MORE, "b", 0, false},
                                          {PING, "q", 125, false},
                                          {LAST, "b", 20, false},
                                          {TEXT, "y", 126, false}};
    static const char expected[] = "ping(ppppppp) text(\xf0\x9f\x98\x80) text(x x 3000) text() "
                                   "pong() ping(q x 125) binary(b x 321) text(y x 126)";
    for (size_t i = 0; i < SW_ARRAY_SIZE(frames); i++) {
        append_frame(&bytes, &frames[i]);
    }
    for (unsigned run = 0; run < 3000; run++) {
        struct peer peer = {.codec = codec};
        size_t most = 1 + sw_random_below(&random, run % 2 ? 20 : 2000);
        for (size_t at = 0; at < bytes.size;) {
            size_t n = 1 + sw_random_below(&random, most);
            n = n < bytes.size - at ? n : bytes.size - at;
            feed(&peer, bytes.data + at, n);
            at += n;
        }
        assert_true(sw_ws_message_clean(&peer.message));
        finish(&peer, expected);
        sw_buf_deinit(&peer.events);
    }
    sw_buf_deinit(&bytes);
    sw_ws_codec_destroy(&codec);
}

/* What the bytes come to in pieces of at most `most` bytes; the caller frees it. */
static struct sw_buf events_of(struct sw_ws_codec *codec, struct sw_slice bytes,
                               struct sw_random *random, size_t most)
{
    struct peer peer = {.codec = codec};
    for (size_t at = 0; at < bytes.size;) {
        size_t n = random ? 1 + sw_random_below(random, most) : most;
        n = n < bytes.size - at ? n : bytes.size - at;
        feed(&peer, bytes.data + at, n);
        at += n;
    }
    struct sw_buf events = peer.events;
    peer.events = (struct sw_buf){0};
    finish(&peer, "");
    sw_buf_deinit(&peer.events);
    return events;
}

static void assert_same(struct sw_buf *one, const struct sw_buf *other)
{
    assert_int_equal(one->size, other->size);
    if (one->size) {
        assert_memory_equal(one->data, other->data, one->size);
    }
    sw_buf_deinit(one);
}

static void any_bytes_make_the_same_events_however_they_are_cut(void **state)
{
    (void)state;
    static const struct frame frames[] = {{SW_WS_TEXT, "\xf0\x9f", 0, false},
                                          {PING, "p", 7, false},
                                          {LAST, "\x98\x80", 0, false},
                                          {TEXT, "x", 130, false},
                                          {PONG, "", 0, false},
                                          {SW_WS_BINARY, "b", 30, false},
                                          {LAST, "b", 20, false},
                                          {CLOSE, "\x03\xe8", 0, false}};
    struct sw_random random = unit_seeded(64551);
    struct sw_ws_codec *codec = sw_ws_codec_create();
    for (unsigned run = 0; run < 5000; run++) {
        struct sw_buf bytes = {0};
        for (size_t i = 0; i < SW_ARRAY_SIZE(frames); i++) {
            append_frame(&bytes, &frames[i]);
        }
        unit_mutate(&random, &bytes);
        struct sw_slice slice = sw_buf_slice(&bytes);
        struct sw_buf whole = events_of(codec, slice, NULL, slice.size);
        struct sw_buf bytewise = events_of(codec, slice, NULL, 1);
        assert_same(&bytewise, &whole);
        struct sw_buf cut = events_of(codec, slice, &random, 1 + run % 50);
        assert_same(&cut, &whole);
        sw_buf_deinit(&whole);
        sw_buf_deinit(&bytes);
    }
    sw_ws_codec_destroy(&codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_whole),
        cmocka_unit_test(control_frames_come_between_fragments),
        cmocka_unit_test(frames_against_the_rules_are_faults),
        cmocka_unit_test(fragments_of_a_message_are_counted),
        cmocka_unit_test(text_must_be_utf8_across_all_cuts),
        cmocka_unit_test(close_codes_are_those_that_may_stand_on_the_wire),
        cmocka_unit_test(lengths_must_be_the_shortest),
        cmocka_unit_test(announced_size_costs_nothing),
        cmocka_unit_test(cuts_at_random_make_the_same_events),
        cmocka_unit_test(any_bytes_make_the_same_events_however_they_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

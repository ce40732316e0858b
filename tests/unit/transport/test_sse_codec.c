// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/mem.h"
#include "protocol/encode.h"
#include "transport/sse_codec.h"

static const struct sw_encoding encoding = {.language = &sw_native_language,
                                            .framing = &sw_sse_framing};

/* Renders a push as a tape does, into memory that ends where the frame ends. The caller frees it.
 */
static struct sw_slice render(const struct sw_push *push)
{
    size_t text_size;
    size_t size = sw_encoding_size(&encoding, push, &text_size);
    char *frame = malloc(size);
    assert_ptr_equal(sw_encoding_write(&encoding, push, text_size, frame), frame + size);
    return sw_slice(frame, size);
}

static struct sw_slice render_message(const char *key, struct sw_slice payload)
{
    struct sw_message *message =
        sw_message_create(SW_SLICE("t.a"), sw_slice_of(key), payload, 0, 0);
    struct sw_push push = {.kind = SW_PUSH_MESSAGE, .name = SW_SLICE("t.a"), .message = message};
    struct sw_slice frame = render(&push);
    sw_message_unref(message);
    return frame;
}

static void a_push_is_one_data_line(void **state)
{
    (void)state;
    struct sw_slice frame = render_message("", SW_SLICE("{\"n\": 1.50}"));
    unit_assert_slice(frame,
                      "data: {\"type\":\"msg\",\"topic\":\"t.a\",\"data\":{\"n\": 1.50}}\n\n");
    free((char *)(uintptr_t)frame.data);
    struct sw_push gap = {.kind = SW_PUSH_DROPPED,
                          .name = SW_SLICE("t.>"),
                          .pattern = true,
                          .count = 3,
                          .reason = SW_SHED_SLOW};
    frame = render(&gap);
    unit_assert_slice(
        frame, "data: {\"type\":\"dropped\",\"sub\":\"t.>\",\"count\":3,\"reason\":\"slow\"}\n\n");
    free((char *)(uintptr_t)frame.data);
}

/* Else a payload would be cut into lines, or speak as the server: "id: ...". */
static void no_payload_ends_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
    } rows[] = {
        {"{\r\n\"a\":\n[1,\r2]}\n", 16},
        {"line\nid: 7\n\ndata: {}", 20},
        {"\r\n\r\n", 4},
        {"\xff\n\n", 3},
        {"\xe2\x80\xa8\xc2\x85\n", 6},
        {"", 0},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_slice frame = render_message("k\"", sw_slice(rows[i].text, rows[i].size));
        assert_null(memchr(frame.data, '\r', frame.size));
        const char *end = memchr(frame.data, '\n', frame.size);
        assert_ptr_equal(end, frame.data + frame.size - 2);
        assert_int_equal(end[1], '\n');
        free((char *)(uintptr_t)frame.data);
    }
}

static void the_newest_of_a_key_is_found_in_a_frame(void **state)
{
    (void)state;
    struct sw_slice frames[] = {
        render_message("a", SW_SLICE("1")), render_message("a", SW_SLICE("22")),
        render_message("b", SW_SLICE("1")), render_message("", SW_SLICE("1"))};
    struct sw_slice identities[SW_ARRAY_SIZE(frames)];
    for (size_t i = 0; i < SW_ARRAY_SIZE(frames); i++) {
        identities[i] = sw_encoding_identity(&encoding, frames[i]);
    }
    assert_true(sw_slice_equal(identities[0], identities[1]));
    assert_false(sw_slice_equal(identities[0], identities[2]));
    assert_false(sw_slice_equal(identities[0], identities[3]));
    for (size_t i = 0; i < SW_ARRAY_SIZE(frames); i++) {
        free((char *)(uintptr_t)frames[i].data);
    }
}

static void the_control_lane_speaks_the_same(void **state)
{
    (void)state;
    struct sw_buf out = {0};
    sw_sse_append_retry(&out, 1500);
    sw_sse_append(&out, SW_SLICE("{\"type\":\"x\"}"));
    sw_buf_append_slice(&out, SW_SLICE(SW_SSE_COMMENT));
    unit_assert_slice(sw_buf_slice(&out), "retry: 1500\n\ndata: {\"type\":\"x\"}\n\n:\n\n");
    sw_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_push_is_one_data_line),
        cmocka_unit_test(no_payload_ends_its_line),
        cmocka_unit_test(the_newest_of_a_key_is_found_in_a_frame),
        cmocka_unit_test(the_control_lane_speaks_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

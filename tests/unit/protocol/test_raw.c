// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/mem.h"
#include "protocol/raw.h"

static void a_message_is_its_payload_and_all_else_is_nothing(void **state)
{
    (void)state;
    static const struct sw_slice payloads[] = {
        {"", 0}, {"{\r\n\"a\": 1}", 10}, {"two\nlines", 9}, {"\x00\xff\x80", 3}};
    char out[16];
    for (size_t i = 0; i < SW_ARRAY_SIZE(payloads); i++) {
        struct sw_message *message =
            sw_message_create(SW_SLICE("a"), SW_SLICE("k"), payloads[i], 17, 23);
        struct sw_push push = {
            .kind = SW_PUSH_MESSAGE, .name = SW_SLICE("a"), .message = message, .offset = 7};
        assert_int_equal(sw_raw_language.size(&push), payloads[i].size);
        assert_ptr_equal(sw_raw_language.write(&push, out), out + payloads[i].size);
        assert_memory_equal(out, payloads[i].data, payloads[i].size);
        sw_message_unref(message);
    }
    static const enum sw_push_kind others[] = {SW_PUSH_DROPPED, SW_PUSH_EPOCH, SW_PUSH_RESET};
    for (size_t i = 0; i < SW_ARRAY_SIZE(others); i++) {
        struct sw_push push = {.kind = others[i], .name = SW_SLICE("a"), .count = 3};
        assert_int_equal(sw_raw_language.size(&push), 0);
        assert_ptr_equal(sw_raw_language.write(&push, out), out);
    }
    assert_true(sw_raw_language.silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_its_payload_and_all_else_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* What is made of offers of permessage-deflate. */
#include "../common/unit.h"

#include "common/mem.h"
#include "transport/ws_extensions.h"

#define OFFER "permessage-deflate"
#define NO    -1 /* nothing is agreed upon */

/* The answer's server_max_window_bits; 0: it says none. */
static int choose(const char *first, const char *second, bool narrow)
{
    struct sw_request request = {0};
    const char *const values[] = {first, second};
    char *copies[] = {NULL, NULL};
    for (size_t i = 0; i < 2 && values[i]; i++) {
        copies[i] = unit_exact_copy(values[i], strlen(values[i]));
        request.headers[request.header_count++] =
            (struct sw_header){.name = SW_SLICE("sec-websocket-EXTENSIONS"),
                               .value = sw_slice(copies[i], strlen(values[i]))};
    }
    struct sw_ws_extensions chosen = sw_ws_extensions_choose(&request, narrow);
    free(copies[0]);
    free(copies[1]);
    assert_true(chosen.deflate || !chosen.server_window);
    return chosen.deflate ? chosen.server_window : NO;
}

static void offers_are_taken_or_passed_over(void **state)
{
    (void)state;
    static const struct {
        const char *offers;
        int wide;
        int narrow;
    } rows[] = {
        {"", NO, NO},
        {OFFER, 0, 0},
        {"  PerMessage-Deflate  ", 0, 0},
        {OFFER "; client_max_window_bits", 0, 0},
        {OFFER ";client_max_window_bits=8;server_no_context_takeover", 0, 0},
        {OFFER " ; client_no_context_takeover ; client_max_window_bits = \"15\"", 0, 0},
        {OFFER "; server_max_window_bits=15", 15, 15},
        {OFFER "; server_max_window_bits=\"10\"", NO, 10},
        {OFFER "; server_max_window_bits=8", NO, 8},
        {OFFER "; server_max_window_bits=9, " OFFER "; server_max_window_bits=15", 15, 9},
        {OFFER "; server_max_window_bits", NO, NO},
        {OFFER "; server_max_window_bits=", NO, NO},
        {OFFER "; server_max_window_bits=7", NO, NO},
        {OFFER "; server_max_window_bits=16", NO, NO},
        {OFFER "; server_max_window_bits=015", NO, NO},
        {OFFER "; server_max_window_bits=15.0", NO, NO},
        {OFFER "; server_max_window_bits=99999999999999999999", NO, NO},
        {OFFER "; client_max_window_bits=0", NO, NO},
        {OFFER "; client_max_window_bits=", NO, NO},
        {OFFER "; client_max_window_bits=\"\"", NO, NO},
        {OFFER "; client_max_window_bits=\"10", NO, NO},
        {OFFER "; client_no_context_takeover=1", NO, NO},
        {OFFER "; server_no_context_takeover=true", NO, NO},
        {OFFER "; server_no_context_takeover; server_no_context_takeover", NO, NO},
        {OFFER "; client_max_window_bits; client_max_window_bits=10", NO, NO},
        {OFFER "; what", NO, NO},
        {OFFER ";", NO, NO},
        {OFFER ";;client_no_context_takeover", NO, NO},
        {OFFER "=1", NO, NO},
        {"permessage-deflated", NO, NO},
        {"x-webkit-deflate-frame, , " OFFER, 0, 0},
        {"other; a=\"x, " OFFER "\"", NO, NO},
        {"other; a=\"x\\\", y\", " OFFER, 0, 0},
        {"other; a=\"never closed, " OFFER, NO, NO},
        {"other; a=\"\\", NO, NO},
        {OFFER "; what, " OFFER "; client_max_window_bits", 0, 0},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        assert_int_equal(choose(rows[i].offers, NULL, false), rows[i].wide);
        assert_int_equal(choose(rows[i].offers, NULL, true), rows[i].narrow);
    }
    assert_int_equal(choose("other", OFFER, false), 0);
    assert_int_equal(choose(OFFER "; what", OFFER "; server_max_window_bits=15", false), 15);
}

static void answers_name_what_was_agreed_upon(void **state)
{
    (void)state;
#define ANSWER                                                                                     \
    "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "                   \
    "client_no_context_takeover"
    static const struct {
        struct sw_ws_extensions chosen;
        const char *header;
        bool narrow;
    } rows[] = {
        {{.deflate = false}, "", false},
        {{.deflate = true}, ANSWER "\r\n", false},
        {{.deflate = true, .server_window = 15}, ANSWER "; server_max_window_bits=15\r\n", false},
        {{.deflate = true, .server_window = 9}, ANSWER "; server_max_window_bits=9\r\n", true},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_buf out = {0};
        sw_ws_extensions_append(&rows[i].chosen, &out);
        assert_string_equal(sw_buf_text(&out), rows[i].header);
        assert_int_equal(sw_ws_extensions_narrow(&rows[i].chosen), rows[i].narrow);
        sw_buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_are_taken_or_passed_over),
        cmocka_unit_test(answers_name_what_was_agreed_upon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/net/turning.h"

#include "http/request.h"

static void headers_are_found_in_any_case(void **state)
{
    (void)state;
    struct sw_request request = {
        .headers = {{SW_SLICE("Host"), SW_SLICE("a")},
                    {SW_SLICE("connection"), SW_SLICE("keep-alive ,\tUpgrade")},
                    {SW_SLICE("Connection"), SW_SLICE("x,,close")},
                    {SW_SLICE("Empty"), SW_SLICE("")}},
        .header_count = 4,
    };
    assert_true(sw_slice_equal(sw_request_header(&request, "HOST"), SW_SLICE("a")));
    assert_null(sw_request_header(&request, "Hos").data);
    assert_non_null(sw_request_header(&request, "empty").data);
    assert_int_equal(sw_request_header_count(&request, "Connection"), 2);
    assert_int_equal(sw_request_header_count(&request, "Nothing"), 0);
    assert_true(sw_request_header_has(&request, "Connection", "upgrade"));
    assert_true(sw_request_header_has(&request, "connection", "close"));
    assert_false(sw_request_header_has(&request, "Connection", "keep"));
    assert_false(sw_request_header_has(&request, "Empty", "x"));
}

static void query_is_walked_pair_by_pair(void **state)
{
    (void)state;
    struct sw_slice rest = SW_SLICE("topic=a%2Eb&&flag&x=1=2&=y&end=");
    static const char *const pairs[][2] = {
        {"topic", "a%2Eb"}, {"flag", ""}, {"x", "1=2"}, {"", "y"}, {"end", ""}};
    struct sw_slice name;
    struct sw_slice value;
    for (size_t i = 0; i < SW_ARRAY_SIZE(pairs); i++) {
        assert_true(sw_query_next(&rest, &name, &value));
        assert_true(sw_slice_equal(name, sw_slice_of(pairs[i][0])));
        assert_true(sw_slice_equal(value, sw_slice_of(pairs[i][1])));
    }
    assert_false(sw_query_next(&rest, &name, &value));
    rest = sw_slice("", 0);
    assert_false(sw_query_next(&rest, &name, &value));
    rest = SW_SLICE("&&");
    assert_false(sw_query_next(&rest, &name, &value));
}

static void escapes_are_decoded_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *plain; /* NULL: refused */
        bool plus;
    } rows[] = {
        {"orders.eu", "orders.eu", false},
        {"gr%C3%b6%C3%9Fe", "größe", false},
        {"a+b", "a+b", false},
        {"a+b", "a b", true},
        {"%2B+%2b", "+ +", true},
        {"%", NULL, false},
        {"%2", NULL, false},
        {"a%2", NULL, false},
        {"%2g", NULL, false},
        {"%g2", NULL, false},
        {"%00", NULL, false},
        {"a%2 b", NULL, false},
        {"%41", "A", false},
        {"", "", false},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_buf out = {0};
        bool good = sw_percent_decode(&out, sw_slice_of(rows[i].text), rows[i].plus);
        assert_int_equal(good, rows[i].plain != NULL);
        if (good) {
            assert_string_equal(sw_buf_text(&out), rows[i].plain);
        }
        sw_buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_found_in_any_case),
        cmocka_unit_test(query_is_walked_pair_by_pair),
        cmocka_unit_test(escapes_are_decoded_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/mem.h"
#include "core/limits.h"
#include "protocol/command.h"

#include <stdio.h>
#include <time.h>

/* The lines that whoever got it wrong is shown. */
#define ANY         "{\"type\":\"ping\",\"id\":1}"
#define HELLO       "{\"type\":\"hello\",\"id\":1}"
#define SUBSCRIBE   "{\"type\":\"subscribe\",\"id\":1,\"subs\":[{\"topic\":\"orders.eu\"}]}"
#define UNSUBSCRIBE "{\"type\":\"unsubscribe\",\"id\":1,\"topics\":[\"orders.eu\"]}"
#define PUBLISH     "{\"type\":\"publish\",\"id\":1,\"topic\":\"orders.eu\",\"data\":{\"id\":7}}"
#define REFRESH     "{\"type\":\"refresh\",\"id\":1,\"token\":\"...\"}"

static void assert_raw(struct sw_slice slice, const char *text)
{
    if (!text) {
        assert_null(slice.data);
        return;
    }
    unit_assert_slice(slice, text);
}

static void good_requests_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sw_command_kind kind;
        uint64_t id;
    } rows[] = {
        {ANY, SW_COMMAND_PING, 1},
        {HELLO, SW_COMMAND_HELLO, 1},
        {SUBSCRIBE, SW_COMMAND_SUBSCRIBE, 1},
        {UNSUBSCRIBE, SW_COMMAND_UNSUBSCRIBE, 1},
        {PUBLISH, SW_COMMAND_PUBLISH, 1},
        {REFRESH, SW_COMMAND_REFRESH, 1},
        {"{\"type\":\"ping\"}", SW_COMMAND_PING, 0},
        {" \r\n\t{ \"id\" : 9007199254740991 , \"type\" : \"ping\" } ", SW_COMMAND_PING,
         9007199254740991},
        {"{\"type\":\"ping\",\"of\":{\"a\":[1,{}]},\"the\":null,\"future\":-1e9}", SW_COMMAND_PING,
         0},
        {"{\"ty\\u0070e\":\"ping\",\"\\u0069d\":7}", SW_COMMAND_PING, 7},
        {"{\"type\":\"hello\",\"token\":\"t\"}", SW_COMMAND_HELLO, 0},
        {"{\"type\":\"subscribe\",\"topic\":\"a\"}", SW_COMMAND_SUBSCRIBE, 0},
        {"{\"type\":\"unsubscribe\",\"topic\":\"a\"}", SW_COMMAND_UNSUBSCRIBE, 0},
        {"{\"type\":\"unsubscribe\",\"topics\":[]}", SW_COMMAND_UNSUBSCRIBE, 0},
        {"{\"type\":\"publish\",\"topic\":\"\",\"data\":null}", SW_COMMAND_PUBLISH, 0},
        {"{\"type\":\"dance\",\"id\":3}", SW_COMMAND_UNKNOWN, 3},
        {"{\"type\":\"\"}", SW_COMMAND_UNKNOWN, 0},
        {"{\"type\":\"PING\"}", SW_COMMAND_UNKNOWN, 0},
        {"{\"type\":\"ping \"}", SW_COMMAND_UNKNOWN, 0},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        char *text = unit_exact_copy(rows[i].text, strlen(rows[i].text));
        struct sw_command command = sw_command_parse(sw_slice(text, strlen(rows[i].text)));
        if (command.kind != rows[i].kind) {
            print_message("%s: %s\n", rows[i].text, command.problem ? command.problem : "");
        }
        assert_int_equal(command.kind, rows[i].kind);
        assert_int_equal(command.id, rows[i].id);
        free(text);
    }
}

struct bad_row {
    const char *text;
    const char *problem;
    const char *expected;
    uint64_t id;
};

static const struct bad_row bad_rows[] = {
    {"", "not valid JSON", ANY, 0},
    {" ", "not valid JSON", ANY, 0},
    {"{", "not valid JSON", ANY, 0},
    {"{\"type\":\"ping\"}}", "not valid JSON", ANY, 0},
    {"{\"type\":\"ping\"}{}", "not valid JSON", ANY, 0},
    {"{\"type\":\"pi\xffng\"}", "not valid JSON", ANY, 0},
    {"{'type':'ping'}", "not valid JSON", ANY, 0},
    {"null", "a request is one JSON object", ANY, 0},
    {"[{\"type\":\"ping\"}]", "a request is one JSON object", ANY, 0},
    {"\"ping\"", "a request is one JSON object", ANY, 0},
    {"{\"type\":\"ping\",\"type\":\"ping\"}", "a name stands twice", ANY, 0},
    {"{\"type\":\"ping\",\"t\\u0079pe\":\"ping\"}", "a name stands twice", ANY, 0},
    {"{\"type\":\"ping\",\"a\":1,\"a\":1}", "a name stands twice", ANY, 0},
    {"{}", "a request needs a \"type\", a string", ANY, 0},
    {"{\"id\":4}", "a request needs a \"type\", a string", ANY, 4},
    {"{\"type\":7,\"id\":4}", "a request needs a \"type\", a string", ANY, 4},
    {"{\"type\":null}", "a request needs a \"type\", a string", ANY, 0},
    {"{\"type\":[\"ping\"]}", "a request needs a \"type\", a string", ANY, 0},
    {"{\"type\":\"ping\",\"id\":0}", "\"id\" is an integer above 0", ANY, 0},
    {"{\"type\":\"ping\",\"id\":-1}", "\"id\" is an integer above 0", ANY, 0},
    {"{\"type\":\"ping\",\"id\":1.0}", "\"id\" is an integer above 0", ANY, 0},
    {"{\"type\":\"ping\",\"id\":1e3}", "\"id\" is an integer above 0", ANY, 0},
    {"{\"type\":\"ping\",\"id\":\"1\"}", "\"id\" is an integer above 0", ANY, 0},
    {"{\"type\":\"ping\",\"id\":null}", "\"id\" is an integer above 0", ANY, 0},
    {"{\"type\":\"ping\",\"id\":9007199254740992}", "\"id\" is an integer above 0", ANY, 0},
    {"{\"type\":\"ping\",\"id\":99999999999999999999}", "\"id\" is an integer above 0", ANY, 0},
    {"{\"type\":\"hello\",\"token\":1}", "\"token\" is a string", HELLO, 0},
    {"{\"type\":\"refresh\",\"token\":{}}", "\"token\" is a string", REFRESH, 0},
    {"{\"type\":\"refresh\",\"id\":5}", "refresh needs a \"token\"", REFRESH, 5},
    {"{\"type\":\"subscribe\",\"id\":5}", "subscribe needs \"subs\" or one \"topic\"", SUBSCRIBE,
     5},
    {"{\"type\":\"subscribe\",\"topic\":\"a\",\"subs\":[{\"topic\":\"a\"}]}",
     "subscribe needs \"subs\" or one \"topic\"", SUBSCRIBE, 0},
    {"{\"type\":\"subscribe\",\"subs\":{}}", "\"subs\" is an array", SUBSCRIBE, 0},
    {"{\"type\":\"subscribe\",\"subs\":null}", "\"subs\" is an array", SUBSCRIBE, 0},
    {"{\"type\":\"subscribe\",\"subs\":[]}", "\"subs\" is empty", SUBSCRIBE, 0},
    {"{\"type\":\"subscribe\",\"subs\":[\"a\"]}",
     "an entry of \"subs\" is an object with a \"topic\"", SUBSCRIBE, 0},
    {"{\"type\":\"subscribe\",\"subs\":[{\"topic\":\"a\"},{}]}",
     "an entry of \"subs\" is an object with a \"topic\"", SUBSCRIBE, 0},
    {"{\"type\":\"subscribe\",\"subs\":[{\"topic\":7}]}",
     "an entry of \"subs\" is an object with a \"topic\"", SUBSCRIBE, 0},
    {"{\"type\":\"subscribe\",\"subs\":[{\"topic\":\"a\",\"topic\":\"b\"}]}",
     "an entry of \"subs\" is an object with a \"topic\"", SUBSCRIBE, 0},
    {"{\"type\":\"subscribe\",\"subs\":[{\"topic\":\"a\",\"mode\":1}]}",
     "an entry of \"subs\" is an object with a \"topic\"", SUBSCRIBE, 0},
    {"{\"type\":\"subscribe\",\"topic\":[\"a\"]}", "\"topic\" and \"mode\" are strings", SUBSCRIBE,
     0},
    {"{\"type\":\"subscribe\",\"topic\":\"a\",\"mode\":null}", "\"topic\" and \"mode\" are strings",
     SUBSCRIBE, 0},
    {"{\"type\":\"unsubscribe\"}", "unsubscribe needs \"topics\" or one \"topic\"", UNSUBSCRIBE, 0},
    {"{\"type\":\"unsubscribe\",\"topics\":[],\"topic\":\"a\"}",
     "unsubscribe needs \"topics\" or one \"topic\"", UNSUBSCRIBE, 0},
    {"{\"type\":\"unsubscribe\",\"topics\":\"a\"}", "\"topics\" is an array", UNSUBSCRIBE, 0},
    {"{\"type\":\"unsubscribe\",\"topics\":[\"a\",1]}", "\"topics\" holds strings", UNSUBSCRIBE, 0},
    {"{\"type\":\"unsubscribe\",\"topic\":1}", "\"topic\" is a string", UNSUBSCRIBE, 0},
    {"{\"type\":\"publish\",\"data\":1}", "publish needs a \"topic\", a string", PUBLISH, 0},
    {"{\"type\":\"publish\",\"topic\":1,\"data\":1}", "publish needs a \"topic\", a string",
     PUBLISH, 0},
    {"{\"type\":\"publish\",\"topic\":\"a\",\"id\":6}", "publish needs \"data\"", PUBLISH, 6},
    {"{\"type\":\"publish\",\"topic\":\"a\",\"data\":1,\"key\":1}", "\"key\" is a string", PUBLISH,
     0},
};

static void bad_requests_say_what_would_have_been_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < SW_ARRAY_SIZE(bad_rows); i++) {
        const struct bad_row *row = &bad_rows[i];
        char *text = unit_exact_copy(row->text, strlen(row->text));
        struct sw_command command = sw_command_parse(sw_slice(text, strlen(row->text)));
        if (command.kind != SW_COMMAND_BAD) {
            print_message("%s\n", row->text);
        }
        assert_int_equal(command.kind, SW_COMMAND_BAD);
        assert_string_equal(command.problem, row->problem);
        assert_string_equal(command.expected, row->expected);
        assert_int_equal(command.id, row->id);
        free(text);
    }
}

static void lines_that_are_shown_are_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < SW_ARRAY_SIZE(bad_rows); i++) {
        struct sw_command command = sw_command_parse(sw_slice_of(bad_rows[i].expected));
        assert_int_not_equal(command.kind, SW_COMMAND_BAD);
        assert_int_not_equal(command.kind, SW_COMMAND_UNKNOWN);
        assert_int_equal(command.id, 1);
    }
}

static void publish_keeps_the_bytes_of_its_parts(void **state)
{
    (void)state;
    struct sw_command command = sw_command_parse(
        SW_SLICE("{\"data\": [1, {\"a\" : \"\\u00e9\"}] ,\"topic\":\"a\\u002eb\",\"key\":\"k\","
                 "\"type\":\"publish\"}"));
    assert_int_equal(command.kind, SW_COMMAND_PUBLISH);
    assert_raw(command.topic, "\"a\\u002eb\"");
    assert_raw(command.data, "[1, {\"a\" : \"\\u00e9\"}]");
    assert_raw(command.key, "\"k\"");
    command = sw_command_parse(SW_SLICE("{\"type\":\"publish\",\"topic\":\"a\",\"data\":\"x\"}"));
    assert_raw(command.data, "\"x\"");
    assert_raw(command.key, NULL);
    command = sw_command_parse(SW_SLICE("{\"type\":\"b\\\"ar\",\"id\":2}"));
    assert_raw(command.type, "b\\\"ar");
}

static void tokens_are_raw_strings_too(void **state)
{
    (void)state;
    assert_raw(sw_command_parse(SW_SLICE("{\"type\":\"hello\",\"token\":\"\"}")).token, "\"\"");
    assert_raw(sw_command_parse(SW_SLICE("{\"type\":\"hello\"}")).token, NULL);
    assert_raw(sw_command_parse(SW_SLICE("{\"type\":\"refresh\",\"token\":\"t\"}")).token, "\"t\"");
}

static void entries_of_a_subscribe_are_judged_one_by_one(void **state)
{
    (void)state;
    static const char bad_mode[] = "unknown \"mode\": it is all, latest or disconnect";
    static const char bad_hz[] = "\"max_hz\" is a number: 1, 2, 5, 10 or 20";
    static const struct {
        const char *entry;
        enum sw_error error;
        const char *message;
        struct sw_wish wish;
    } rows[] = {
        {"\"topic\":\"a\"", SW_ERROR_NONE, NULL, {-1, 0}},
        {"\"mode\":\"all\",\"topic\":\"b\"", SW_ERROR_NONE, NULL, {SW_MODE_ALL, 0}},
        {"\"topic\":\"c\",\"mode\":\"latest\"", SW_ERROR_NONE, NULL, {SW_MODE_LATEST, 0}},
        {"\"topic\":\"d\",\"mode\":\"disconnect\"", SW_ERROR_NONE, NULL, {SW_MODE_DISCONNECT, 0}},
        {"\"topic\":\"e\",\"max_hz\":20,\"mode\":\"latest\"",
         SW_ERROR_NONE,
         NULL,
         {SW_MODE_LATEST, 20}},
        {"\"topic\":\"f\",\"mode\":\"some\"", SW_ERROR_BAD_REQUEST, bad_mode, {-1, 0}},
        {"\"topic\":\"f\",\"mode\":\"\"", SW_ERROR_BAD_REQUEST, bad_mode, {-1, 0}},
        {"\"topic\":\"f\",\"mode\":\"Latest\"", SW_ERROR_BAD_REQUEST, bad_mode, {-1, 0}},
        {"\"topic\":\"g\",\"max_hz\":3", SW_ERROR_BAD_REQUEST, bad_hz, {-1, 0}},
        {"\"topic\":\"g\",\"max_hz\":0", SW_ERROR_BAD_REQUEST, bad_hz, {-1, 0}},
        {"\"topic\":\"g\",\"max_hz\":-5", SW_ERROR_BAD_REQUEST, bad_hz, {-1, 0}},
        {"\"topic\":\"g\",\"max_hz\":5.0", SW_ERROR_BAD_REQUEST, bad_hz, {-1, 0}},
        {"\"topic\":\"g\",\"max_hz\":4294967301", SW_ERROR_BAD_REQUEST, bad_hz, {-1, 0}},
        {"\"topic\":\"g\",\"max_hz\":\"5\"", SW_ERROR_BAD_REQUEST, bad_hz, {-1, 0}},
        {"\"topic\":\"g\",\"max_hz\":null", SW_ERROR_BAD_REQUEST, bad_hz, {-1, 0}},
        {"\"topic\":\"\",\"colour\":\"red\"", SW_ERROR_NONE, NULL, {-1, 0}},
    };
    char text[2048];
    int size = snprintf(text, sizeof(text), "{\"type\":\"subscribe\",\"subs\":[");
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        size += snprintf(text + size, sizeof(text) - (size_t)size, "%s{%s}", i ? "," : "",
                         rows[i].entry);
    }
    size += snprintf(text + size, sizeof(text) - (size_t)size, "]}");
    assert_true((size_t)size < sizeof(text));
    struct sw_command command = sw_command_parse(sw_slice(text, (size_t)size));
    struct sw_command_walk at = {0};
    struct sw_command_sub sub;
    assert_int_equal(command.kind, SW_COMMAND_SUBSCRIBE);
    assert_false(command.single);
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        assert_true(sw_command_next_sub(&command, &at, &sub));
        assert_int_equal(sub.error, rows[i].error);
        assert_true((sub.message == NULL) == (rows[i].message == NULL));
        if (sub.message) {
            assert_string_equal(sub.message, rows[i].message);
        } else {
            assert_int_equal(sub.wish.mode, rows[i].wish.mode);
            assert_int_equal(sub.wish.max_hz, rows[i].wish.max_hz);
        }
    }
    assert_false(sw_command_next_sub(&command, &at, &sub));
    assert_false(sw_command_next_sub(&command, &at, &sub));
}

#define BAD_POSITION "\"from\" is a position: {\"epoch\":\"Qx7\",\"offset\":41}"
#define BAD_EPOCH    "an \"epoch\" is 1 to 24 of A-Z, a-z and 0-9"
#define BAD_OFFSET   "an \"offset\" is a whole number from 0, below 2^53"
#define BAD_LAST     "\"last\" is a whole number from 1 to 100000"
#define BAD_BOTH     "\"from\" and \"last\" exclude each other"

static const struct {
    const char *claim;
    const char *message; /* NULL: it is good */
    const char *from;
    uint32_t last;
} claims[] = {
    {"\"from\":{\"epoch\":\"Qx7\",\"offset\":41}", NULL, "Qx7:41", 0},
    {"\"from\":{\"offset\":9007199254740991,\"epoch\":\"abcdefghijklmnopqrstuvwx\"}", NULL,
     "abcdefghijklmnopqrstuvwx:9007199254740991", 0},
    {"\"from\":{\"epoch\":\"0\",\"offset\":0}", NULL, "0:0", 0},
    {"\"from\": { \"epoch\" : \"A\" , \"offset\" : 0 , \"more\" : [1] }", NULL, "A:0", 0},
    {"\"mode\":\"all\",\"last\":1", NULL, NULL, 1},
    {"\"last\":100000", NULL, NULL, 100000},
    {"\"from\":null", BAD_POSITION, NULL, 0},
    {"\"from\":\"Qx7:41\"", BAD_POSITION, NULL, 0},
    {"\"from\":[]", BAD_POSITION, NULL, 0},
    {"\"from\":41", BAD_POSITION, NULL, 0},
    {"\"from\":{}", BAD_POSITION, NULL, 0},
    {"\"from\":{\"epoch\":\"Qx7\"}", BAD_POSITION, NULL, 0},
    {"\"from\":{\"offset\":41}", BAD_POSITION, NULL, 0},
    {"\"from\":{\"epoch\":7,\"offset\":41}", BAD_POSITION, NULL, 0},
    {"\"from\":{\"epoch\":null,\"offset\":41}", BAD_POSITION, NULL, 0},
    {"\"from\":{\"epoch\":\"a\",\"offset\":1,\"offset\":2}", "a name stands twice in \"from\"",
     NULL, 0},
    {"\"from\":{\"epoch\":\"\",\"offset\":41}", BAD_EPOCH, NULL, 0},
    {"\"from\":{\"epoch\":\"abcdefghijklmnopqrstuvwxy\",\"offset\":41}", BAD_EPOCH, NULL, 0},
    {"\"from\":{\"epoch\":\"Q-7\",\"offset\":41}", BAD_EPOCH, NULL, 0},
    {"\"from\":{\"epoch\":\"Qx7:41\",\"offset\":41}", BAD_EPOCH, NULL, 0},
    {"\"from\":{\"epoch\":\"Q\xc3\xb6\",\"offset\":41}", BAD_EPOCH, NULL, 0},
    {"\"from\":{\"epoch\":\"Qx7\",\"offset\":-1}", BAD_OFFSET, NULL, 0},
    {"\"from\":{\"epoch\":\"Qx7\",\"offset\":41.0}", BAD_OFFSET, NULL, 0},
    {"\"from\":{\"epoch\":\"Qx7\",\"offset\":4e1}", BAD_OFFSET, NULL, 0},
    {"\"from\":{\"epoch\":\"Qx7\",\"offset\":9007199254740992}", BAD_OFFSET, NULL, 0},
    {"\"from\":{\"epoch\":\"Qx7\",\"offset\":18446744073709551657}", BAD_OFFSET, NULL, 0},
    {"\"from\":{\"epoch\":\"Qx7\",\"offset\":\"41\"}", BAD_OFFSET, NULL, 0},
    {"\"from\":{\"epoch\":\"Qx7\",\"offset\":null}", BAD_OFFSET, NULL, 0},
    {"\"last\":0", BAD_LAST, NULL, 0},
    {"\"last\":100001", BAD_LAST, NULL, 0},
    {"\"last\":4294967297", BAD_LAST, NULL, 0},
    {"\"last\":-1", BAD_LAST, NULL, 0},
    {"\"last\":1.5", BAD_LAST, NULL, 0},
    {"\"last\":\"1\"", BAD_LAST, NULL, 0},
    {"\"last\":true", BAD_LAST, NULL, 0},
    {"\"last\":null", BAD_LAST, NULL, 0},
    {"\"from\":{\"epoch\":\"Qx7\",\"offset\":41},\"last\":1", BAD_BOTH, NULL, 0},
    {"\"last\":null,\"from\":null", BAD_BOTH, NULL, 0},
};

/* Each behind one that is good, which stays so. */
static void claims_are_judged_entry_by_entry(void **state)
{
    (void)state;
    for (size_t i = 0; i < SW_ARRAY_SIZE(claims); i++) {
        char line[512];
        int size = snprintf(line, sizeof(line),
                            "{\"type\":\"subscribe\",\"subs\":[{\"topic\":\"a\",\"last\":7},"
                            "{\"topic\":\"b\",%s}]}",
                            claims[i].claim);
        char *text = unit_exact_copy(line, (size_t)size);
        struct sw_command command = sw_command_parse(sw_slice(text, (size_t)size));
        struct sw_command_walk at = {0};
        struct sw_command_sub sub;
        assert_int_equal(command.kind, SW_COMMAND_SUBSCRIBE);
        assert_true(sw_command_next_sub(&command, &at, &sub));
        assert_int_equal(sub.error, SW_ERROR_NONE);
        assert_false(sub.has_from);
        assert_int_equal(sub.last, 7);
        assert_true(sw_command_next_sub(&command, &at, &sub));
        assert_raw(sub.topic, "\"b\"");
        if (claims[i].message) {
            assert_int_equal(sub.error, SW_ERROR_BAD_REQUEST);
            assert_string_equal(sub.message, claims[i].message);
        } else {
            assert_int_equal(sub.error, SW_ERROR_NONE);
            assert_null(sub.message);
            assert_int_equal(sub.last, claims[i].last);
            assert_int_equal(sub.has_from, claims[i].from != NULL);
            struct sw_buf from = {0};
            sw_position_write(&from, &sub.from);
            assert_string_equal(sw_buf_text(&from), claims[i].from ? claims[i].from : "0:0");
            sw_buf_deinit(&from);
        }
        assert_false(sw_command_next_sub(&command, &at, &sub));
        free(text);
    }
}

static void single_topic_is_a_list_of_one(void **state)
{
    (void)state;
    struct sw_command command = sw_command_parse(
        SW_SLICE(" {\"type\":\"subscribe\",\"topic\":\"a\",\"mode\":\"latest\"} "));
    struct sw_command_walk at = {0};
    struct sw_command_sub sub;
    assert_true(sw_command_next_sub(&command, &at, &sub));
    assert_raw(sub.topic, "\"a\"");
    assert_int_equal(sub.error, SW_ERROR_NONE);
    assert_int_equal(sub.wish.mode, SW_MODE_LATEST);
    assert_false(sw_command_next_sub(&command, &at, &sub));

    command = sw_command_parse(SW_SLICE("{\"type\":\"unsubscribe\",\"topic\":\"a\"}"));
    at = (struct sw_command_walk){0};
    struct sw_slice topic;
    assert_true(sw_command_next_topic(&command, &at, &topic));
    assert_raw(topic, "\"a\"");
    assert_false(sw_command_next_topic(&command, &at, &topic));

    command = sw_command_parse(SW_SLICE("{\"type\":\"unsubscribe\",\"topics\":[ \"a\" ,\"b.*\"]}"));
    at = (struct sw_command_walk){0};
    assert_true(sw_command_next_topic(&command, &at, &topic));
    assert_raw(topic, "\"a\"");
    assert_true(sw_command_next_topic(&command, &at, &topic));
    assert_raw(topic, "\"b.*\"");
    assert_false(sw_command_next_topic(&command, &at, &topic));
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    for (unsigned depth = SW_PAYLOAD_DEPTH - 2; depth <= SW_PAYLOAD_DEPTH + 1; depth++) {
        struct sw_buf text = {0};
        sw_buf_append_slice(&text, SW_SLICE("{\"type\":\"publish\",\"topic\":\"a\",\"data\":"));
        memset(sw_buf_reserve(&text, 2 * depth), '[', depth);
        memset(text.data + text.size + depth, ']', depth);
        text.size += 2 * (size_t)depth;
        sw_buf_append_byte(&text, '}');
        struct sw_command command = sw_command_parse(sw_buf_slice(&text));
        if (depth < SW_PAYLOAD_DEPTH) { /* the request itself is one level */
            assert_int_equal(command.kind, SW_COMMAND_PUBLISH);
        } else {
            assert_int_equal(command.kind, SW_COMMAND_BAD);
            assert_string_equal(command.problem, "nested too deeply");
        }
        sw_buf_deinit(&text);
    }
}

static double cpu_ms(void)
{
    return (double)clock() * 1000 / CLOCKS_PER_SEC;
}

/* What a stranger may send in one frame costs a few milliseconds at most, whatever it is. */
static void request_of_ten_thousand_members_is_read_in_time(void **state)
{
    (void)state;
    struct sw_buf text = {0};
    sw_buf_append_byte(&text, '{');
    unsigned members = 0;
    for (; members < 10000 && text.size < SW_FRAME_BYTES - 64; members++) {
        sw_buf_printf(&text, "\"%x\":0,", members);
    }
    assert_true(members > 6000);
    size_t size = text.size;
    sw_buf_append_slice(&text, SW_SLICE("\"type\":\"ping\"}"));
    double began = cpu_ms();
    assert_int_equal(sw_command_parse(sw_buf_slice(&text)).kind, SW_COMMAND_PING);
    text.size = size;
    sw_buf_append_slice(&text, SW_SLICE("\"0\":0,\"type\":\"ping\"}"));
    struct sw_command command = sw_command_parse(sw_buf_slice(&text));
    double took = cpu_ms() - began;
    assert_int_equal(command.kind, SW_COMMAND_BAD);
    assert_string_equal(command.problem, "a name stands twice");
    print_message("             %u members, twice: %.1f ms\n", members, took);
    assert_true(took < 500);
    sw_buf_deinit(&text);
}

/* Bytes changed, left out and doubled at random: whatever it answers, it reads nothing beyond its
 * text (the copies end where the text does), and its lists can be walked. */
static void damaged_requests_are_survived(void **state)
{
    (void)state;
    static const char *const lines[] = {HELLO,
                                        SUBSCRIBE,
                                        UNSUBSCRIBE,
                                        PUBLISH,
                                        REFRESH,
                                        "{\"type\":\"subscribe\",\"topic\":\"a\",\"last\":9}",
                                        "{\"type\":\"subscribe\",\"subs\":[{\"topic\":\"a\","
                                        "\"from\":{\"epoch\":\"Qx7\",\"offset\":41}}]}"};
    struct sw_random random = unit_seeded(4711);
    for (unsigned i = 0; i < 60000; i++) {
        const char *line = lines[sw_random_below(&random, SW_ARRAY_SIZE(lines))];
        size_t size = strlen(line);
        char *text = unit_exact_copy(line, size);
        for (uint64_t n = 1 + sw_random_below(&random, 3); n > 0; n--) {
            text[sw_random_below(&random, size)] =
                "{}[]\":,\\u0t1 \xff"[sw_random_below(&random, sizeof("{}[]\":,\\u0t1 \xff") - 1)];
        }
        size -= sw_random_below(&random, 4) == 0 ? sw_random_below(&random, size) : 0;
        char *exact = unit_exact_copy(text, size);
        struct sw_command command = sw_command_parse(sw_slice(exact, size));
        struct sw_command_walk at = {0};
        struct sw_command_sub sub;
        struct sw_slice topic;
        while (command.kind == SW_COMMAND_SUBSCRIBE && sw_command_next_sub(&command, &at, &sub)) {
            assert_true(sub.topic.size >= 2);
            assert_true((sub.error == SW_ERROR_NONE) == (sub.message == NULL));
            assert_true(sub.error || (sub.last <= SW_HISTORY_SIZE && !(sub.has_from && sub.last)));
            assert_true(sub.error || sub.from.offset <= SW_OFFSET_MAX);
        }
        while (command.kind == SW_COMMAND_UNSUBSCRIBE &&
               sw_command_next_topic(&command, &at, &topic)) {
            assert_true(topic.size >= 2);
        }
        assert_true((command.kind == SW_COMMAND_BAD) == (command.problem != NULL));
        free(exact);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_requests_are_read),
        cmocka_unit_test(bad_requests_say_what_would_have_been_right),
        cmocka_unit_test(lines_that_are_shown_are_right),
        cmocka_unit_test(publish_keeps_the_bytes_of_its_parts),
        cmocka_unit_test(tokens_are_raw_strings_too),
        cmocka_unit_test(entries_of_a_subscribe_are_judged_one_by_one),
        cmocka_unit_test(claims_are_judged_entry_by_entry),
        cmocka_unit_test(single_topic_is_a_list_of_one),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(request_of_ten_thousand_members_is_read_in_time),
        cmocka_unit_test(damaged_requests_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

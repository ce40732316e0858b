// SPDX-License-Identifier: Apache-2.0
/* Looks at histories: their commands, and what is made of good, odd and damaged answers. */
#include "bus/redis/read.h"

#include "bus/redis/reader.h"
#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MASTER "$31\r\n# Replication\r\nrole:master\r\nx:1\r\n"
#define NONE   "$-1\r\n"

/* What one answer makes of a look. */
struct look {
    struct sw_history_read read;
    struct sw_history_entry entries[4];
    struct sw_redis_seen seen;
    char said[1000];
    bool told;
};

static void put(struct look *look, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct look *look, const char *format, ...)
{
    size_t size = strlen(look->said);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(look->said + size, sizeof(look->said) - size, format, arguments);
    va_end(arguments);
}

/* Slices live until the event's end. */
static void on_event(void *owner, const struct sw_redis_event *event)
{
    struct look *look = owner;
    struct sw_history_read *read = &look->read;
    assert_int_equal(event->kind, SW_REDIS_ARRAY);
    sw_redis_read_take(read, event->array, look->entries, &look->seen);
    look->told = true;
    if (look->seen.replica) {
        put(look, "replica");
        return;
    }
    if (read->outcome == SW_READ_FAILED) {
        put(look, "%s %c %s", sw_error_row(read->error)->code,
            look->seen.key ? look->seen.key : '?', look->seen.why);
        return;
    }
    assert_int_equal(read->outcome, SW_READ_DONE);
    put(look, "%.*s:%u", SW_SLICE_ARG(sw_epoch_text(&read->lineage.epoch)), (unsigned)read->top);
    for (uint8_t i = 0; i < read->lineage.count; i++) {
        put(look, " %.*s=%u", SW_SLICE_ARG(sw_epoch_text(&read->lineage.ends[i].epoch)),
            (unsigned)read->lineage.ends[i].last);
    }
    put(look, " first %u", (unsigned)read->first);
    for (uint32_t i = 0; i < read->count; i++) {
        put(look, " %u=%.*s", (unsigned)read->entries[i].offset,
            SW_SLICE_ARG(read->entries[i].raw));
    }
    put(look, "%s%s", read->cut ? " cut" : "", look->seen.differs ? " differs" : "");
}

static void take(uint32_t limit, size_t bytes, const char *answer, const char *wanted)
{
    struct look look = {.read = {.topic = SW_SLICE("a"), .limit = limit, .size = 10, .ttl_ms = 5}};
    struct sw_redis_reader reader;
    sw_redis_reader_init(&reader, 1000, on_event, &look);
    sw_redis_reader_build(&reader, bytes);
    assert_true(sw_redis_reader_feed(&reader, answer, strlen(answer)));
    assert_true(look.told);
    sw_redis_reader_deinit(&reader);
    assert_string_equal(look.said, wanted);
}

static void a_look_is_one_moment_of_a_master(void **state)
{
    (void)state;
    struct sw_buf out = {0};
    struct sw_history_read read = {.topic = SW_SLICE("a.b"), .from = 42, .limit = 7};
    assert_int_equal(sw_redis_read_put(&out, SW_SLICE("p:"), &read), 6);
    assert_string_equal(sw_buf_text(&out),
                        "*1\r\n$5\r\nMULTI\r\n"
                        "*7\r\n$5\r\nHMGET\r\n$9\r\n{p:a.b}:m\r\n$1\r\ne\r\n$1\r\no\r\n"
                        "$1\r\nl\r\n$1\r\nn\r\n$1\r\nt\r\n"
                        "*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n"
                        "*6\r\n$6\r\nXRANGE\r\n$9\r\n{p:a.b}:h\r\n$1\r\n0\r\n$1\r\n+\r\n"
                        "$5\r\nCOUNT\r\n$1\r\n1\r\n"
                        "*6\r\n$6\r\nXRANGE\r\n$9\r\n{p:a.b}:h\r\n$2\r\n42\r\n$1\r\n+\r\n"
                        "$5\r\nCOUNT\r\n$1\r\n7\r\n"
                        "*1\r\n$4\r\nEXEC\r\n");
    sw_buf_deinit(&out);
}

static void a_sweep_is_the_meta_alone(void **state)
{
    (void)state;
    struct sw_buf out = {0};
    struct sw_history_read read = {.topic = SW_SLICE("a"), .from = 42};
    assert_int_equal(sw_redis_read_put(&out, SW_SLICE(""), &read), 1);
    assert_string_equal(sw_buf_text(&out),
                        "*7\r\n$5\r\nHMGET\r\n$5\r\n{a}:m\r\n$1\r\ne\r\n$1\r\no\r\n"
                        "$1\r\nl\r\n$1\r\nn\r\n$1\r\nt\r\n");
    sw_buf_deinit(&out);
    take(0, 1000, "*5\r\n$2\r\nQ7\r\n$1\r\n9\r\n$5\r\nA1=3 \r\n$2\r\n10\r\n$1\r\n5\r\n",
         "Q7:9 A1=3 first 0");
}

static void settings_have_the_life_of_the_meta(void **state)
{
    (void)state;
    struct sw_buf out = {0};
    struct sw_history_read read = {.topic = SW_SLICE("a"), .size = 500, .ttl_ms = 60000};
    assert_int_equal(sw_redis_read_put_settings(&out, SW_SLICE(""), &read), 2);
    assert_string_equal(sw_buf_text(&out),
                        "*6\r\n$4\r\nHSET\r\n$5\r\n{a}:m\r\n$1\r\nn\r\n$3\r\n500\r\n$1\r\nt\r\n"
                        "$5\r\n60000\r\n"
                        "*3\r\n$6\r\nEXPIRE\r\n$5\r\n{a}:m\r\n$6\r\n604800\r\n");
    sw_buf_clear(&out);
    read.ttl_ms = 604800ull * 1000 + 1; /* a week and a bit: twice that */
    (void)sw_redis_read_put_settings(&out, SW_SLICE(""), &read);
    assert_non_null(strstr(sw_buf_text(&out), "$7\r\n1209601\r\n"));
    sw_buf_deinit(&out);
}

#define META   "*5\r\n$2\r\nQ7\r\n$1\r\n3\r\n$0\r\n\r\n$2\r\n10\r\n$1\r\n5\r\n"
#define ONE    "*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nm\r\n$2\r\nx1\r\n"
#define TWO    "*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nm\r\n$2\r\nx2\r\n"
#define THREE  "*2\r\n$3\r\n3-0\r\n*2\r\n$1\r\nm\r\n$2\r\nx3\r\n"
#define FOUR   "*2\r\n$3\r\n4-0\r\n*2\r\n$1\r\nm\r\n$2\r\nx4\r\n"
#define OLDEST "*1\r\n" ONE

static void what_is_kept_is_told(void **state)
{
    (void)state;
    take(4, 1000, "*4\r\n" META MASTER OLDEST "*2\r\n" TWO THREE, "Q7:3 first 1 2=x2 3=x3");
    take(4, 1000, "*4\r\n" META MASTER OLDEST "*0\r\n", "Q7:3 first 1");
    take(4, 1000, "*4\r\n" META MASTER "*0\r\n*0\r\n", "Q7:3 first 0");
}

static void settings_that_differ_are_seen(void **state)
{
    (void)state;
    take(4, 1000, "*4\r\n*5\r\n" NONE NONE NONE NONE NONE MASTER "*0\r\n*0\r\n",
         "0:0 first 0 differs");
    take(0, 1000, "*5\r\n$2\r\nQ7\r\n$1\r\n9\r\n$0\r\n\r\n$2\r\n11\r\n$1\r\n5\r\n",
         "Q7:9 first 0 differs");
    take(0, 1000, "*5\r\n$2\r\nQ7\r\n$1\r\n9\r\n$0\r\n\r\n$2\r\n10\r\n$2\r\n5x\r\n",
         "Q7:9 first 0 differs");
}

static void what_no_meta_knows_is_not_told(void **state)
{
    (void)state;
    /* The meta was deleted: the stream is of a life that is over. */
    take(4, 1000,
         "*4\r\n*5\r\n" NONE NONE NONE "$2\r\n10\r\n$1\r\n5\r\n" MASTER OLDEST "*2\r\n" ONE TWO,
         "0:0 first 0");
    /* The stream is ahead of it. */
    take(4, 1000, "*4\r\n" META MASTER "*1\r\n" THREE "*2\r\n" THREE FOUR, "Q7:3 first 3 3=x3");
}

static void what_is_larger_than_an_array_is_cut(void **state)
{
    (void)state;
    /* The meta's 6 bytes, INFO's 31, 6 of the oldest, and 6 for each: all but the last payload. */
    take(4, 6 + 31 + 6 + 6 + 5, "*4\r\n" META MASTER OLDEST "*2\r\n" ONE TWO,
         "Q7:3 first 1 1=x1 cut");
    take(4, 6 + 31 + 6 + 6 + 6, "*4\r\n" META MASTER OLDEST "*2\r\n" ONE TWO,
         "Q7:3 first 1 1=x1 2=x2");
    take(4, 6 + 31 + 6, "*4\r\n" META MASTER OLDEST "*2\r\n" ONE TWO,
         "internal h an entry of its stream is too large to read");
}

static void a_replica_says_nothing(void **state)
{
    (void)state;
    take(4, 1000, "*4\r\n" META "$10\r\nrole:slave\r\n" OLDEST "*1\r\n" ONE, "replica");
}

#define DAMAGED "its e, o or l is damaged; deleting it (DEL) begins the history anew"

static void take_damaged(const char *epoch, const char *offset, const char *lineage)
{
    char answer[400];
    snprintf(answer, sizeof(answer), "*5\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n" NONE NONE,
             strlen(epoch), epoch, strlen(offset), offset, strlen(lineage), lineage);
    take(0, 1000, answer, "internal m " DAMAGED);
}

static void a_damaged_meta_is_named(void **state)
{
    (void)state;
    take_damaged("", "1", "");
    take_damaged("0", "1", "");
    take_damaged("Q-7", "1", "");
    take_damaged("1234567890123456789012345", "1", "");
    take_damaged("Q7", "9007199254740992", "");
    take_damaged("Q7", "-1", "");
    take_damaged("Q7", "1.5", "");
    take_damaged("Q7", "1", "A1=x ");
    take_damaged("Q7", "1", "A1");
}

static void a_damaged_stream_is_named(void **state)
{
    (void)state;
    static const char *const entries[] = {
        "*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nm\r\n$1\r\nx\r\n",
        "*2\r\n$18\r\n9007199254740992-0\r\n*2\r\n$1\r\nm\r\n$1\r\nx\r\n",
        "*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nk\r\n$1\r\nx\r\n",
        "*2\r\n$3\r\n1-0\r\n*0\r\n",
        "*1\r\n$3\r\n1-0\r\n",
        "$1\r\nx\r\n",
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(entries); i++) {
        char answer[400];
        snprintf(answer, sizeof(answer), "*4\r\n" META MASTER "*0\r\n*1\r\n%s", entries[i]);
        take(4, 1000, answer,
             "internal h an entry of its stream is not the function's; deleting both keys (DEL) "
             "begins the history anew");
    }
    take(4, 1000, "*4\r\n" META MASTER "*1\r\n*2\r\n$4\r\n10-2\r\n*0\r\n*0\r\n",
         "internal h an id of its stream is no offset; deleting both keys (DEL) begins the history "
         "anew");
}

static void errors_inside_are_told(void **state)
{
    (void)state;
    take(4, 1000, "*4\r\n-WRONGTYPE of key\r\n" MASTER "*0\r\n*0\r\n",
         "internal m WRONGTYPE of key");
    take(4, 1000, "*4\r\n" META MASTER "-WRONGTYPE of key\r\n-WRONGTYPE of key\r\n",
         "internal h WRONGTYPE of key");
    take(4, 1000, "*4\r\n" META MASTER "*0\r\n-NOPERM x\r\n", "forbidden h NOPERM x");
    take(4, 1000, "*1\r\n:1\r\n", "internal ? the server's answer has another form than Redis'");
    take(4, 1000, "*4\r\n*2\r\n" NONE NONE MASTER "*0\r\n*0\r\n",
         "internal m the server's answer has another form than Redis'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_look_is_one_moment_of_a_master),
        cmocka_unit_test(a_sweep_is_the_meta_alone),
        cmocka_unit_test(settings_have_the_life_of_the_meta),
        cmocka_unit_test(what_is_kept_is_told),
        cmocka_unit_test(settings_that_differ_are_seen),
        cmocka_unit_test(what_no_meta_knows_is_not_told),
        cmocka_unit_test(what_is_larger_than_an_array_is_cut),
        cmocka_unit_test(a_replica_says_nothing),
        cmocka_unit_test(a_damaged_meta_is_named),
        cmocka_unit_test(a_damaged_stream_is_named),
        cmocka_unit_test(errors_inside_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

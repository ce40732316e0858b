// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"

#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* Standard error goes to a pipe; `out` is its end to read from. */
static int out;
static int real_stderr;

static void capture(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    real_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    out = ends[0];
}

static void release(void)
{
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
}

/* Everything until the writing end is closed. */
static void read_all(struct sw_buf *text)
{
    ssize_t got;
    while ((got = read(out, sw_buf_reserve(text, 65536), 65536)) > 0) {
        text->size += (size_t)got;
    }
    close(out);
    sw_buf_text(text);
}

static void *read_all_thread(void *text)
{
    read_all(text);
    return NULL;
}

/* '0' for each digit of the first `size` bytes. */
static void mask_digits(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        text[i] = isdigit((unsigned char)text[i]) ? '0' : text[i];
    }
}

static void lines_in_json_have_typed_members(void **state)
{
    (void)state;
    struct sw_buf text = {0};
    capture();
    sw_log_start(SW_LOG_INFO, SW_LOG_JSON);
    sw_log(SW_LOG_INFO, "session_closed", "session=%s n=%d part=%.1f", "s1x", 12, -0.5);
    sw_log(SW_LOG_WARN, "odd",
           "a=\"b c=d 1\" e= f=true g=007 h=1e5 i=\"12\" j=\xff word  k=x=y l=\"");
    sw_log(SW_LOG_ERROR, "bare", "%s", "");
    sw_log_stop();
    release();
    read_all(&text);
    static const char *const lines[] = {
        "{\"time\":\"0000-00-00T00:00:00.000Z\",\"level\":\"info\",\"event\":\"session_closed\","
        "\"session\":\"s1x\",\"n\":12,\"part\":-0.5}",
        "{\"time\":\"0000-00-00T00:00:00.000Z\",\"level\":\"warn\",\"event\":\"odd\","
        "\"a\":\"b c=d 1\",\"e\":\"\",\"f\":true,\"g\":\"007\",\"h\":\"1e5\",\"i\":\"12\","
        "\"j\":\"\xef\xbf\xbd\",\"word\":true,\"k\":\"x=y\",\"l\":\"\"}",
        "{\"time\":\"0000-00-00T00:00:00.000Z\",\"level\":\"error\",\"event\":\"bare\"}",
    };
    struct sw_slice rest = sw_buf_slice(&text);
    for (size_t i = 0; i < 3; i++) {
        struct sw_slice line = sw_slice_split(&rest, '\n');
        assert_int_equal(sw_json_validate(line.data, line.size, 1, NULL), SW_JSON_OK);
        mask_digits(text.data + (line.data - text.data), 34);
        unit_assert_slice(line, lines[i]);
    }
    assert_int_equal(rest.size, 0);
    sw_buf_deinit(&text);
}

static void lines_as_text_are_for_eyes_and_of_one_line(void **state)
{
    (void)state;
    struct sw_buf text = {0};
    capture();
    sw_log_start(SW_LOG_DEBUG, SW_LOG_TEXT);
    sw_log(SW_LOG_INFO, "session_closed", "session=s1 reason=%s", "slow");
    sw_log(SW_LOG_DEBUG, "x", "why=\"a\nb\x1b[31m\"");
    sw_log(SW_LOG_ERROR, "y", "%s", "");
    sw_log_stop();
    release();
    read_all(&text);
    struct sw_slice rest = sw_buf_slice(&text);
    static const char *const lines[] = {
        "00:00:00.000 info  session_closed session=s1 reason=slow",
        "00:00:00.000 debug x why=\"a?b?[31m\"",
        "00:00:00.000 error y",
    };
    for (size_t i = 0; i < 3; i++) {
        struct sw_slice line = sw_slice_split(&rest, '\n');
        mask_digits(text.data + (line.data - text.data), 12);
        unit_assert_slice(line, lines[i]);
    }
    sw_buf_deinit(&text);
}

static void levels_below_are_silent_and_auto_means_json_on_a_pipe(void **state)
{
    (void)state;
    struct sw_buf text = {0};
    capture();
    sw_log_start(SW_LOG_WARN, SW_LOG_AUTO);
    sw_log(SW_LOG_INFO, "no", "%s", "");
    sw_log(SW_LOG_WARN, "yes", "%s", "");
    sw_log_stop();
    release();
    read_all(&text);
    assert_null(strstr(text.data, "\"no\""));
    assert_non_null(strstr(text.data, "\"event\":\"yes\""));
    assert_int_equal(text.data[0], '{');
    sw_buf_deinit(&text);
}

static void without_a_writer_lines_are_written_at_once(void **state)
{
    (void)state;
    char line[512] = {0};
    capture();
    sw_log(SW_LOG_ERROR, "early", "n=%d", 1);
    assert_true(read(out, line, sizeof(line) - 1) > 0);
    release();
    close(out);
    assert_non_null(strstr(line, "early"));
    assert_int_equal(line[strlen(line) - 1], '\n');
}

#define THREADS          4
#define LINES_PER_THREAD 2000

static void *log_many(void *name)
{
    for (int i = 0; i < LINES_PER_THREAD; i++) {
        sw_log(SW_LOG_INFO, "line", "thread=%s n=%d", (const char *)name, i);
    }
    return NULL;
}

static void lines_of_many_threads_stay_whole_and_in_order(void **state)
{
    (void)state;
    static char names[THREADS][2] = {"a", "b", "c", "d"};
    struct sw_buf text = {0};
    pthread_t reader;
    pthread_t threads[THREADS];
    unsigned next[THREADS] = {0};
    uint64_t dropped = sw_log_dropped();
    capture();
    sw_log_start(SW_LOG_INFO, SW_LOG_JSON);
    pthread_create(&reader, NULL, read_all_thread, &text);
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, log_many, names[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    sw_log_stop();
    release();
    pthread_join(reader, NULL);
    struct sw_slice rest = sw_buf_slice(&text);
    while (rest.size > 0) {
        struct sw_slice line = sw_slice_split(&rest, '\n');
        static const char *const members[] = {"thread", "n"};
        struct sw_json_value values[2];
        assert_int_equal(sw_json_validate(line.data, line.size, 1, NULL), SW_JSON_OK);
        assert_true(sw_json_members(line, members, 2, values, NULL));
        uint64_t number;
        assert_true(sw_json_to_u64(values[1], LINES_PER_THREAD, &number));
        int thread = values[0].raw.data[1] - 'a';
        assert_int_equal(number, next[thread]++);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(next[i], LINES_PER_THREAD);
    }
    assert_true(sw_log_dropped() == dropped);
    sw_buf_deinit(&text);
}

#define FLOOD 10000

/* Lines and the drops that they report, of a text in JSON lines. */
static void count_lines(const struct sw_buf *text, uint64_t *lines, uint64_t *reported)
{
    struct sw_slice rest = sw_buf_slice(text);
    while (rest.size > 0) {
        static const char *const members[] = {"event", "n"};
        struct sw_slice line = sw_slice_split(&rest, '\n');
        struct sw_json_value values[2];
        uint64_t number = 0;
        assert_int_equal(sw_json_validate(line.data, line.size, 1, NULL), SW_JSON_OK);
        assert_true(sw_json_members(line, members, 2, values, NULL));
        if (sw_slice_equal(values[0].raw, SW_SLICE("\"log_dropped\""))) {
            assert_true(sw_json_to_u64(values[1], UINT64_MAX, &number));
            *reported += number;
        } else {
            (*lines)++;
        }
    }
}

static void what_does_not_fit_is_dropped_counted_and_reported(void **state)
{
    (void)state;
    struct sw_buf text = {0};
    char filler[200];
    pthread_t reader;
    uint64_t lines = 0;
    uint64_t reported = 0;
    uint64_t before = sw_log_dropped();
    memset(filler, 'x', sizeof(filler));
    capture();
    sw_log_start(SW_LOG_INFO, SW_LOG_JSON);
    uint64_t start_ms = sw_clock_ms();
    for (int i = 0; i < FLOOD; i++) {
        sw_log(SW_LOG_INFO, "flood", "n=%d filler=%.*s", i, (int)sizeof(filler), filler);
    }
    assert_true(sw_clock_ms() - start_ms < 5000); /* nobody reads, and nobody waited */
    uint64_t dropped = sw_log_dropped() - before;
    assert_true(dropped > 0 && dropped < FLOOD);
    pthread_create(&reader, NULL, read_all_thread, &text);
    usleep(300000);
    sw_log(SW_LOG_INFO, "after", "%s", "");
    sw_log_stop();
    release();
    pthread_join(reader, NULL);
    count_lines(&text, &lines, &reported);
    assert_true(reported == dropped);
    assert_true(lines == FLOOD + 1 - dropped);
    assert_non_null(strstr(text.data, "\"after\""));
    sw_buf_deinit(&text);
}

static void stopping_waits_a_second_for_a_log_that_nobody_reads(void **state)
{
    (void)state;
    char filler[1000];
    memset(filler, 'x', sizeof(filler));
    capture();
    sw_log_start(SW_LOG_INFO, SW_LOG_JSON);
    for (int i = 0; i < 500; i++) {
        sw_log(SW_LOG_INFO, "stuck", "filler=%.*s", (int)sizeof(filler), filler);
    }
    uint64_t start_ms = sw_clock_ms();
    sw_log_stop();
    uint64_t took_ms = sw_clock_ms() - start_ms;
    release();
    close(out);
    assert_true(took_ms >= 900 && took_ms < 5000);
}

static void log_without_reader_ends_nothing(void **state)
{
    (void)state;
    uint64_t before = sw_log_dropped();
    capture();
    close(out);
    signal(SIGPIPE, SIG_DFL);
    sw_log_start(SW_LOG_INFO, SW_LOG_JSON);
    sw_log(SW_LOG_INFO, "lost", "%s", "");
    sw_log(SW_LOG_INFO, "lost", "%s", "");
    sw_log_stop();
    release();
    /* Both; and the report of the first, where it was lost before the second came. */
    assert_true(sw_log_dropped() - before >= 2);
}

static void cleaned_values_fit_quotes_and_keep_characters_whole(void **state)
{
    (void)state;
    char small[8];
    assert_string_equal(sw_log_clean(small, sizeof(small), SW_SLICE("a\"\\\n\x7f")), "a'???");
    assert_string_equal(sw_log_clean(small, sizeof(small), SW_SLICE("1234567")), "1234567");
    assert_string_equal(sw_log_clean(small, sizeof(small), SW_SLICE("12345678")), "1234567");
    assert_string_equal(sw_log_clean(small, sizeof(small), SW_SLICE("12345\xe2\x82\xac")), "12345");
    assert_string_equal(sw_log_clean(small, sizeof(small), sw_slice(NULL, 0)), "");
    assert_string_equal(sw_log_clean(small, 1, SW_SLICE("abc")), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_writer_lines_are_written_at_once),
        cmocka_unit_test(lines_in_json_have_typed_members),
        cmocka_unit_test(lines_as_text_are_for_eyes_and_of_one_line),
        cmocka_unit_test(levels_below_are_silent_and_auto_means_json_on_a_pipe),
        cmocka_unit_test(lines_of_many_threads_stay_whole_and_in_order),
        cmocka_unit_test(what_does_not_fit_is_dropped_counted_and_reported),
        cmocka_unit_test(stopping_waits_a_second_for_a_log_that_nobody_reads),
        cmocka_unit_test(log_without_reader_ends_nothing),
        cmocka_unit_test(cleaned_values_fit_quotes_and_keep_characters_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "api/metrics.h"
#include "api/process.h"
#include "common/mem.h"

#include <ctype.h>
#include <stdio.h>

/* ---- the text of /metrics, read as a scraper reads it ---- */

struct scrape {
    struct sw_buf text;
    char name[128]; /* of the metric under way */
    char type[16];
    unsigned metrics;
    unsigned samples;
};

static bool is_name(struct sw_slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (c != '_' && !islower((unsigned char)c) && (i == 0 || !isdigit((unsigned char)c))) {
            return false;
        }
    }
    return name.size > 0;
}

/* {name="value",name="value"}: returns what stands behind it. */
static struct sw_slice take_labels(struct sw_slice rest)
{
    assert_int_equal(rest.data[0], '{');
    do {
        rest = sw_slice(rest.data + 1, rest.size - 1);
        size_t equals = sw_slice_find(rest, '=');
        assert_true(equals < rest.size && is_name(sw_slice(rest.data, equals)));
        rest = sw_slice(rest.data + equals + 1, rest.size - equals - 1);
        assert_true(rest.size > 2 && rest.data[0] == '"');
        rest = sw_slice(rest.data + 1, rest.size - 1);
        size_t end = sw_slice_find(rest, '"');
        assert_true(end > 0 && end < rest.size);
        assert_true(sw_slice_find(sw_slice(rest.data, end), '\\') == end);
        rest = sw_slice(rest.data + end + 1, rest.size - end - 1);
    } while (rest.size && rest.data[0] == ',');
    assert_true(rest.size > 1 && rest.data[0] == '}');
    return sw_slice(rest.data + 1, rest.size - 1);
}

/* `rest` begins with the name of the metric under way. */
static void take_sample(struct scrape *scrape, struct sw_slice line)
{
    size_t size = strlen(scrape->name);
    assert_true(line.size > size && memcmp(line.data, scrape->name, size) == 0);
    struct sw_slice rest = sw_slice(line.data + size, line.size - size);
    if (strcmp(scrape->type, "histogram") == 0) {
        size_t end = 0;
        while (rest.data[end] != '{' && rest.data[end] != ' ') {
            end++;
        }
        struct sw_slice suffix = sw_slice(rest.data, end);
        assert_true(sw_slice_equal(suffix, SW_SLICE("_bucket")) ||
                    sw_slice_equal(suffix, SW_SLICE("_sum")) ||
                    sw_slice_equal(suffix, SW_SLICE("_count")));
        rest = sw_slice(rest.data + end, rest.size - end);
    }
    if (rest.data[0] == '{') {
        rest = take_labels(rest);
    }
    assert_true(rest.size > 1 && rest.data[0] == ' ');
    char number[64];
    char *end;
    snprintf(number, sizeof(number), "%.*s", (int)(rest.size - 1), rest.data + 1);
    (void)strtod(number, &end);
    assert_true(end != number && *end == 0);
    scrape->samples++;
}

/* "# HELP name words" then "# TYPE name type". */
static void take_head(struct scrape *scrape, struct sw_slice help, struct sw_slice type)
{
    char name[128];
    assert_true(help.size > 7 && memcmp(help.data, "# HELP ", 7) == 0);
    struct sw_slice rest = sw_slice(help.data + 7, help.size - 7);
    struct sw_slice word = sw_slice_split(&rest, ' ');
    assert_true(is_name(word) && rest.size > 5);
    assert_true(sw_slice_starts_with(word, SW_SLICE("spillway_")) ||
                sw_slice_starts_with(word, SW_SLICE("process_")));
    snprintf(name, sizeof(name), "%.*s", (int)word.size, word.data);
    assert_string_not_equal(name, scrape->name);
    memcpy(scrape->name, name, sizeof(name));
    assert_true(type.size > 7 && memcmp(type.data, "# TYPE ", 7) == 0);
    rest = sw_slice(type.data + 7, type.size - 7);
    assert_true(sw_slice_equal(sw_slice_split(&rest, ' '), word));
    snprintf(scrape->type, sizeof(scrape->type), "%.*s", (int)rest.size, rest.data);
    bool total = word.size > 6 && memcmp(word.data + word.size - 6, "_total", 6) == 0;
    assert_int_equal(strcmp(scrape->type, "counter") == 0, total);
    assert_true(total || strcmp(scrape->type, "gauge") == 0 ||
                strcmp(scrape->type, "histogram") == 0);
    scrape->metrics++;
}

static void each_metric_has_help_type_and_samples(void **state)
{
    (void)state;
    struct sw_counters *counters = sw_zalloc(sizeof(*counters));
    const struct sw_counters *blocks[] = {counters, NULL};
    struct scrape scrape = {0};
    struct sw_buf docs = {0};
    struct sw_rules rules;
    sw_rules_init(&rules);
    static const struct sw_metrics_about about = {
        .version = "1.2.3", .service = "news", .environment = "staging"};
    sw_metrics_write(&scrape.text, blocks, &rules, &about);
    sw_process_write(&scrape.text);
    sw_metrics_docs(&docs);
    assert_int_equal(scrape.text.data[scrape.text.size - 1], '\n');
    struct sw_slice rest = sw_slice(scrape.text.data, scrape.text.size - 1);
    unsigned before = 1;
    while (rest.data) {
        struct sw_slice line = sw_slice_split(&rest, '\n');
        if (line.data[0] != '#') {
            take_sample(&scrape, line);
            continue;
        }
        assert_int_not_equal(before, scrape.samples); /* the one before had some */
        before = scrape.samples;
        take_head(&scrape, line, sw_slice_split(&rest, '\n'));
        char row[160];
        snprintf(row, sizeof(row), "| `%s` | %s |", scrape.name, scrape.type);
        const char *at = strstr(sw_buf_text(&docs), row);
        assert_non_null(at);
        assert_null(strstr(at + 1, row));
    }
    assert_int_not_equal(before, scrape.samples);
    assert_true(scrape.metrics > 20);
    assert_non_null(strstr(
        sw_buf_text(&scrape.text),
        "spillway_build_info{version=\"1.2.3\",service=\"news\",environment=\"staging\"} 1\n"));
    sw_buf_deinit(&docs);
    sw_buf_deinit(&scrape.text);
    sw_free(counters);
}

static void docs_name_every_reason(void **state)
{
    (void)state;
    struct sw_buf docs = {0};
    char row[128];
    sw_metrics_docs(&docs);
    for (unsigned i = 0; i < SW_REASON_COUNT; i++) {
        const struct sw_reason_row *reason = sw_reason_row((enum sw_reason)i);
        snprintf(row, sizeof(row), "| %s | %u |", reason->word, reason->code);
        assert_non_null(strstr(sw_buf_text(&docs), row));
    }
    for (unsigned i = 0; i < SW_SHED_COUNT; i++) {
        snprintf(row, sizeof(row), "| %s | ", sw_shed_word((enum sw_shed)i));
        assert_non_null(strstr(sw_buf_text(&docs), row));
    }
    sw_buf_deinit(&docs);
}

static void roles_are_summed(void **state)
{
    (void)state;
    struct sw_counters *a = sw_zalloc(sizeof(*a));
    struct sw_counters *b = sw_zalloc(sizeof(*b));
    const struct sw_counters *blocks[] = {a, b, NULL};
    struct sw_buf text = {0};
    sw_count(&a->sent_total, INT64_C(5000000000));
    sw_count(&b->sent_total, 2);
    sw_count(&a->subscriptions, 7);
    sw_count(&b->subscriptions, -3); /* a gauge's part may be below zero */
    sw_count(&a->shed_total[SW_SHED_FEED], 4);
    sw_count(&b->closed_total[SW_REASON_SLOW], 1);
    sw_count(&b->connections[SW_CONNECTION_WS_CLOSING], 6);
    sw_histogram_add(&a->deliver, 1, 10);
    sw_histogram_add(&b->deliver, 1000000000, 5);
    sw_count(&a->rule_sent_total[0], 3);
    sw_count(&b->rule_shed_total[1], 9);
    struct sw_rules rules;
    sw_rules_init(&rules);
    assert_true(sw_rules_add(&rules, &(struct sw_rule){.match = SW_SLICE("a\\b\".>"),
                                                       .modes_allowed = SW_MODES_CHOICE}));
    static const struct sw_metrics_about about = {"v", "s", ""};
    sw_metrics_write(&text, blocks, &rules, &about);
    static const char *const lines[] = {
        "\nspillway_sent_total 5000000002\n",
        "\nspillway_subscriptions 4\n",
        "\nspillway_rule_sent_total{rule=\"a\\\\b\\\".>\"} 3\n",
        "\nspillway_rule_sent_total{rule=\"default\"} 0\n",
        "\nspillway_rule_shed_total{rule=\"default\"} 9\n",
        "\nspillway_shed_total{reason=\"feed\"} 4\n",
        "\nspillway_shed_total{reason=\"node\"} 0\n",
        "\nspillway_closed_total{reason=\"slow\"} 1\n",
        "\nspillway_connections{transport=\"ws\",state=\"closing\"} 6\n",
        "\nspillway_connections{transport=\"http\",state=\"open\"} 0\n",
        "\nspillway_deliver_seconds_bucket{le=\"+Inf\"} 15\n",
        "\nspillway_deliver_seconds_count 15\n",
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(lines); i++) {
        assert_non_null(strstr(sw_buf_text(&text), lines[i]));
    }
    /* buckets count everything up to their bound */
    const char *at = sw_buf_text(&text);
    unsigned long long before = 0;
    unsigned buckets = 0;
    for (; (at = strstr(at, "deliver_seconds_bucket{le=\"")); at++, buckets++) {
        unsigned long long count = strtoull(strstr(at, "} ") + 2, NULL, 10);
        assert_true(count >= before);
        before = count;
    }
    assert_int_equal(buckets, SW_HISTOGRAM_BUCKETS + 1);
    sw_rules_deinit(&rules);
    sw_buf_deinit(&text);
    sw_free(a);
    sw_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_metric_has_help_type_and_samples),
        cmocka_unit_test(docs_name_every_reason),
        cmocka_unit_test(roles_are_summed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

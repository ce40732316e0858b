// SPDX-License-Identifier: Apache-2.0
#include "api/metrics.h"

#include "api/process.h"
#include "common/mem.h"

#include <string.h>

/* The label sets that counters.def names, one {..} for each index. */
static const char *const labels_CONNECTIONS[] = {
    "transport=\"http\",state=\"open\"",   "transport=\"ws\",state=\"open\"",
    "transport=\"ws\",state=\"closing\"",  "transport=\"sse\",state=\"open\"",
    "transport=\"sse\",state=\"closing\"", "transport=\"raw\",state=\"open\"",
    "transport=\"raw\",state=\"closing\"",
};
static const char *const labels_REASONS[] = {
#define SW_REASON(NAME, word, ...) "reason=\"" #word "\"",
#include "core/reasons.def"
};
static const char *const labels_SHEDS[] = {
#define SW_SHED(NAME, word, ...) "reason=\"" #word "\"",
#include "core/reasons.def"
};
static const char *const labels_BUSES[] = {"bus=\"memory\"", "bus=\"redis\""};
static const char *const labels_REFUSALS[] = {"reason=\"full\"",      "reason=\"budget\"",
                                              "reason=\"rate\"",      "reason=\"address\"",
                                              "reason=\"untrusted\"", "reason=\"proxy_header\""};
static const char *const labels_DEPARTURES[] = {"how=\"left\"", "how=\"closed\"", "how=\"reset\"",
                                                "how=\"other\""};
static const char *const labels_PARTS[] = {"part=\"blocks\"",  "part=\"messages\"",
                                           "part=\"history\"", "part=\"kernel\"",
                                           "part=\"tls\"",     "part=\"clients\""};
static const char *const labels_OUTCOMES[] = {
    "outcome=\"good\"",      "outcome=\"too_large\"",     "outcome=\"malformed\"",
    "outcome=\"no_key\"",    "outcome=\"bad_signature\"", "outcome=\"expired\"",
    "outcome=\"not_yet\"",   "outcome=\"wrong_issuer\"",  "outcome=\"wrong_audience\"",
    "outcome=\"bad_grant\"",
};
static const char *const labels_LOOKS[] = {
    "why=\"ack\"",   "why=\"epoch\"", "why=\"hole\"", "why=\"check\"",
    "why=\"sweep\"", "why=\"more\"",  "why=\"run\"",  "why=\"lookup\"",
};
static const char *const labels_HANDSHAKES[] = {
    "outcome=\"ok\",version=\"1.2\"",
    "outcome=\"ok\",version=\"1.3\"",
    "outcome=\"failed\"",
    "outcome=\"plain\"",
    "outcome=\"gone\"",
    "outcome=\"timeout\"",
};

/* One row of counters.def. */
struct metric {
    const char *name;
    const char *type;
    const char *help;
    size_t offset;
    const char *const *labels; /* NULL: one number without labels */
    size_t count;              /* 0: one number, of microseconds */
};

static const struct metric metrics[] = {
#define SW_COUNTER(field, type, help)                                                              \
    {#field, #type, help, offsetof(struct sw_counters, field), NULL, 1},
#define SW_FAMILY(field, type, list, help)                                                         \
    {#field,        #type,                                                                         \
     help,          offsetof(struct sw_counters, field),                                           \
     labels_##list, SW_ARRAY_SIZE(labels_##list)},
#define SW_SECONDS(field, type, help)                                                              \
    {#field, #type, help, offsetof(struct sw_counters, field), NULL, 0},
#include "core/counters.def"
};

/* A counter for each topic rule. */
static const struct metric rule_metrics[] = {
#define SW_BY_RULE(field, help)                                                                    \
    {#field, "counter", help, offsetof(struct sw_counters, field), NULL, SW_RULES + 1},
#include "core/counters.def"
};

static const struct histogram {
    const char *name;
    const char *help;
    size_t offset;
} histograms[] = {
#define SW_HISTOGRAM(field, help) {#field "_seconds", help, offsetof(struct sw_counters, field)},
#include "core/counters.def"
};

#define BUILD_HELP "1, labelled with the version and with the settings service and environment."

static int64_t sum(const struct sw_counters *const *blocks, size_t offset)
{
    int64_t total = 0;
    for (; *blocks; blocks++) {
        const char *at = (const char *)*blocks + offset;
        total += sw_counter_read((const _Atomic int64_t *)(const void *)at);
    }
    return total;
}

static void write_head(struct sw_buf *out, const char *name, const char *type, const char *help)
{
    sw_buf_printf(out, "# HELP spillway_%s %s\n# TYPE spillway_%s %s\n", name, help, name, type);
}

static void write_metric(struct sw_buf *out, const struct metric *metric,
                         const struct sw_counters *const *blocks)
{
    write_head(out, metric->name, metric->type, metric->help);
    if (metric->count == 0) {
        sw_buf_printf(out, "spillway_%s %.6f\n", metric->name,
                      (double)sum(blocks, metric->offset) / 1e6);
    }
    for (size_t i = 0; i < metric->count; i++) {
        long long value = sum(blocks, metric->offset + i * sizeof(_Atomic int64_t));
        if (metric->labels) {
            sw_buf_printf(out, "spillway_%s{%s} %lld\n", metric->name, metric->labels[i], value);
        } else {
            sw_buf_printf(out, "spillway_%s %lld\n", metric->name, value);
        }
    }
}

/* A rule's match is a valid topic or pattern, which may hold a quote or a backslash. */
static void write_rule_label(struct sw_buf *out, const struct sw_rules *rules, uint32_t index)
{
    struct sw_slice match = rules->rows[index].match;
    sw_buf_append_slice(out, SW_SLICE("{rule=\""));
    if (match.size == 0) {
        match = SW_SLICE("default");
    }
    for (size_t i = 0; i < match.size; i++) {
        if (match.data[i] == '"' || match.data[i] == '\\') {
            sw_buf_append_byte(out, '\\');
        }
        sw_buf_append_byte(out, match.data[i]);
    }
    sw_buf_append_slice(out, SW_SLICE("\"}"));
}

static void write_rule_metric(struct sw_buf *out, const struct metric *metric,
                              const struct sw_counters *const *blocks, const struct sw_rules *rules)
{
    write_head(out, metric->name, metric->type, metric->help);
    for (uint32_t i = 0; i < rules->count; i++) {
        sw_buf_printf(out, "spillway_%s", metric->name);
        write_rule_label(out, rules, i);
        sw_buf_printf(out, " %lld\n",
                      (long long)sum(blocks, metric->offset + i * sizeof(_Atomic int64_t)));
    }
}

static void write_histogram(struct sw_buf *out, const struct histogram *histogram,
                            const struct sw_counters *const *blocks)
{
    const char *name = histogram->name;
    uint64_t buckets[SW_HISTOGRAM_BUCKETS + 1] = {0};
    uint64_t sum_us = 0;
    uint64_t count = 0;
    for (; *blocks; blocks++) {
        const char *at = (const char *)*blocks + histogram->offset;
        sw_histogram_collect((const struct sw_histogram *)(const void *)at, buckets, &sum_us);
    }
    write_head(out, name, "histogram", histogram->help);
    for (size_t i = 0; i < SW_HISTOGRAM_BUCKETS; i++) {
        count += buckets[i];
        sw_buf_printf(out, "spillway_%s_bucket{le=\"%g\"} %llu\n", name,
                      sw_histogram_bounds_us[i] / 1e6, (unsigned long long)count);
    }
    count += buckets[SW_HISTOGRAM_BUCKETS];
    sw_buf_printf(out,
                  "spillway_%s_bucket{le=\"+Inf\"} %llu\nspillway_%s_sum %.6f\n"
                  "spillway_%s_count %llu\n",
                  name, (unsigned long long)count, name, (double)sum_us / 1e6, name,
                  (unsigned long long)count);
}

void sw_metrics_write(struct sw_buf *out, const struct sw_counters *const *blocks,
                      const struct sw_rules *rules, const struct sw_metrics_about *about)
{
    for (size_t i = 0; i < SW_ARRAY_SIZE(metrics); i++) {
        write_metric(out, &metrics[i], blocks);
    }
    for (size_t i = 0; i < SW_ARRAY_SIZE(rule_metrics); i++) {
        write_rule_metric(out, &rule_metrics[i], blocks, rules);
    }
    for (size_t i = 0; i < SW_ARRAY_SIZE(histograms); i++) {
        write_histogram(out, &histograms[i], blocks);
    }
    write_head(out, "build_info", "gauge", BUILD_HELP);
    sw_buf_printf(out, "spillway_build_info{version=\"%s\",service=\"%s\",environment=\"%s\"} 1\n",
                  about->version, about->service, about->environment);
}

void sw_api_metrics(struct sw_http *http, const struct sw_counters *const *blocks,
                    const struct sw_rules *rules, const struct sw_metrics_about *about)
{
    struct sw_buf body = {0};
    sw_metrics_write(&body, blocks, rules, about);
    sw_process_write(&body);
    sw_http_reply(http, 200, "text/plain; version=0.0.4; charset=utf-8", sw_buf_slice(&body), "");
    sw_buf_deinit(&body);
}

/* The names of the labels in {a="..",b=".."}. */
static void write_label_names(struct sw_buf *out, const char *label)
{
    const char *at = label;
    while (at) {
        const char *equal = strchr(at, '=');
        sw_buf_append(out, at, (size_t)(equal - at));
        at = strchr(equal, ',');
        if (at) {
            sw_buf_append_slice(out, SW_SLICE(", "));
            at++;
        }
    }
}

void sw_metrics_docs(struct sw_buf *out)
{
    sw_buf_append_slice(
        out,
        SW_SLICE("<!-- Generated by `spillway docs metrics`. -->\n# Metrics\n\n"
                 "`GET /metrics` on the admin listener, in Prometheus' text format. At any quiet "
                 "moment\n`spillway_due_total = spillway_sent_total + sum(spillway_shed_total) + "
                 "spillway_behind`, exactly.\n\n| metric | type | labels | what it says |\n"
                 "|---|---|---|---|\n"));
    for (size_t i = 0; i < SW_ARRAY_SIZE(metrics); i++) {
        const struct metric *metric = &metrics[i];
        sw_buf_printf(out, "| `spillway_%s` | %s | ", metric->name, metric->type);
        if (metric->labels) {
            write_label_names(out, metric->labels[0]);
        }
        sw_buf_printf(out, " | %s |\n", metric->help);
    }
    for (size_t i = 0; i < SW_ARRAY_SIZE(rule_metrics); i++) {
        sw_buf_printf(out, "| `spillway_%s` | counter | rule | %s |\n", rule_metrics[i].name,
                      rule_metrics[i].help);
    }
    for (size_t i = 0; i < SW_ARRAY_SIZE(histograms); i++) {
        sw_buf_printf(out, "| `spillway_%s` | histogram | le | %s |\n", histograms[i].name,
                      histograms[i].help);
    }
    sw_buf_printf(out, "| `spillway_build_info` | gauge | version, service, environment | %s |\n",
                  BUILD_HELP);
    sw_process_docs(out);
    sw_buf_append_slice(out,
                        SW_SLICE("\n## Reasons\n\n`reason` of `spillway_closed_total`, with the "
                                 "close code a client sees:\n\n| reason | code | come back? | "
                                 "words |\n|---|---|---|---|\n"));
    for (unsigned i = 0; i < SW_REASON_COUNT; i++) {
        const struct sw_reason_row *row = sw_reason_row((enum sw_reason)i);
        sw_buf_printf(out, "| %s | %u | %s | %s |\n", row->word, row->code,
                      row->reconnect ? "yes" : "no", row->text);
    }
    sw_buf_append_slice(out, SW_SLICE("\n`reason` of `spillway_shed_total` and of a client's "
                                      "`dropped` frame:\n\n| reason | why |\n|---|---|\n"));
    for (unsigned i = 0; i < SW_SHED_COUNT; i++) {
        sw_buf_printf(out, "| %s | %s |\n", sw_shed_word((enum sw_shed)i),
                      sw_shed_why((enum sw_shed)i));
    }
}

// SPDX-License-Identifier: Apache-2.0
#include "bus/report.h"

#include "common/assert.h"
#include "common/mem.h"
#include "core/topic.h"

static bool about_topics(const struct sw_report *report)
{
    switch ((enum sw_report_kind)report->kind) {
    case SW_REPORT_CONNECTIONS:
    case SW_REPORT_ENDED:
        return false;
    case SW_REPORT_TOPICS:
    case SW_REPORT_COUNTS:
        return true;
    }
    SW_UNREACHABLE();
}

struct sw_report *sw_report_create(enum sw_report_kind kind, uint32_t limit)
{
    SW_ASSERT(limit > 0);
    struct sw_report *report = sw_zalloc(sizeof(*report));
    report->post.kind = SW_POST_REPORT; /* weighs nothing: inboxes have their limit for messages */
    report->kind = (uint8_t)kind;
    report->limit = limit;
    sw_best_init(&report->best, limit);
    if (about_topics(report)) {
        report->topics = sw_zalloc(limit * sizeof(*report->topics));
    } else {
        report->connections = sw_zalloc(limit * sizeof(*report->connections));
    }
    return report;
}

void sw_report_destroy(struct sw_report *report)
{
    sw_best_deinit(&report->best);
    if (about_topics(report)) {
        sw_free(report->topics);
    } else {
        sw_free(report->connections);
    }
    sw_free(report);
}

void sw_report_ask(struct sw_report *report, struct sw_inbox *to, struct sw_inbox *from)
{
    report->from = from;
    sw_inbox_post(to, &report->post);
}

void sw_report_answer(struct sw_report *report)
{
    sw_inbox_post(report->from, &report->post);
}

bool sw_report_wants(const struct sw_report *report, struct sw_slice name)
{
    return report->match_size == 0 ||
           sw_topic_match(sw_slice(report->match, report->match_size), name, report->separator);
}

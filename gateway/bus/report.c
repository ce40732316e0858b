// SPDX-License-Identifier: Apache-2.0
#include "bus/report.h"

#include "common/assert.h"
#include "common/mem.h"
#include "core/topic.h"

struct sw_report *sw_report_create(enum sw_report_kind kind, uint32_t limit)
{
    SW_ASSERT(limit > 0);
    struct sw_report *report = sw_zalloc(sizeof(*report));
    report->post.kind = SW_POST_REPORT; /* weighs nothing: inboxes have their limit for messages */
    report->kind = (uint8_t)kind;
    report->limit = limit;
    sw_best_init(&report->best, limit);
    switch (kind) {
    case SW_REPORT_CONNECTIONS:
    case SW_REPORT_ENDED:
        report->connections = sw_zalloc(limit * sizeof(*report->connections));
        break;
    case SW_REPORT_TOPICS:
    case SW_REPORT_COUNTS:
        report->topics = sw_zalloc(limit * sizeof(*report->topics));
        break;
    case SW_REPORT_DISCONNECT:
        report->disconnect = sw_zalloc(sizeof(*report->disconnect));
        break;
    }
    return report;
}

struct sw_report *sw_report_order(const struct sw_disconnect *disconnect)
{
    struct sw_report *report = sw_report_create(SW_REPORT_DISCONNECT, 1);
    *report->disconnect = *disconnect;
    return report;
}

void sw_report_destroy(struct sw_report *report)
{
    sw_best_deinit(&report->best);
    switch ((enum sw_report_kind)report->kind) {
    case SW_REPORT_CONNECTIONS:
    case SW_REPORT_ENDED:
        sw_free(report->connections);
        break;
    case SW_REPORT_TOPICS:
    case SW_REPORT_COUNTS:
        sw_free(report->topics);
        break;
    case SW_REPORT_DISCONNECT:
        sw_free(report->disconnect);
        break;
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

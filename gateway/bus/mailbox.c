// SPDX-License-Identifier: Apache-2.0
#include "bus/mailbox.h"

#include "common/log.h"

#include <string.h>

void sw_mailbox_string(struct sw_buf *out, unsigned i, const char *node)
{
    sw_notice_string(out, i == 0 ? NULL : node);
}

void sw_mailbox_refused(struct sw_mailbox *mailbox, const struct sw_interest *interest)
{
    mailbox->strings[interest == mailbox->strings[1]] = NULL;
    if (!mailbox->told) {
        mailbox->told = true;
        sw_log(SW_LOG_WARN, "nodes_unheard",
               "hint=\"what operators order is done on this node alone; allow its Redis user the "
               "channels $nodes and $node.* (behind the prefix)\"");
    }
}

enum sw_error sw_mailbox_fault(const struct sw_mailbox *mailbox)
{
    enum sw_error error = SW_ERROR_NONE;
    for (unsigned i = 0; i < SW_MAILBOX_STRINGS; i++) {
        if (!mailbox->strings[i]) {
            return SW_ERROR_FORBIDDEN;
        }
        if (!mailbox->strings[i]->acked) {
            error = SW_ERROR_BUS_UNAVAILABLE;
        }
    }
    return error;
}

void sw_mailbox_take(const struct sw_bus_config *config, struct sw_counters *counters,
                     struct sw_slice raw)
{
    struct sw_notice *notice = sw_notice_read(raw, config->separator);
    if (notice && strcmp(notice->from, config->node) == 0) {
        sw_notice_destroy(notice); /* what this node said to all comes back to it as well */
        return;
    }
    if (!notice || sw_inbox_bytes(config->notices) + notice->post.bytes > SW_NOTICES_BYTES) {
        sw_count(&counters->notices_ignored_total, 1);
        sw_notice_destroy(notice);
        return;
    }
    sw_inbox_post(config->notices, &notice->post);
}

// SPDX-License-Identifier: Apache-2.0
/* What is kept of a topic, for who is no reader: it need not be joined. */
#include "bus/envelope.h"
#include "bus/history/history.h"
#include "common/assert.h"
#include "common/clock.h"
#include "common/mem.h"
#include "core/limits.h"

struct asked {
    struct sw_history_read read;
    struct sw_histories *all;
    struct sw_lookup *lookup;
};

static void give_back(struct sw_histories *all, struct sw_lookup *lookup, enum sw_error error)
{
    lookup->error = error;
    if (all->cleared) { /* its asker stands on this thread now, and has no inbox any more */
        lookup->done(lookup->context, lookup);
        return;
    }
    lookup->post.bytes = 0; /* inboxes have their limit for messages */
    sw_inbox_post(lookup->from, &lookup->post);
}

/* As many of the entries as an answer may hold, at least one. */
static void fill(struct sw_lookup *lookup, const struct sw_history_read *read)
{
    size_t bytes = 0;
    lookup->lineage = read->lineage;
    lookup->first = read->first;
    lookup->last = read->top;
    lookup->messages = sw_alloc((read->count + 1) * sizeof(lookup->messages[0]));
    for (uint32_t i = 0; i < read->count && (i == 0 || bytes <= SW_LOOKUP_BYTES); i++) {
        struct sw_envelope envelope = sw_envelope_open(read->entries[i].raw);
        struct sw_message *message = sw_message_create(read->topic, envelope.key, envelope.payload,
                                                       envelope.time_ms, sw_clock_ns());
        bytes += message->size;
        lookup->messages[lookup->count].offset = read->entries[i].offset;
        lookup->messages[lookup->count++].message = message;
    }
}

static void on_read(void *context, struct sw_history_read *read)
{
    struct asked *asked = context;
    enum sw_error error = SW_ERROR_BUS_UNAVAILABLE;
    if (read->outcome == SW_READ_DONE) {
        fill(asked->lookup, read);
        error = SW_ERROR_NONE;
    } else if (read->outcome == SW_READ_FAILED) {
        error = read->error;
    }
    asked->all->lookups--;
    give_back(asked->all, asked->lookup, error);
    sw_free(asked);
}

void sw_histories_lookup(struct sw_histories *all, struct sw_lookup *lookup)
{
    struct sw_slice topic = sw_slice(lookup->topic, lookup->topic_size);
    const struct sw_rule *rule =
        all->config->rules ? sw_rules_find(all->config->rules, topic, false) : NULL;
    if (!rule || rule->history_size == 0) {
        give_back(all, lookup, SW_ERROR_NO_HISTORY);
        return;
    }
    if (all->lookups == SW_LOOKUPS) {
        give_back(all, lookup, SW_ERROR_OVERLOADED);
        return;
    }
    SW_ASSERT(lookup->limit >= 1 && lookup->limit <= SW_HISTORY_READ);
    struct asked *asked = sw_alloc(sizeof(*asked));
    *asked = (struct asked){
        .read = {.topic = topic,
                 .from = lookup->after + 1,
                 .limit = lookup->limit,
                 .size = rule->history_size,
                 .ttl_ms = rule->history_ttl_ms,
                 .done = on_read,
                 .context = asked},
        .all = all,
        .lookup = lookup,
    };
    all->lookups++;
    sw_count(&all->counters->history_reads_total[SW_LOOK_LOOKUP], 1);
    all->backend->ops->read(all->backend, &asked->read);
}

// SPDX-License-Identifier: Apache-2.0
#include "node/plan.h"

#include "bus/bus.h"
#include "common/log.h"
#include "core/limits.h"
#include "node/version.h"

struct sw_plan sw_plan_make(const struct sw_config *config, unsigned workers)
{
    struct sw_plan plan;
    plan.descriptors = sw_descriptors_plan((uint32_t)config->max_connections, workers);
    plan.limit = sw_memory_limit(&sw_memory_system);
    plan.memory = sw_memory_plan(plan.limit.bytes, config->budget, plan.descriptors.connections);
    return plan;
}

static void say_warnings(const struct sw_config *config)
{
    struct sw_buf text = {0};
    char clean[640]; /* two names and the words between them */
    sw_config_warnings(config, &text);
    struct sw_slice rest = sw_buf_slice(&text);
    while (rest.size) {
        struct sw_slice line = sw_slice_split(&rest, '\n');
        sw_log(SW_LOG_WARN, "config_warning", "why=\"%s\"",
               sw_log_clean(clean, sizeof(clean), line));
    }
    sw_buf_deinit(&text);
}

static void say_memory(const struct sw_plan *plan, const struct sw_config *config)
{
    if (plan->memory.lowered) {
        sw_log(config->max_connections ? SW_LOG_WARN : SW_LOG_INFO, "connections_lowered",
               "possible=%u allowed=%u memory_bytes=%llu hint=\"a connection takes 5 KB of the "
               "kernel's memory; raise the memory limit\"",
               plan->descriptors.connections, plan->memory.connections,
               (unsigned long long)plan->limit.bytes);
    }
    sw_log(SW_LOG_INFO, "memory", "limit_bytes=%llu source=%s budget_bytes=%llu",
           (unsigned long long)plan->limit.bytes, plan->limit.source,
           (unsigned long long)plan->memory.budget);
}

void sw_plan_say(const struct sw_plan *plan, const struct sw_config *config, const char *node,
                 unsigned workers)
{
    struct sw_buf bus = {0};
    char clean[256];
    sw_bus_url_public(config->bus, &bus);
    sw_log(SW_LOG_INFO, "starting",
           "version=%s node=%s workers=%u bus=\"%s\" service=\"%s\" environment=\"%s\"", sw_version,
           node, workers, sw_log_clean(clean, sizeof(clean), sw_buf_slice(&bus)), config->service,
           config->environment);
    sw_buf_deinit(&bus);
    const struct sw_descriptors *descriptors = &plan->descriptors;
    if (descriptors->clamped) {
        sw_log(SW_LOG_WARN, "connections_clamped",
               "asked=%llu allowed=%u descriptors=%llu hint=\"raise the descriptor limit (ulimit "
               "-n)\"",
               (unsigned long long)config->max_connections, descriptors->connections,
               (unsigned long long)descriptors->limit);
    }
    say_memory(plan, config);
    sw_log(SW_LOG_INFO, "limits",
           "connections=%u descriptors=%llu accept_rate=%llu message_bytes=%llu queued_bytes=%llu "
           "topics=%u frame_bytes=%u rules=%u",
           plan->memory.connections, (unsigned long long)descriptors->limit,
           (unsigned long long)config->accept_rate, (unsigned long long)config->max_message_bytes,
           (unsigned long long)config->max_queued_bytes, SW_SESSION_TOPICS, SW_FRAME_BYTES,
           config->rules.count - 1);
    say_warnings(config);
}

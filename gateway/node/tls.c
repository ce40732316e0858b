// SPDX-License-Identifier: Apache-2.0
#include "node/tls.h"

#include "common/log.h"

static void choose_listeners(struct sw_listen *listens, unsigned count)
{
    bool any = false;
    for (unsigned i = 0; i < count; i++) {
        any = any || listens[i].tls;
    }
    for (unsigned i = 0; i < count && !any; i++) {
        listens[i].tls = true;
    }
}

bool sw_node_tls_init(struct sw_node_tls *tls, const struct sw_config *config,
                      struct sw_listen *listens, unsigned listen_count, struct sw_buf *error)
{
    tls->config = config;
    if (!config->tls_cert[0]) {
        return true;
    }
    choose_listeners(listens, listen_count);
    tls->context = sw_tls_context_create(config->tls_cert, config->tls_key, error);
    return tls->context != NULL;
}

static bool read_again(void *owner, struct sw_buf *why)
{
    struct sw_node_tls *tls = owner;
    struct sw_tls_context *context =
        sw_tls_context_create(tls->config->tls_cert, tls->config->tls_key, why);
    if (!context) {
        return false;
    }
    struct sw_buf warning = {0};
    sw_tls_context_warn(context, &warning);
    if (warning.size) {
        char clean[512];
        struct sw_slice rest = sw_buf_slice(&warning);
        struct sw_slice line = sw_slice_split(&rest, '\n');
        sw_log(SW_LOG_WARN, "tls_certificate", "why=\"%s\"",
               sw_log_clean(clean, sizeof(clean), line));
    }
    sw_buf_deinit(&warning);
    for (unsigned i = 0; i < tls->worker_count; i++) {
        sw_worker_set_tls(&tls->workers[i], context);
    }
    sw_tls_context_unref(&tls->context);
    tls->context = context;
    return true;
}

void sw_node_tls_watch(struct sw_node_tls *tls, struct sw_reload *reload, struct sw_worker *workers,
                       unsigned worker_count)
{
    tls->workers = workers;
    tls->worker_count = worker_count;
    if (tls->context) {
        sw_reload_add(reload, "tls", read_again, tls);
    }
}

void sw_node_tls_deinit(struct sw_node_tls *tls)
{
    sw_tls_context_unref(&tls->context);
}

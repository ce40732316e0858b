// SPDX-License-Identifier: Apache-2.0
/* What a config file says by now that a running node does not do. */
#include "node/config.h"
#include "node/config_table.h"

#include <string.h>

/* The URL of the bus as it is, with its password. */
static void append_whole(const struct sw_config *config, int row, struct sw_buf *out)
{
    if (row == SW_CONFIG_bus) {
        sw_buf_append_slice(out, sw_slice_of(config->bus));
    } else {
        sw_config_append_value(config, row, out);
    }
}

static bool same_value(const struct sw_config *a, const struct sw_config *b, int row)
{
    struct sw_buf left = {0};
    struct sw_buf right = {0};
    append_whole(a, row, &left);
    append_whole(b, row, &right);
    bool same = sw_slice_equal(sw_buf_slice(&left), sw_buf_slice(&right));
    sw_buf_deinit(&left);
    sw_buf_deinit(&right);
    return same;
}

static bool same_rule(const struct sw_rule *a, const struct sw_rule *b)
{
    return sw_slice_equal(a->match, b->match) && a->mode == b->mode &&
           a->modes_allowed == b->modes_allowed && a->max_hz == b->max_hz &&
           a->client_publish == b->client_publish && a->max_message_bytes == b->max_message_bytes &&
           a->history_size == b->history_size && a->history_ttl_ms == b->history_ttl_ms &&
           a->retain == b->retain && a->compress == b->compress &&
           sw_slice_equal(a->retain_key, b->retain_key);
}

static bool same_rules(const struct sw_rules *a, const struct sw_rules *b)
{
    bool same = a->count == b->count;
    for (uint32_t i = 0; same && i < a->count; i++) {
        same = same_rule(&a->rows[i], &b->rows[i]);
    }
    return same;
}

static void append_name(struct sw_buf *names, const char *name)
{
    sw_buf_printf(names, "%s%s", names->size ? "," : "", name);
}

static void compare(const struct sw_config *running, const struct sw_config *fresh,
                    struct sw_buf *names)
{
    for (int row = 0; row < SW_CONFIG_COUNT; row++) {
        bool file_counts = running->sources[row] <= SW_CONFIG_FILE;
        if (row != SW_CONFIG_config && file_counts && !same_value(running, fresh, row)) {
            append_name(names, sw_config_rows[row].name);
        }
    }
    if (!same_rules(&running->rules, &fresh->rules)) {
        append_name(names, SW_CONFIG_RULES);
    }
}

bool sw_config_changed(const struct sw_config *running, struct sw_buf *names, struct sw_buf *error)
{
    if (!running->config[0]) {
        return true;
    }
    struct sw_config fresh;
    sw_config_init(&fresh);
    bool ok = sw_config_load_file(&fresh, running->config, error);
    if (ok) {
        sw_rules_settle(&fresh.rules, running->topic_separator[0],
                        (uint32_t)running->max_message_bytes);
        compare(running, &fresh, names);
    }
    sw_config_deinit(&fresh);
    return ok;
}

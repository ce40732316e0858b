// SPDX-License-Identifier: Apache-2.0
#include "node/reload.h"

#include "common/assert.h"
#include "common/json.h"
#include "common/log.h"
#include "http/server.h"

void sw_reload_add(struct sw_reload *reload, const char *what,
                   bool (*read_again)(void *owner, struct sw_buf *why), void *owner)
{
    SW_ASSERT(reload->count < SW_RELOADS);
    reload->rows[reload->count++] =
        (struct sw_reload_row){.what = what, .read_again = read_again, .owner = owner};
}

static void separate(struct sw_buf *list)
{
    if (list->size) {
        sw_buf_append_byte(list, ',');
    }
}

static void note_failed(struct sw_buf *failed, const char *what, struct sw_slice why)
{
    char clean[512];
    sw_log(SW_LOG_ERROR, "reload_failed", "what=%s why=\"%s\"", what,
           sw_log_clean(clean, sizeof(clean), why));
    separate(failed);
    sw_buf_append_slice(failed, SW_SLICE("{\"what\":"));
    sw_json_append_string(failed, sw_slice_of(what));
    sw_buf_append_slice(failed, SW_SLICE(",\"message\":"));
    sw_json_append_string(failed, why);
    sw_buf_append_byte(failed, '}');
}

static void note_reloaded(struct sw_buf *reloaded, const char *what)
{
    sw_log(SW_LOG_INFO, "reloaded", "what=%s", what);
    separate(reloaded);
    sw_json_append_string(reloaded, sw_slice_of(what));
}

/* The config file is only looked at: what it says counts from the next start on. */
static void look_at_config(const struct sw_config *config, struct sw_buf *restart,
                           struct sw_buf *failed)
{
    struct sw_buf names = {0};
    struct sw_buf why = {0};
    if (!sw_config_changed(config, &names, &why)) {
        struct sw_slice rest = sw_buf_slice(&why);
        note_failed(failed, "config", sw_slice_split(&rest, '\n'));
    } else if (names.size) {
        sw_log(SW_LOG_WARN, "restart_needed", "changed=%s file=\"%s\"", sw_buf_text(&names),
               config->config);
    }
    struct sw_slice rest = sw_buf_slice(&names);
    while (rest.size) {
        separate(restart);
        sw_json_append_string(restart, sw_slice_split(&rest, ','));
    }
    sw_buf_deinit(&names);
    sw_buf_deinit(&why);
}

static void append_answer(struct sw_buf *answer, const struct sw_buf *reloaded,
                          const struct sw_buf *failed, const struct sw_buf *restart)
{
    sw_buf_append_byte(answer, '{');
    if (failed->size) {
        sw_buf_append_slice(answer, SW_SLICE("\"error\":"));
        sw_http_append_error(answer, SW_ERROR_INTERNAL,
                             "what failed stays as it was; \"failed\" says why", 0, NULL);
        sw_buf_append_byte(answer, ',');
    }
    sw_buf_append_slice(answer, SW_SLICE("\"reloaded\":["));
    sw_buf_append_slice(answer, sw_buf_slice(reloaded));
    sw_buf_append_slice(answer, SW_SLICE("],\"failed\":["));
    sw_buf_append_slice(answer, sw_buf_slice(failed));
    sw_buf_append_byte(answer, ']');
    if (restart->size) {
        sw_buf_append_slice(answer, SW_SLICE(",\"restart\":["));
        sw_buf_append_slice(answer, sw_buf_slice(restart));
        sw_buf_append_byte(answer, ']');
    }
    sw_buf_append_byte(answer, '}');
}

bool sw_reload_run(const struct sw_reload *reload, struct sw_buf *answer)
{
    struct sw_buf reloaded = {0};
    struct sw_buf failed = {0};
    struct sw_buf restart = {0};
    struct sw_buf why = {0};
    for (unsigned i = 0; i < reload->count; i++) {
        const struct sw_reload_row *row = &reload->rows[i];
        sw_buf_clear(&why);
        if (row->read_again(row->owner, &why)) {
            note_reloaded(&reloaded, row->what);
        } else {
            struct sw_slice rest = sw_buf_slice(&why);
            note_failed(&failed, row->what, sw_slice_split(&rest, '\n'));
        }
    }
    if (reload->config) {
        look_at_config(reload->config, &restart, &failed);
    }
    append_answer(answer, &reloaded, &failed, &restart);
    bool ok = failed.size == 0;
    sw_buf_deinit(&reloaded);
    sw_buf_deinit(&failed);
    sw_buf_deinit(&restart);
    sw_buf_deinit(&why);
    return ok;
}

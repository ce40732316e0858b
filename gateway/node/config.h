// SPDX-License-Identifier: Apache-2.0
/* Configuration: config.def is the one table. Default < file < environment < flag. An unknown key
 * or flag is a refusal to start that names the nearest valid one; a value that a later
 * version will have is refused in words, never ignored. */
#ifndef SW_NODE_CONFIG_H
#define SW_NODE_CONFIG_H

#include "common/buf.h"
#include "common/log.h"
#include "core/rule.h"

/* Types of config.def. A list is NULL-terminated and owned like every string. */
typedef bool sw_config_flag;
typedef uint64_t sw_config_number;
typedef char *sw_config_text;
typedef char **sw_config_list;

enum sw_config_field {
#define SW_CONFIG(field, ...) SW_CONFIG_##field,
#include "node/config.def"
    SW_CONFIG_COUNT
};

/* Who said it: the later, the stronger. */
enum sw_config_source { SW_CONFIG_DEFAULT, SW_CONFIG_FILE, SW_CONFIG_ENVIRONMENT, SW_CONFIG_FLAG };

struct sw_config {
#define SW_CONFIG(field, type, ...) sw_config_##type field;
#include "node/config.def"
    unsigned char sources[SW_CONFIG_COUNT]; /* enum sw_config_source of each field */
    struct sw_rules rules;                  /* "topics" of the file; settled by sw_config_load */
    char *api_key; /* SPILLWAY_API_KEY or NULL; no row, since a secret is never shown */
};

/* Did the operator say it, or is it the default? */
bool sw_config_is_set(const struct sw_config *config, enum sw_config_field field);
/* The defaults. Never fails. */
void sw_config_init(struct sw_config *config);
void sw_config_deinit(struct sw_config *config);
/* Its words for the log; config_check.c has looked at them. */
enum sw_log_level sw_config_log_level(const struct sw_config *config);
enum sw_log_format sw_config_log_format(const struct sw_config *config);
/* Reads the file that --config or SPILLWAY_CONFIG names (if any), the environment (as `environ`)
 * and the flags, in that order of strength, and checks the whole. `argc`/`argv`: without the names
 * of the program and the subcommand. False: `error` holds lines for a person: what is wrong, where,
 * the nearest valid name, and what to do. */
bool sw_config_load(struct sw_config *config, int argc, char *const *argv, char *const *environment,
                    struct sw_buf *error);
/* Reads one JSON file into `config`. False: `error` says what is wrong, at which line and column.
 */
bool sw_config_load_file(struct sw_config *config, const char *path, struct sw_buf *error);
/* What contradicts itself or may not be (another address than loopback without auth, ...). */
bool sw_config_check(const struct sw_config *config, struct sw_buf *error);
/* What will run and was hardly meant (a rule that nothing reaches), a line each. */
void sw_config_warnings(const struct sw_config *config, struct sw_buf *out);
/* Which rule a topic or pattern falls under, with its settings, and why no earlier one. False: it
 * is neither, and `out` says in words what is wrong with it. */
bool sw_config_explain(const struct sw_config *config, struct sw_slice name, struct sw_buf *out);
/* What differs from the defaults and who said so, a line each; without passwords. */
void sw_config_describe(const struct sw_config *config, struct sw_buf *out);
/* The names of the settings that the file of --config has changed since it was read, at commas;
 * what a flag or the environment says is stronger and no change. False: the file is not good any
 * more, and `error` says why. */
bool sw_config_changed(const struct sw_config *running, struct sw_buf *names, struct sw_buf *error);
/* The table as --help text, and as CONFIG.md. */
void sw_config_help(struct sw_buf *out);
void sw_config_docs(struct sw_buf *out);
/* The nearest of `names` (NULL-terminated) to `word` by edit distance, else the first that it
 * begins; NULL where there is none. */
const char *sw_config_nearest(const char *word, const char *const *names);

#endif

// SPDX-License-Identifier: Apache-2.0
/* Configuration: config.def is the one table. Default < file < environment < flag. An unknown key
 * or flag is a refusal to start that names the nearest valid one; a setting that a later version
 * will have is refused in words, never ignored. */
#ifndef SW_NODE_CONFIG_H
#define SW_NODE_CONFIG_H

#include "common/buf.h"

/* Types of config.def. A list is NULL-terminated and owned like every string. */
typedef bool sw_config_flag;
typedef uint64_t sw_config_number;
typedef char *sw_config_text;
typedef char **sw_config_list;

struct sw_config {
#define SW_CONFIG(field, type, ...) sw_config_##type field;
#include "node/config.def"
    uint64_t set; /* a bit per field that the operator has given */
};

enum sw_config_field {
#define SW_CONFIG(field, ...) SW_CONFIG_##field,
#include "node/config.def"
    SW_CONFIG_COUNT
};

/* Did the operator say it, or is it the default? */
bool sw_config_is_set(const struct sw_config *config, enum sw_config_field field);
/* The defaults. Never fails. */
void sw_config_init(struct sw_config *config);
void sw_config_deinit(struct sw_config *config);
/* Reads the file that --config or SPILLWAY_CONFIG names (if any), the environment (as `environ`)
 * and the flags, in that order of strength, and checks the whole. `argc`/`argv`: without the names
 * of the program and the subcommand. False: `error` holds lines for a person: what is wrong, where,
 * the nearest valid name, and what to do. */
bool sw_config_load(struct sw_config *config, int argc, char *const *argv, char *const *environment,
                    struct sw_buf *error);
/* Reads one JSON file into `config`. False: `error` says what and where. */
bool sw_config_load_file(struct sw_config *config, const char *path, struct sw_buf *error);
/* What contradicts itself or may not be (another address than loopback without auth, ...). */
bool sw_config_check(const struct sw_config *config, struct sw_buf *error);
/* The table as --help text, and as CONFIG.md. */
void sw_config_help(struct sw_buf *out);
void sw_config_docs(struct sw_buf *out);
/* The nearest of `names` (NULL-terminated) to `word` by edit distance, or NULL where none is near.
 */
const char *sw_config_nearest(const char *word, const char *const *names);

/* ---- for config_file.c and config_docs.c ---- */

enum sw_config_type {
    SW_CONFIG_TYPE_flag,
    SW_CONFIG_TYPE_number,
    SW_CONFIG_TYPE_text,
    SW_CONFIG_TYPE_list
};

struct sw_config_row {
    const char *name; /* with '_', as in the file */
    enum sw_config_type type;
    const char *fallback;
    uint64_t min;
    uint64_t max;
    const char *unit;
    const char *help;
    size_t offset;
};
extern const struct sw_config_row sw_config_rows[SW_CONFIG_COUNT];
/* The row's index, or -1. */
int sw_config_find(const char *name);
/* "unknown <what> NAME; did you mean ...?", or that a later version has it. `dashes`: names are
 * flags. */
void sw_config_unknown(struct sw_buf *error, const char *what, const char *name, bool dashes);
/* Sets one field from text. The first value of a list replaces what was there if `first`. False:
 * `error` has one line that begins with `where`. */
bool sw_config_set(struct sw_config *config, int row, const char *text, bool first,
                   const char *where, struct sw_buf *error);

#endif

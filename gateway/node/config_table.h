// SPDX-License-Identifier: Apache-2.0
/* config.def as rows, for the config*.c files alone. */
#ifndef SW_NODE_CONFIG_TABLE_H
#define SW_NODE_CONFIG_TABLE_H

#include "node/config.h"

/* A name with its NUL. */
#define SW_CONFIG_NAME_BYTES 64

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
/* The key of the topic rules: it stands in the file alone. */
#define SW_CONFIG_RULES "topics"

/* The keys of one of its entries. */
enum sw_config_rule_key {
    SW_CONFIG_RULE_MATCH,
    SW_CONFIG_RULE_MODE,
    SW_CONFIG_RULE_MODES_ALLOWED,
    SW_CONFIG_RULE_MAX_HZ,
    SW_CONFIG_RULE_MAX_MESSAGE_BYTES,
    SW_CONFIG_RULE_CLIENT_PUBLISH,
    SW_CONFIG_RULE_HISTORY,
    SW_CONFIG_RULE_RETAIN,
    SW_CONFIG_RULE_RETAIN_KEY,
    SW_CONFIG_RULE_COMPRESS,
    SW_CONFIG_RULE_COUNT
};
struct sw_config_rule_row {
    const char *name;
    const char *form;
    const char *fallback;
    const char *help;
};
/* Ends with a NULL name. */
extern const struct sw_config_rule_row sw_config_rule_rows[];

/* Where a value was found. */
struct sw_config_place {
    enum sw_config_source source;
    const char *words; /* an error begins with them */
};

/* The row's index, or -1. */
int sw_config_find(const char *name);
/* The name as it is written there: --max-connections, SPILLWAY_MAX_CONNECTIONS,
 * "max_connections". */
void sw_config_append_name(struct sw_buf *out, const char *name, enum sw_config_source source);
/* "unknown flag --worker; did you mean --workers?" `name` as it was typed, without the dashes in
 * front. */
void sw_config_unknown(struct sw_buf *error, const char *name, enum sw_config_source source);
/* Sets one field from text. A list takes one item, or several at commas from the environment;
 * `first` replaces what an earlier source said. False: `error` has one line. */
bool sw_config_set(struct sw_config *config, int row, const char *text, bool first,
                   const struct sw_config_place *place, struct sw_buf *error);
/* Appends the field's value, without a password. */
void sw_config_append_value(const struct sw_config *config, int row, struct sw_buf *out);

#endif

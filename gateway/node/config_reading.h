// SPDX-License-Identifier: Apache-2.0
/* One config file being read, for config_file.c (the file and its members) and config_rules.c (the
 * entries of `topics`). The text is valid JSON by then, with its comments blanked out. */
#ifndef SW_NODE_CONFIG_READING_H
#define SW_NODE_CONFIG_READING_H

#include "common/json.h"
#include "node/config.h"

struct sw_config_reading {
    struct sw_config *config;
    const char *path;
    char *text; /* with a NUL behind it */
    size_t size;
    struct sw_buf *error;
};

/* Appends "FILE:3:9: ", lines and columns (in characters) from 1. */
void sw_config_append_place(const struct sw_config_reading *reading, const char *at,
                            struct sw_buf *out);
/* One line of `error` that begins with the place. Always false. */
bool sw_config_fail_at(const struct sw_config_reading *reading, const char *at, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));
/* Appends a string's text with a NUL behind it; false where it holds one itself, which would cut it
 * short. */
bool sw_config_unescape(struct sw_slice raw, struct sw_buf *out);
/* Reads the value of "topics" into the config's rules. */
bool sw_config_read_rules(const struct sw_config_reading *reading, struct sw_json_value value);

#endif

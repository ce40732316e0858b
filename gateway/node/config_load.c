// SPDX-License-Identifier: Apache-2.0
/* The order of strength, the environment and the flags. */
#include "common/mem.h"
#include "node/config.h"
#include "node/config_table.h"

#include <stdio.h>
#include <string.h>

/* ---- environment ---- */

#define ENVIRONMENT "SPILLWAY_"

/* "SPILLWAY_MAX_CONNECTIONS=5" -> max_connections; NULL: none of ours, or empty. Returns the value.
 * Only the exact spelling counts: what Kubernetes derives from a Service of our name
 * (SPILLWAY_SERVICE_HOST) is not ours to judge. */
static const char *environment_value(const char *entry, char name[SW_CONFIG_NAME_BYTES])
{
    size_t skip = sizeof(ENVIRONMENT) - 1;
    size_t n = 0;
    const char *equals = strchr(entry, '=');
    if (strncmp(entry, ENVIRONMENT, skip) != 0 || !equals || !equals[1] ||
        (size_t)(equals - entry) - skip >= SW_CONFIG_NAME_BYTES) {
        return NULL;
    }
    for (const char *at = entry + skip; at < equals; at++) {
        if (*at >= 'a' && *at <= 'z') {
            return NULL;
        }
        name[n++] = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    }
    name[n] = 0;
    return equals + 1;
}

static bool set_from_environment(struct sw_config *config, int row, const char *value,
                                 struct sw_buf *error)
{
    struct sw_buf words = {0};
    sw_config_append_name(&words, sw_config_rows[row].name, SW_CONFIG_ENVIRONMENT);
    struct sw_config_place place = {.source = SW_CONFIG_ENVIRONMENT, .words = sw_buf_text(&words)};
    bool ok = sw_config_set(config, row, value, true, &place, error);
    sw_buf_deinit(&words);
    return ok;
}

/* The one variable that is no setting: a secret, kept out of the table and of all that shows it. */
static void take_api_key(struct sw_config *config, const char *value)
{
    sw_free(config->api_key);
    config->api_key = sw_strndup(value, strlen(value));
}

/* `only`: the one row that is wanted, or -1 for all. */
static bool load_environment(struct sw_config *config, char *const *environment, int only,
                             struct sw_buf *error)
{
    for (; environment && *environment; environment++) {
        char name[SW_CONFIG_NAME_BYTES];
        const char *value = environment_value(*environment, name);
        if (!value) {
            continue;
        }
        if (strcmp(name, "api_key") == 0) {
            take_api_key(config, value);
            continue;
        }
        int row = sw_config_find(name);
        if (row >= 0 && (only < 0 || row == only) &&
            !set_from_environment(config, row, value, error)) {
            return false;
        }
    }
    return true;
}

/* ---- flags ---- */

/* One flag of the command line, taken apart. */
struct flag {
    char typed[SW_CONFIG_NAME_BYTES]; /* without the dashes in front */
    const char *value;                /* NULL: none in the same word */
};

static bool split_flag(const char *word, struct flag *flag, struct sw_buf *error)
{
    if (strncmp(word, "--", 2) != 0 || !word[2] || word[2] == '=') {
        sw_buf_printf(error, "unexpected argument \"%s\"; flags begin with --\n", word);
        return false;
    }
    size_t n = strcspn(word + 2, "=");
    flag->value = word[2 + n] ? word + 2 + n + 1 : NULL;
    n = n < SW_CONFIG_NAME_BYTES ? n : SW_CONFIG_NAME_BYTES - 1;
    memcpy(flag->typed, word + 2, n);
    flag->typed[n] = 0;
    return true;
}

/* The row of a name with dashes; one with '_' is no flag. */
static int find_dashed(const char *typed)
{
    char name[SW_CONFIG_NAME_BYTES];
    size_t n = 0;
    for (; typed[n]; n++) {
        if (typed[n] == '_') {
            return -1;
        }
        name[n] = typed[n] == '-' ? '_' : typed[n];
    }
    name[n] = 0;
    return sw_config_find(name);
}

/* --no-demo is --demo=false. */
static int find_flag(struct flag *flag)
{
    int row = find_dashed(flag->typed);
    if (row >= 0 || flag->value || strncmp(flag->typed, "no-", 3) != 0) {
        return row;
    }
    row = find_dashed(flag->typed + 3);
    if (row < 0 || sw_config_rows[row].type != SW_CONFIG_TYPE_flag) {
        return -1;
    }
    flag->value = "false";
    return row;
}

/* Reads argv[*at], and the word behind it where the flag needs one. Returns the row, or -1. */
static int read_flag(int argc, char *const *argv, int *at, struct flag *flag, struct sw_buf *error)
{
    if (!split_flag(argv[*at], flag, error)) {
        return -1;
    }
    int row = find_flag(flag);
    if (row < 0) {
        sw_config_unknown(error, flag->typed, SW_CONFIG_FLAG);
        return -1;
    }
    if (flag->value) {
        return row;
    }
    if (sw_config_rows[row].type == SW_CONFIG_TYPE_flag) {
        flag->value = "true";
        return row;
    }
    /* A value that looks like a flag was more likely forgotten; --prefix=--x is still possible. */
    if (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0) {
        sw_buf_printf(error, "--%s needs a value: %s\n", flag->typed, sw_config_rows[row].unit);
        return -1;
    }
    flag->value = argv[++*at];
    return row;
}

/* `only`: the one row that is wanted, or -1 for all. */
static bool load_flags(struct sw_config *config, int argc, char *const *argv, int only,
                       struct sw_buf *error)
{
    uint64_t seen = 0;
    for (int at = 0; at < argc; at++) {
        struct flag flag;
        int row = read_flag(argc, argv, &at, &flag, error);
        if (row < 0) {
            return false;
        }
        if (only >= 0 && row != only) {
            continue;
        }
        char words[SW_CONFIG_NAME_BYTES + 2];
        snprintf(words, sizeof(words), "--%s", flag.typed);
        struct sw_config_place place = {.source = SW_CONFIG_FLAG, .words = words};
        bool first = !(seen >> row & 1);
        seen |= UINT64_C(1) << row;
        if (!sw_config_set(config, row, flag.value, first, &place, error)) {
            return false;
        }
    }
    return true;
}

/* The first two steps only find out which file there is. */
static bool load_all(struct sw_config *config, int argc, char *const *argv,
                     char *const *environment, struct sw_buf *error)
{
    return load_environment(config, environment, SW_CONFIG_config, error) &&
           load_flags(config, argc, argv, SW_CONFIG_config, error) &&
           (!config->config[0] || sw_config_load_file(config, config->config, error)) &&
           load_environment(config, environment, -1, error) &&
           load_flags(config, argc, argv, -1, error);
}

bool sw_config_load(struct sw_config *config, int argc, char *const *argv, char *const *environment,
                    struct sw_buf *error)
{
    if (!load_all(config, argc, argv, environment, error)) {
        return false;
    }
    sw_rules_settle(&config->rules, config->topic_separator[0],
                    (uint32_t)config->max_message_bytes);
    return sw_config_check(config, error);
}

// SPDX-License-Identifier: Apache-2.0
#include "node/config.h"

#include "bus/bus.h"
#include "common/assert.h"
#include "common/mem.h"
#include "core/limits.h"
#include "node/config_table.h"
#include "node/listen.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

const struct sw_config_row sw_config_rows[SW_CONFIG_COUNT] = {
#define SW_CONFIG(field, type, fallback, min, max, unit, help)                                     \
    {#field,   SW_CONFIG_TYPE_##type,                                                              \
     fallback, min,                                                                                \
     max,      unit,                                                                               \
     help,     offsetof(struct sw_config, field)},
#include "node/config.def"
};
_Static_assert(SW_CONFIG_COUNT < 64, "a bit for each field, and one for the rules");

bool sw_config_is_set(const struct sw_config *config, enum sw_config_field field)
{
    return config->sources[field] != SW_CONFIG_DEFAULT;
}

/* ---- names ---- */

int sw_config_find(const char *name)
{
    for (int i = 0; i < SW_CONFIG_COUNT; i++) {
        if (strcmp(sw_config_rows[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits from one to the other (insert, delete, replace, swap two neighbours): optimal string
 * alignment. SIZE_MAX for what is too long to be a name. */
static size_t distance(const char *a, const char *b)
{
    unsigned char edits[SW_CONFIG_NAME_BYTES][SW_CONFIG_NAME_BYTES];
    size_t n = strlen(a);
    size_t m = strlen(b);
    if (n >= SW_CONFIG_NAME_BYTES || m >= SW_CONFIG_NAME_BYTES) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= m; j++) {
        edits[0][j] = (unsigned char)j;
    }
    for (size_t i = 1; i <= n; i++) {
        edits[i][0] = (unsigned char)i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = edits[i - 1][j - 1] + (size_t)(a[i - 1] != b[j - 1]);
            best = least(best, edits[i - 1][j] + 1u);
            best = least(best, edits[i][j - 1] + 1u);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                best = least(best, edits[i - 2][j - 2] + 1u);
            }
            edits[i][j] = (unsigned char)best;
        }
    }
    return edits[n][m];
}

const char *sw_config_nearest(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    const char *begun = NULL;
    size_t length = strlen(word);
    size_t best = (length + 2) / 3 + 1; /* of three letters one may be wrong */
    for (; *names; names++) {
        size_t d = distance(word, *names);
        if (d < best) {
            best = d;
            nearest = *names;
        }
        if (!begun && length >= 3 && strncmp(word, *names, length) == 0) {
            begun = *names;
        }
    }
    return nearest ? nearest : begun;
}

void sw_config_append_name(struct sw_buf *out, const char *name, enum sw_config_source source)
{
    switch (source) {
    case SW_CONFIG_FILE:
        sw_buf_printf(out, "\"%s\"", name);
        return;
    case SW_CONFIG_ENVIRONMENT:
        sw_buf_append_slice(out, SW_SLICE("SPILLWAY_"));
        for (; *name; name++) {
            sw_buf_append_byte(out, (char)toupper((unsigned char)*name));
        }
        return;
    case SW_CONFIG_DEFAULT:
    case SW_CONFIG_FLAG:
        sw_buf_append_slice(out, SW_SLICE("--"));
        for (; *name; name++) {
            sw_buf_append_byte(out, *name == '_' ? '-' : *name);
        }
        return;
    }
}

/* The name in the table's spelling; what is too long stays nobody's name. */
static void spell(const char *name, char out[SW_CONFIG_NAME_BYTES])
{
    size_t n = 0;
    for (; name[n] && n < SW_CONFIG_NAME_BYTES - 1; n++) {
        out[n] = name[n] == '-' ? '_' : name[n];
    }
    out[n] = 0;
}

void sw_config_unknown(struct sw_buf *error, const char *name, enum sw_config_source source)
{
    char spelled[SW_CONFIG_NAME_BYTES];
    spell(name, spelled);
    if (source == SW_CONFIG_FLAG && strcmp(spelled, SW_CONFIG_RULES) == 0) {
        sw_buf_append_slice(error, SW_SLICE("--" SW_CONFIG_RULES " is no flag: topic rules stand "
                                            "in the file of --config\n"));
        return;
    }
    const char *names[SW_CONFIG_COUNT + 2] = {0};
    for (int i = 0; i < SW_CONFIG_COUNT; i++) {
        names[i] = sw_config_rows[i].name;
    }
    names[SW_CONFIG_COUNT] = source == SW_CONFIG_FILE ? SW_CONFIG_RULES : NULL;
    const char *nearest = sw_config_nearest(spelled, names);
    sw_buf_printf(error, source == SW_CONFIG_FILE ? "unknown key \"%s\"" : "unknown flag --%s",
                  name);
    if (nearest) {
        sw_buf_append_slice(error, SW_SLICE("; did you mean "));
        sw_config_append_name(error, nearest, source);
        sw_buf_append_byte(error, '?');
    } else {
        sw_buf_append_slice(error, SW_SLICE("; spillway --help lists what there is"));
    }
    sw_buf_append_byte(error, '\n');
}

/* ---- values ---- */

static void *field_of(struct sw_config *config, int row)
{
    return (char *)config + sw_config_rows[row].offset;
}

static const void *value_of(const struct sw_config *config, int row)
{
    return (const char *)config + sw_config_rows[row].offset;
}

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++) {
        sw_free(list[i]);
    }
    sw_free(list);
}

static void append_list(char ***list, struct sw_slice item)
{
    size_t count = 0;
    while ((*list)[count]) {
        count++;
    }
    *list = sw_realloc(*list, (count + 2) * sizeof(char *));
    (*list)[count] = sw_strndup(item.data, item.size);
    (*list)[count + 1] = NULL;
}

/* In "127.0.0.1:8443,tls,[::1]:8443" the option is the address's before it. */
static bool joins_last(char *const *list, struct sw_slice item)
{
    return list[0] && sw_listen_is_option(item);
}

static void join_last(char **list, struct sw_slice item)
{
    while (list[1]) {
        list++;
    }
    size_t size = strlen(*list);
    *list = sw_realloc(*list, size + item.size + 2);
    snprintf(*list + size, item.size + 2, ",%.*s", SW_SLICE_ARG(item));
}

/* An empty item is refused: an allow-list from a variable that is not set would allow everybody. */
static bool set_list(char ***list, const char *text, bool first, bool split)
{
    struct sw_slice rest = sw_slice_of(text);
    if (first) {
        free_list(*list);
        *list = sw_zalloc(sizeof(char *));
    }
    while (rest.data) {
        struct sw_slice item = rest;
        if (split) {
            item = sw_slice_split(&rest, ',');
        } else {
            rest = sw_slice(NULL, 0);
        }
        item = sw_slice_trim(item);
        if (item.size == 0) {
            return false;
        }
        if (split && joins_last(*list, item)) {
            join_last(*list, item);
        } else {
            append_list(list, item);
        }
    }
    return true;
}

static bool read_flag(const char *text, bool *value)
{
    bool on = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    if (!on && strcmp(text, "false") != 0 && strcmp(text, "0") != 0) {
        return false;
    }
    *value = on;
    return true;
}

/* Sizes may be written as 64k or 1m. */
static bool read_number(const struct sw_config_row *row, const char *text, uint64_t *value)
{
    struct sw_slice digits = sw_slice_of(text);
    unsigned shift = 0;
    if (digits.size > 1 && strcmp(row->unit, "bytes") == 0) {
        char last = (char)tolower((unsigned char)digits.data[digits.size - 1]);
        shift = last == 'k' ? 10 : last == 'm' ? 20 : last == 'g' ? 30 : 0;
        digits.size -= shift > 0;
    }
    uint64_t number;
    if (!sw_slice_to_u64(digits, row->max >> shift, &number) || number << shift < row->min) {
        return false;
    }
    *value = number << shift;
    return true;
}

static bool fail(struct sw_buf *error, const struct sw_config_place *place, const char *what)
{
    sw_buf_printf(error, "%s: %s\n", place->words, what);
    return false;
}

static bool fail_number(struct sw_buf *error, const struct sw_config_place *place,
                        const struct sw_config_row *row, const char *text)
{
    sw_buf_printf(error, "%s: a whole number from %llu to %llu is needed, not \"%s\"\n",
                  place->words, (unsigned long long)row->min, (unsigned long long)row->max, text);
    return false;
}

bool sw_config_set(struct sw_config *config, int row, const char *text, bool first,
                   const struct sw_config_place *place, struct sw_buf *error)
{
    void *field = field_of(config, row);
    bool given = place->source != SW_CONFIG_DEFAULT;
    switch (sw_config_rows[row].type) {
    case SW_CONFIG_TYPE_flag:
        if (!read_flag(text, field)) {
            sw_buf_printf(error, "%s: true or false is needed, not \"%s\"\n", place->words, text);
            return false;
        }
        break;
    case SW_CONFIG_TYPE_number:
        if (!read_number(&sw_config_rows[row], text, field)) {
            return fail_number(error, place, &sw_config_rows[row], text);
        }
        break;
    case SW_CONFIG_TYPE_text:
        /* --api-key-file "$FILE" without a FILE must not mean: no keys. */
        if (given && !text[0] && row != SW_CONFIG_prefix) {
            return fail(error, place, "the value is empty; leave it out for the default");
        }
        sw_free(*(char **)field);
        *(char **)field = sw_strndup(text, strlen(text));
        break;
    case SW_CONFIG_TYPE_list:
        if (!set_list(field, given || text[0] ? text : NULL, first,
                      !given || place->source == SW_CONFIG_ENVIRONMENT)) {
            return fail(error, place, "the value is empty; leave it out for the default");
        }
        break;
    }
    config->sources[row] = (unsigned char)place->source;
    return true;
}

void sw_config_append_value(const struct sw_config *config, int row, struct sw_buf *out)
{
    const void *value = value_of(config, row);
    if (row == SW_CONFIG_bus) {
        sw_bus_url_public(config->bus, out);
        return;
    }
    switch (sw_config_rows[row].type) {
    case SW_CONFIG_TYPE_flag:
        sw_buf_printf(out, "%s", *(const bool *)value ? "true" : "false");
        break;
    case SW_CONFIG_TYPE_number:
        sw_buf_printf(out, "%llu", (unsigned long long)*(const uint64_t *)value);
        break;
    case SW_CONFIG_TYPE_text:
        sw_buf_append_slice(out, sw_slice_of(*(char *const *)value));
        break;
    case SW_CONFIG_TYPE_list:
        for (char *const *item = *(char **const *)value; *item; item++) {
            sw_buf_printf(out, "%s%s", item == *(char **const *)value ? "" : ",", *item);
        }
        break;
    }
}

void sw_config_init(struct sw_config *config)
{
    static const struct sw_config_place nowhere = {.source = SW_CONFIG_DEFAULT, .words = "default"};
    struct sw_buf error = {0};
    *config = (struct sw_config){0};
    for (int i = 0; i < SW_CONFIG_COUNT; i++) {
        bool ok = sw_config_set(config, i, sw_config_rows[i].fallback, true, &nowhere, &error);
        SW_ASSERT(ok);
    }
    sw_rules_init(&config->rules);
}

void sw_config_deinit(struct sw_config *config)
{
    for (int i = 0; i < SW_CONFIG_COUNT; i++) {
        if (sw_config_rows[i].type == SW_CONFIG_TYPE_text) {
            sw_free(*(char **)field_of(config, i));
        } else if (sw_config_rows[i].type == SW_CONFIG_TYPE_list) {
            free_list(*(char ***)field_of(config, i));
        }
    }
    sw_rules_deinit(&config->rules);
    sw_free(config->api_key);
    *config = (struct sw_config){0};
}

enum sw_log_level sw_config_log_level(const struct sw_config *config)
{
    const char *word = config->log_level;
    return strcmp(word, "debug") == 0   ? SW_LOG_DEBUG
           : strcmp(word, "warn") == 0  ? SW_LOG_WARN
           : strcmp(word, "error") == 0 ? SW_LOG_ERROR
                                        : SW_LOG_INFO;
}

enum sw_log_format sw_config_log_format(const struct sw_config *config)
{
    const char *word = config->log_format;
    return strcmp(word, "json") == 0   ? SW_LOG_JSON
           : strcmp(word, "text") == 0 ? SW_LOG_TEXT
                                       : SW_LOG_AUTO;
}

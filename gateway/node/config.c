// SPDX-License-Identifier: Apache-2.0
#include "node/config.h"

#include "bus/bus.h"
#include "common/mem.h"
#include "net/address.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define LISTENERS  8
#define NAME_BYTES 64

const struct sw_config_row sw_config_rows[SW_CONFIG_COUNT] = {
#define SW_CONFIG(field, type, fallback, min, max, unit, help)                                     \
    {#field,   SW_CONFIG_TYPE_##type,                                                              \
     fallback, min,                                                                                \
     max,      unit,                                                                               \
     help,     offsetof(struct sw_config, field)},
#include "node/config.def"
};
_Static_assert(SW_CONFIG_COUNT <= 64, "a bit for each field");

/* Settings of the contract that this version does not have yet. */
static const char *const later[] = {
    "budget",       "tls_cert",   "tls_key",      "trusted_proxy",  "jwt_secret_file",
    "jwt_key_file", "jwt_issuer", "jwt_audience", "drain_delay_ms", "service",
    "environment",  "topics",     NULL,
};

bool sw_config_is_set(const struct sw_config *config, enum sw_config_field field)
{
    return config->set >> field & 1;
}

int sw_config_find(const char *name)
{
    for (int i = 0; i < SW_CONFIG_COUNT; i++) {
        if (strcmp(sw_config_rows[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* ---- nearest name ---- */

static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_BYTES + 1];
    size_t n = strlen(b);
    if (n > NAME_BYTES || strlen(a) > NAME_BYTES) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[n];
}

const char *sw_config_nearest(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 2;
    for (; *names; names++) {
        size_t d = distance(word, *names);
        if (d < best) {
            best = d;
            nearest = *names;
        }
    }
    return nearest;
}

/* The name as a person types it: --max-connections, or max_connections in the file. */
static void append_name(struct sw_buf *out, const char *name, bool dashes)
{
    if (!dashes) {
        sw_buf_printf(out, "\"%s\"", name);
        return;
    }
    sw_buf_append_slice(out, SW_SLICE("--"));
    for (; *name; name++) {
        sw_buf_append_byte(out, *name == '_' ? '-' : *name);
    }
}

void sw_config_unknown(struct sw_buf *error, const char *what, const char *name, bool dashes)
{
    for (const char *const *known = later; *known; known++) {
        if (strcmp(*known, name) == 0) {
            append_name(error, name, dashes);
            sw_buf_append_slice(error, SW_SLICE(" is not supported by this version\n"));
            return;
        }
    }
    const char *names[SW_CONFIG_COUNT + 1] = {0};
    for (int i = 0; i < SW_CONFIG_COUNT; i++) {
        names[i] = sw_config_rows[i].name;
    }
    const char *nearest = sw_config_nearest(name, names);
    sw_buf_printf(error, "unknown %s ", what);
    append_name(error, name, dashes);
    if (nearest) {
        sw_buf_append_slice(error, SW_SLICE("; did you mean "));
        append_name(error, nearest, dashes);
        sw_buf_append_byte(error, '?');
    }
    sw_buf_append_byte(error, '\n');
}

/* ---- values ---- */

static void *field_of(struct sw_config *config, int row)
{
    return (char *)config + sw_config_rows[row].offset;
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
    while (*list && (*list)[count]) {
        count++;
    }
    *list = sw_realloc(*list, (count + 2) * sizeof(char *));
    (*list)[count] = sw_strndup(item.data, item.size);
    (*list)[count + 1] = NULL;
}

static void set_list(char ***list, const char *text, bool first)
{
    if (first || !*list) {
        free_list(*list);
        *list = sw_zalloc(sizeof(char *));
    }
    struct sw_slice rest = sw_slice_of(text);
    while (rest.data && rest.size) {
        struct sw_slice item = sw_slice_trim(sw_slice_split(&rest, ','));
        if (item.size) {
            append_list(list, item);
        }
    }
}

static bool read_flag(const char *text, bool *value)
{
    *value = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    return *value || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
}

static bool fail(struct sw_buf *error, const char *where, const char *what, const char *text)
{
    sw_buf_printf(error, "%s: %s, not \"%s\"\n", where, what, text);
    return false;
}

static bool set_number(const struct sw_config_row *row, uint64_t *value, const char *text,
                       const char *where, struct sw_buf *error)
{
    uint64_t number;
    if (!sw_slice_to_u64(sw_slice_of(text), row->max, &number) || number < row->min) {
        sw_buf_printf(error, "%s: a number from %llu to %llu is needed, not \"%s\"\n", where,
                      (unsigned long long)row->min, (unsigned long long)row->max, text);
        return false;
    }
    *value = number;
    return true;
}

bool sw_config_set(struct sw_config *config, int row, const char *text, bool first,
                   const char *where, struct sw_buf *error)
{
    void *field = field_of(config, row);
    switch (sw_config_rows[row].type) {
    case SW_CONFIG_TYPE_flag:
        if (!read_flag(text, field)) {
            return fail(error, where, "true or false is needed", text);
        }
        break;
    case SW_CONFIG_TYPE_number:
        if (!set_number(&sw_config_rows[row], field, text, where, error)) {
            return false;
        }
        break;
    case SW_CONFIG_TYPE_text:
        sw_free(*(char **)field);
        *(char **)field = sw_strndup(text, strlen(text));
        break;
    case SW_CONFIG_TYPE_list:
        set_list(field, text, first);
        break;
    }
    config->set |= UINT64_C(1) << row;
    return true;
}

void sw_config_init(struct sw_config *config)
{
    *config = (struct sw_config){0};
    struct sw_buf error = {0};
    for (int i = 0; i < SW_CONFIG_COUNT; i++) {
        bool ok = sw_config_set(config, i, sw_config_rows[i].fallback, true, "default", &error);
        SW_ASSERT(ok);
    }
    config->set = 0;
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
    *config = (struct sw_config){0};
}

/* ---- environment and flags ---- */

#define ENVIRONMENT "SPILLWAY_"

/* SPILLWAY_MAX_CONNECTIONS -> max_connections, or false. */
static bool environment_name(const char *entry, char name[NAME_BYTES])
{
    size_t skip = sizeof(ENVIRONMENT) - 1;
    size_t n = 0;
    if (strncmp(entry, ENVIRONMENT, skip) != 0) {
        return false;
    }
    for (const char *at = entry + skip; *at && *at != '=' && n < NAME_BYTES - 1; at++) {
        name[n++] = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    }
    name[n] = 0;
    return true;
}

/* Foreign variables of that prefix are not ours to judge. */
static bool load_environment(struct sw_config *config, char *const *environment,
                             struct sw_buf *error)
{
    for (; environment && *environment; environment++) {
        char name[NAME_BYTES];
        const char *value = strchr(*environment, '=');
        if (!value || !environment_name(*environment, name)) {
            continue;
        }
        int row = sw_config_find(name);
        char where[NAME_BYTES + 16];
        snprintf(where, sizeof(where), "%.*s", (int)(value - *environment), *environment);
        if (row >= 0 && !sw_config_set(config, row, value + 1, true, where, error)) {
            return false;
        }
    }
    return true;
}

/* One flag of the command line, taken apart. */
struct flag {
    char name[NAME_BYTES]; /* with '_' */
    const char *value;     /* NULL: none in the same word */
};

static bool split_flag(const char *word, struct flag *flag, struct sw_buf *error)
{
    if (strncmp(word, "--", 2) != 0 || !word[2]) {
        sw_buf_printf(error, "unexpected argument \"%s\"; flags begin with --\n", word);
        return false;
    }
    size_t n = 0;
    const char *at = word + 2;
    for (; *at && *at != '=' && n < NAME_BYTES - 1; at++) {
        flag->name[n++] = *at == '-' ? '_' : *at;
    }
    flag->name[n] = 0;
    flag->value = *at == '=' ? at + 1 : NULL;
    return true;
}

/* --no-demo is --demo=false. */
static int find_flag(struct flag *flag)
{
    int row = sw_config_find(flag->name);
    if (row < 0 && strncmp(flag->name, "no_", 3) == 0 && !flag->value) {
        row = sw_config_find(flag->name + 3);
        if (row >= 0 && sw_config_rows[row].type == SW_CONFIG_TYPE_flag) {
            flag->value = "false";
            return row;
        }
        return -1;
    }
    return row;
}

/* Reads argv[*at], and the word behind it where the flag needs one. */
static bool read_flag_at(int argc, char *const *argv, int *at, struct flag *flag, int *row,
                         struct sw_buf *error)
{
    if (!split_flag(argv[*at], flag, error)) {
        return false;
    }
    *row = find_flag(flag);
    if (*row >= 0 && memchr(argv[*at], '_', strcspn(argv[*at], "="))) {
        sw_buf_printf(error, "unknown flag %s; did you mean ", argv[*at]);
        append_name(error, sw_config_rows[*row].name, true);
        sw_buf_append_slice(error, SW_SLICE("?\n"));
        return false;
    }
    if (*row < 0) {
        sw_config_unknown(error, "flag", flag->name, true);
        return false;
    }
    if (flag->value) {
        return true;
    }
    if (sw_config_rows[*row].type == SW_CONFIG_TYPE_flag) {
        flag->value = "true";
        return true;
    }
    if (*at + 1 >= argc) {
        sw_buf_printf(error, "%s needs a value: %s\n", argv[*at], sw_config_rows[*row].unit);
        return false;
    }
    flag->value = argv[++*at];
    return true;
}

/* Both passes over the flags: the first only looks for --config. */
static bool load_flags(struct sw_config *config, int argc, char *const *argv, bool only_config,
                       struct sw_buf *error)
{
    uint64_t seen = 0;
    for (int at = 0; at < argc; at++) {
        struct flag flag;
        int row;
        const char *word = argv[at];
        if (!read_flag_at(argc, argv, &at, &flag, &row, error)) {
            return false;
        }
        if (only_config && row != SW_CONFIG_config) {
            continue;
        }
        char where[NAME_BYTES + 8];
        snprintf(where, sizeof(where), "%.*s", (int)strcspn(word, "="), word);
        bool first = !(seen >> row & 1);
        seen |= UINT64_C(1) << row;
        if (!sw_config_set(config, row, flag.value, first, where, error)) {
            return false;
        }
    }
    return true;
}

bool sw_config_load(struct sw_config *config, int argc, char *const *argv, char *const *environment,
                    struct sw_buf *error)
{
    for (char *const *entry = environment; entry && *entry; entry++) {
        if (strncmp(*entry, "SPILLWAY_CONFIG=", 16) == 0 &&
            !sw_config_set(config, SW_CONFIG_config, *entry + 16, true, "SPILLWAY_CONFIG", error)) {
            return false;
        }
    }
    return load_flags(config, argc, argv, true, error) &&
           (!config->config[0] || sw_config_load_file(config, config->config, error)) &&
           load_environment(config, environment, error) &&
           load_flags(config, argc, argv, false, error) && sw_config_check(config, error);
}

/* ---- checks ---- */

static bool check_listen(const struct sw_config *config, const char *text, struct sw_buf *error)
{
    struct sw_address address;
    struct sw_slice rest = sw_slice_of(text);
    struct sw_slice plain = sw_slice_split(&rest, ',');
    if (rest.data) {
        sw_buf_printf(error, "--listen %s: ,tls and ,proxy are not supported by this version\n",
                      text);
        return false;
    }
    if (sw_address_parse(plain, &address)) {
        sw_buf_printf(error,
                      "--listen %s: an address is ADDR:PORT, like 127.0.0.1:8000 or [::1]:8000\n",
                      text);
        return false;
    }
    if (!sw_address_is_loopback(&address) && strcmp(config->auth, "none") != 0) {
        sw_buf_printf(error,
                      "--listen %s is no loopback address and nothing says who may connect: "
                      "add --auth none if anybody may\n",
                      text);
        return false;
    }
    return true;
}

static bool check_addresses(const struct sw_config *config, struct sw_buf *error)
{
    size_t count = 0;
    for (char **text = config->listen; *text; text++, count++) {
        if (!check_listen(config, *text, error)) {
            return false;
        }
    }
    if (count == 0 || count > LISTENERS) {
        sw_buf_printf(error, "--listen: 1 to %d addresses\n", LISTENERS);
        return false;
    }
    struct sw_address admin;
    if (sw_address_parse(sw_slice_of(config->admin_listen), &admin)) {
        return fail(error, "--admin-listen", "an address is ADDR:PORT, like 127.0.0.1:9000",
                    config->admin_listen);
    }
    if (!sw_address_is_loopback(&admin) && !config->api_key_file[0]) {
        sw_buf_printf(error, "--admin-listen %s is no loopback address: it needs --api-key-file\n",
                      config->admin_listen);
        return false;
    }
    return true;
}

static bool one_of(const char *value, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(value, *words) == 0) {
            return true;
        }
    }
    return false;
}

static bool check_words(const struct sw_config *config, struct sw_buf *error)
{
    static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
    static const char *const formats[] = {"auto", "text", "json", NULL};
    static const char *const separators[] = {".", ":", "/", NULL};
    static const char *const auths_later[] = {"jwt", "callback", NULL};
    if (!one_of(config->log_level, levels)) {
        return fail(error, "--log-level", "debug, info, warn or error", config->log_level);
    }
    if (!one_of(config->log_format, formats)) {
        return fail(error, "--log-format", "auto, text or json", config->log_format);
    }
    if (!one_of(config->topic_separator, separators)) {
        return fail(error, "--topic-separator", "one of . : /", config->topic_separator);
    }
    if (one_of(config->auth, auths_later)) {
        sw_buf_printf(error, "--auth %s is not supported by this version\n", config->auth);
        return false;
    }
    if (config->auth[0] && strcmp(config->auth, "none") != 0) {
        return fail(error, "--auth", "none is what there is", config->auth);
    }
    if (config->echo_path[0] && config->echo_path[0] != '/') {
        return fail(error, "--echo-path", "a path begins with /", config->echo_path);
    }
    return true;
}

static bool check_prefix(const struct sw_config *config, struct sw_buf *error)
{
    if (strlen(config->prefix) > 128) {
        return fail(error, "--prefix", "at most 128 bytes", config->prefix);
    }
    for (const char *at = config->prefix; *at; at++) {
        if (*at == '{' || *at == '}' || (unsigned char)*at <= ' ' || *at == 127) {
            return fail(error, "--prefix", "no braces, spaces or control bytes", config->prefix);
        }
    }
    return true;
}

bool sw_config_check(const struct sw_config *config, struct sw_buf *error)
{
    const char *why;
    if (!sw_bus_url_check(config->bus, &why)) {
        sw_buf_printf(error, "--bus: %s\n", why);
        return false;
    }
    if (config->max_queued_bytes < 2 * config->max_message_bytes) {
        sw_buf_printf(
            error, "--max-queued-bytes (%llu) must be at least twice --max-message-bytes (%llu)\n",
            (unsigned long long)config->max_queued_bytes,
            (unsigned long long)config->max_message_bytes);
        return false;
    }
    if (config->stall_ms < config->pong_ms) {
        sw_buf_printf(error, "--stall-ms must not be below --pong-ms\n");
        return false;
    }
    return check_words(config, error) && check_prefix(config, error) &&
           check_addresses(config, error);
}

// SPDX-License-Identifier: Apache-2.0
/* What a single value cannot tell: words, addresses, and settings that contradict each other. */
#include "api/guard.h"
#include "bus/bus.h"
#include "common/mem.h"
#include "core/topic.h"
#include "net/network.h"
#include "net/tls_context.h"
#include "node/config_keys.h"
#include "node/config_table.h"
#include "node/listen.h"
#include "node/worker.h"

#include <stdarg.h>
#include <string.h>

#define PREFIX_BYTES 128
#define NAME_BYTES   64
#define LEAST_BUDGET (1u << 20)

/* One line that begins with the setting's name as whoever gave it wrote it. Always false. */
static bool fail(const struct sw_config *config, enum sw_config_field field, struct sw_buf *error,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

static bool fail(const struct sw_config *config, enum sw_config_field field, struct sw_buf *error,
                 const char *format, ...)
{
    enum sw_config_source source = config->sources[field];
    if (source == SW_CONFIG_FILE) {
        sw_buf_printf(error, "%s: ", config->config[0] ? config->config : "file");
    }
    sw_config_append_name(error, sw_config_rows[field].name, source);
    sw_buf_append_byte(error, ' ');
    va_list arguments;
    va_start(arguments, format);
    sw_buf_vprintf(error, format, arguments);
    va_end(arguments);
    sw_buf_append_byte(error, '\n');
    return false;
}

/* The first line of `why`, which ends with its line break. */
static void fail_line(const struct sw_config *config, enum sw_config_field field,
                      struct sw_buf *error, const struct sw_buf *why)
{
    struct sw_slice line = sw_buf_slice(why);
    line.size = sw_slice_find(line, '\n');
    fail(config, field, error, "%.*s", SW_SLICE_ARG(line));
}

/* ---- addresses ---- */

/* Is one of the public listeners before `end` (NULL: any) there, too? The kernel would let both
 * listen, and give each some of the connections. */
static bool is_taken(const struct sw_config *config, const struct sw_address *address,
                     char *const *end)
{
    for (char **text = config->listen; *text && text != end; text++) {
        struct sw_listen other;
        const char *why;
        if (sw_address_port(address) != 0 && sw_listen_parse(sw_slice_of(*text), &other, &why) &&
            other.address.size == address->size &&
            memcmp(&other.address.u, &address->u, address->size) == 0) {
            return true;
        }
    }
    return false;
}

static bool check_listen(const struct sw_config *config, char *const *at, struct sw_buf *error)
{
    const char *text = *at;
    struct sw_listen listen;
    const char *why;
    if (!sw_listen_parse(sw_slice_of(text), &listen, &why)) {
        return fail(config, SW_CONFIG_listen, error, "%s: %s", text, why);
    }
    if (is_taken(config, &listen.address, at)) {
        return fail(config, SW_CONFIG_listen, error, "%s: this address stands twice: leave one out",
                    text);
    }
    if (listen.tls && !config->tls_cert[0]) {
        return fail(config, SW_CONFIG_listen, error,
                    "%s: it has no certificate to show: add --tls-cert FILE and --tls-key FILE",
                    text);
    }
    if (listen.proxy && !config->trusted_proxy[0]) {
        return fail(config, SW_CONFIG_listen, error,
                    "%s: nothing says whose PROXY headers are believed: add --trusted-proxy CIDR "
                    "for each balancer",
                    text);
    }
    if (!sw_address_is_loopback(&listen.address) && strcmp(config->auth, "none") != 0 &&
        !sw_config_wants_tokens(config)) {
        return fail(config, SW_CONFIG_listen, error,
                    "%s is not a loopback address, and nothing says who may connect: "
                    "add --auth none if anybody may, or --jwt-key-file FILE.pem if a token is "
                    "needed",
                    text);
    }
    return true;
}

static bool check_listens(const struct sw_config *config, struct sw_buf *error)
{
    size_t count = 0;
    for (char **text = config->listen; *text; text++, count++) {
        if (!check_listen(config, text, error)) {
            return false;
        }
    }
    if (count == 0 || count > SW_LISTENERS) {
        return fail(config, SW_CONFIG_listen, error, "takes 1 to %d addresses", SW_LISTENERS);
    }
    return true;
}

/* Is the line about that file? */
static bool is_about(struct sw_slice line, const char *file)
{
    struct sw_slice name = sw_slice_of(file);
    return sw_slice_starts_with(line, name) && line.size > name.size && line.data[name.size] == ' ';
}

static bool check_tls(const struct sw_config *config, struct sw_buf *error)
{
    if (!config->tls_cert[0] && !config->tls_key[0]) {
        return true;
    }
    if (!config->tls_key[0]) {
        return fail(config, SW_CONFIG_tls_cert, error, "comes with its key: add --tls-key FILE");
    }
    if (!config->tls_cert[0]) {
        return fail(config, SW_CONFIG_tls_key, error,
                    "comes with its certificate: add --tls-cert FILE");
    }
    struct sw_buf why = {0};
    struct sw_tls_context *context = sw_tls_context_create(config->tls_cert, config->tls_key, &why);
    bool ok = context != NULL;
    if (!ok) {
        struct sw_slice rest = sw_buf_slice(&why);
        struct sw_slice line = sw_slice_split(&rest, '\n');
        fail(config, is_about(line, config->tls_key) ? SW_CONFIG_tls_key : SW_CONFIG_tls_cert,
             error, "%.*s", SW_SLICE_ARG(line));
    }
    sw_tls_context_unref(&context);
    sw_buf_deinit(&why);
    return ok;
}

static bool check_api_keys(const struct sw_config *config, struct sw_buf *error)
{
    struct sw_guard guard;
    struct sw_buf why = {0};
    bool ok = sw_guard_init(&guard, NULL, config->api_key, true, error);
    sw_guard_deinit(&guard);
    if (ok && !sw_guard_init(&guard, config->api_key_file, NULL, true, &why)) {
        struct sw_slice line = sw_buf_slice(&why);
        line.size = sw_slice_find(line, '\n');
        ok = fail(config, SW_CONFIG_api_key_file, error, "%.*s", SW_SLICE_ARG(line));
    }
    sw_guard_deinit(&guard);
    sw_buf_deinit(&why);
    return ok;
}

static bool check_trusted(const struct sw_config *config, struct sw_buf *error)
{
    struct sw_networks networks;
    struct sw_buf why = {0};
    bool ok = sw_networks_parse(config->trusted_proxy, &networks, &why);
    if (!ok) {
        fail(config, SW_CONFIG_trusted_proxy, error, "%s", sw_buf_text(&why));
    } else if (networks.count > SW_TRUSTED_NETWORKS) {
        ok = fail(config, SW_CONFIG_trusted_proxy, error, "takes at most %d networks",
                  SW_TRUSTED_NETWORKS);
    }
    sw_buf_deinit(&why);
    sw_networks_deinit(&networks);
    return ok;
}

static bool check_admin(const struct sw_config *config, struct sw_buf *error)
{
    struct sw_address address;
    if (sw_address_parse(sw_slice_of(config->admin_listen), &address)) {
        return fail(config, SW_CONFIG_admin_listen, error,
                    "%s: an address is ADDR:PORT in numbers, like 127.0.0.1:9000",
                    config->admin_listen);
    }
    if (is_taken(config, &address, NULL)) {
        return fail(config, SW_CONFIG_admin_listen, error,
                    "%s is a public listener, too (--listen): give it another port",
                    config->admin_listen);
    }
    bool loopback = sw_address_is_loopback(&address);
    if (!loopback && !config->api_key_file[0] && !config->api_key) {
        return fail(config, SW_CONFIG_admin_listen, error,
                    "%s is not a loopback address: it needs keys, add --api-key-file FILE or "
                    "set " SW_API_KEY_VARIABLE,
                    config->admin_listen);
    }
    return check_api_keys(config, error);
}

/* ---- tokens ---- */

/* Loads what `keys` names and lets it go; `field` is the setting to blame. */
static bool try_keys(const struct sw_config *config, enum sw_config_field field,
                     const struct sw_keyring_config *keys, struct sw_buf *error)
{
    struct sw_buf why = {0};
    struct sw_keyring *keyring = sw_keyring_load(keys, &why);
    bool ok = keyring != NULL;
    if (!ok) {
        fail_line(config, field, error, &why);
    }
    sw_keyring_unref(&keyring);
    sw_buf_deinit(&why);
    return ok;
}

/* Whatever is wrong with a file is said before a node starts. */
static bool check_token_keys(const struct sw_config *config, struct sw_buf *error)
{
    struct sw_keyring_config all = sw_config_keys(config);
    struct sw_keyring_config secret = all;
    secret.key_files = NULL;
    return (!config->jwt_secret_file[0] ||
            try_keys(config, SW_CONFIG_jwt_secret_file, &secret, error)) &&
           (!config->jwt_key_file[0] || try_keys(config, SW_CONFIG_jwt_key_file, &all, error));
}

/* What is said about tokens, or SW_CONFIG_COUNT. */
static enum sw_config_field find_token_setting(const struct sw_config *config)
{
    static const enum sw_config_field fields[] = {SW_CONFIG_jwt_secret_file, SW_CONFIG_jwt_key_file,
                                                  SW_CONFIG_jwt_issuer, SW_CONFIG_jwt_audience,
                                                  SW_CONFIG_jwt_leeway_ms};
    for (size_t i = 0; i < SW_ARRAY_SIZE(fields); i++) {
        if (sw_config_is_set(config, fields[i])) {
            return fields[i];
        }
    }
    return SW_CONFIG_COUNT;
}

static bool check_tokens(const struct sw_config *config, struct sw_buf *error)
{
    static const char fix[] = "add --jwt-secret-file FILE or --jwt-key-file FILE.pem";
    enum sw_config_field said = find_token_setting(config);
    if (strcmp(config->auth, "none") == 0 && said != SW_CONFIG_COUNT) {
        return fail(
            config, said, error,
            "says what a token must be, and --auth none that nobody needs one: leave one of "
            "the two out");
    }
    if (!sw_config_has_keys(config) && sw_config_wants_tokens(config)) {
        return fail(config, SW_CONFIG_auth, error, "jwt needs a key: %s", fix);
    }
    if (!sw_config_has_keys(config) && said != SW_CONFIG_COUNT) {
        return fail(config, said, error, "means nothing without a key: %s", fix);
    }
    return check_token_keys(config, error);
}

/* ---- words ---- */

static bool check_word(const struct sw_config *config, enum sw_config_field field,
                       const char *value, const char *const *words, struct sw_buf *error)
{
    for (const char *const *word = words; *word; word++) {
        if (strcmp(value, *word) == 0) {
            return true;
        }
    }
    return fail(config, field, error, "is %s, not \"%s\"", sw_config_rows[field].unit, value);
}

static bool check_words(const struct sw_config *config, struct sw_buf *error)
{
    static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
    static const char *const formats[] = {"auto", "text", "json", NULL};
    static const char *const auths[] = {"", "none", "jwt", NULL};
    if (strcmp(config->auth, "callback") == 0) {
        return fail(config, SW_CONFIG_auth, error, "%s is not supported by this version",
                    config->auth);
    }
    return check_word(config, SW_CONFIG_log_level, config->log_level, levels, error) &&
           check_word(config, SW_CONFIG_log_format, config->log_format, formats, error) &&
           check_word(config, SW_CONFIG_auth, config->auth, auths, error);
}

/* What would have to be escaped in a path, an origin or a channel. */
static bool has_blank(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7f) {
            return true;
        }
    }
    return false;
}

/* Browsers send scheme://host[:port] and nothing behind it; anything else would match nobody. */
static bool check_origins(const struct sw_config *config, struct sw_buf *error)
{
    for (char **origin = config->origin; *origin; origin++) {
        const char *host = strstr(*origin, "://");
        if (!host || host == *origin || !host[3] || strpbrk(host + 3, "/?#*@") ||
            has_blank(*origin)) {
            return fail(config, SW_CONFIG_origin, error,
                        "%s: an origin is scheme://host[:port], like https://example.com, with "
                        "nothing behind it",
                        *origin);
        }
    }
    return true;
}

/* They are labels on /metrics and values in the log. */
static bool check_name(const struct sw_config *config, enum sw_config_field field, const char *name,
                       struct sw_buf *error)
{
    if (strlen(name) > NAME_BYTES || has_blank(name) || strpbrk(name, "\"\\")) {
        return fail(config, field, error,
                    "has at most %d bytes, and no blanks, quotes and backslashes, unlike \"%s\"",
                    NAME_BYTES, name);
    }
    return true;
}

static bool check_texts(const struct sw_config *config, struct sw_buf *error)
{
    const char *separator = config->topic_separator;
    if (!separator[0] || separator[1] || !strchr(".:/", separator[0])) {
        return fail(config, SW_CONFIG_topic_separator, error, "is one of . : / and not \"%s\"",
                    separator);
    }
    if (strlen(config->prefix) > PREFIX_BYTES) {
        return fail(config, SW_CONFIG_prefix, error, "has at most %d bytes", PREFIX_BYTES);
    }
    if (has_blank(config->prefix) || strpbrk(config->prefix, "{}")) {
        return fail(config, SW_CONFIG_prefix, error,
                    "has no braces, spaces or control bytes, unlike \"%s\"", config->prefix);
    }
    const char *echo = config->echo_path;
    if (echo[0] && (echo[0] != '/' || has_blank(echo) || strpbrk(echo, "?#"))) {
        return fail(config, SW_CONFIG_echo_path, error, "is a path like /echo, not \"%s\"", echo);
    }
    return check_name(config, SW_CONFIG_service, config->service, error) &&
           check_name(config, SW_CONFIG_environment, config->environment, error) &&
           check_origins(config, error);
}

/* The URL is not shown: it may hold a password. */
static bool check_bus(const struct sw_config *config, struct sw_buf *error)
{
    static const char *const later[] = {"rediss://", "redis-sentinel://", "redis-cluster://", NULL};
    for (const char *const *scheme = later; *scheme; scheme++) {
        if (strncmp(config->bus, *scheme, strlen(*scheme)) == 0) {
            return fail(config, SW_CONFIG_bus, error, "%s is not supported by this version",
                        *scheme);
        }
    }
    const char *why;
    if (!sw_bus_url_check(config->bus, &why)) {
        return fail(config, SW_CONFIG_bus, error, "cannot be used: %s", why);
    }
    return true;
}

/* ---- numbers ---- */

/* The setting of the two that the operator gave is the one to name. */
static bool check_order(const struct sw_config *config, enum sw_config_field low,
                        uint64_t low_value, enum sw_config_field high, uint64_t high_value,
                        struct sw_buf *error)
{
    bool blame_high = !sw_config_is_set(config, low);
    struct sw_buf other = {0};
    sw_config_append_name(&other, sw_config_rows[blame_high ? low : high].name, SW_CONFIG_FLAG);
    bool ok = low_value <= high_value;
    if (!ok && blame_high) {
        fail(config, high, error, "(%llu) must not be below %s (%llu): lower that one, too",
             (unsigned long long)high_value, sw_buf_text(&other), (unsigned long long)low_value);
    } else if (!ok) {
        fail(config, low, error, "(%llu) must not be above %s (%llu): raise that one, too",
             (unsigned long long)low_value, sw_buf_text(&other), (unsigned long long)high_value);
    }
    sw_buf_deinit(&other);
    return ok;
}

/* Low: shedding ends; high: it begins; max: whatever the reason, it is too much. */
static bool check_marks(const struct sw_config *config, struct sw_buf *error)
{
    uint64_t least = 2 * config->max_message_bytes;
    if (config->max_queued_bytes < least) {
        return fail(config, SW_CONFIG_max_queued_bytes, error,
                    "(%llu) must be at least twice --max-message-bytes (%llu): add "
                    "--max-queued-bytes %llu, or lower --max-message-bytes",
                    (unsigned long long)config->max_queued_bytes,
                    (unsigned long long)config->max_message_bytes, (unsigned long long)least);
    }
    return check_order(config, SW_CONFIG_queue_low_bytes, config->queue_low_bytes,
                       SW_CONFIG_queue_high_bytes, config->queue_high_bytes, error) &&
           check_order(config, SW_CONFIG_queue_high_bytes, config->queue_high_bytes,
                       SW_CONFIG_max_queued_bytes, config->max_queued_bytes, error);
}

static bool check_numbers(const struct sw_config *config, struct sw_buf *error)
{
    if (config->budget && config->budget < LEAST_BUDGET) {
        return fail(config, SW_CONFIG_budget, error, "(%llu) must be at least 1m, or 0",
                    (unsigned long long)config->budget);
    }
    if (config->stall_ms < config->pong_ms) {
        return fail(config, SW_CONFIG_stall_ms, error,
                    "(%llu) must not be below --pong-ms (%llu): who has unread data gets longer",
                    (unsigned long long)config->stall_ms, (unsigned long long)config->pong_ms);
    }
    return check_marks(config, error);
}

/* ---- topic rules ---- */

static bool fail_rule(const struct sw_config *config, uint32_t index, struct sw_buf *error,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

static bool fail_rule(const struct sw_config *config, uint32_t index, struct sw_buf *error,
                      const char *format, ...)
{
    sw_buf_printf(error, "%s: " SW_CONFIG_RULES "[%u] \"%.*s\": ", config->config, index,
                  SW_SLICE_ARG(config->rules.rows[index].match));
    va_list arguments;
    va_start(arguments, format);
    sw_buf_vprintf(error, format, arguments);
    va_end(arguments);
    sw_buf_append_byte(error, '\n');
    return false;
}

static bool check_rule(const struct sw_config *config, uint32_t index, struct sw_buf *error)
{
    const struct sw_rules *rules = &config->rules;
    const struct sw_rule *rule = &rules->rows[index];
    const char *why;
    if (sw_topic_kind(rule->match, rules->separator, &why) == SW_TOPIC_BAD) {
        return fail_rule(config, index, error, "\"match\" is no topic or pattern: %s", why);
    }
    if (rule->max_message_bytes > config->max_message_bytes) {
        return fail_rule(
            config, index, error,
            "\"max_message_bytes\" (%u) is above the node's --max-message-bytes (%llu)",
            rule->max_message_bytes, (unsigned long long)config->max_message_bytes);
    }
    for (uint32_t i = 0; i < index; i++) {
        if (sw_slice_equal(rules->rows[i].match, rule->match)) {
            return fail_rule(config, index, error,
                             "this match stands in " SW_CONFIG_RULES "[%u] already", i);
        }
    }
    return true;
}

static bool check_rules(const struct sw_config *config, struct sw_buf *error)
{
    for (uint32_t i = 0; i + 1 < config->rules.count; i++) {
        if (!check_rule(config, i, error)) {
            return false;
        }
    }
    return true;
}

bool sw_config_check(const struct sw_config *config, struct sw_buf *error)
{
    return check_words(config, error) && check_texts(config, error) && check_bus(config, error) &&
           check_numbers(config, error) && check_rules(config, error) &&
           check_trusted(config, error) && check_listens(config, error) &&
           check_tls(config, error) && check_admin(config, error) && check_tokens(config, error);
}

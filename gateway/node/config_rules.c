// SPDX-License-Identifier: Apache-2.0
/* The entries of `topics` in the file: what one alone can tell. What takes the node's settings or
 * the other entries to judge is in config_check.c. */
#include "node/config_reading.h"
#include "node/config_table.h"

#include <stdarg.h>
#include <string.h>

const struct sw_config_rule_row sw_config_rule_rows[] = {
    [SW_CONFIG_RULE_MATCH] =
        {"match", "topic or pattern", "",
         "What the rule is for; the one key that is needed. A pattern subscription falls under "
         "a rule only if this covers all of it."},
    [SW_CONFIG_RULE_MODE] =
        {"mode", "all, latest, disconnect", "all, if allowed",
         "What a client that is behind gets: everything that is held, in order; the newest of "
         "each topic and key; or its connection ends (4030)."},
    [SW_CONFIG_RULE_MODES_ALLOWED] =
        {"modes_allowed", "list of modes", "all and latest",
         "What a client may ask for instead. disconnect is the rule's alone: nothing "
         "stands beside it, and under mode disconnect it is the default."},
    [SW_CONFIG_RULE_MAX_HZ] =
        {"max_hz", "1, 2, 5, 10, 20", "",
         "Paces every subscription to so many deliveries a second, for each topic and key the "
         "newest; a client may only lower it. Not with mode disconnect."},
    [SW_CONFIG_RULE_MAX_MESSAGE_BYTES] = {"max_message_bytes", "1 to --max-message-bytes",
                                          "--max-message-bytes",
                                          "The largest payload of these topics."},
    [SW_CONFIG_RULE_CLIENT_PUBLISH] = {"client_publish", "true, false", "as --client-publish",
                                       "Clients may publish to these topics, or may not, whatever "
                                       "--client-publish says."},
    [SW_CONFIG_RULE_HISTORY] =
        {"history", "{\"size\", \"ttl_ms\"}", "none",
         "Each topic numbers its messages and keeps the newest `size` of them (default 100, up to "
         "100,000, 0: none), so that clients come back without a loss (`from`) or begin with the "
         "newest (`last`). They may be forgotten `ttl_ms` after the last one (default 300000, up "
         "to 31 days). Subscriptions by pattern have no positions."},
    [SW_CONFIG_RULE_RETAIN] =
        {"retain", "true, false", "false",
         "The last message of a topic without history stays, for who subscribes with `last`: on "
         "Redis as long as the node reads the topic."},
    [SW_CONFIG_RULE_RETAIN_KEY] =
        {"retain_key", "a key of Redis with {topic}", "",
         "Where the last message of a topic is looked for that this node has not read yet; whoever "
         "publishes sets it. Stands as it is, without --prefix. Comes with retain."},
    [SW_CONFIG_RULE_COMPRESS] =
        {"compress", "true, false", "false",
         "Messages of --compress-min-bytes and more are compressed, once for all WebSocket clients "
         "that take permessage-deflate (browsers do). Not for topics where a secret stands beside "
         "what a stranger may choose: the length tells of it. With such a rule clients may "
         "compress what they send, too."},
    [SW_CONFIG_RULE_COUNT] = {0},
};

/* What a history has that does not say more. */
#define HISTORY_SIZE   100
#define HISTORY_TTL_MS 300000

/* One entry being read. */
struct entry {
    const struct sw_config_reading *reading;
    uint32_t index;
    struct sw_json_value values[SW_CONFIG_RULE_COUNT]; /* raw.data == NULL: not given */
    struct sw_rule rule;
    struct sw_buf match;
    struct sw_buf retain_key;
};

static bool given(const struct entry *entry, enum sw_config_rule_key key)
{
    return entry->values[key].raw.data != NULL;
}

static bool fail(const struct entry *entry, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(const struct entry *entry, const char *at, const char *format, ...)
{
    struct sw_buf *error = entry->reading->error;
    sw_config_append_place(entry->reading, at, error);
    sw_buf_printf(error, SW_CONFIG_RULES "[%u]: ", entry->index);
    va_list arguments;
    va_start(arguments, format);
    sw_buf_vprintf(error, format, arguments);
    va_end(arguments);
    sw_buf_append_byte(error, '\n');
    return false;
}

/* ---- keys ---- */

static int find_key(const char *const *names, const char *name)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static bool fail_unknown(const struct entry *entry, const char *at, const char *const *names,
                         const char *name)
{
    const char *nearest = sw_config_nearest(name, names);
    return nearest ? fail(entry, at, "unknown key \"%s\"; did you mean \"%s\"?", name, nearest)
                   : fail(entry, at, "unknown key \"%s\"", name);
}

/* Notes where the value of each of `names` (NULL-terminated) stands. */
static bool collect(const struct entry *entry, struct sw_slice object, const char *const *names,
                    struct sw_json_value *values)
{
    struct sw_json_walk walk = sw_json_walk(object);
    struct sw_json_member member;
    struct sw_buf name = {0};
    bool ok = true;
    while (ok && sw_json_next(&walk, &member)) {
        const char *at = member.name.data - 1;
        sw_buf_clear(&name);
        bool whole = sw_config_unescape(sw_slice(at, member.name.size + 2), &name);
        int key = whole ? find_key(names, sw_buf_text(&name)) : -1;
        if (key < 0) {
            ok = fail_unknown(entry, at, names, sw_buf_text(&name));
        } else if (values[key].raw.data) {
            ok = fail(entry, at, "\"%s\" stands twice", sw_buf_text(&name));
        } else {
            values[key] = member.value;
        }
    }
    sw_buf_deinit(&name);
    return ok;
}

static bool collect_keys(struct entry *entry, struct sw_slice object)
{
    const char *names[SW_CONFIG_RULE_COUNT + 1] = {0};
    for (int i = 0; i < SW_CONFIG_RULE_COUNT; i++) {
        names[i] = sw_config_rule_rows[i].name;
    }
    return collect(entry, object, names, entry->values);
}

/* ---- values ---- */

static bool read_match(struct entry *entry, struct sw_json_value value)
{
    if (value.type != SW_JSON_STRING) {
        return fail(entry, value.raw.data, "\"match\" must be a string");
    }
    if (!sw_config_unescape(value.raw, &entry->match)) {
        return fail(entry, value.raw.data, "a NUL in a string");
    }
    if (entry->match.size == 0) {
        return fail(entry, value.raw.data, "\"match\" is empty; a topic or pattern is needed");
    }
    entry->rule.match = sw_buf_slice(&entry->match);
    return true;
}

/* `what`: the value in words. */
static bool mode_of(struct entry *entry, struct sw_json_value value, const char *what,
                    enum sw_mode *mode)
{
    if (value.type != SW_JSON_STRING) {
        return fail(entry, value.raw.data, "%s", what);
    }
    struct sw_buf word = {0};
    sw_json_unescape(&word, value.raw);
    bool known = sw_mode_parse(sw_buf_slice(&word), mode);
    if (!known) {
        fail(entry, value.raw.data, "unknown mode \"%s\"; it is %s", sw_buf_text(&word),
             SW_MODE_WORDS);
    }
    sw_buf_deinit(&word);
    return known;
}

static bool read_mode(struct entry *entry, struct sw_json_value value)
{
    enum sw_mode mode;
    if (!mode_of(entry, value, "\"mode\" must be a string", &mode)) {
        return false;
    }
    entry->rule.mode = (uint8_t)mode;
    return true;
}

static bool read_modes_allowed(struct entry *entry, struct sw_json_value value)
{
    static const char what[] = "\"modes_allowed\" must be an array of strings";
    if (value.type != SW_JSON_ARRAY) {
        return fail(entry, value.raw.data, what);
    }
    struct sw_json_walk walk = sw_json_walk(value.raw);
    struct sw_json_member item;
    uint8_t modes = 0;
    while (sw_json_next(&walk, &item)) {
        enum sw_mode mode;
        if (!mode_of(entry, item.value, what, &mode)) {
            return false;
        }
        if (modes & SW_MODE_BIT(mode)) {
            return fail(entry, item.value.raw.data, "\"%s\" stands twice in \"modes_allowed\"",
                        sw_mode_word(mode));
        }
        modes |= SW_MODE_BIT(mode);
    }
    entry->rule.modes_allowed = modes;
    return modes || fail(entry, value.raw.data, "\"modes_allowed\" is empty; no client could come");
}

static bool read_max_hz(struct entry *entry, struct sw_json_value value)
{
    uint64_t hz;
    if (!sw_json_to_u64(value, UINT8_MAX, &hz) || !sw_max_hz_valid(hz)) {
        return fail(entry, value.raw.data, "\"max_hz\" must be %s", SW_MAX_HZ_WORDS);
    }
    entry->rule.max_hz = (uint8_t)hz;
    return true;
}

static bool read_max_message_bytes(struct entry *entry, struct sw_json_value value)
{
    uint64_t bytes;
    if (!sw_json_to_u64(value, UINT32_MAX, &bytes) || bytes == 0) {
        return fail(entry, value.raw.data, "\"max_message_bytes\" must be a whole number above 0");
    }
    entry->rule.max_message_bytes = (uint32_t)bytes;
    return true;
}

static bool read_client_publish(struct entry *entry, struct sw_json_value value)
{
    if (value.type != SW_JSON_TRUE && value.type != SW_JSON_FALSE) {
        return fail(entry, value.raw.data, "\"client_publish\" must be true or false");
    }
    entry->rule.client_publish = value.type == SW_JSON_TRUE;
    return true;
}

static bool read_history(struct entry *entry, struct sw_json_value value)
{
    enum { SIZE, TTL_MS, COUNT };
    static const char *const names[] = {"size", "ttl_ms", NULL};
    struct sw_json_value values[COUNT] = {0};
    uint64_t size = HISTORY_SIZE;
    uint64_t ttl_ms = HISTORY_TTL_MS;
    if (value.type != SW_JSON_OBJECT) {
        return fail(entry, value.raw.data,
                    "\"history\" must be an object: {\"size\": 100, \"ttl_ms\": 300000}");
    }
    if (!collect(entry, value.raw, names, values)) {
        return false;
    }
    if (values[SIZE].raw.data && !sw_json_to_u64(values[SIZE], SW_HISTORY_SIZE, &size)) {
        return fail(entry, values[SIZE].raw.data,
                    "\"size\" must be a whole number of messages, up to %d", SW_HISTORY_SIZE);
    }
    if (values[TTL_MS].raw.data &&
        (!sw_json_to_u64(values[TTL_MS], SW_HISTORY_TTL_MS, &ttl_ms) || ttl_ms == 0)) {
        return fail(entry, values[TTL_MS].raw.data,
                    "\"ttl_ms\" must be a whole number of milliseconds, 1 to %u (31 days)",
                    SW_HISTORY_TTL_MS);
    }
    entry->rule.history_size = (uint32_t)size;
    entry->rule.history_ttl_ms = ttl_ms;
    return true;
}

static bool read_retain(struct entry *entry, struct sw_json_value value)
{
    if (value.type != SW_JSON_TRUE && value.type != SW_JSON_FALSE) {
        return fail(entry, value.raw.data, "\"retain\" must be true or false");
    }
    entry->rule.retain = value.type == SW_JSON_TRUE;
    return true;
}

static bool read_retain_key(struct entry *entry, struct sw_json_value value)
{
    if (value.type != SW_JSON_STRING) {
        return fail(entry, value.raw.data, "\"retain_key\" must be a string");
    }
    if (!sw_config_unescape(value.raw, &entry->retain_key)) {
        return fail(entry, value.raw.data, "a NUL in a string");
    }
    const char *topic = strstr(sw_buf_text(&entry->retain_key), SW_RETAIN_TOPIC);
    if (!topic || strstr(topic + 1, SW_RETAIN_TOPIC)) {
        return fail(entry, value.raw.data,
                    "\"retain_key\" must have one " SW_RETAIN_TOPIC
                    " where the topic stands, like \"last:" SW_RETAIN_TOPIC "\"");
    }
    if (entry->retain_key.size > SW_RETAIN_KEY_BYTES) {
        return fail(entry, value.raw.data, "\"retain_key\" has at most %d bytes",
                    SW_RETAIN_KEY_BYTES);
    }
    entry->rule.retain_key = sw_buf_slice(&entry->retain_key);
    return true;
}

static bool read_compress(struct entry *entry, struct sw_json_value value)
{
    if (value.type != SW_JSON_TRUE && value.type != SW_JSON_FALSE) {
        return fail(entry, value.raw.data, "\"compress\" must be true or false");
    }
    entry->rule.compress = value.type == SW_JSON_TRUE;
    return true;
}

/* What the keys say together of what is kept. */
static bool check_kept(const struct entry *entry)
{
    const struct sw_rule *rule = &entry->rule;
    if (rule->retain && rule->history_size) {
        return fail(entry, entry->values[SW_CONFIG_RULE_RETAIN].raw.data,
                    "\"retain\" is for topics without \"history\": that keeps the last message, "
                    "too; leave \"retain\" out");
    }
    return rule->retain || !given(entry, SW_CONFIG_RULE_RETAIN_KEY) ||
           fail(entry, entry->values[SW_CONFIG_RULE_RETAIN_KEY].raw.data,
                "\"retain_key\" means nothing without \"retain\": true");
}

/* What the keys say together; fills in the modes that are not said. */
static bool settle_modes(struct entry *entry)
{
    struct sw_rule *rule = &entry->rule;
    const uint8_t disconnect = SW_MODE_BIT(SW_MODE_DISCONNECT);
    if (!given(entry, SW_CONFIG_RULE_MODES_ALLOWED)) {
        rule->modes_allowed = rule->mode == SW_MODE_DISCONNECT ? disconnect : SW_MODES_CHOICE;
    } else if (!given(entry, SW_CONFIG_RULE_MODE)) {
        rule->mode = (uint8_t)__builtin_ctz(rule->modes_allowed); /* the first of enum sw_mode */
    }
    if (rule->modes_allowed & disconnect && rule->modes_allowed != disconnect) {
        return fail(entry, entry->values[SW_CONFIG_RULE_MODES_ALLOWED].raw.data,
                    "\"disconnect\" stands alone in \"modes_allowed\": no client can choose it");
    }
    if (!(rule->modes_allowed & SW_MODE_BIT(rule->mode))) {
        return fail(entry, entry->values[SW_CONFIG_RULE_MODES_ALLOWED].raw.data,
                    "\"modes_allowed\" does not hold the rule's own mode \"%s\"",
                    sw_mode_word((enum sw_mode)rule->mode));
    }
    if (rule->max_hz && rule->mode == SW_MODE_DISCONNECT) {
        return fail(entry, entry->values[SW_CONFIG_RULE_MAX_HZ].raw.data,
                    "\"max_hz\" leaves messages out, which mode \"disconnect\" never does");
    }
    return true;
}

/* ---- entries ---- */

static bool read_values(struct entry *entry)
{
    static bool (*const read[SW_CONFIG_RULE_COUNT])(struct entry * entry,
                                                    struct sw_json_value value) = {
        [SW_CONFIG_RULE_MATCH] = read_match,
        [SW_CONFIG_RULE_MODE] = read_mode,
        [SW_CONFIG_RULE_MODES_ALLOWED] = read_modes_allowed,
        [SW_CONFIG_RULE_MAX_HZ] = read_max_hz,
        [SW_CONFIG_RULE_MAX_MESSAGE_BYTES] = read_max_message_bytes,
        [SW_CONFIG_RULE_CLIENT_PUBLISH] = read_client_publish,
        [SW_CONFIG_RULE_HISTORY] = read_history,
        [SW_CONFIG_RULE_RETAIN] = read_retain,
        [SW_CONFIG_RULE_RETAIN_KEY] = read_retain_key,
        [SW_CONFIG_RULE_COMPRESS] = read_compress,
    };
    for (int i = 0; i < SW_CONFIG_RULE_COUNT; i++) {
        if (given(entry, (enum sw_config_rule_key)i) && !read[i](entry, entry->values[i])) {
            return false;
        }
    }
    return true;
}

static bool read_entry(struct entry *entry, struct sw_json_value value)
{
    const char *at = value.raw.data;
    entry->rule.client_publish = -1;
    if (value.type != SW_JSON_OBJECT) {
        return fail(entry, at, "a rule is an object: {\"match\": \"orders.>\", ...}");
    }
    if (!collect_keys(entry, value.raw) || !read_values(entry)) {
        return false;
    }
    if (!given(entry, SW_CONFIG_RULE_MATCH)) {
        return fail(entry, at, "\"match\" is missing: a topic or pattern");
    }
    if (!settle_modes(entry) || !check_kept(entry)) {
        return false;
    }
    return sw_rules_add(&entry->reading->config->rules, &entry->rule) ||
           fail(entry, at, "more than %d rules", SW_RULES);
}

bool sw_config_read_rules(const struct sw_config_reading *reading, struct sw_json_value value)
{
    if (value.type != SW_JSON_ARRAY) {
        return sw_config_fail_at(reading, value.raw.data,
                                 "\"" SW_CONFIG_RULES "\" must be an array of rules");
    }
    struct sw_json_walk walk = sw_json_walk(value.raw);
    struct sw_json_member item;
    bool ok = true;
    for (uint32_t i = 0; ok && sw_json_next(&walk, &item); i++) {
        struct entry entry = {.reading = reading, .index = i};
        ok = read_entry(&entry, item.value);
        sw_buf_deinit(&entry.match);
        sw_buf_deinit(&entry.retain_key);
    }
    return ok;
}

// SPDX-License-Identifier: Apache-2.0
#include "core/rule.h"

#include "common/assert.h"
#include "common/mem.h"
#include "core/topic.h"

#include <stdio.h>
#include <string.h>

static const char *const mode_words[SW_MODE_COUNT] = {
    [SW_MODE_ALL] = "all", [SW_MODE_LATEST] = "latest", [SW_MODE_DISCONNECT] = "disconnect"};

/* ---- words and numbers ---- */

const char *sw_mode_word(enum sw_mode mode)
{
    SW_ASSERT(mode < SW_MODE_COUNT);
    return mode_words[mode];
}

bool sw_mode_parse(struct sw_slice word, enum sw_mode *mode)
{
    for (unsigned i = 0; i < SW_MODE_COUNT; i++) {
        if (sw_slice_equal(word, sw_slice_of(mode_words[i]))) {
            *mode = (enum sw_mode)i;
            return true;
        }
    }
    return false;
}

const char *sw_modes_words(uint8_t modes, char out[SW_MODES_BYTES])
{
    char *at = out;
    *at = 0;
    for (unsigned i = 0; i < SW_MODE_COUNT; i++) {
        if (modes & SW_MODE_BIT(i)) {
            at = stpcpy(at, at == out ? "" : ", ");
            at = stpcpy(at, mode_words[i]);
        }
    }
    SW_ASSERT(at < out + SW_MODES_BYTES);
    return out;
}

bool sw_max_hz_valid(uint64_t hz)
{
    return hz == 1 || hz == 2 || hz == 5 || hz == 10 || hz == 20;
}

/* ---- the table ---- */

void sw_rules_init(struct sw_rules *rules)
{
    *rules = (struct sw_rules){.count = 1, .separator = '.'};
    rules->rows[0] = (struct sw_rule){
        .mode = SW_MODE_ALL, .modes_allowed = SW_MODES_CHOICE, .client_publish = -1};
}

void sw_rules_deinit(struct sw_rules *rules)
{
    for (uint32_t i = 0; i < rules->count; i++) {
        sw_free((char *)rules->rows[i].match.data);
        sw_free((char *)rules->rows[i].retain_key.data);
    }
    *rules = (struct sw_rules){0};
}

bool sw_rules_add(struct sw_rules *rules, const struct sw_rule *rule)
{
    SW_ASSERT(rule->match.size > 0 && rule->modes_allowed & SW_MODE_BIT(rule->mode));
    SW_ASSERT(!rule->max_hz || rule->mode != SW_MODE_DISCONNECT);
    SW_ASSERT(!rule->retain || !rule->history_size);
    if (rules->count == SW_RULES + 1) {
        return false;
    }
    struct sw_rule *row = &rules->rows[rules->count - 1];
    rules->rows[rules->count++] = *row; /* the default rule stays behind */
    *row = *rule;
    row->match.data = sw_strndup(rule->match.data, rule->match.size);
    if (rule->retain_key.size) {
        row->retain_key.data = sw_strndup(rule->retain_key.data, rule->retain_key.size);
    }
    return true;
}

void sw_rules_settle(struct sw_rules *rules, char separator, uint32_t max_message_bytes)
{
    rules->separator = separator;
    for (uint32_t i = 0; i < rules->count; i++) {
        if (rules->rows[i].max_message_bytes == 0) {
            rules->rows[i].max_message_bytes = max_message_bytes;
        }
    }
}

bool sw_rule_covers(const struct sw_rules *rules, const struct sw_rule *rule, struct sw_slice name,
                    bool pattern)
{
    if (!rule->match.size) {
        return true;
    }
    return pattern ? sw_topic_covers(rule->match, name, rules->separator)
                   : sw_topic_match(rule->match, name, rules->separator);
}

const struct sw_rule *sw_rules_find(const struct sw_rules *rules, struct sw_slice name,
                                    bool pattern)
{
    const struct sw_rule *rule = rules->rows;
    while (!sw_rule_covers(rules, rule, name, pattern)) {
        rule++; /* the last covers all */
    }
    return rule;
}

uint32_t sw_rule_index(const struct sw_rules *rules, const struct sw_rule *rule)
{
    SW_ASSERT(rule >= rules->rows && rule < rules->rows + rules->count);
    return (uint32_t)(rule - rules->rows);
}

/* ---- what is asked under a rule ---- */

static enum sw_error fail_mode(const struct sw_rule *rule, enum sw_mode mode, char *why,
                               size_t why_size)
{
    char words[SW_MODES_BYTES];
    snprintf(why, why_size, "mode \"%s\" is not allowed for this topic; allowed: %s",
             sw_mode_word(mode), sw_modes_words(rule->modes_allowed, words));
    return SW_ERROR_BAD_REQUEST;
}

enum sw_error sw_rule_choose(const struct sw_rule *rule, const struct sw_wish *wish,
                             struct sw_choice *choice, char *why, size_t why_size)
{
    enum sw_mode mode = (enum sw_mode)(wish->mode < 0 ? (int)rule->mode : wish->mode);
    SW_ASSERT(mode < SW_MODE_COUNT && (!wish->max_hz || sw_max_hz_valid(wish->max_hz)));
    if (!(rule->modes_allowed & SW_MODE_BIT(mode))) {
        return fail_mode(rule, mode, why, why_size);
    }
    if (wish->max_hz && mode == SW_MODE_DISCONNECT) {
        snprintf(
            why, why_size,
            "\"max_hz\" leaves messages out, which mode \"disconnect\" of this topic never does");
        return SW_ERROR_BAD_REQUEST;
    }
    if (rule->max_hz && wish->max_hz > rule->max_hz) {
        snprintf(why, why_size, "\"max_hz\" is at most %u for this topic", rule->max_hz);
        return SW_ERROR_BAD_REQUEST;
    }
    choice->mode = (uint8_t)mode;
    choice->max_hz = wish->max_hz ? wish->max_hz : rule->max_hz;
    return SW_ERROR_NONE;
}

uint32_t sw_rules_least_bytes(const struct sw_rules *rules)
{
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < rules->count; i++) {
        uint32_t bytes = rules->rows[i].max_message_bytes;
        least = bytes < least ? bytes : least;
    }
    return least;
}

bool sw_rules_keep_history(const struct sw_rules *rules)
{
    for (uint32_t i = 0; i < rules->count; i++) {
        if (rules->rows[i].history_size) {
            return true;
        }
    }
    return false;
}

bool sw_rules_compress(const struct sw_rules *rules)
{
    for (uint32_t i = 0; i < rules->count; i++) {
        if (rules->rows[i].compress) {
            return true;
        }
    }
    return false;
}

bool sw_rules_grant_publish(const struct sw_rules *rules)
{
    for (uint32_t i = 0; i < rules->count; i++) {
        if (rules->rows[i].client_publish > 0) {
            return true;
        }
    }
    return false;
}

bool sw_rule_may_publish(const struct sw_rule *rule, bool allowed, const char **why)
{
    if (rule->client_publish < 0) {
        *why = "clients may not publish here (--client-publish)";
        return allowed;
    }
    *why = "clients may not publish to this topic";
    return rule->client_publish;
}

// SPDX-License-Identifier: Apache-2.0
#include "core/topic.h"

#include "common/utf8.h"
#include "core/limits.h"

/* Also the controls U+0080 to U+009F, of which some steer terminals. */
static bool has_forbidden(struct sw_slice topic)
{
    unsigned char before = 0;
    for (size_t i = 0; i < topic.size; i++) {
        unsigned char byte = (unsigned char)topic.data[i];
        if (byte <= ' ' || byte == 0x7f || byte == '{' || byte == '}' ||
            (before == 0xc2 && byte < 0xa0)) {
            return true;
        }
        before = byte;
    }
    return false;
}

static bool has_wildcard(struct sw_slice token)
{
    return sw_slice_find(token, '*') < token.size || sw_slice_find(token, '>') < token.size;
}

/* What is wrong with a token, or NULL. `literal`: it may be no wildcard. */
static const char *token_fault(struct sw_slice token, bool literal, bool last, bool *pattern)
{
    if (token.size == 0) {
        return "empty token";
    }
    if (!has_wildcard(token)) {
        return NULL;
    }
    if (token.size > 1) {
        return "wildcard beside other characters";
    }
    if (literal) {
        return "first token must be literal";
    }
    if (token.data[0] == '>' && !last) {
        return "'>' must be last";
    }
    *pattern = true;
    return NULL;
}

/* `literal`: the first token may be no wildcard. */
static const char *fault(struct sw_slice topic, char separator, bool literal, bool *pattern)
{
    if (topic.size > SW_TOPIC_BYTES) {
        return "more than 255 bytes";
    }
    if (topic.size > 0 && topic.data[0] == '$') {
        return "reserved ('$')";
    }
    if (!sw_utf8_valid(topic.data, topic.size)) {
        return "not UTF-8";
    }
    if (has_forbidden(topic)) {
        return "control byte, space or brace";
    }
    const char *why = NULL;
    do {
        struct sw_slice token = sw_slice_split(&topic, separator);
        why = token_fault(token, literal, !topic.data, pattern);
        literal = false;
    } while (!why && topic.data);
    return why;
}

enum sw_topic_kind sw_topic_kind(struct sw_slice topic, char separator, const char **why)
{
    bool pattern = false;
    const char *words = fault(topic, separator, true, &pattern);
    if (why) {
        *why = words;
    }
    if (words) {
        return SW_TOPIC_BAD;
    }
    return pattern ? SW_TOPIC_PATTERN : SW_TOPIC_CONCRETE;
}

bool sw_topic_is_grantable(struct sw_slice name, char separator)
{
    bool pattern = false;
    return !fault(name, separator, false, &pattern);
}

bool sw_topic_is_token(struct sw_slice text, char separator)
{
    return text.size > 0 && text.size <= SW_TOPIC_BYTES && sw_utf8_valid(text.data, text.size) &&
           !has_forbidden(text) && !has_wildcard(text) &&
           sw_slice_find(text, separator) == text.size;
}

static bool is_token(struct sw_slice token, char wildcard)
{
    return token.size == 1 && token.data[0] == wildcard;
}

bool sw_topic_match(struct sw_slice pattern, struct sw_slice topic, char separator)
{
    while (pattern.data && topic.data) {
        struct sw_slice wanted = sw_slice_split(&pattern, separator);
        struct sw_slice token = sw_slice_split(&topic, separator);
        if (is_token(wanted, '>')) {
            return true;
        }
        if (!is_token(wanted, '*') && !sw_slice_equal(wanted, token)) {
            return false;
        }
    }
    return !pattern.data && !topic.data;
}

/* As matching, token by token; only '*' does not hold all that '>' stands for. */
bool sw_topic_covers(struct sw_slice pattern, struct sw_slice inner, char separator)
{
    while (pattern.data && inner.data) {
        struct sw_slice wanted = sw_slice_split(&pattern, separator);
        struct sw_slice token = sw_slice_split(&inner, separator);
        if (is_token(wanted, '>')) {
            return true;
        }
        if (is_token(wanted, '*') ? is_token(token, '>') : !sw_slice_equal(wanted, token)) {
            return false;
        }
    }
    return !pattern.data && !inner.data;
}

// SPDX-License-Identifier: Apache-2.0
#include "common/json.h"

#include "common/assert.h"
#include "common/map.h"
#include "common/utf8.h"

#include <endian.h>
#include <string.h>

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Nesting that the validator can remember: a bit for each open object or array. */
#define DEPTH_BITS 1024
/* Members whose names are compared one by one; with more of them a table is faster. */
#define FEW_MEMBERS 16

/* ---- strings ---- */

/* Marks the high bit of each byte that is a quote, a backslash, a control character or not ASCII.
 * Only the lowest mark is exact, since a borrow runs upward. */
static inline uint64_t special_bytes(uint64_t word)
{
    uint64_t control = word - EACH_BYTE(0x20);
    uint64_t quote = (word ^ EACH_BYTE('"')) - EACH_BYTE(1);
    uint64_t backslash = (word ^ EACH_BYTE('\\')) - EACH_BYTE(1);
    return (word | control | quote | backslash) & EACH_BYTE(0x80);
}

static inline uint64_t load_word(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return le64toh(word);
}

/* Skips what stands for itself in a string, eight bytes at a time. */
static inline const char *plain_end(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t special = special_bytes(load_word(at));
        if (special) {
            return at + (__builtin_ctzll(special) >> 3);
        }
    }
    while (at < end && (signed char)*at >= ' ' && *at != '"' && *at != '\\') {
        at++;
    }
    return at;
}

/* The number that four hexadecimal digits say, or -1. */
static int hex4(const char *at, const char *end)
{
    int number = 0;
    if (end - at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        if (c >= '0' && c <= '9') {
            number = number << 4 | (c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            number = number << 4 | ((c | 0x20) - 'a' + 10);
        } else {
            return -1;
        }
    }
    return number;
}

/* The code point of the \u escape whose digits stand at *at, which moves behind it (behind both of
 * a surrogate pair), or -1. */
static int32_t unicode_escape(const char **at, const char *end)
{
    int high = hex4(*at, end);
    if (high < 0 || (high >= 0xdc00 && high <= 0xdfff)) {
        return -1;
    }
    *at += 4;
    if (high < 0xd800 || high > 0xdfff) {
        return high;
    }
    if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') {
        return -1;
    }
    int low = hex4(*at + 2, end);
    if (low < 0xdc00 || low > 0xdfff) {
        return -1;
    }
    *at += 6;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* `at` is behind the backslash; NULL: no escape. */
static const char *escape_end(const char *at, const char *end)
{
    if (at == end) {
        return NULL;
    }
    switch (*at++) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at;
    case 'u':
        return unicode_escape(&at, end) < 0 ? NULL : at;
    default:
        return NULL;
    }
}

/* `at` is behind the opening quote; returns what is behind the closing one, NULL: no valid string.
 */
static const char *string_end(const char *at, const char *end)
{
    for (;;) {
        at = plain_end(at, end);
        if (at == end) {
            return NULL;
        }
        if (*at == '"') {
            return at + 1;
        }
        if (*at == '\\') {
            at = escape_end(at + 1, end);
            if (!at) {
                return NULL;
            }
            continue;
        }
        if ((unsigned char)*at < 0x80) {
            return NULL; /* a control character */
        }
        do {
            size_t length = sw_utf8_length(at, end);
            if (length == 0) {
                return NULL;
            }
            at += length;
        } while (at < end && (unsigned char)*at >= 0x80);
    }
}

/* ---- the validator ---- */

struct scan {
    const char *at;
    const char *end;
    size_t breaks;
    unsigned depth;
    uint64_t objects[DEPTH_BITS / 64]; /* a bit for each level: an object, not an array */
};

static inline bool is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

static inline const char *digits_end(const char *at, const char *end)
{
    while (is_digit(at, end)) {
        at++;
    }
    return at;
}

/* NULL: no valid number. */
static const char *number_end(const char *at, const char *end)
{
    at += *at == '-';
    if (!is_digit(at, end)) {
        return NULL;
    }
    at = *at == '0' ? at + 1 : digits_end(at, end);
    if (at < end && *at == '.') {
        if (!is_digit(++at, end)) {
            return NULL;
        }
        at = digits_end(at, end);
    }
    if (at < end && (*at | 0x20) == 'e') {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        if (!is_digit(at, end)) {
            return NULL;
        }
        at = digits_end(at, end);
    }
    return at;
}

static char skip_space(struct scan *scan)
{
    for (; scan->at < scan->end; scan->at++) {
        char c = *scan->at;
        if (c == '\n' || c == '\r') {
            scan->breaks++;
        } else if (c != ' ' && c != '\t') {
            return c;
        }
    }
    return '\0';
}

/* The first byte of the next token, which scan->at stands on then; NUL at the end. */
static inline char token(struct scan *scan)
{
    if (SW_LIKELY(scan->at<scan->end && * scan->at> ' ')) {
        return *scan->at;
    }
    return skip_space(scan);
}

static inline bool literal(struct scan *scan, const char *word, size_t size)
{
    if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, word, size) != 0) {
        return false;
    }
    scan->at += size;
    return true;
}

/* A value without others inside, whose first byte is `first`. */
static inline bool scalar(struct scan *scan, char first)
{
    const char *behind;
    if (first == '"') {
        behind = string_end(scan->at + 1, scan->end);
    } else if (first == '-' || (first >= '0' && first <= '9')) {
        behind = number_end(scan->at, scan->end);
    } else if (first == 't') {
        return literal(scan, "true", 4);
    } else if (first == 'f') {
        return literal(scan, "false", 5);
    } else {
        return literal(scan, "null", 4);
    }
    if (!behind) {
        return false;
    }
    scan->at = behind;
    return true;
}

/* A member's name and its colon. */
static inline bool member_name(struct scan *scan)
{
    if (token(scan) != '"') {
        return false;
    }
    const char *behind = string_end(scan->at + 1, scan->end);
    if (!behind) {
        return false;
    }
    scan->at = behind;
    if (token(scan) != ':') {
        return false;
    }
    scan->at++;
    return true;
}

static inline void push_level(struct scan *scan, bool object)
{
    uint64_t bit = UINT64_C(1) << scan->depth % 64;
    uint64_t *word = &scan->objects[scan->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    scan->depth++;
}

static inline bool in_object(const struct scan *scan)
{
    unsigned level = scan->depth - 1;
    return scan->objects[level / 64] >> level % 64 & 1;
}

/* From behind a value to where the next one begins. False: there is none, the text is wrong or at
 * its end. */
static inline bool next_value(struct scan *scan)
{
    while (scan->depth > 0) {
        bool object = in_object(scan);
        char c = token(scan);
        if (c == ',') {
            scan->at++;
            return !object || member_name(scan);
        }
        if (c != (object ? '}' : ']')) {
            return false;
        }
        scan->at++;
        scan->depth--;
    }
    return false;
}

enum sw_json_verdict sw_json_validate(const char *data, size_t size, unsigned max_depth,
                                      size_t *breaks)
{
    SW_ASSERT(max_depth <= DEPTH_BITS);
    struct scan scan = {.at = data, .end = data + size};
    for (;;) {
        char first = token(&scan);
        if (first == '{' || first == '[') {
            bool object = first == '{';
            if (scan.depth == max_depth) {
                return SW_JSON_TOO_DEEP;
            }
            push_level(&scan, object);
            scan.at++;
            if (token(&scan) != (object ? '}' : ']')) {
                if (object && !member_name(&scan)) {
                    return SW_JSON_INVALID;
                }
                continue;
            }
        } else if (!scalar(&scan, first)) {
            return SW_JSON_INVALID;
        }
        if (!next_value(&scan)) {
            break;
        }
    }
    token(&scan);
    if (breaks) {
        *breaks = scan.breaks;
    }
    return scan.depth == 0 && scan.at == scan.end ? SW_JSON_OK : SW_JSON_INVALID;
}

void sw_json_flatten(char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n' || data[i] == '\r') {
            data[i] = ' ';
        }
    }
}

/* ---- walking through validated bytes ---- */

static const char *space_end(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) {
        at++;
    }
    return at;
}

static const char *valid_string_end(const char *at, const char *end)
{
    const char *behind = string_end(at + 1, end);
    SW_ASSERT(behind);
    return behind;
}

static const char *nested_end(const char *at, const char *end)
{
    size_t depth = 0;
    do {
        SW_ASSERT(at < end);
        if (*at == '"') {
            at = valid_string_end(at, end);
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
    } while (depth > 0);
    return at;
}

static struct sw_json_value spanned(enum sw_json_type type, const char *at, const char *behind)
{
    return (struct sw_json_value){type, sw_slice(at, (size_t)(behind - at))};
}

static struct sw_json_value value_at(const char *at, const char *end)
{
    SW_ASSERT(at < end);
    switch (*at) {
    case '{':
        return spanned(SW_JSON_OBJECT, at, nested_end(at, end));
    case '[':
        return spanned(SW_JSON_ARRAY, at, nested_end(at, end));
    case '"':
        return spanned(SW_JSON_STRING, at, valid_string_end(at, end));
    case 't':
        return spanned(SW_JSON_TRUE, at, at + 4);
    case 'f':
        return spanned(SW_JSON_FALSE, at, at + 5);
    case 'n':
        return spanned(SW_JSON_NULL, at, at + 4);
    default:
        break;
    }
    const char *behind = number_end(at, end);
    SW_ASSERT(behind);
    return spanned(SW_JSON_NUMBER, at, behind);
}

struct sw_json_walk sw_json_walk(struct sw_slice raw)
{
    SW_ASSERT(raw.size >= 2 && (raw.data[0] == '{' || raw.data[0] == '['));
    return (struct sw_json_walk){raw.data + 1, raw.data + raw.size, raw.data[0] == '{'};
}

bool sw_json_next(struct sw_json_walk *walk, struct sw_json_member *member)
{
    const char *at = space_end(walk->at, walk->end);
    if (at < walk->end && *at == ',') {
        at = space_end(at + 1, walk->end);
    }
    SW_ASSERT(at < walk->end);
    if (*at == '}' || *at == ']') {
        walk->at = at;
        return false;
    }
    *member = (struct sw_json_member){0};
    if (walk->object) {
        const char *behind = valid_string_end(at, walk->end);
        member->name = sw_slice(at + 1, (size_t)(behind - at - 2));
        at = space_end(space_end(behind, walk->end) + 1, walk->end);
    }
    member->value = value_at(at, walk->end);
    walk->at = at + member->value.raw.size;
    return true;
}

size_t sw_json_count(struct sw_slice raw)
{
    struct sw_json_walk walk = sw_json_walk(raw);
    struct sw_json_member member;
    size_t count = 0;
    while (sw_json_next(&walk, &member)) {
        count++;
    }
    return count;
}

struct sw_json_value sw_json_value(struct sw_slice text)
{
    const char *end = text.data + text.size;
    return value_at(space_end(text.data, end), end);
}

/* The names of one object so far, without escapes. */
struct names {
    struct sw_slice few[FEW_MEMBERS];
    size_t count;
    struct sw_map many;
};

/* False: it was there. The name must stay where it is. */
static bool add_name(struct names *names, struct sw_slice name)
{
    if (names->count < FEW_MEMBERS) {
        for (size_t i = 0; i < names->count; i++) {
            if (sw_slice_equal(names->few[i], name)) {
                return false;
            }
        }
        names->few[names->count++] = name;
        return true;
    }
    if (names->count == FEW_MEMBERS) {
        for (size_t i = 0; i < FEW_MEMBERS; i++) {
            sw_map_insert(&names->many, names->few[i], names);
        }
    }
    if (sw_map_find(&names->many, name)) {
        return false;
    }
    sw_map_insert(&names->many, name, names);
    names->count++;
    return true;
}

/* The name without escapes. `plain` has room for the whole object once there is need, so that it
 * does not move: text never grows by unescaping. */
static struct sw_slice plain_name(struct sw_slice name, size_t object_size, struct sw_buf *plain)
{
    if (sw_slice_find(name, '\\') == name.size) {
        return name;
    }
    if (plain->capacity == 0) {
        sw_buf_reserve(plain, object_size);
    }
    size_t start = plain->size;
    sw_json_unescape(plain, sw_slice(name.data - 1, name.size + 2));
    return sw_slice(plain->data + start, plain->size - start);
}

bool sw_json_members(struct sw_slice object, const char *const *names, size_t count,
                     struct sw_json_value *values, struct sw_slice *duplicate)
{
    struct names seen;
    struct sw_buf plain = {0};
    struct sw_json_member member;
    bool unique = true;
    seen.count = 0;
    seen.many = (struct sw_map){0};
    for (size_t i = 0; i < count; i++) {
        values[i] = (struct sw_json_value){0};
    }
    struct sw_json_walk walk = sw_json_walk(object);
    while (unique && sw_json_next(&walk, &member)) {
        struct sw_slice name = plain_name(member.name, object.size, &plain);
        for (size_t i = 0; i < count; i++) {
            if (sw_slice_equal(name, sw_slice_of(names[i]))) {
                values[i] = member.value;
            }
        }
        unique = add_name(&seen, name);
    }
    if (!unique && duplicate) {
        *duplicate = member.name;
    }
    sw_map_deinit(&seen.many);
    sw_buf_deinit(&plain);
    return unique;
}

static char *put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *out++ = (char)(0xe0 | code >> 12);
        } else {
            *out++ = (char)(0xf0 | code >> 18);
            *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *out++ = (char)(0x80 | (code & 0x3f));
    return out;
}

/* The byte that a one-letter escape stands for. */
static char short_escape(char letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return letter;
    }
}

void sw_json_unescape(struct sw_buf *out, struct sw_slice raw)
{
    SW_ASSERT(raw.size >= 2);
    const char *at = raw.data + 1;
    const char *end = raw.data + raw.size - 1;
    char *to = sw_buf_reserve(out, raw.size);
    while (at < end) {
        const char *backslash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((backslash ? backslash : end) - at);
        memcpy(to, at, plain);
        to += plain;
        at += plain;
        if (!backslash) {
            break;
        }
        if (at[1] != 'u') {
            *to++ = short_escape(at[1]);
            at += 2;
            continue;
        }
        at += 2;
        int32_t code = unicode_escape(&at, end);
        SW_ASSERT(code >= 0);
        to = put_utf8(to, (uint32_t)code);
    }
    out->size = (size_t)(to - out->data);
}

bool sw_json_to_u64(struct sw_json_value value, uint64_t max, uint64_t *number)
{
    return value.type == SW_JSON_NUMBER && sw_slice_to_u64(value.raw, max, number);
}

/* ---- escaping ---- */

/* Letters of the control characters that have a short form. */
static const char short_letters[32] = {
    ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

/* What stands for itself from `at` on; unlike the validator's, this run takes what is not ASCII
 * along. */
static inline const char *verbatim_end(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t word = load_word(at);
        uint64_t special = special_bytes(word) & ~word;
        if (special) {
            return at + (__builtin_ctzll(special) >> 3);
        }
    }
    while (at < end && (unsigned char)*at >= ' ' && *at != '"' && *at != '\\') {
        at++;
    }
    return at;
}

size_t sw_json_escaped_size(struct sw_slice text)
{
    const char *at = text.data;
    const char *end = at + text.size;
    size_t size = text.size;
    while ((at = verbatim_end(at, end)) < end) {
        unsigned char c = (unsigned char)*at++;
        size += c >= ' ' || short_letters[c] ? 1 : 5;
    }
    return size;
}

char *sw_json_escape(char *out, struct sw_slice text)
{
    static const char hex[] = "0123456789abcdef";
    const char *at = text.data;
    const char *end = at + text.size;
    while (at < end) {
        const char *behind = verbatim_end(at, end);
        memcpy(out, at, (size_t)(behind - at));
        out += behind - at;
        at = behind;
        if (at == end) {
            break;
        }
        unsigned char c = (unsigned char)*at++;
        *out++ = '\\';
        if (c >= ' ') {
            *out++ = (char)c;
        } else if (short_letters[c]) {
            *out++ = short_letters[c];
        } else {
            memcpy(out, "u00", 3);
            out[3] = hex[c >> 4];
            out[4] = hex[c & 15];
            out += 5;
        }
    }
    return out;
}

static void append_escaped(struct sw_buf *out, struct sw_slice text)
{
    size_t size = sw_json_escaped_size(text);
    sw_json_escape(sw_buf_reserve(out, size), text);
    out->size += size;
}

void sw_json_append_string(struct sw_buf *out, struct sw_slice text)
{
    sw_buf_append_byte(out, '"');
    while (text.size > 0) {
        size_t good = sw_utf8_prefix(text.data, text.size);
        append_escaped(out, sw_slice(text.data, good));
        size_t done = good;
        if (good < text.size) {
            sw_buf_append(out, "\xef\xbf\xbd", 3);
            done++;
        }
        text = sw_slice(text.data + done, text.size - done);
    }
    sw_buf_append_byte(out, '"');
}

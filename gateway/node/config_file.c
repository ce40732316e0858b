// SPDX-License-Identifier: Apache-2.0
/* The JSON file. Comments are blanked out, not cut out, so that every error can name its line and
 * column. cJSON says where a file that does not parse breaks off; its tree keeps no positions, so
 * the members are then read as spans (common/json.h). */
#include "common/file.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "node/config_reading.h"
#include "node/config_table.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FILE_BYTES (1u << 20)
#define FILE_DEPTH 64

static bool read_file(const char *path, struct sw_buf *text, struct sw_buf *error)
{
    const char *why;
    FILE *file = sw_file_open(path, &why);
    if (!file) {
        sw_buf_printf(error, "cannot read the config file %s: %s\n", path, why);
        return false;
    }
    size_t n = fread(sw_buf_reserve(text, FILE_BYTES), 1, FILE_BYTES, file);
    text->size += n;
    int failure = ferror(file) ? errno : 0;
    fclose(file);
    if (failure || n == FILE_BYTES) {
        sw_buf_printf(error, "cannot read the config file %s: %s\n", path,
                      failure ? strerror(failure) : "it is larger than 1 MB");
        return false;
    }
    sw_buf_text(text);
    return true;
}

void sw_config_append_place(const struct sw_config_reading *reading, const char *at,
                            struct sw_buf *out)
{
    unsigned line = 1;
    unsigned column = 1;
    for (const char *c = reading->text; c < at; c++) {
        if (*c == '\n') {
            line++;
            column = 1;
        } else {
            column += ((unsigned char)*c & 0xc0) != 0x80; /* not inside a character */
        }
    }
    sw_buf_printf(out, "%s:%u:%u: ", reading->path, line, column);
}

bool sw_config_fail_at(const struct sw_config_reading *reading, const char *at, const char *format,
                       ...)
{
    sw_config_append_place(reading, at, reading->error);
    va_list arguments;
    va_start(arguments, format);
    sw_buf_vprintf(reading->error, format, arguments);
    va_end(arguments);
    sw_buf_append_byte(reading->error, '\n');
    return false;
}

/* ---- comments ---- */

/* Overwrites the comment that begins at `at` by spaces; returns what follows, or NULL where it has
 * no end. */
static char *blank_comment(char *at)
{
    bool line = at[1] == '/';
    char *end = line ? strchrnul(at, '\n') : strstr(at + 2, "*/");
    if (!end) {
        return NULL;
    }
    end += line ? 0 : 2;
    for (; at < end; at++) {
        if (*at != '\n') {
            *at = ' ';
        }
    }
    return end;
}

static bool blank_comments(const struct sw_config_reading *reading)
{
    char *at = reading->text;
    bool string = false;
    if (strncmp(at, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark */
        memset(at, ' ', 3);
    }
    while (*at) {
        if (!string && *at == '/' && (at[1] == '/' || at[1] == '*')) {
            char *end = blank_comment(at);
            if (!end) {
                return sw_config_fail_at(reading, at, "a comment without its end");
            }
            at = end;
            continue;
        }
        if (string && *at == '\\' && at[1]) {
            at++;
        } else if (*at == '"') {
            string = !string;
        }
        at++;
    }
    return true;
}

/* ---- what does not parse ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Where a key should begin and does not, cJSON points one character too far. */
static const char *exact_place(const struct sw_config_reading *reading, const char *at)
{
    const char *before = at - 1;
    if (at < reading->text + 2 || is_space(*before) || strchr("\"[{", *before)) {
        return at;
    }
    do {
        before--;
    } while (before > reading->text && is_space(*before));
    return *before == '{' || *before == ',' ? at - 1 : at;
}

static bool fail_parse(const struct sw_config_reading *reading, const char *at)
{
    const char *end = reading->text + reading->size;
    at = exact_place(reading, at < end ? at : end);
    sw_config_append_place(reading, at, reading->error);
    if (*at >= ' ' && *at < 0x7f) {
        sw_buf_printf(reading->error, "not valid JSON at '%c'\n", *at);
    } else {
        sw_buf_append_slice(reading->error, at == end
                                                ? SW_SLICE("not valid JSON: the file ends here\n")
                                                : SW_SLICE("not valid JSON here\n"));
    }
    return false;
}

static size_t number_span(const char *at)
{
    return strspn(at, "0123456789+-.eE");
}

/* cJSON is more lenient than RFC 8259: what it lets pass is found here. */
static bool fail_strict(const struct sw_config_reading *reading)
{
    sw_utf8_state state = 0;
    bool string = false;
    for (const char *at = reading->text; at < reading->text + reading->size; at++) {
        if (!sw_utf8_feed(&state, at, 1)) {
            return sw_config_fail_at(reading, at, "not valid UTF-8");
        }
        if (string && (unsigned char)*at < ' ') {
            return sw_config_fail_at(reading, at,
                                     "a control character in a string; write \\n or \\u....");
        }
        size_t number = string || *at == 'e' || *at == 'E' ? 0 : number_span(at);
        if (number > 0) {
            if (sw_json_validate(at, number, FILE_DEPTH, NULL) != SW_JSON_OK) {
                return sw_config_fail_at(reading, at, "not a number as JSON writes it");
            }
            at += number - 1;
        } else if (string && *at == '\\') {
            at++;
        } else if (*at == '"') {
            string = !string;
        }
    }
    return sw_config_fail_at(reading, reading->text, "not valid JSON (RFC 8259)");
}

static bool check_syntax(const struct sw_config_reading *reading)
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(reading->text, reading->size + 1, &end, true);
    cJSON_Delete(root);
    if (!root) {
        return fail_parse(reading, end ? end : reading->text);
    }
    switch (sw_json_validate(reading->text, reading->size, FILE_DEPTH, NULL)) {
    case SW_JSON_OK:
        return true;
    case SW_JSON_TOO_DEEP:
        return sw_config_fail_at(reading, reading->text, "nested too deep");
    case SW_JSON_INVALID:
        break;
    }
    return fail_strict(reading);
}

/* ---- members ---- */

bool sw_config_unescape(struct sw_slice raw, struct sw_buf *out)
{
    sw_json_unescape(out, raw);
    return strlen(sw_buf_text(out)) == out->size;
}

/* `at`: where the value stands. */
static bool set(const struct sw_config_reading *reading, int row, const char *text, bool first,
                const char *at)
{
    struct sw_buf words = {0};
    sw_config_append_place(reading, at, &words);
    sw_config_append_name(&words, sw_config_rows[row].name, SW_CONFIG_FILE);
    struct sw_config_place place = {.source = SW_CONFIG_FILE, .words = sw_buf_text(&words)};
    bool ok = sw_config_set(reading->config, row, text, first, &place, reading->error);
    sw_buf_deinit(&words);
    return ok;
}

static bool wrong_type(const struct sw_config_reading *reading, int row, const char *at)
{
    static const char *const words[] = {"true or false", "a whole number", "a string",
                                        "an array of strings"};
    return sw_config_fail_at(reading, at, "\"%s\" must be %s", sw_config_rows[row].name,
                             words[sw_config_rows[row].type]);
}

static bool set_string(const struct sw_config_reading *reading, int row, struct sw_json_value value,
                       bool first)
{
    if (value.type != SW_JSON_STRING) {
        return wrong_type(reading, row, value.raw.data);
    }
    struct sw_buf text = {0};
    bool ok = sw_config_unescape(value.raw, &text)
                  ? set(reading, row, sw_buf_text(&text), first, value.raw.data)
                  : sw_config_fail_at(reading, value.raw.data, "a NUL in a string");
    sw_buf_deinit(&text);
    return ok;
}

static bool set_list(const struct sw_config_reading *reading, int row, struct sw_json_value value)
{
    struct sw_json_walk walk = sw_json_walk(value.raw);
    struct sw_json_member item;
    bool first = true;
    for (; sw_json_next(&walk, &item); first = false) {
        if (!set_string(reading, row, item.value, first)) {
            return false;
        }
    }
    return !first || sw_config_fail_at(reading, value.raw.data,
                                       "an empty array; leave the key out for the default");
}

static bool set_number(const struct sw_config_reading *reading, int row, struct sw_json_value value)
{
    char *text = sw_strndup(value.raw.data, value.raw.size);
    bool ok = set(reading, row, text, true, value.raw.data);
    sw_free(text);
    return ok;
}

static bool set_member(const struct sw_config_reading *reading, int row, struct sw_json_value value)
{
    const char *at = value.raw.data;
    switch (sw_config_rows[row].type) {
    case SW_CONFIG_TYPE_flag:
        if (value.type == SW_JSON_TRUE || value.type == SW_JSON_FALSE) {
            return set(reading, row, value.type == SW_JSON_TRUE ? "true" : "false", true, at);
        }
        return wrong_type(reading, row, at);
    case SW_CONFIG_TYPE_number:
        return value.type == SW_JSON_NUMBER ? set_number(reading, row, value)
                                            : wrong_type(reading, row, at);
    case SW_CONFIG_TYPE_text:
        return set_string(reading, row, value, true);
    case SW_CONFIG_TYPE_list:
        return value.type == SW_JSON_ARRAY ? set_list(reading, row, value)
                                           : wrong_type(reading, row, at);
    }
    return false;
}

/* The row of a key, or -1 and an error. A file cannot name another one. */
static int find_key(const struct sw_config_reading *reading, struct sw_slice quoted,
                    const char *name)
{
    int row = sw_config_find(name);
    if (row < 0) {
        sw_config_append_place(reading, quoted.data, reading->error);
        sw_config_unknown(reading->error, name, SW_CONFIG_FILE);
    } else if (row == SW_CONFIG_config) {
        sw_config_fail_at(reading, quoted.data, "\"config\" cannot stand in the file itself");
        return -1;
    }
    return row;
}

/* One member of the file; `seen` has a bit for each row, and one for the rules. */
static bool read_member(const struct sw_config_reading *reading, uint64_t *seen,
                        struct sw_slice quoted, const char *name, struct sw_json_value value)
{
    bool rules = strcmp(name, SW_CONFIG_RULES) == 0;
    int row = rules ? SW_CONFIG_COUNT : find_key(reading, quoted, name);
    if (row < 0) {
        return false;
    }
    if (*seen >> row & 1) {
        return sw_config_fail_at(reading, quoted.data, "\"%s\" stands twice", name);
    }
    *seen |= UINT64_C(1) << row;
    return rules ? sw_config_read_rules(reading, value) : set_member(reading, row, value);
}

static bool set_members(const struct sw_config_reading *reading)
{
    struct sw_json_value root = sw_json_value(sw_slice(reading->text, reading->size));
    if (root.type != SW_JSON_OBJECT) {
        return sw_config_fail_at(reading, root.raw.data, "the file must hold one object: { ... }");
    }
    struct sw_json_walk walk = sw_json_walk(root.raw);
    struct sw_json_member member;
    struct sw_buf name = {0};
    uint64_t seen = 0;
    bool ok = true;
    while (ok && sw_json_next(&walk, &member)) {
        struct sw_slice quoted = sw_slice(member.name.data - 1, member.name.size + 2);
        sw_buf_clear(&name);
        ok = sw_config_unescape(quoted, &name)
                 ? read_member(reading, &seen, quoted, sw_buf_text(&name), member.value)
                 : sw_config_fail_at(reading, quoted.data, "unknown key: a NUL in its name");
    }
    sw_buf_deinit(&name);
    return ok;
}

bool sw_config_load_file(struct sw_config *config, const char *path, struct sw_buf *error)
{
    struct sw_buf text = {0};
    bool ok = read_file(path, &text, error);
    if (ok) {
        struct sw_config_reading reading = {
            .config = config, .path = path, .text = text.data, .size = text.size, .error = error};
        ok = blank_comments(&reading) && check_syntax(&reading) && set_members(&reading);
    }
    sw_buf_deinit(&text);
    return ok;
}

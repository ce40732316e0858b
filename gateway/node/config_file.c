// SPDX-License-Identifier: Apache-2.0
/* The JSON file. Comments are blanked out, not cut out, so that every error can name its line and
 * column. */
#include "common/mem.h"
#include "node/config.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_BYTES (1u << 20)

static bool read_file(const char *path, struct sw_buf *text, struct sw_buf *error)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        sw_buf_printf(error, "cannot read %s: %s\n", path, strerror(errno));
        return false;
    }
    size_t n = fread(sw_buf_reserve(text, FILE_BYTES), 1, FILE_BYTES, file);
    text->size += n;
    bool bad = ferror(file) != 0;
    fclose(file);
    if (bad || n == FILE_BYTES) {
        sw_buf_printf(error, "%s: %s\n", path, bad ? "cannot be read" : "larger than 1 MB");
        return false;
    }
    sw_buf_text(text);
    return true;
}

/* Overwrites the comment that begins at `at` by spaces; returns what follows. */
static char *blank_comment(char *at)
{
    bool line = at[1] == '/';
    char *end = line ? strchr(at, '\n') : strstr(at + 2, "*/");
    if (!end) {
        end = at + strlen(at);
    } else if (!line) {
        end += 2;
    }
    for (; at < end; at++) {
        if (*at != '\n') {
            *at = ' ';
        }
    }
    return end;
}

static void blank_comments(char *text)
{
    bool string = false;
    while (*text) {
        if (string) {
            if (*text == '\\' && text[1]) {
                text++;
            } else if (*text == '"') {
                string = false;
            }
            text++;
        } else if (*text == '/' && (text[1] == '/' || text[1] == '*')) {
            text = blank_comment(text);
        } else {
            string = *text == '"';
            text++;
        }
    }
}

static void append_place(struct sw_buf *error, const char *path, const char *text, const char *at)
{
    unsigned line = 1;
    const char *start = text;
    for (const char *c = text; c < at; c++) {
        if (*c == '\n') {
            line++;
            start = c + 1;
        }
    }
    sw_buf_printf(error, "%s:%u:%u: ", path, line, (unsigned)(at - start) + 1);
}

/* Where the n-th mention of a key stands, as well as text can tell. */
static const char *find_key(const char *text, const char *key, unsigned n)
{
    char quoted[128];
    snprintf(quoted, sizeof(quoted), "\"%s\"", key);
    const char *at = strstr(text, quoted);
    while (at && n-- > 1) {
        const char *next = strstr(at + 1, quoted);
        at = next ? next : at;
        n = next ? n : 0;
    }
    return at ? at : text;
}

/* One file being read. */
struct reading {
    struct sw_config *config;
    const char *path;
    const char *text;
    struct sw_buf *error;
};

static bool wrong_type(const struct reading *reading, const struct sw_config_row *row)
{
    static const char *const words[] = {"true or false", "a whole number", "a string",
                                        "a string or an array of strings"};
    append_place(reading->error, reading->path, reading->text,
                 find_key(reading->text, row->name, 1));
    sw_buf_printf(reading->error, "\"%s\" is %s\n", row->name, words[row->type]);
    return false;
}

static bool set(const struct reading *reading, int index, const char *text, bool first)
{
    struct sw_buf where = {0};
    const char *name = sw_config_rows[index].name;
    append_place(&where, reading->path, reading->text, find_key(reading->text, name, 1));
    sw_buf_printf(&where, "\"%s\"", name);
    bool ok =
        sw_config_set(reading->config, index, text, first, sw_buf_text(&where), reading->error);
    sw_buf_deinit(&where);
    return ok;
}

static bool set_list(const struct reading *reading, int index, const cJSON *array)
{
    bool first = true;
    const cJSON *item;
    if (cJSON_GetArraySize(array) == 0) {
        return set(reading, index, "", true);
    }
    cJSON_ArrayForEach(item, array)
    {
        if (!cJSON_IsString(item)) {
            return wrong_type(reading, &sw_config_rows[index]);
        }
        if (!set(reading, index, item->valuestring, first)) {
            return false;
        }
        first = false;
    }
    return true;
}

static bool set_member(const struct reading *reading, int index, const cJSON *value)
{
    const struct sw_config_row *row = &sw_config_rows[index];
    char number[32];
    switch (row->type) {
    case SW_CONFIG_TYPE_flag:
        return cJSON_IsBool(value)
                   ? set(reading, index, cJSON_IsTrue(value) ? "true" : "false", true)
                   : wrong_type(reading, row);
    case SW_CONFIG_TYPE_number:
        if (!cJSON_IsNumber(value) || value->valuedouble < 0 || value->valuedouble > 9e15) {
            return wrong_type(reading, row);
        }
        snprintf(number, sizeof(number), "%.15g", value->valuedouble);
        return set(reading, index, number, true);
    case SW_CONFIG_TYPE_text:
        return cJSON_IsString(value) ? set(reading, index, value->valuestring, true)
                                     : wrong_type(reading, row);
    case SW_CONFIG_TYPE_list:
        if (cJSON_IsString(value)) {
            return set(reading, index, value->valuestring, true);
        }
        return cJSON_IsArray(value) ? set_list(reading, index, value) : wrong_type(reading, row);
    }
    return false;
}

static bool set_members(const struct reading *reading, const cJSON *root)
{
    const cJSON *value;
    uint64_t seen = 0;
    cJSON_ArrayForEach(value, root)
    {
        int index = sw_config_find(value->string);
        if (index < 0) {
            append_place(reading->error, reading->path, reading->text,
                         find_key(reading->text, value->string, 1));
            sw_config_unknown(reading->error, "key", value->string, false);
            return false;
        }
        if (seen >> index & 1) {
            append_place(reading->error, reading->path, reading->text,
                         find_key(reading->text, value->string, 2));
            sw_buf_printf(reading->error, "\"%s\" stands twice\n", value->string);
            return false;
        }
        seen |= UINT64_C(1) << index;
        if (!set_member(reading, index, value)) {
            return false;
        }
    }
    return true;
}

static bool parse(const struct reading *reading, size_t size)
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(reading->text, size + 1, &end, true);
    bool ok = cJSON_IsObject(root);
    if (!root) {
        append_place(reading->error, reading->path, reading->text, end ? end : reading->text);
        sw_buf_append_slice(reading->error, SW_SLICE("not valid JSON here\n"));
    } else if (!ok) {
        sw_buf_printf(reading->error, "%s: the file holds one JSON object\n", reading->path);
    } else {
        ok = set_members(reading, root);
    }
    cJSON_Delete(root);
    return ok;
}

bool sw_config_load_file(struct sw_config *config, const char *path, struct sw_buf *error)
{
    struct sw_buf text = {0};
    char *name = sw_strndup(path, strlen(path)); /* the file may set "config" itself */
    bool ok = read_file(name, &text, error);
    if (ok) {
        blank_comments(text.data);
        struct reading reading = {
            .config = config, .path = name, .text = text.data, .error = error};
        ok = parse(&reading, text.size);
    }
    sw_buf_deinit(&text);
    sw_free(name);
    return ok;
}

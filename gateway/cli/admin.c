// SPDX-License-Identifier: Apache-2.0
#include "cli/admin.h"

#include "common/json.h"
#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

#define LINE_BYTES      100
#define LISTEN_VARIABLE "SPILLWAY_ADMIN_LISTEN"
#define FILE_VARIABLE   "SPILLWAY_API_KEY_FILE"

/* A variable of the environment; an empty one counts as not set. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

const char *sw_cli_admin_url(struct sw_buf *room)
{
    static const char *const everywhere[][2] = {{"0.0.0.0:", "127.0.0.1:"}, {"[::]:", "[::1]:"}};
    const char *listen = variable(LISTEN_VARIABLE);
    if (!listen) {
        return SW_CLI_ADMIN_URL;
    }
    const char *host = "";
    for (size_t i = 0; i < SW_ARRAY_SIZE(everywhere); i++) {
        size_t size = strlen(everywhere[i][0]);
        if (strncmp(listen, everywhere[i][0], size) == 0) {
            host = everywhere[i][1];
            listen += size;
            break;
        }
    }
    sw_buf_clear(room);
    sw_buf_printf(room, "http://%s%s", host, listen);
    return sw_buf_text(room);
}

/* A line break in a header would begin another one. */
static bool is_plain(struct sw_slice key)
{
    for (size_t i = 0; i < key.size; i++) {
        if ((unsigned char)key.data[i] <= ' ' || (unsigned char)key.data[i] >= 0x7f) {
            return false;
        }
    }
    return true;
}

static bool take_from_file(const char *file, struct sw_buf *out, struct sw_buf *error)
{
    struct sw_guard guard;
    bool ok = sw_guard_init(&guard, file, NULL, true, error);
    if (ok) {
        sw_buf_append_slice(out, sw_slice_of(guard.keys[0]));
    }
    sw_guard_deinit(&guard);
    return ok;
}

static void take_from_environment(struct sw_buf *out)
{
    struct sw_slice keys = sw_slice_of(getenv(SW_API_KEY_VARIABLE));
    struct sw_slice first = sw_slice_split(&keys, ',');
    while (first.size && (unsigned char)first.data[first.size - 1] <= ' ') {
        first.size--;
    }
    sw_buf_append_slice(out, sw_slice_trim(first));
}

bool sw_cli_key(const char *key, const char *file, struct sw_buf *out, struct sw_buf *error)
{
    const char *where = key ? "--key" : file ? "--key-file" : SW_API_KEY_VARIABLE;
    if (!key && !file && !variable(SW_API_KEY_VARIABLE)) {
        file = variable(FILE_VARIABLE);
    }
    if (key) {
        sw_buf_append_slice(out, sw_slice_of(key));
    } else if (file) {
        if (!take_from_file(file, out, error)) {
            return false;
        }
    } else {
        take_from_environment(out);
    }
    if (!is_plain(sw_buf_slice(out))) {
        sw_buf_printf(error, "%s: a space or control byte has no place in it\n", where);
        return false;
    }
    return true;
}

void sw_cli_append_head(struct sw_buf *out, const struct sw_client_url *url, const char *path,
                        struct sw_slice key)
{
    size_t size = strlen(url->path);
    while (size > 0 && url->path[size - 1] == '/') {
        size--;
    }
    sw_buf_printf(out, "POST %.*s%s HTTP/1.1\r\nHost: ", (int)size, url->path, path);
    sw_client_url_append_host(url, out);
    if (key.size) {
        sw_buf_printf(out, "\r\nAuthorization: Bearer %.*s", SW_SLICE_ARG(key));
    }
    sw_buf_append_slice(out, SW_SLICE("\r\nContent-Length: "));
}

/* {"error":{"code","message"}} */
static bool read_refusal(struct sw_slice text, struct sw_buf *out)
{
    static const char *const names[] = {"error"};
    static const char *const inner[] = {"code", "message"};
    struct sw_json_value error;
    struct sw_json_value words[2];
    if (sw_json_validate(text.data, text.size, SW_CLI_ANSWER_DEPTH, NULL) != SW_JSON_OK) {
        return false;
    }
    struct sw_json_value root = sw_json_value(text);
    if (root.type != SW_JSON_OBJECT || !sw_json_members(root.raw, names, 1, &error, NULL) ||
        error.type != SW_JSON_OBJECT || !sw_json_members(error.raw, inner, 2, words, NULL) ||
        words[0].type != SW_JSON_STRING || words[1].type != SW_JSON_STRING) {
        return false;
    }
    sw_json_unescape(out, words[0].raw);
    sw_buf_append_slice(out, SW_SLICE(": "));
    sw_json_unescape(out, words[1].raw);
    return true;
}

/* One line of plain words, as a TLS port has for who speaks HTTP; not a proxy's page. */
static bool is_line(struct sw_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < ' ' || text.data[i] > '~') {
            return false;
        }
    }
    return text.size > 0 && text.size <= LINE_BYTES && text.data[0] != '<';
}

void sw_cli_append_refusal(struct sw_buf *out, unsigned status, struct sw_slice text,
                           const char *hint)
{
    if (!read_refusal(text, out)) {
        sw_buf_printf(out, "the node answered HTTP %u", status);
        if (text.size && text.data[text.size - 1] == '\n') {
            text.size--;
        }
        if (is_line(text)) {
            sw_buf_printf(out, ": %.*s", SW_SLICE_ARG(text));
        }
    }
    if (status == 401 && hint) {
        sw_buf_append_slice(out, sw_slice_of(hint));
    }
}

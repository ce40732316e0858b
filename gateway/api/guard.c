// SPDX-License-Identifier: Apache-2.0
#include "api/guard.h"

#include "common/file.h"
#include "common/mem.h"
#include "http/origin.h"
#include "net/digest.h"

#include <string.h>

#define KEY_FILE_BYTES 65536

static bool read_file(const char *path, struct sw_buf *out, struct sw_buf *error)
{
    const char *why;
    FILE *file = sw_file_open(path, &why);
    if (!file) {
        sw_buf_printf(error, "cannot read the API keys in %s: %s\n", path, why);
        return false;
    }
    size_t n = fread(sw_buf_reserve(out, KEY_FILE_BYTES), 1, KEY_FILE_BYTES, file);
    out->size += n;
    fclose(file);
    if (n == KEY_FILE_BYTES) {
        sw_buf_printf(error, "the API key file %s is larger than 64 KB\n", path);
        return false;
    }
    return true;
}

static void add_key(struct sw_guard *guard, struct sw_slice key)
{
    guard->keys = sw_realloc(guard->keys, (guard->count + 1) * sizeof(char *));
    guard->keys[guard->count++] = sw_strndup(key.data, key.size);
}

/* Without the blanks around it, and without the line's end that a file left in it. */
static struct sw_slice trim(struct sw_slice text)
{
    while (text.size && (unsigned char)text.data[text.size - 1] <= ' ') {
        text.size--;
    }
    return sw_slice_trim(text);
}

static bool take_file(struct sw_guard *guard, const char *path, struct sw_buf *error)
{
    struct sw_buf text = {0};
    bool ok = read_file(path, &text, error);
    struct sw_slice rest = sw_buf_slice(&text);
    while (ok && rest.data) {
        struct sw_slice line = trim(sw_slice_split(&rest, '\n'));
        if (line.size && line.data[0] != '#') {
            add_key(guard, line);
            guard->weak += line.size < SW_API_KEY_BYTES;
        }
    }
    sw_buf_deinit(&text);
    if (ok && !guard->keys) {
        sw_buf_printf(error, "the API key file %s holds no key\n", path);
    }
    return ok && guard->keys;
}

static bool take_variable(struct sw_guard *guard, const char *variable, struct sw_buf *error)
{
    struct sw_slice rest = sw_slice_of(variable);
    for (unsigned number = 1; rest.data; number++) {
        struct sw_slice key = trim(sw_slice_split(&rest, ','));
        if (key.size < SW_API_KEY_BYTES) {
            sw_buf_printf(error,
                          SW_API_KEY_VARIABLE ": key %u has fewer than %d bytes and could be "
                                              "guessed: make one with `openssl rand -hex 16`\n",
                          number, SW_API_KEY_BYTES);
            return false;
        }
        add_key(guard, key);
    }
    return true;
}

bool sw_guard_init(struct sw_guard *guard, const char *path, const char *variable, bool loopback,
                   struct sw_buf *error)
{
    *guard = (struct sw_guard){.loopback = loopback, .path = path, .variable = variable};
    return (!path || !path[0] || take_file(guard, path, error)) &&
           (!variable || !variable[0] || take_variable(guard, variable, error));
}

void sw_guard_deinit(struct sw_guard *guard)
{
    for (size_t i = 0; i < guard->count; i++) {
        sw_free(guard->keys[i]);
    }
    sw_free(guard->keys);
    *guard = (struct sw_guard){.loopback = guard->loopback};
}

bool sw_guard_read_again(void *owner, struct sw_buf *error)
{
    struct sw_guard *guard = owner;
    struct sw_guard fresh;
    bool ok = sw_guard_init(&fresh, guard->path, guard->variable, guard->loopback, error);
    struct sw_guard old = ok ? *guard : fresh;
    if (ok) {
        *guard = fresh;
    }
    sw_guard_deinit(&old);
    return ok;
}

static bool is_open(struct sw_slice path)
{
    return sw_slice_equal(path, SW_SLICE("/live")) || sw_slice_equal(path, SW_SLICE("/ready")) ||
           sw_slice_equal(path, SW_SLICE("/metrics"));
}

/* Looks at every key, so that the time says nothing about which one was near. */
static bool key_known(const struct sw_guard *guard, struct sw_slice key)
{
    bool known = false;
    for (size_t i = 0; i < guard->count; i++) {
        known |= sw_secret_equal(key, sw_slice_of(guard->keys[i]));
    }
    return known;
}

static struct sw_slice shown_key(const struct sw_request *request)
{
    struct sw_slice bearer = sw_request_header(request, "Authorization");
    struct sw_slice word = SW_SLICE("Bearer ");
    if (bearer.size > word.size && sw_slice_equal_nocase(sw_slice(bearer.data, word.size), word)) {
        return sw_slice_trim(sw_slice(bearer.data + word.size, bearer.size - word.size));
    }
    return sw_request_header(request, "X-API-Key");
}

static bool refuse(struct sw_http *http, enum sw_error error, const char *message)
{
    sw_http_reply_error(http, error, message, 0, NULL);
    return false;
}

bool sw_guard_check(const struct sw_guard *guard, struct sw_http *http,
                    const struct sw_request *request)
{
    if (is_open(request->path)) {
        return true;
    }
    if (guard->keys) {
        struct sw_slice key = shown_key(request);
        return (key.data && key_known(guard, key)) || refuse(http, SW_ERROR_UNAUTHORIZED, NULL);
    }
    if (!guard->loopback) {
        return refuse(http, SW_ERROR_UNAUTHORIZED,
                      "this listener needs --api-key-file or " SW_API_KEY_VARIABLE);
    }
    struct sw_slice origin = sw_request_header(request, "Origin");
    if (origin.data && !sw_origin_is_loopback(origin)) {
        return refuse(http, SW_ERROR_FORBIDDEN, "web pages of other origins may not do this");
    }
    if (!sw_host_is_loopback(sw_request_header(request, "Host"))) {
        return refuse(http, SW_ERROR_FORBIDDEN,
                      "without an API key the Host must be a loopback name");
    }
    return true;
}

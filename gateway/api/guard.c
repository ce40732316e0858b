// SPDX-License-Identifier: Apache-2.0
#include "api/guard.h"

#include "common/mem.h"
#include "http/origin.h"
#include "net/digest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY_FILE_BYTES 65536

static bool read_file(const char *path, struct sw_buf *out, struct sw_buf *error)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        sw_buf_printf(error, "cannot read the API keys in %s: %s\n", path, strerror(errno));
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

bool sw_guard_init(struct sw_guard *guard, const char *path, bool loopback, struct sw_buf *error)
{
    *guard = (struct sw_guard){.loopback = loopback};
    if (!path || !path[0]) {
        return true;
    }
    struct sw_buf text = {0};
    size_t count = 0;
    if (!read_file(path, &text, error)) {
        sw_buf_deinit(&text);
        return false;
    }
    struct sw_slice rest = sw_buf_slice(&text);
    while (rest.data) {
        struct sw_slice line = sw_slice_split(&rest, '\n');
        if (line.size && line.data[line.size - 1] == '\r') {
            line.size--;
        }
        line = sw_slice_trim(line);
        if (line.size && line.data[0] != '#') {
            guard->keys = sw_realloc(guard->keys, (count + 2) * sizeof(char *));
            guard->keys[count++] = sw_strndup(line.data, line.size);
            guard->keys[count] = NULL;
        }
    }
    sw_buf_deinit(&text);
    if (count == 0) {
        sw_buf_printf(error, "the API key file %s holds no key\n", path);
    }
    return count > 0;
}

void sw_guard_deinit(struct sw_guard *guard)
{
    for (size_t i = 0; guard->keys && guard->keys[i]; i++) {
        sw_free(guard->keys[i]);
    }
    sw_free(guard->keys);
    guard->keys = NULL;
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
    for (size_t i = 0; guard->keys[i]; i++) {
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
        return refuse(http, SW_ERROR_UNAUTHORIZED, "this listener needs --api-key-file");
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

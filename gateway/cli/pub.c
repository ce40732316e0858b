// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/options.h"
#include "common/json.h"
#include "core/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_DEPTH 16

struct publishing {
    struct sw_client client;
    struct sw_client_url url;
    const char *topic;
    const char *token;  /* not NULL: through the public listener, as a client */
    struct sw_buf head; /* of every request, up to its length */
    bool keep;          /* the connection may carry another request */
    uint64_t line;      /* of standard input; 0: the data stands on the command line */
};

static bool fail(const struct publishing *at, const char *what)
{
    if (at->line > 0) {
        fprintf(stderr, "spillway pub: line %llu: %s\n", (unsigned long long)at->line, what);
    } else {
        fprintf(stderr, "spillway pub: %s\n", what);
    }
    return false;
}

static void append_encoded(struct sw_buf *out, const char *topic)
{
    for (; *topic; topic++) {
        unsigned char c = (unsigned char)*topic;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '.' || c == '-' || c == '_' || c == '~';
        if (plain) {
            sw_buf_append_byte(out, (char)c);
        } else {
            sw_buf_printf(out, "%%%02X", c);
        }
    }
}

/* Behind a proxy the API may stand below a path; the URL of sub has the WebSocket's at its end. */
static struct sw_slice base_path(const struct sw_client_url *url)
{
    struct sw_slice socket = SW_SLICE("/v1/ws");
    struct sw_slice path = sw_slice_of(url->path);
    if (path.size >= socket.size &&
        memcmp(path.data + path.size - socket.size, socket.data, socket.size) == 0) {
        path.size -= socket.size;
    }
    while (path.size > 0 && path.data[path.size - 1] == '/') {
        path.size--;
    }
    return path;
}

static void write_head(struct publishing *at, const char *key)
{
    struct sw_slice path = base_path(&at->url);
    const char *secret = at->token ? at->token : key;
    sw_buf_printf(&at->head, "POST %.*s/v1/", SW_SLICE_ARG(path));
    if (at->token) {
        sw_buf_append_slice(&at->head, SW_SLICE("publish"));
    } else {
        sw_buf_append_slice(&at->head, SW_SLICE("topics/"));
        append_encoded(&at->head, at->topic);
    }
    sw_buf_append_slice(&at->head, SW_SLICE(" HTTP/1.1\r\nHost: "));
    sw_client_url_append_host(&at->url, &at->head);
    if (secret) {
        sw_buf_printf(&at->head, "\r\nAuthorization: Bearer %s", secret);
    }
    sw_buf_append_slice(&at->head, SW_SLICE("\r\nContent-Length: "));
}

/* The payload itself; for the public listener inside JSON, what is none as a string. */
static void append_body(const struct publishing *at, struct sw_slice data, struct sw_buf *out)
{
    if (!at->token) {
        sw_buf_append_slice(out, data);
        return;
    }
    sw_buf_append_slice(out, SW_SLICE("{\"topic\":"));
    sw_json_append_string(out, sw_slice_of(at->topic));
    sw_buf_append_slice(out, SW_SLICE(",\"data\":"));
    if (sw_json_validate(data.data, data.size, SW_PAYLOAD_DEPTH, NULL) == SW_JSON_OK) {
        sw_buf_append_slice(out, data);
    } else {
        sw_json_append_string(out, data);
    }
    sw_buf_append_byte(out, '}');
}

/* What a batch of one came to, an object in {"results":[...]}; an empty slice where there is none.
 */
static struct sw_slice find_result(const struct sw_buf *body)
{
    static const char *const names[] = {"results"};
    struct sw_json_value results;
    struct sw_json_member first;
    if (sw_json_validate(body->data, body->size, ANSWER_DEPTH, NULL) != SW_JSON_OK) {
        return sw_slice(NULL, 0);
    }
    struct sw_json_value root = sw_json_value(sw_buf_slice(body));
    if (root.type != SW_JSON_OBJECT || !sw_json_members(root.raw, names, 1, &results, NULL) ||
        results.type != SW_JSON_ARRAY) {
        return sw_slice(NULL, 0);
    }
    struct sw_json_walk walk = sw_json_walk(results.raw);
    bool found = sw_json_next(&walk, &first) && first.value.type == SW_JSON_OBJECT;
    return found ? first.value.raw : sw_slice(NULL, 0);
}

/* {"error":{"code","message"}}: the server's own words into `out`. */
static bool read_refusal(struct sw_slice text, struct sw_buf *out)
{
    static const char *const names[] = {"error"};
    static const char *const inner[] = {"code", "message"};
    struct sw_json_value error;
    struct sw_json_value words[2];
    if (sw_json_validate(text.data, text.size, ANSWER_DEPTH, NULL) != SW_JSON_OK) {
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

static bool fail_refused(const struct publishing *at, unsigned status, struct sw_slice text)
{
    struct sw_buf words = {0};
    if (!read_refusal(text, &words)) {
        sw_buf_clear(&words);
        sw_buf_printf(&words, "the node answered HTTP %u", status);
    }
    if (status == 401 && !at->token) {
        sw_buf_append_slice(&words, SW_SLICE(" (--key KEY)"));
    }
    fail(at, sw_buf_text(&words));
    sw_buf_deinit(&words);
    return false;
}

/* 200 from the public listener says only that the batch was read. */
static bool judge(const struct publishing *at, unsigned status, const struct sw_buf *body)
{
    static const char *const names[] = {"error"};
    struct sw_json_value error;
    if (status != 200) {
        return fail_refused(at, status, sw_buf_slice(body));
    }
    if (!at->token) {
        return true;
    }
    struct sw_slice result = find_result(body);
    bool taken = result.data && sw_json_members(result, names, 1, &error, NULL) && !error.raw.data;
    return taken || fail_refused(at, status, result);
}

static bool publish(struct publishing *at, struct sw_slice data)
{
    if (!at->keep || !sw_client_alive(&at->client)) {
        sw_client_close(&at->client);
        if (!sw_client_connect(&at->client, &at->url)) {
            return fail(at, at->client.error);
        }
    }
    struct sw_buf request = {0};
    struct sw_buf body = {0};
    unsigned status = 0;
    append_body(at, data, &body);
    sw_buf_append_slice(&request, sw_buf_slice(&at->head));
    sw_buf_printf(&request, "%zu\r\n\r\n", body.size);
    sw_buf_append_slice(&request, sw_buf_slice(&body));
    bool ok = sw_client_request(&at->client, sw_buf_slice(&request), &status, &body, &at->keep);
    if (!ok) {
        sw_buf_clear(&body);
        sw_buf_printf(&body, "%s; it may have been published or not", at->client.error);
        fail(at, sw_buf_text(&body));
    } else {
        ok = judge(at, status, &body);
    }
    sw_buf_deinit(&request);
    sw_buf_deinit(&body);
    return ok;
}

/* Each line is a message; the first that fails ends it, so that none overtakes another. */
static bool publish_lines(struct publishing *at)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    bool ok = true;
    while (ok && (n = getline(&line, &capacity, stdin)) >= 0) {
        size_t size = n > 0 && line[n - 1] == '\n' ? (size_t)n - 1 : (size_t)n;
        at->line++;
        ok = publish(at, sw_slice(line, size));
    }
    free(line);
    if (ok && ferror(stdin)) {
        return fail(at, "standard input cannot be read");
    }
    return ok;
}

static int usage(const struct sw_option *options, FILE *out, int code)
{
    struct sw_buf text = {0};
    sw_options_help(options, &text);
    fprintf(out,
            "usage: spillway pub TOPIC [DATA] [flags]\n\n"
            "Publishes DATA, or each line of standard input as a message of its own, through a\n"
            "node's admin listener, or with a token through its public one (what is no JSON then\n"
            "becomes a JSON string). Silent when all went well; the first failure ends it (1).\n"
            "Where TOPIC or DATA begin with --, write -- before them.\n\n%s",
            sw_buf_text(&text));
    sw_buf_deinit(&text);
    return code;
}

static int fail_usage(const char *what, const char *why)
{
    fprintf(stderr, "spillway pub: %s: %s\n", what, why);
    return 2;
}

/* Which listener, and with what: 0, or 2 and words. A token that only the environment has does not
 * turn away who asks for the admin listener. */
static int aim(struct publishing *at, const char *admin_url, const char *url, const char *key)
{
    const char *why;
    if (at->token && key) {
        return fail_usage("--key", "is for the admin listener, --token for the public one");
    }
    if (!admin_url && !key) {
        at->token = sw_client_token(at->token);
    }
    admin_url = admin_url ? admin_url : "http://127.0.0.1:9000";
    if (!sw_client_url_parse(at->token ? url : admin_url, &at->url, &why)) {
        return fail_usage(at->token ? "--url" : "--admin-url", why);
    }
    const char *secret = at->token ? at->token : key;
    if (secret && !sw_client_is_plain(secret)) {
        return fail_usage(at->token ? "--token" : "--key",
                          "a space or control byte has no place in it");
    }
    write_head(at, key);
    return 0;
}

int sw_cli_pub(int argc, char **argv)
{
    const char *admin_url = NULL;
    const char *url = "http://127.0.0.1:8000";
    const char *key = NULL;
    bool help = false;
    struct publishing at = {.client = {.fd = -1}};
    const struct sw_option options[] = {
        {"--admin-url", "URL", "the admin listener; default http://127.0.0.1:9000", &admin_url,
         NULL},
        {"--key", "KEY", "an API key of that node", &key, NULL},
        {"--token", "TOKEN",
         "as a client instead: who you are; or in SPILLWAY_TOKEN, which `ps` does not show",
         &at.token, NULL},
        {"--url", "URL", "the public listener, with a token; default http://127.0.0.1:8000", &url,
         NULL},
        {"--help", NULL, "this", NULL, &help},
        {0},
    };
    struct sw_buf error = {0};
    if (!sw_options_parse(options, &argc, argv, &error)) {
        fprintf(stderr, "spillway pub: %s", sw_buf_text(&error));
        sw_buf_deinit(&error);
        return 2;
    }
    if (help || argc < 1 || argc > 2) {
        return usage(options, help ? stdout : stderr, help ? 0 : 2);
    }
    at.topic = argv[0];
    at.topic = argv[0];
    int code = aim(&at, admin_url, url, key);
    if (code) {
        return code;
    }
    bool ok = argc == 2 ? publish(&at, sw_slice_of(argv[1])) : publish_lines(&at);
    sw_client_close(&at.client);
    sw_buf_deinit(&at.head);
    return ok ? 0 : 1;
}

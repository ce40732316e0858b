// SPDX-License-Identifier: Apache-2.0
#include "bus/envelope.h"
#include "cli/admin.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "common/json.h"
#include "core/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct publishing {
    struct sw_client client;
    struct sw_client_url url;
    const char *topic;
    const char *token;  /* not NULL: through the public listener, as a client */
    const char *id;     /* of idempotency; NULL: none */
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

/* The URL of sub has the WebSocket's path at its end. */
static void strip_socket(struct sw_client_url *url)
{
    static const char socket[] = "/v1/ws";
    size_t size = strlen(url->path);
    size_t end = sizeof(socket) - 1;
    if (size >= end && strcmp(url->path + size - end, socket) == 0) {
        url->path[size - end] = '\0';
    }
}

static void write_head(struct publishing *at, struct sw_slice secret)
{
    struct sw_buf path = {0};
    if (at->token) {
        strip_socket(&at->url);
        sw_buf_append_slice(&path, SW_SLICE("/v1/publish"));
    } else {
        sw_buf_append_slice(&path, SW_SLICE("/v1/topics/"));
        append_encoded(&path, at->topic);
    }
    sw_cli_append_head(&at->head, &at->url, sw_buf_text(&path), secret);
    sw_buf_deinit(&path);
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
    if (at->id) {
        sw_buf_append_slice(out, SW_SLICE(",\"id\":"));
        sw_json_append_string(out, sw_slice_of(at->id));
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
    if (sw_json_validate(body->data, body->size, SW_CLI_ANSWER_DEPTH, NULL) != SW_JSON_OK) {
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

static bool fail_refused(const struct publishing *at, unsigned status, struct sw_slice text)
{
    struct sw_buf words = {0};
    sw_cli_append_refusal(&words, status, text, at->token ? NULL : SW_CLI_KEY_HINT);
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
    sw_buf_printf(&request, "%zu\r\n", body.size);
    if (at->id && !at->token) {
        sw_buf_printf(&request, "Idempotency-Key: %s\r\n", at->id);
    }
    sw_buf_append_slice(&request, SW_SLICE("\r\n"));
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

/* What --token, --key and the environment come to. A token that only the environment has does not
 * turn away who asks for the admin listener. */
static bool find_secret(struct publishing *at, const char *admin_url, const char *key,
                        const char *key_file, struct sw_buf *secret)
{
    struct sw_buf error = {0};
    bool ok = true;
    if (!admin_url && !key && !key_file) {
        at->token = sw_client_token(at->token);
    }
    if (at->token) {
        sw_buf_append_slice(secret, sw_slice_of(at->token));
    } else {
        ok = sw_cli_key(key, key_file, secret, &error);
        fputs(ok ? "" : "spillway pub: ", stderr);
        fputs(sw_buf_text(&error), stderr);
    }
    sw_buf_deinit(&error);
    return ok;
}

/* Which listener, and with what: 0, or 2 and words. */
static int aim(struct publishing *at, const char *admin_url, const char *url, const char *key,
               const char *key_file)
{
    const char *why;
    struct sw_buf secret = {0};
    struct sw_buf room = {0};
    if (at->token && (key || key_file)) {
        return fail_usage(key ? "--key" : "--key-file",
                          "is for the admin listener, --token for the public one");
    }
    int code = 0;
    if (!find_secret(at, admin_url, key, key_file, &secret)) {
        code = 2;
    } else if (!sw_client_url_parse(at->token   ? url
                                    : admin_url ? admin_url
                                                : sw_cli_admin_url(&room),
                                    &at->url, &why)) {
        code = fail_usage(at->token ? "--url" : "--admin-url", why);
    } else if (!sw_client_is_plain(sw_buf_text(&secret))) {
        code = fail_usage(at->token ? "--token" : "--key",
                          "a space or control byte has no place in it");
    } else {
        write_head(at, sw_buf_slice(&secret));
    }
    sw_buf_deinit(&room);
    sw_buf_deinit(&secret);
    return code;
}

int sw_cli_pub(int argc, char **argv)
{
    const char *admin_url = NULL;
    const char *url = "http://127.0.0.1:8000";
    const char *key = NULL;
    const char *key_file = NULL;
    const char *ca = NULL;
    bool help = false;
    struct publishing at = {.client = {.fd = -1}};
    const struct sw_option options[] = {
        {"--admin-url", "URL", "the admin listener; " SW_CLI_ADMIN_URL_HELP, &admin_url, NULL},
        {"--key", "KEY", "an API key of that node; default SPILLWAY_API_KEY", &key, NULL},
        {"--key-file", "FILE", "the first key in it", &key_file, NULL},
        {"--ca", "FILE",
         "whom to trust at https:// and wss://, in PEM; default: whom the system does", &ca, NULL},
        {"--id", "ID", "of DATA: published again with the same one within 120 s it is one message",
         &at.id, NULL},
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
    if (at.id && argc == 1) {
        return fail_usage("--id", "is for one message: DATA must stand on the command line");
    }
    if (at.id && !sw_envelope_key_valid(sw_slice_of(at.id))) {
        return fail_usage("--id", "is 1 to 64 of '!' to '~' without ';'");
    }
    at.topic = argv[0];
    int code = aim(&at, admin_url, url, key, key_file);
    if (code) {
        return code;
    }
    at.url.ca_file = ca;
    bool ok = argc == 2 ? publish(&at, sw_slice_of(argv[1])) : publish_lines(&at);
    sw_client_close(&at.client);
    sw_buf_deinit(&at.head);
    return ok ? 0 : 1;
}

// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "cli/client.h"
#include "common/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct publishing {
    struct sw_client client;
    struct sw_client_url url;
    const char *key;
    struct sw_buf path;
    bool open;
};

static int usage(FILE *out, int code)
{
    fprintf(out,
            "usage: spillway pub TOPIC [DATA] [--admin-url URL] [--key KEY]\n\n"
            "Publishes DATA, or each line of standard input, through a node's admin listener.\n"
            "    --admin-url URL    [http://127.0.0.1:9000]\n"
            "    --key KEY          an API key of that node\n");
    return code;
}

static void encode_path(struct sw_buf *out, const char *topic)
{
    sw_buf_append_slice(out, SW_SLICE("/v1/topics/"));
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

/* The server's own words, where its answer has some. */
static void say_refusal(unsigned status, struct sw_buf *body)
{
    static const char *const names[] = {"error"};
    static const char *const inner[] = {"code", "message"};
    struct sw_json_value error;
    struct sw_json_value words[2];
    if (sw_json_validate(body->data, body->size, 16, NULL) == SW_JSON_OK &&
        sw_json_value(sw_buf_slice(body)).type == SW_JSON_OBJECT &&
        sw_json_members(sw_buf_slice(body), names, 1, &error, NULL) && error.raw.data &&
        error.type == SW_JSON_OBJECT && sw_json_members(error.raw, inner, 2, words, NULL) &&
        words[0].raw.data && words[1].raw.data) {
        struct sw_buf message = {0};
        sw_json_unescape(&message, words[1].raw);
        fprintf(stderr, "spillway pub: %.*s: %s\n", (int)words[0].raw.size - 2,
                words[0].raw.data + 1, sw_buf_text(&message));
        sw_buf_deinit(&message);
        return;
    }
    fprintf(stderr, "spillway pub: the node answered HTTP %u\n", status);
}

static bool publish(struct publishing *at, struct sw_slice data)
{
    if (!at->open && !sw_client_connect(&at->client, &at->url)) {
        fprintf(stderr, "spillway pub: %s\n", at->client.error);
        return false;
    }
    struct sw_buf request = {0};
    struct sw_buf body = {0};
    bool v6 = strchr(at->url.host, ':') != NULL;
    sw_buf_printf(&request, "POST %s HTTP/1.1\r\nHost: %s%s%s:%s\r\nContent-Length: %zu\r\n",
                  sw_buf_text(&at->path), v6 ? "[" : "", at->url.host, v6 ? "]" : "", at->url.port,
                  data.size);
    if (at->key) {
        sw_buf_printf(&request, "Authorization: Bearer %s\r\n", at->key);
    }
    sw_buf_append_slice(&request, SW_SLICE("\r\n"));
    sw_buf_append_slice(&request, data);
    unsigned status = 0;
    bool ok = sw_client_send(&at->client, sw_buf_slice(&request)) &&
              sw_client_response(&at->client, &status, &body, &at->open);
    if (!ok) {
        fprintf(stderr, "spillway pub: %s\n", at->client.error);
        at->open = false;
    } else if (status != 200) {
        say_refusal(status, &body);
        ok = false;
    }
    sw_buf_deinit(&request);
    sw_buf_deinit(&body);
    return ok;
}

static bool publish_lines(struct publishing *at)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    bool ok = true;
    while (ok && (n = getline(&line, &capacity, stdin)) >= 0) {
        size_t size = n > 0 && line[n - 1] == '\n' ? (size_t)n - 1 : (size_t)n;
        ok = publish(at, sw_slice(line, size));
    }
    free(line);
    return ok;
}

int sw_cli_pub(int argc, char **argv)
{
    const char *url = "http://127.0.0.1:9000";
    const char *words[2] = {NULL, NULL};
    int count = 0;
    struct publishing at = {.client = {.fd = -1}};
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return usage(stdout, 0);
        }
        if (strcmp(argv[i], "--admin-url") == 0 && i + 1 < argc) {
            url = argv[++i];
        } else if (strcmp(argv[i], "--key") == 0 && i + 1 < argc) {
            at.key = argv[++i];
        } else if (strncmp(argv[i], "--", 2) == 0 || count == 2) {
            fprintf(stderr, "spillway pub: unexpected \"%s\"\n", argv[i]);
            return usage(stderr, 2);
        } else {
            words[count++] = argv[i];
        }
    }
    if (count == 0) {
        return usage(stderr, 2);
    }
    if (!sw_client_url_parse(url, &at.url)) {
        fprintf(stderr, "spillway pub: not a URL that can be used: %s\n", url);
        return 2;
    }
    encode_path(&at.path, words[0]);
    bool ok = words[1] ? publish(&at, sw_slice_of(words[1])) : publish_lines(&at);
    sw_client_close(&at.client);
    sw_buf_deinit(&at.path);
    return ok ? 0 : 1;
}

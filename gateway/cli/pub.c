// SPDX-License-Identifier: Apache-2.0
#include "cli/admin.h"
#include "cli/cli.h"
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct publishing {
    struct sw_client client;
    struct sw_client_url url;
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

static void write_head(struct publishing *at, const char *topic, struct sw_slice key)
{
    struct sw_buf path = {0};
    sw_buf_append_slice(&path, SW_SLICE("/v1/topics/"));
    append_encoded(&path, topic);
    sw_cli_append_head(&at->head, &at->url, sw_buf_text(&path), key);
    sw_buf_deinit(&path);
}

static bool fail_refused(const struct publishing *at, unsigned status, const struct sw_buf *body)
{
    struct sw_buf words = {0};
    sw_cli_append_refusal(&words, status, body);
    fail(at, sw_buf_text(&words));
    sw_buf_deinit(&words);
    return false;
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
    sw_buf_append_slice(&request, sw_buf_slice(&at->head));
    sw_buf_printf(&request, "%zu\r\n\r\n", data.size);
    sw_buf_append_slice(&request, data);
    bool ok = sw_client_request(&at->client, sw_buf_slice(&request), &status, &body, &at->keep);
    if (!ok) {
        sw_buf_clear(&body);
        sw_buf_printf(&body, "%s; it may have been published or not", at->client.error);
        fail(at, sw_buf_text(&body));
    } else if (status != 200) {
        ok = fail_refused(at, status, &body);
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
            "node's admin listener. Silent when all went well; the first failure ends it (1).\n"
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

int sw_cli_pub(int argc, char **argv)
{
    const char *admin_url = SW_CLI_ADMIN_URL;
    const char *url = NULL;
    const char *key = NULL;
    const char *key_file = NULL;
    const char *why;
    bool help = false;
    const struct sw_option options[] = {
        {"--admin-url", "URL", "the admin listener; default " SW_CLI_ADMIN_URL, &admin_url, NULL},
        {"--key", "KEY", "an API key of that node; default SPILLWAY_API_KEY", &key, NULL},
        {"--key-file", "FILE", "the first key in it", &key_file, NULL},
        {"--url", "URL", "for sub; not used here, so that both may share their flags", &url, NULL},
        {"--help", NULL, "this", NULL, &help},
        {"--token", NULL, NULL, NULL, NULL},
        {0},
    };
    struct publishing at = {.client = {.fd = -1}};
    struct sw_buf error = {0};
    if (!sw_options_parse(options, &argc, argv, &error)) {
        fprintf(stderr, "spillway pub: %s", sw_buf_text(&error));
        sw_buf_deinit(&error);
        return 2;
    }
    if (help || argc < 1 || argc > 2) {
        return usage(options, help ? stdout : stderr, help ? 0 : 2);
    }
    if (!sw_client_url_parse(admin_url, &at.url, &why)) {
        return fail_usage("--admin-url", why);
    }
    struct sw_buf secret = {0};
    if (!sw_cli_key(key, key_file, &secret, &error)) {
        fprintf(stderr, "spillway pub: %s", sw_buf_text(&error));
        sw_buf_deinit(&secret);
        sw_buf_deinit(&error);
        return 2;
    }
    write_head(&at, argv[0], sw_buf_slice(&secret));
    sw_buf_deinit(&secret);
    bool ok = argc == 2 ? publish(&at, sw_slice_of(argv[1])) : publish_lines(&at);
    sw_client_close(&at.client);
    sw_buf_deinit(&at.head);
    return ok ? 0 : 1;
}

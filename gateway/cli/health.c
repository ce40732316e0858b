// SPDX-License-Identifier: Apache-2.0
#include "cli/admin.h"
#include "cli/cli.h"
#include "cli/options.h"

#include <stdio.h>

/* A node that does not answer is not well. A hung loop is said after its own time; main answers. */
#define ANSWER_MS 3000

struct asking {
    struct sw_client client;
    struct sw_client_url url;
    struct sw_buf request;
    struct sw_buf body;
};

/* Prints the node's own words. True: it is well. */
static bool ask(struct asking *at, const char *path)
{
    unsigned status = 0;
    bool keep;
    sw_buf_printf(&at->request, "GET %s HTTP/1.1\r\nHost: ", path);
    sw_client_url_append_host(&at->url, &at->request);
    sw_buf_append_slice(&at->request, SW_SLICE("\r\nConnection: close\r\n\r\n"));
    bool answered = sw_client_connect(&at->client, &at->url);
    if (answered) {
        sw_client_limit(&at->client, ANSWER_MS);
        answered =
            sw_client_request(&at->client, sw_buf_slice(&at->request), &status, &at->body, &keep);
    }
    if (!answered) {
        fprintf(stderr, "spillway health: %s\n", at->client.error);
    } else {
        struct sw_slice words = sw_buf_slice(&at->body);
        fprintf(status == 200 ? stdout : stderr, "%u %.*s\n", status, SW_SLICE_ARG(words));
    }
    sw_client_close(&at->client);
    return answered && status == 200;
}

static int usage(const struct sw_option *options)
{
    struct sw_buf text = {0};
    sw_options_help(options, &text);
    printf(
        "usage: spillway health [flags]\n\n"
        "Asks a node's /live, or with --ready its /ready: exit 0 where it is, else 1 and why not.\n"
        "Made for the health check of an image without a shell.\n\n%s",
        sw_buf_text(&text));
    sw_buf_deinit(&text);
    return 0;
}

int sw_cli_health(int argc, char **argv)
{
    struct sw_buf room = {0};
    const char *admin_url = sw_cli_admin_url(&room);
    const char *why;
    bool ready = false;
    bool help = false;
    const struct sw_option options[] = {
        {"--admin-url", "URL", "the admin listener; " SW_CLI_ADMIN_URL_HELP, &admin_url, NULL},
        {"--ready", NULL, "does it take clients, too?", NULL, &ready},
        {"--help", NULL, "this", NULL, &help},
        {0},
    };
    struct asking at = {.client = {.fd = -1}};
    struct sw_buf error = {0};
    int code = 2;
    if (!sw_options_parse(options, &argc, argv, &error)) {
        fprintf(stderr, "spillway health: %s", sw_buf_text(&error));
    } else if (help) {
        code = usage(options);
    } else if (argc > 0) {
        fprintf(stderr, "spillway health: flags alone, no words: %s\n", argv[0]);
    } else if (!sw_client_url_parse(admin_url, &at.url, &why)) {
        fprintf(stderr, "spillway health: --admin-url: %s\n", why);
    } else {
        code = ask(&at, ready ? "/ready" : "/live") ? 0 : 1;
    }
    sw_buf_deinit(&room);
    sw_buf_deinit(&error);
    sw_buf_deinit(&at.request);
    sw_buf_deinit(&at.body);
    return code;
}

// SPDX-License-Identifier: Apache-2.0
#include "cli/admin.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "common/clock.h"
#include "common/json.h"

#include <stdio.h>
#include <time.h>

/* Between two looks. */
#define LOOK_MS 200
/* Between two lines about the same thing. */
#define SAY_MS 1000
/* Given beyond the node's own deadline. */
#define PATIENCE_MS     2000
#define MAX_TIMEOUT_S   86400
#define LEAST_ANSWER_MS 100

enum answer {
    SAID,    /* how far it is */
    GONE,    /* nobody listens there */
    BROKEN,  /* the connection failed: it may be going, or not */
    REFUSED, /* and said why */
};

struct draining {
    struct sw_client client;
    struct sw_client_url url;
    struct sw_buf request;
    struct sw_buf words; /* what failed last */
    uint64_t begun_ms;
    uint64_t deadline_ms; /* UINT64_MAX: as the node says */
    uint64_t said_ms;
    uint64_t connections; /* as the node said last */
    uint64_t left_ms;
};

/* {"status":"draining","connections":12,"deadline_ms":15500}, whose numbers an older node leaves
 * out. */
static void read_answer(struct draining *at, const struct sw_buf *body)
{
    static const char *const names[] = {"connections", "deadline_ms"};
    struct sw_json_value fields[2];
    at->connections = 0;
    at->left_ms = 0;
    if (sw_json_validate(body->data, body->size, SW_CLI_ANSWER_DEPTH, NULL) == SW_JSON_OK &&
        sw_json_value(sw_buf_slice(body)).type == SW_JSON_OBJECT &&
        sw_json_members(sw_json_value(sw_buf_slice(body)).raw, names, 2, fields, NULL)) {
        (void)sw_json_to_u64(fields[0], UINT32_MAX, &at->connections);
        (void)sw_json_to_u64(fields[1], UINT32_MAX, &at->left_ms);
    }
}

/* A node whose main loop stands still is not waited for beyond the deadline. */
static void limit_answer(struct draining *at)
{
    uint64_t now = sw_clock_ms();
    uint64_t left = at->deadline_ms > now ? at->deadline_ms - now : 0;
    if (left < LEAST_ANSWER_MS) {
        left = LEAST_ANSWER_MS;
    }
    if (left < SW_CLIENT_ANSWER_MS) {
        sw_client_limit(&at->client, (int)left);
    }
}

/* Asks the node to drain, which it does once, and says how far it is. */
static enum answer ask(struct draining *at)
{
    struct sw_buf body = {0};
    unsigned status = 0;
    bool keep;
    enum answer answer = BROKEN;
    sw_buf_clear(&at->words);
    if (!sw_client_connect(&at->client, &at->url)) {
        answer = at->client.refused ? GONE : BROKEN;
        sw_buf_append_slice(&at->words, sw_slice_of(at->client.error));
    } else {
        limit_answer(at);
        if (!sw_client_request(&at->client, sw_buf_slice(&at->request), &status, &body, &keep)) {
            sw_buf_append_slice(&at->words, sw_slice_of(at->client.error));
        } else if (status != 202) {
            answer = REFUSED;
            sw_cli_append_refusal(&at->words, status, sw_buf_slice(&body), SW_CLI_KEY_HINT);
        } else {
            answer = SAID;
            read_answer(at, &body);
        }
    }
    sw_client_close(&at->client);
    sw_buf_deinit(&body);
    return answer;
}

static void say(struct draining *at)
{
    uint64_t now = sw_clock_ms();
    if (at->said_ms && now - at->said_ms < SAY_MS) {
        return;
    }
    at->said_ms = now;
    printf("draining: %llu connection%s left, gone in %.1f s at the latest\n",
           (unsigned long long)at->connections, at->connections == 1 ? "" : "s",
           (double)at->left_ms / 1000);
    fflush(stdout);
}

static bool fail(struct draining *at)
{
    fprintf(stderr, "spillway drain: %s\n", sw_buf_text(&at->words));
    return false;
}

/* It has been told; looks until it has gone. */
static bool await_end(struct draining *at)
{
    static const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
    enum answer answer = SAID;
    while (sw_clock_ms() < at->deadline_ms) {
        nanosleep(&pause, NULL);
        answer = ask(at);
        if (answer == GONE) {
            printf("gone after %.1f s\n", (double)(sw_clock_ms() - at->begun_ms) / 1000);
            return true;
        }
        if (answer == REFUSED) {
            return fail(at);
        }
        if (answer == SAID) {
            say(at);
        }
    }
    fprintf(stderr, "spillway drain: still there after %.1f s%s%s\n",
            (double)(sw_clock_ms() - at->begun_ms) / 1000, answer == BROKEN ? ": " : "",
            answer == BROKEN ? sw_buf_text(&at->words) : "");
    return false;
}

static bool drain(struct draining *at, bool wait)
{
    at->begun_ms = sw_clock_ms();
    if (ask(at) != SAID) {
        return fail(at);
    }
    say(at);
    if (at->deadline_ms == UINT64_MAX) {
        at->deadline_ms = sw_clock_ms() + at->left_ms + PATIENCE_MS;
    }
    return !wait || await_end(at);
}

static int usage(const struct sw_option *options)
{
    struct sw_buf text = {0};
    sw_options_help(options, &text);
    printf("usage: spillway drain [flags]\n\n"
           "Asks a node to leave, as SIGTERM does, and waits until it has gone (0) or its time is\n"
           "over (1). Made for a preStop hook: the SIGTERM behind it changes nothing then.\n\n%s",
           sw_buf_text(&text));
    sw_buf_deinit(&text);
    return 0;
}

static int fail_usage(const char *what, const char *why)
{
    fprintf(stderr, "spillway drain: %s%s%s\n", what, why ? ": " : "", why ? why : "");
    return 2;
}

/* The request, as it is sent each time. False: `error` says why not. */
static bool write_request(struct draining *at, const char *key, const char *file,
                          struct sw_buf *error)
{
    struct sw_buf secret = {0};
    bool ok = sw_cli_key(key, file, &secret, error);
    if (ok) {
        sw_cli_append_head(&at->request, &at->url, "/v1/drain", sw_buf_slice(&secret));
        sw_buf_append_slice(&at->request, SW_SLICE("0\r\n\r\n"));
    }
    sw_buf_deinit(&secret);
    return ok;
}

int sw_cli_drain(int argc, char **argv)
{
    struct sw_buf room = {0};
    const char *admin_url = sw_cli_admin_url(&room);
    const char *key = NULL;
    const char *key_file = NULL;
    const char *timeout = NULL;
    const char *why;
    bool wait = false;
    bool no_wait = false;
    bool help = false;
    const struct sw_option options[] = {
        {"--admin-url", "URL", "the admin listener; " SW_CLI_ADMIN_URL_HELP, &admin_url, NULL},
        {"--key", "KEY", "an API key of that node; default SPILLWAY_API_KEY", &key, NULL},
        {"--key-file", "FILE", "the first key in it", &key_file, NULL},
        {"--wait", NULL, "until the node has gone; so it is unless --no-wait says", NULL, &wait},
        {"--no-wait", NULL, "ends as soon as the node has heard", NULL, &no_wait},
        {"--timeout", "S", "seconds to wait; default as long as the node may take", &timeout, NULL},
        {"--help", NULL, "this", NULL, &help},
        {0},
    };
    struct draining at = {.client = {.fd = -1}, .deadline_ms = UINT64_MAX};
    struct sw_buf error = {0};
    uint64_t seconds = 0;
    int code = 2;
    if (!sw_options_parse(options, &argc, argv, &error)) {
        fprintf(stderr, "spillway drain: %s", sw_buf_text(&error));
    } else if (help) {
        code = usage(options);
    } else if (argc > 0) {
        code = fail_usage("flags alone, no words", argv[0]);
    } else if (wait && no_wait) {
        code = fail_usage("--wait and --no-wait contradict each other", NULL);
    } else if (!sw_client_url_parse(admin_url, &at.url, &why)) {
        code = fail_usage("--admin-url", why);
    } else if (timeout && !sw_slice_to_u64(sw_slice_of(timeout), MAX_TIMEOUT_S, &seconds)) {
        code = fail_usage("--timeout", "a whole number of seconds is needed, at most a day");
    } else if (!write_request(&at, key, key_file, &error)) {
        fprintf(stderr, "spillway drain: %s", sw_buf_text(&error));
    } else {
        at.deadline_ms = timeout ? sw_clock_ms() + seconds * 1000 : UINT64_MAX;
        code = drain(&at, !no_wait) ? 0 : 1;
    }
    sw_buf_deinit(&error);
    sw_buf_deinit(&room);
    sw_buf_deinit(&at.request);
    sw_buf_deinit(&at.words);
    return code;
}

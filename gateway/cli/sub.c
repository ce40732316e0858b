// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "cli/client.h"
#include "common/json.h"
#include "common/random.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BACKOFF_MS     500
#define BACKOFF_MAX_MS 20000

static volatile int stop;

struct subscribing {
    struct sw_client client;
    struct sw_client_url url;
    const char *token;
    char **topics;
    int topic_count;
    bool json;
    uint64_t left; /* messages still wanted; 0: no end */
    bool welcomed;
    bool refused; /* a topic was */
};

enum next { GO_ON, COME_BACK, DONE, FAILED };

static int usage(FILE *out, int code)
{
    fprintf(out, "usage: spillway sub TOPIC... [--url URL] [--json] [--count N] [--token TOKEN]\n\n"
                 "Prints each message as a line: its topic and its data.\n"
                 "    --url URL      [ws://127.0.0.1:8000/v1/ws]\n"
                 "    --json         whole frames, as they came\n"
                 "    --count N      ends after N messages\n"
                 "    --token TOKEN  shown to the node as a bearer token\n");
    return code;
}

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static bool say_subscribe(struct subscribing *at)
{
    struct sw_buf text = {0};
    sw_buf_append_slice(&text, SW_SLICE("{\"type\":\"subscribe\",\"id\":1,\"subs\":["));
    for (int i = 0; i < at->topic_count; i++) {
        sw_buf_append_slice(&text, i ? SW_SLICE(",{\"topic\":") : SW_SLICE("{\"topic\":"));
        sw_json_append_string(&text, sw_slice_of(at->topics[i]));
        sw_buf_append_byte(&text, '}');
    }
    sw_buf_append_slice(&text, SW_SLICE("]}"));
    bool ok = sw_client_say(&at->client, sw_buf_slice(&text));
    sw_buf_deinit(&text);
    return ok;
}

static void print_unescaped(struct sw_slice raw)
{
    struct sw_buf text = {0};
    sw_json_unescape(&text, raw);
    fwrite(text.data, 1, text.size, stdout);
    sw_buf_deinit(&text);
}

enum field { TYPE, TOPIC, DATA, TEXT, B64, SUBS, FIELD_COUNT };
static const char *const names[FIELD_COUNT] = {"type", "topic", "data", "text", "b64", "subs"};

static void print_message(const struct sw_json_value *fields)
{
    print_unescaped(fields[TOPIC].raw);
    putchar(' ');
    if (fields[DATA].raw.data) {
        fwrite(fields[DATA].raw.data, 1, fields[DATA].raw.size, stdout);
    } else {
        print_unescaped(fields[TEXT].raw.data ? fields[TEXT].raw : fields[B64].raw);
    }
    putchar('\n');
    fflush(stdout);
}

/* Entries that were refused go to standard error. */
static void look_for_refusals(struct subscribing *at, struct sw_slice subs)
{
    static const char *const inner[] = {"error"};
    struct sw_json_walk walk = sw_json_walk(subs);
    struct sw_json_member member;
    while (sw_json_next(&walk, &member)) {
        struct sw_json_value error;
        if (sw_json_members(member.value.raw, inner, 1, &error, NULL) && error.raw.data) {
            fprintf(stderr, "spillway sub: %.*s\n", SW_SLICE_ARG(member.value.raw));
            at->refused = true;
        }
    }
}

static enum next on_text(struct subscribing *at, struct sw_slice text)
{
    struct sw_json_value fields[FIELD_COUNT];
    if (sw_json_validate(text.data, text.size, 600, NULL) != SW_JSON_OK ||
        !sw_json_members(sw_json_value(text).raw, names, FIELD_COUNT, fields, NULL)) {
        return GO_ON;
    }
    struct sw_slice type = fields[TYPE].raw;
    if (sw_slice_equal(type, SW_SLICE("\"msg\""))) {
        if (at->json) {
            printf("%.*s\n", SW_SLICE_ARG(text));
            fflush(stdout);
        } else {
            print_message(fields);
        }
        return at->left && --at->left == 0 ? DONE : GO_ON;
    }
    if (sw_slice_equal(type, SW_SLICE("\"welcome\""))) {
        at->welcomed = true;
        return say_subscribe(at) ? GO_ON : COME_BACK;
    }
    if (sw_slice_equal(type, SW_SLICE("\"subscribed\"")) && fields[SUBS].raw.data) {
        look_for_refusals(at, fields[SUBS].raw);
        return at->refused ? FAILED : GO_ON;
    }
    if (!sw_slice_equal(type, SW_SLICE("\"hb\""))) {
        fprintf(stderr, "spillway sub: %.*s\n", SW_SLICE_ARG(text));
    }
    return GO_ON;
}

/* Close codes after which coming back is of no use (PROTOCOL.md, section 5). */
static bool final_code(unsigned code)
{
    return code == 1002 || code == 1003 || (code >= 1007 && code <= 1009) ||
           (code >= 4500 && code <= 4999);
}

static enum next listen_once(struct subscribing *at)
{
    struct sw_buf text = {0};
    enum next next = GO_ON;
    unsigned code = 0;
    while (next == GO_ON) {
        switch (sw_client_next(&at->client, &text, &code, &stop)) {
        case SW_CLIENT_TEXT:
            next = on_text(at, sw_buf_slice(&text));
            break;
        case SW_CLIENT_CLOSED:
            fprintf(stderr, "spillway sub: closed: %u %s\n", code, sw_buf_text(&text));
            next = final_code(code) ? FAILED : COME_BACK;
            break;
        case SW_CLIENT_LOST:
            fprintf(stderr, "spillway sub: connection lost\n");
            next = COME_BACK;
            break;
        case SW_CLIENT_STOPPED:
            next = DONE;
            break;
        }
    }
    sw_buf_deinit(&text);
    return next;
}

static void wait_ms(uint64_t ms)
{
    struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static enum next attempt(struct subscribing *at)
{
    if (!sw_client_connect(&at->client, &at->url) ||
        !sw_client_upgrade(&at->client, &at->url, at->token)) {
        fprintf(stderr, "spillway sub: %s\n", at->client.error);
        return COME_BACK;
    }
    enum next next = listen_once(at);
    sw_client_close(&at->client);
    return next;
}

static int run(struct subscribing *at)
{
    struct sw_random random;
    uint64_t backoff_ms = BACKOFF_MS;
    bool ever = false;
    sw_random_init(&random);
    while (!stop) {
        at->welcomed = false;
        enum next next = attempt(at);
        if (next == DONE || next == FAILED) {
            return next == DONE ? 0 : 1;
        }
        if (!at->welcomed && !ever) {
            return 1; /* it never worked: a person is waiting for the word */
        }
        ever = true;
        backoff_ms = at->welcomed ? BACKOFF_MS : backoff_ms * 2;
        backoff_ms = backoff_ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : backoff_ms;
        wait_ms(sw_random_below(&random, backoff_ms));
    }
    return 0;
}

/* Reads one flag and its value; 0: taken, else the exit code. */
static int read_flag(struct subscribing *at, int argc, char **argv, int *i, const char **url)
{
    const char *word = argv[*i];
    if (strcmp(word, "--json") == 0) {
        at->json = true;
        return 0;
    }
    if (*i + 1 < argc) {
        const char *value = argv[*i + 1];
        ++*i;
        if (strcmp(word, "--url") == 0) {
            *url = value;
            return 0;
        }
        if (strcmp(word, "--token") == 0) {
            at->token = value;
            return 0;
        }
        if (strcmp(word, "--count") == 0 &&
            sw_slice_to_u64(sw_slice_of(value), UINT32_MAX, &at->left) && at->left) {
            return 0;
        }
    }
    fprintf(stderr, "spillway sub: cannot use \"%s\"\n", word);
    return usage(stderr, 2);
}

int sw_cli_sub(int argc, char **argv)
{
    const char *url = "ws://127.0.0.1:8000/v1/ws";
    struct subscribing at = {.client = {.fd = -1}, .topics = argv};
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return usage(stdout, 0);
        }
        if (strncmp(argv[i], "--", 2) != 0) {
            argv[at.topic_count++] = argv[i];
            continue;
        }
        int code = read_flag(&at, argc, argv, &i, &url);
        if (code) {
            return code;
        }
    }
    if (at.topic_count == 0) {
        return usage(stderr, 2);
    }
    if (!sw_client_url_parse(url, &at.url)) {
        fprintf(stderr, "spillway sub: not a URL that can be used: %s\n", url);
        return 2;
    }
    if (strcmp(at.url.path, "/") == 0) {
        strncpy(at.url.path, "/v1/ws", sizeof(at.url.path) - 1);
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return run(&at);
}

// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/place.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/random.h"
#include "core/limits.h"
#include "core/rule.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Full jitter; reset by `welcome` (PROTOCOL.md, section 5). */
#define BACKOFF_MS     500
#define BACKOFF_MAX_MS 20000
/* Beyond its heartbeat a node that says nothing is dead. */
#define SILENCE_MS 10000
#define WELCOME_MS 12000 /* longer than a node waits for a token */
/* Where tokens are asked for a node waits for one, and says nothing until it has waited enough. */
#define HINT_MS 2000
/* Topics in one request: 128 of 255 bytes stay below a node's limit for a frame. */
#define TOPICS_PER_REQUEST 128
#define RETRY_MS           1000
/* A payload nests up to 512 deep, inside a frame. */
#define FRAME_DEPTH 600

#define DIGITS_(number) #number
#define DIGITS(limit)   DIGITS_(limit)

static volatile sig_atomic_t stop;

struct subscribing {
    struct sw_client client;
    struct sw_client_url url;
    struct sw_place *topics;
    size_t topic_count;
    uint64_t retry_at_ms; /* when what is wanted is asked for; UINT64_MAX: nothing is */
    uint64_t hint_at_ms;  /* when it is said that a token may be missing; UINT64_MAX: it is not */
    uint64_t heartbeat_ms;
    uint64_t left; /* messages still wanted; 0: no end */
    const char *mode;
    const char *max_hz;
    const char *last;
    const char *token;        /* NULL: none */
    uint64_t come_back_ms[2]; /* the window that a node names when it leaves; 0, 0: none */
    bool json;
    bool terminal; /* standard output is one */
    bool welcomed;
};

enum next { GO_ON, COME_BACK, DONE, FAILED };

/* The first signal asks for a polite end; a second one does not wait for a reader of ours. */
static void on_signal(int number)
{
    (void)number;
    if (stop) {
        _exit(0);
    }
    stop = 1;
}

/* ---- frames ---- */

enum field { TYPE, TOPIC, DATA, TEXT, B64, SUBS, HEARTBEAT, EPOCH, OFFSET, TO, FIELD_COUNT };
static const char *const names[FIELD_COUNT] = {"type", "topic",        "data",  "text",   "b64",
                                               "subs", "heartbeat_ms", "epoch", "offset", "to"};

static bool ask_for(struct subscribing *at, size_t *from)
{
    struct sw_buf text = {0};
    size_t count = 0;
    sw_buf_append_slice(&text, SW_SLICE("{\"type\":\"subscribe\",\"id\":1,\"subs\":["));
    for (; *from < at->topic_count && count < TOPICS_PER_REQUEST; ++*from) {
        struct sw_place *topic = &at->topics[*from];
        if (topic->wanted) {
            topic->wanted = false;
            sw_buf_append_slice(&text,
                                count++ ? SW_SLICE(",{\"topic\":") : SW_SLICE("{\"topic\":"));
            sw_json_append_string(&text, sw_slice_of(topic->name));
            if (at->mode) {
                sw_buf_printf(&text, ",\"mode\":\"%s\"", at->mode);
            }
            if (at->max_hz) {
                sw_buf_printf(&text, ",\"max_hz\":%s", at->max_hz);
            }
            sw_place_append_claim(topic, at->last, &text);
            sw_buf_append_byte(&text, '}');
        }
    }
    sw_buf_append_slice(&text, SW_SLICE("]}"));
    bool ok = count == 0 || sw_client_say(&at->client, sw_buf_slice(&text));
    sw_buf_deinit(&text);
    return ok;
}

static bool subscribe(struct subscribing *at)
{
    bool ok = true;
    at->retry_at_ms = UINT64_MAX;
    for (size_t from = 0; ok && from < at->topic_count;) {
        ok = ask_for(at, &from);
    }
    return ok;
}

/* Control characters of a message must not steer the terminal that shows it; those of two bytes
 * (U+0080 to U+009F, 0xc2 first) become 0xc2 0xbf, an inverted question mark. */
static bool is_control(unsigned char before, unsigned char byte)
{
    return byte < ' ' || byte == 0x7f || (before == 0xc2 && byte >= 0x80 && byte < 0xa0);
}

static void print(const struct subscribing *at, struct sw_slice text)
{
    if (!at->terminal) {
        fwrite(text.data, 1, text.size, stdout);
        return;
    }
    unsigned char before = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        putchar(is_control(before, byte) ? (byte < 0x80 ? '?' : 0xbf) : byte);
        before = byte;
    }
}

/* Text as it is, or with its escapes and quotes where it would not stay one line. */
static void print_text(const struct subscribing *at, struct sw_slice raw)
{
    struct sw_buf text = {0};
    bool plain = true;
    sw_json_unescape(&text, raw);
    for (size_t i = 0; i < text.size; i++) {
        plain &= !is_control(0, (unsigned char)text.data[i]);
    }
    print(at, plain ? sw_buf_slice(&text) : raw);
    sw_buf_deinit(&text);
}

static void print_message(const struct subscribing *at, const struct sw_json_value *fields)
{
    print_text(at, fields[TOPIC].raw);
    putchar(' ');
    if (fields[DATA].raw.data) {
        print(at, fields[DATA].raw);
    } else if (fields[TEXT].type == SW_JSON_STRING) {
        print_text(at, fields[TEXT].raw);
    } else if (fields[B64].type == SW_JSON_STRING) {
        fputs("base64:", stdout);
        print_text(at, fields[B64].raw);
    }
    putchar('\n');
}

/* ---- what comes ---- */

enum entry_field { ENTRY_TOPIC, ENTRY_ERROR, ENTRY_WHY, ENTRY_EPOCH, ENTRY_REPLAY, ENTRY_COUNT };
enum error_field { ERROR_CODE, ERROR_MESSAGE, ERROR_RETRY, ERROR_RETRY_MS, ERROR_COUNT };

static void want_again(struct subscribing *at, const char *name, struct sw_json_value retry_ms)
{
    uint64_t ms;
    if (!retry_ms.raw.data || !sw_json_to_u64(retry_ms, UINT32_MAX, &ms)) {
        ms = RETRY_MS;
    }
    uint64_t when = sw_clock_ms() + ms;
    at->retry_at_ms = when < at->retry_at_ms ? when : at->retry_at_ms;
    for (size_t i = 0; i < at->topic_count; i++) {
        at->topics[i].wanted |= strcmp(at->topics[i].name, name) == 0;
    }
}

/* One entry's error goes to standard error. True: it may pass, and its topic will be asked for
 * again. */
static bool on_refusal(struct subscribing *at, struct sw_json_value topic,
                       struct sw_json_value error)
{
    static const char *const fields[] = {"code", "message", "retry", "retry_ms"};
    struct sw_json_value values[ERROR_COUNT];
    struct sw_buf name = {0};
    struct sw_buf words = {0};
    if (topic.type == SW_JSON_STRING) {
        sw_json_unescape(&name, topic.raw);
    }
    bool passes = false;
    if (sw_json_members(error.raw, fields, ERROR_COUNT, values, NULL)) {
        passes = values[ERROR_RETRY].type == SW_JSON_TRUE;
        for (enum error_field i = ERROR_CODE; i <= ERROR_MESSAGE; i++) {
            if (values[i].type == SW_JSON_STRING) {
                sw_buf_append_slice(&words, SW_SLICE(": "));
                sw_json_unescape(&words, values[i].raw);
            }
        }
    }
    fprintf(stderr, "spillway sub: %s%s%s\n", sw_buf_text(&name), sw_buf_text(&words),
            passes ? " (trying again)" : "");
    if (passes) {
        want_again(at, sw_buf_text(&name), values[ERROR_RETRY_MS]);
    }
    sw_buf_deinit(&name);
    sw_buf_deinit(&words);
    return passes;
}

static bool is(const struct sw_json_value *value, struct sw_slice word)
{
    return sw_slice_equal(value->raw, word);
}

/* From here on what is published comes: a person is waiting for the word. */
static void on_entry(struct subscribing *at, struct sw_slice entry,
                     const struct sw_json_value *values)
{
    struct sw_buf name = {0};
    sw_json_unescape(&name, values[ENTRY_TOPIC].raw);
    fprintf(stderr, "spillway sub: subscribed to %s at %s:%s\n", sw_buf_text(&name), at->url.host,
            at->url.port);
    if (values[ENTRY_WHY].type == SW_JSON_STRING) {
        fprintf(stderr, "spillway sub: %s: not resumed (%.*s): messages may be missing here\n",
                sw_buf_text(&name), (int)values[ENTRY_WHY].raw.size - 2,
                values[ENTRY_WHY].raw.data + 1);
    }
    if (at->last && !values[ENTRY_EPOCH].raw.data && is(&values[ENTRY_REPLAY], SW_SLICE("0"))) {
        fprintf(stderr, "spillway sub: %s: nothing of it is kept for --last\n", sw_buf_text(&name));
    }
    struct sw_place *place = sw_place_find(at->topics, at->topic_count, sw_buf_slice(&name));
    if (place) {
        sw_place_begin(place, entry);
    }
    sw_buf_deinit(&name);
}

static enum next on_subscribed(struct subscribing *at, struct sw_slice subs)
{
    static const char *const fields[] = {"topic", "error", "why", "epoch", "replay"};
    struct sw_json_walk walk = sw_json_walk(subs);
    struct sw_json_member member;
    enum next next = GO_ON;
    while (sw_json_next(&walk, &member)) {
        struct sw_json_value values[ENTRY_COUNT];
        if (member.value.type != SW_JSON_OBJECT ||
            !sw_json_members(member.value.raw, fields, ENTRY_COUNT, values, NULL)) {
            continue;
        }
        if (values[ENTRY_ERROR].type == SW_JSON_OBJECT) {
            next = on_refusal(at, values[ENTRY_TOPIC], values[ENTRY_ERROR]) ? next : FAILED;
        } else if (values[ENTRY_TOPIC].type == SW_JSON_STRING) {
            on_entry(at, member.value.raw, values);
        }
    }
    return next;
}

static enum next on_message(struct subscribing *at, struct sw_slice text,
                            const struct sw_json_value *fields)
{
    if (at->json) {
        print(at, text);
        putchar('\n');
    } else {
        print_message(at, fields);
    }
    return at->left && --at->left == 0 ? DONE : GO_ON;
}

static enum next on_welcome(struct subscribing *at, const struct sw_json_value *fields)
{
    at->welcomed = true;
    at->hint_at_ms = UINT64_MAX;
    if (!sw_json_to_u64(fields[HEARTBEAT], UINT32_MAX, &at->heartbeat_ms)) {
        at->heartbeat_ms = UINT32_MAX;
    }
    return subscribe(at) ? GO_ON : COME_BACK;
}

/* Where it is in a topic with history. An `epoch` may come early: its offset was not read yet. */
static void note_place(struct subscribing *at, const struct sw_json_value *fields)
{
    struct sw_json_value offset = fields[TO].raw.data ? fields[TO] : fields[OFFSET];
    if (fields[TOPIC].type != SW_JSON_STRING || (!fields[EPOCH].raw.data && !offset.raw.data)) {
        return;
    }
    if (is(&fields[TYPE], SW_SLICE("\"epoch\""))) {
        offset.raw.data = NULL;
    }
    struct sw_buf name = {0};
    sw_json_unescape(&name, fields[TOPIC].raw);
    struct sw_place *place = sw_place_find(at->topics, at->topic_count, sw_buf_slice(&name));
    if (place && place->positioned) {
        sw_place_move(place, fields[EPOCH], offset);
    }
    sw_buf_deinit(&name);
}

static enum next on_text(struct subscribing *at, struct sw_slice text)
{
    struct sw_json_value fields[FIELD_COUNT];
    if (sw_json_validate(text.data, text.size, FRAME_DEPTH, NULL) != SW_JSON_OK ||
        sw_json_value(text).type != SW_JSON_OBJECT ||
        !sw_json_members(sw_json_value(text).raw, names, FIELD_COUNT, fields, NULL)) {
        fprintf(stderr, "spillway sub: a frame that is not of the protocol\n");
        return FAILED;
    }
    note_place(at, fields);
    if (is(&fields[TYPE], SW_SLICE("\"msg\""))) {
        return on_message(at, text, fields);
    }
    if (is(&fields[TYPE], SW_SLICE("\"welcome\""))) {
        return on_welcome(at, fields);
    }
    if (is(&fields[TYPE], SW_SLICE("\"subscribed\""))) {
        return fields[SUBS].type == SW_JSON_ARRAY ? on_subscribed(at, fields[SUBS].raw) : GO_ON;
    }
    if (!is(&fields[TYPE], SW_SLICE("\"hb\""))) {
        fflush(stdout); /* so that a gap is seen where it is */
        fprintf(stderr, "%.*s\n", SW_SLICE_ARG(text));
    }
    return GO_ON;
}

/* ---- one connection ---- */

/* Close codes after which coming back is of no use (PROTOCOL.md, section 5). */
static bool is_final(unsigned code)
{
    return code == 1002 || code == 1003 || (code >= 1007 && code <= 1009) ||
           (code >= 4500 && code <= 4999);
}

/* "drain retry_ms=500-8000": whoever leaves asks its clients not to come back all at once. */
static void note_window(struct subscribing *at, const char *words)
{
    const char *window = strstr(words, "retry_ms=");
    unsigned low;
    unsigned high;
    if (window && sscanf(window, "retry_ms=%u-%u", &low, &high) == 2 && low < high) {
        at->come_back_ms[0] = low;
        at->come_back_ms[1] = high;
    }
}

static uint64_t silence_deadline(const struct subscribing *at)
{
    return at->client.heard_ms + (at->welcomed ? at->heartbeat_ms + SILENCE_MS : WELCOME_MS);
}

static uint64_t next_deadline(const struct subscribing *at)
{
    uint64_t deadline = silence_deadline(at);
    deadline = at->hint_at_ms < deadline ? at->hint_at_ms : deadline;
    return at->retry_at_ms < deadline ? at->retry_at_ms : deadline;
}

static enum next on_timeout(struct subscribing *at)
{
    uint64_t now = sw_clock_ms();
    if (now >= silence_deadline(at)) {
        fprintf(stderr, "spillway sub: the node is silent\n");
        return COME_BACK;
    }
    if (now >= at->hint_at_ms) {
        at->hint_at_ms = UINT64_MAX;
        fprintf(stderr, "spillway sub: no welcome yet; does this node ask for a token (--token "
                        "TOKEN, or SPILLWAY_TOKEN)?\n");
        return GO_ON;
    }
    return subscribe(at) ? GO_ON : COME_BACK;
}

static enum next listen_once(struct subscribing *at)
{
    struct sw_buf text = {0};
    enum next next = GO_ON;
    unsigned code = 0;
    while (next == GO_ON) {
        switch (sw_client_next(&at->client, &text, &code, next_deadline(at), &stop)) {
        case SW_CLIENT_TEXT:
            next = on_text(at, sw_buf_slice(&text));
            break;
        case SW_CLIENT_CLOSED:
            fprintf(stderr, "spillway sub: closed by the node: %u %s\n", code, sw_buf_text(&text));
            note_window(at, sw_buf_text(&text));
            next = is_final(code) ? FAILED : COME_BACK;
            break;
        case SW_CLIENT_LOST:
            fprintf(stderr, "spillway sub: %s\n", at->client.error);
            next = COME_BACK;
            break;
        case SW_CLIENT_TIMEOUT:
            next = on_timeout(at);
            break;
        case SW_CLIENT_STOPPED:
            next = DONE;
            break;
        }
    }
    sw_buf_deinit(&text);
    return next;
}

static enum next attempt(struct subscribing *at)
{
    unsigned status = 0;
    at->welcomed = false;
    at->retry_at_ms = UINT64_MAX;
    for (size_t i = 0; i < at->topic_count; i++) {
        at->topics[i].wanted = true;
    }
    if (!sw_client_connect(&at->client, &at->url) ||
        !sw_client_upgrade(&at->client, &at->url, at->token, &status)) {
        if (!stop) {
            fprintf(stderr, "spillway sub: %s\n", at->client.error);
        }
        bool refused = status >= 400 && status < 500 && status != 408 && status != 429;
        return refused ? FAILED : COME_BACK;
    }
    at->hint_at_ms = at->token ? UINT64_MAX : sw_clock_ms() + HINT_MS;
    enum next next = listen_once(at);
    fflush(stdout);
    if (next == COME_BACK) {
        sw_client_close(&at->client);
    } else {
        sw_client_goodbye(&at->client);
    }
    return next;
}

/* In pieces: a signal that comes just before a long sleep would not end it. */
static void wait_ms(uint64_t ms)
{
    uint64_t end = sw_clock_ms() + ms;
    for (uint64_t now = sw_clock_ms(); now < end && !stop; now = sw_clock_ms()) {
        uint64_t piece = end - now < 100 ? end - now : 100;
        struct timespec time = {.tv_nsec = (long)piece * 1000000};
        nanosleep(&time, NULL);
    }
}

static int run(struct subscribing *at)
{
    struct sw_random random;
    uint64_t backoff_ms = BACKOFF_MS;
    bool ever = false;
    sw_random_init(&random);
    while (!stop) {
        enum next next = attempt(at);
        if (stop || next == DONE) {
            break;
        }
        ever |= at->welcomed;
        if (next == FAILED || !ever) {
            return 1; /* where it never worked a person is waiting for the word */
        }
        uint64_t ms = sw_random_below(&random, at->welcomed ? BACKOFF_MS : backoff_ms);
        if (at->come_back_ms[1]) {
            ms = at->come_back_ms[0] +
                 sw_random_below(&random, at->come_back_ms[1] - at->come_back_ms[0]);
            at->come_back_ms[1] = 0;
        }
        backoff_ms = at->welcomed ? BACKOFF_MS : backoff_ms * 2;
        backoff_ms = backoff_ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : backoff_ms;
        fprintf(stderr, "spillway sub: connecting again in %llu ms\n", (unsigned long long)ms);
        wait_ms(ms);
    }
    return 0;
}

/* ---- the command line ---- */

static int usage(const struct sw_option *options, FILE *out, int code)
{
    struct sw_buf text = {0};
    sw_options_help(options, &text);
    fprintf(out,
            "usage: spillway sub TOPIC... [flags]\n\n"
            "Prints a line for each message: its topic and its data (what is not UTF-8 as\n"
            "base64:...). Whatever else the node says, such as `dropped`, goes to standard error.\n"
            "Comes back when a connection is lost, where it was in topics with history, and ends\n"
            "(1) where the first cannot be made. A topic may be a pattern: 'orders.>'.\n\n%s",
            sw_buf_text(&text));
    sw_buf_deinit(&text);
    return code;
}

static int fail_usage(const char *what, const char *why)
{
    fprintf(stderr, "spillway sub: %s%s\n", what, why);
    return 2;
}

/* So that somebody can go on. */
static void say_places(const struct subscribing *at)
{
    struct sw_buf text = {0};
    for (size_t i = 0; i < at->topic_count; i++) {
        if (at->topics[i].positioned) {
            sw_position_write(&text, &at->topics[i].position);
            fprintf(stderr, "spillway sub: --from %s@%s goes on from here\n", at->topics[i].name,
                    sw_buf_text(&text));
            sw_buf_clear(&text);
        }
    }
    sw_buf_deinit(&text);
}

/* False: one of them is no position of a topic that is asked for. */
static bool start_places(struct subscribing *at, char **words, const char *const *from)
{
    at->topics = sw_zalloc(at->topic_count * sizeof(*at->topics));
    for (size_t i = 0; i < at->topic_count; i++) {
        at->topics[i].name = words[i];
    }
    for (; *from; from++) {
        if (!sw_place_start(at->topics, at->topic_count, *from)) {
            fail_usage("--from is one of the topics and a position of it, like orders.eu@Qx7:44, "
                       "not ",
                       *from);
            sw_free(at->topics);
            return false;
        }
    }
    return true;
}

static int start(struct subscribing *at)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    at->terminal = isatty(STDOUT_FILENO) != 0;
    if (strcmp(at->url.path, "/") == 0) {
        snprintf(at->url.path, sizeof(at->url.path), "/v1/ws");
    }
    int code = run(at);
    say_places(at);
    sw_free(at->topics);
    return code;
}

int sw_cli_sub(int argc, char **argv)
{
    const char *url = "ws://127.0.0.1:8000/v1/ws";
    const char *count = NULL;
    const char *other = NULL;
    const char *ca = NULL;
    const char *from[SW_OPTION_REPEATS + 1] = {0};
    const char *why;
    bool help = false;
    struct subscribing at = {.client = {.fd = -1}};
    const struct sw_option options[] = {
        {"--url", "URL", "a node's public listener; default ws://127.0.0.1:8000/v1/ws", &url, NULL},
        {"--mode", "MODE", "what to get when it does not keep up: " SW_MODE_WORDS, &at.mode, NULL},
        {"--max-hz", "N", "no more often than that a second: " SW_MAX_HZ_WORDS, &at.max_hz, NULL},
        {"--from", "TOPIC@POSITION...", "begin behind it: orders.eu@Qx7:44", from, NULL},
        {"--last", "N", "begin with the newest N of each topic that keeps any", &at.last, NULL},
        {"--token", "TOKEN", "who you are; or in SPILLWAY_TOKEN, which `ps` does not show",
         &at.token, NULL},
        {"--json", NULL, "whole frames instead, as they came", NULL, &at.json},
        {"--ca", "FILE",
         "whom to trust at https:// and wss://, in PEM; default: whom the system does", &ca, NULL},
        {"--count", "N", "end after N messages", &count, NULL},
        {"--admin-url", "URL", "for pub; not used here, so that both may share their flags", &other,
         NULL},
        {"--key", "KEY", "for pub; not used here", &other, NULL},
        {"--help", NULL, "this", NULL, &help},
        {0},
    };
    struct sw_buf error = {0};
    if (!sw_options_parse(options, &argc, argv, &error)) {
        fprintf(stderr, "spillway sub: %s", sw_buf_text(&error));
        sw_buf_deinit(&error);
        return 2;
    }
    if (help || argc < 1) {
        return usage(options, help ? stdout : stderr, help ? 0 : 2);
    }
    if (!sw_client_url_parse(url, &at.url, &why)) {
        return fail_usage("--url: ", why);
    }
    at.url.ca_file = ca;
    if (count && (!sw_slice_to_u64(sw_slice_of(count), UINT32_MAX, &at.left) || at.left == 0)) {
        return fail_usage("--count takes a number from 1, not ", count);
    }
    at.token = sw_client_token(at.token);
    if (at.token && !sw_client_is_plain(at.token)) {
        return fail_usage("--token: ", "a space or control byte has no place in it");
    }
    enum sw_mode mode;
    uint64_t number;
    if (at.mode && !sw_mode_parse(sw_slice_of(at.mode), &mode)) {
        return fail_usage("--mode is " SW_MODE_WORDS ", not ", at.mode);
    }
    if (at.max_hz && (!sw_slice_to_u64(sw_slice_of(at.max_hz), UINT32_MAX, &number) ||
                      !sw_max_hz_valid(number))) {
        return fail_usage("--max-hz is " SW_MAX_HZ_WORDS ", not ", at.max_hz);
    }
    if (at.last &&
        (!sw_slice_to_u64(sw_slice_of(at.last), SW_HISTORY_SIZE, &number) || number == 0)) {
        return fail_usage("--last takes a number from 1 to " DIGITS(SW_HISTORY_SIZE) ", not ",
                          at.last);
    }
    at.topic_count = (size_t)argc;
    return start_places(&at, argv, from) ? start(&at) : 2;
}

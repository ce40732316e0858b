// SPDX-License-Identifier: Apache-2.0
/* The load generator: many subscribers and one publisher, on one thread.
 *
 * A closed loop in bursts: the publisher sends K messages with one system call, so that the server
 * reads them in one turn, and the next burst begins when every subscriber has every message of this
 * one (with --window W: of the one W before). What arrives is checked, see client.h.
 *
 * Standard output is JSON lines: one when all are subscribed, one for each command. Without
 * --bursts the commands are lines of standard input:
 *
 *   N                bursts
 *   for MS           bursts until so much time is over; with a rest of a fifth behind each, so
 *                    that what is measured is never this process
 *   rate N MS        N bursts a second for so long, whether they arrive or not; MS 0: until the
 *                    next line
 *   handshakes MS    connects and subscribes for so long, at most --room, with rests as well
 *   drop             resets those connections
 *   pause N          the first N clients stop reading
 *   resume           they read again, until they have all, or were closed; those come back
 *
 * Exit 1 where anything was wrong. */
#include "client.h"
#include "tokens.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MAX_TOPICS 10000
/* Between two rests. */
#define HANDSHAKES 16
/* After it, what a client that reads again has not got is lost. */
#define QUIET_MS 3000

struct options opt;
static uint64_t bursts_done;
static char *output; /* one burst */
static unsigned paused;
static unsigned added;

/* What an answer is about: begun by begin(), told by answer(). */
static uint64_t begun_ns;
static double begun_busy;

/* What this process ran, and waited for a CPU that others had: it was not idle then. */
static double busy_seconds(void)
{
    unsigned long long ran_ns = 0, waited_ns = 0;
    FILE *file = fopen("/proc/self/schedstat", "r");
    if (!file || fscanf(file, "%llu %llu", &ran_ns, &waited_ns) != 2) {
        die("/proc/self/schedstat cannot be read");
    }
    fclose(file);
    return (double)(ran_ns + waited_ns) / 1e9;
}

static void begin(void)
{
    now = (struct run){0};
    latency_reset();
    begun_ns = now_ns();
    begun_busy = busy_seconds();
}

static uint64_t passed_ms(void)
{
    return (now_ns() - begun_ns) / 1000000;
}

/* `what` and how many of them, and what came meanwhile. */
static void answer(const char *what, uint64_t count)
{
    double wall = (double)(now_ns() - begun_ns) / 1e9;
    double busy = busy_seconds() - begun_busy;
    printf("{\"%s\":%" PRIu64 ",\"deliveries\":%" PRIu64 ",\"errors\":%" PRIu64
           ",\"bytes\":%" PRIu64 ",\"bookmarks\":%" PRIu64 ",\"compressed\":%" PRIu64
           ",\"seconds\":%.6f,\"idle\":%.3f",
           what, count, now.deliveries, now.errors, now.bytes, now.bookmarks, now.compressed, wall,
           wall > 0 ? 1 - busy / wall : 0);
    if (now.deliveries) {
        printf(",\"p50\":%.4f,\"p99\":%.4f,\"p999\":%.4f", latency_ms(0.5), latency_ms(0.99),
               latency_ms(0.999));
    }
    puts("}");
    fflush(stdout);
    if (now.errors) {
        exit(1);
    }
}

/* ---- bursts ---- */

/* K messages by one system call; returns the deliveries that are due for them. */
static uint64_t send_burst(void)
{
    size_t size = 0;
    uint64_t due = 0;
    unsigned first = (unsigned)(bursts_done * opt.spread % opt.topics);
    for (unsigned i = 0; i < opt.messages; i++) {
        unsigned topic = (first + i % opt.spread) % opt.topics;
        size += put_publish(output + size, topic);
        due += readers[topic];
    }
    bursts_done++;
    write_all(publisher->fd, output, size);
    return due;
}

/* Reads until so many deliveries have come since begin(). Pings are no sign that more will come. */
static void await(uint64_t deliveries)
{
    uint64_t last = now.deliveries;
    uint64_t last_ns = now_ns();
    while (now.deliveries < deliveries) {
        poll_once(1000);
        if (now.deliveries != last) {
            last = now.deliveries;
            last_ns = now_ns();
        } else if (now_ns() - last_ns > opt.patience * 1000000000ull) {
            die("nothing came for %u s: %" PRIu64 " of %" PRIu64 " deliveries", opt.patience,
                now.deliveries, deliveries);
        }
    }
}

static void await_all(uint64_t deliveries)
{
    await(deliveries);
    if (now.deliveries > deliveries) {
        fault(publisher, "more deliveries than were due", "", 0);
    }
}

static void rest(uint64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / 1000000000u),
                            .tv_nsec = (long)(ns % 1000000000u)};
    nanosleep(&time, NULL);
}

static void run_bursts(uint64_t count, uint64_t ms)
{
    uint64_t due = 0, done = 0;
    begin();
    while (done < count && (!ms || passed_ms() < ms)) {
        uint64_t start_ns = now_ns();
        uint64_t each = send_burst();
        due += each;
        done++;
        uint64_t under_way = (opt.window - 1) * each;
        await(due > under_way ? due - under_way : 0);
        if (ms && opt.window == 1) {
            rest((now_ns() - start_ns) / 5);
        }
    }
    await_all(due);
    answer("bursts", done);
}

static bool has_input(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

static void run_rate(uint64_t per_second, uint64_t ms)
{
    uint64_t due = 0, done = 0;
    begin();
    for (; ms ? passed_ms() < ms : !has_input(); done++) {
        uint64_t at_ms = done * 1000 / per_second;
        for (uint64_t now_ms = passed_ms(); now_ms < at_ms; now_ms = passed_ms()) {
            poll_once((int)(at_ms - now_ms));
        }
        due += send_burst();
    }
    await_all(due);
    answer("bursts", done);
}

/* ---- connections that come and go ---- */

static void run_handshakes(uint64_t ms)
{
    begin();
    uint64_t start_ns = now_ns();
    while (passed_ms() < ms && added < opt.room) {
        unsigned number = opt.clients + 1 + added++;
        client_open(&clients[number], number);
        if (added % HANDSHAKES == 0) {
            rest((now_ns() - start_ns) / 5);
            start_ns = now_ns();
        }
    }
    clients_await(opt.clients + 1 + added);
    answer("handshakes", added);
}

static void run_drop(void)
{
    begin();
    for (unsigned i = 0; i < added; i++) {
        client_drop(&clients[opt.clients + 1 + i]);
    }
    answer("dropped", added);
    added = 0;
}

/* ---- clients that do not read ---- */

static uint32_t paused_at; /* the number of topic 0 */

static void run_pause(uint64_t count)
{
    if (opt.topics != 1 || paused || count > opt.clients) {
        die("only readers of one topic can be paused, and only once");
    }
    begin();
    for (; paused < count; paused++) {
        client_pause(&clients[paused]);
    }
    paused_at = numbers[0];
    answer("paused", paused);
}

static bool has_all(const struct client *client)
{
    return client->phase == CLOSED || client->received + client->told == numbers[0] - paused_at;
}

static void run_resume(void)
{
    begin();
    for (unsigned i = 0; i < paused; i++) {
        client_resume(&clients[i]);
    }
    unsigned first = 0;
    do {
        while (first < paused && has_all(&clients[first])) {
            first++;
        }
    } while (first < paused && poll_once(QUIET_MS));
    uint64_t received = 0, told = 0, missing = 0;
    unsigned closed = 0, code = 0;
    for (unsigned i = 0; i < paused; i++) {
        received += clients[i].received;
        told += clients[i].told;
        if (clients[i].phase == CLOSED) {
            closed++;
            code = clients[i].code;
        } else {
            missing += numbers[0] - paused_at - clients[i].received - clients[i].told;
        }
        client_settle(&clients[i]);
    }
    clients_await(opt.clients + 1);
    printf("{\"resumed\":%u,\"published\":%u,\"received\":%" PRIu64 ",\"told\":%" PRIu64
           ",\"missing\":%" PRIu64 ",\"closed\":%u,\"code\":%u,\"errors\":%" PRIu64 "}\n",
           paused, numbers[0] - paused_at, received, told, missing, closed, code, now.errors);
    fflush(stdout);
    paused = 0;
    if (now.errors) {
        exit(1);
    }
}

static void obey(const char *line)
{
    uint64_t a, b;
    if (sscanf(line, "for %" SCNu64, &a) == 1) {
        run_bursts(UINT64_MAX, a);
    } else if (sscanf(line, "rate %" SCNu64 " %" SCNu64, &a, &b) == 2 && a) {
        run_rate(a, b);
    } else if (sscanf(line, "handshakes %" SCNu64, &a) == 1) {
        run_handshakes(a);
    } else if (sscanf(line, "pause %" SCNu64, &a) == 1) {
        run_pause(a);
    } else if (strcmp(line, "enough\n") == 0) {
        return; /* it has ended a rate */
    } else if (strcmp(line, "drop\n") == 0) {
        run_drop();
    } else if (strcmp(line, "resume\n") == 0) {
        run_resume();
    } else if (sscanf(line, "%" SCNu64, &a) == 1) {
        run_bursts(a, 0);
    } else {
        die("no command: %s", line);
    }
}

/* ---- the command line ---- */

static const struct {
    const char *name;
    size_t offset;
    const char *help;
} flags[] = {
    {"--port", offsetof(struct options, port), "where the server listens"},
    {"--publish-port", offsetof(struct options, publish_port), "where to publish (the same)"},
    {"--clients", offsetof(struct options, clients), "subscribers (1000)"},
    {"--topics", offsetof(struct options, topics), "topics in all (1)"},
    {"--each", offsetof(struct options, each), "topics of one subscriber (all of them)"},
    {"--messages", offsetof(struct options, messages), "messages of a burst (1)"},
    {"--spread", offsetof(struct options, spread), "topics of a burst (1)"},
    {"--bytes", offsetof(struct options, bytes), "of a payload (128)"},
    {"--bursts", offsetof(struct options, bursts), "run so many and end"},
    {"--warm-up", offsetof(struct options, warm_up), "bursts before the first answer (5)"},
    {"--window", offsetof(struct options, window), "bursts under way at a time (1)"},
    {"--room", offsetof(struct options, room), "connections that `handshakes` may add (0)"},
    {"--patience", offsetof(struct options, patience), "seconds without any delivery (60)"},
    {"--tls", offsetof(struct options, tls), "1: subscribers speak TLS, --publish-port is plain"},
    {"--rows", offsetof(struct options, rows), "1: payloads are rows of a table, not padding"},
    {"--compress", offsetof(struct options, compress), "1: subscribers take permessage-deflate"},
    {"--history", offsetof(struct options, history), "1: the topics have a history"},
};
#define FLAGS (sizeof(flags) / sizeof(flags[0]))

static _Noreturn void usage(void)
{
    fputs("usage: load --port N [--host ADDRESS] [--publish ws|http|redis]\n"
          "            [--dialect native|sse|nchan|socket.io|centrifuge] [--tokens FILE]",
          stderr);
    for (size_t i = 1; i < FLAGS; i++) {
        fprintf(stderr, "\n  %-14s N  %s", flags[i].name, flags[i].help);
    }
    fputc('\n', stderr);
    exit(2);
}

static bool parse_word(const char *name, const char *value)
{
    if (strcmp(name, "--host") == 0) {
        opt.host = value;
    } else if (strcmp(name, "--publish") == 0) {
        opt.publish = value;
    } else if (strcmp(name, "--dialect") == 0) {
        opt.dialect = dialect_find(value);
    } else if (strcmp(name, "--tokens") == 0) {
        opt.tokens = value;
    } else {
        return false;
    }
    return true;
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        size_t row = 0;
        while (row < FLAGS && strcmp(argv[i], flags[row].name) != 0) {
            row++;
        }
        if (i + 1 == argc || (row == FLAGS && !parse_word(argv[i], argv[i + 1]))) {
            usage();
        }
        if (row < FLAGS) {
            char *end;
            unsigned long value = strtoul(argv[i + 1], &end, 10);
            if (*end || value > INT32_MAX) {
                usage();
            }
            *(unsigned *)(void *)((char *)&opt + flags[row].offset) = (unsigned)value;
        }
    }
    opt.each = opt.each ? opt.each : opt.topics;
    bool good = opt.port && opt.clients && opt.messages && opt.spread && opt.patience &&
                opt.window && opt.dialect && opt.topics <= MAX_TOPICS && opt.each <= opt.topics &&
                opt.spread <= opt.topics && opt.bytes >= 32 && opt.bytes <= 60000;
    if (!good) {
        usage();
    }
}

int main(int argc, char **argv)
{
    opt = (struct options){.host = "127.0.0.1",
                           .dialect = dialect_find("native"),
                           .publish = "ws",
                           .clients = 1000,
                           .topics = 1,
                           .messages = 1,
                           .spread = 1,
                           .bytes = 128,
                           .warm_up = 5,
                           .window = 1,
                           .patience = 60};
    parse(argc, argv);
    if (!tokens_read(opt.tokens)) {
        die("%s: no tokens there", opt.tokens);
    }
    prctl(PR_SET_TIMERSLACK, 1ul, 0, 0, 0); /* short rests are to be short */
    clients_init();
    output = allocate(opt.messages, (size_t)opt.bytes + 512);
    for (unsigned i = 0; i <= opt.clients; i++) {
        client_open(&clients[i], i);
    }
    clients_await(opt.clients + 1);
    begin();
    uint64_t due = 0;
    for (unsigned i = 0; i < opt.warm_up; i++) {
        due += send_burst();
        await_all(due);
    }
    if (now.errors) {
        die("%" PRIu64 " errors before the first run", now.errors);
    }
    printf("{\"ready\":%u}\n", opt.clients);
    fflush(stdout);
    if (opt.bursts) {
        run_bursts(opt.bursts, 0);
        return 0;
    }
    char line[256];
    setvbuf(stdin, NULL, _IONBF, 0); /* a line that is kept is no input that could be waited for */
    serve_until_input();
    while (fgets(line, sizeof(line), stdin)) {
        obey(line);
        serve_until_input();
    }
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
/* The load generator: many WebSocket subscribers and one publisher, on one thread.
 *
 * A closed loop in bursts: the publisher sends K messages with one system call, so that the gateway
 * reads them in one turn, and the next burst begins when every subscriber has every message of this
 * one. What arrives is checked: topic by topic each number must follow the one before it.
 *
 * Standard output is JSON lines: one when all are subscribed, one for each run of bursts. Without
 * --bursts the runs are numbers of bursts, one a line, from standard input. Exit 1 where anything
 * was wrong. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Handshakes under way at a time: below every listen backlog. */
#define OPENING 64
/* Connections from one source address: below the range of ephemeral ports. */
#define PER_ADDRESS 20000
#define EVENTS      256
#define READ_BYTES  (1u << 20)
#define MAX_TOPICS  10000
#define TOPIC_FORM  "bench.%04u"
#define MSG_HEAD    "{\"type\":\"msg\",\"topic\":\"bench."
#define DATA_HEAD   "\"data\":{\"n\":"

struct options {
    const char *host;
    unsigned port;
    unsigned clients;
    unsigned topics;   /* in all */
    unsigned each;     /* topics of one client */
    unsigned messages; /* K */
    unsigned spread;   /* over so many topics */
    unsigned bytes;    /* of a payload */
    unsigned bursts;   /* 0: asked for on standard input */
    unsigned warm_up;  /* bursts before the first answer */
    unsigned patience; /* seconds without any delivery */
};

enum phase { UPGRADING, TALKING, READY };

struct client {
    int fd;
    enum phase phase;
    bool publishes;
    uint32_t number;
    size_t kept; /* bytes of an incomplete frame */
    char *keep;
    uint32_t *seen; /* by place in its list of topics: the last number */
};

struct run {
    uint64_t deliveries;
    uint64_t bytes; /* read from sockets */
    uint64_t errors;
};

static struct options opt;
static struct client *clients; /* the publisher stands behind the subscribers */
static struct client *publisher;
static int epoll_fd;
static unsigned ready;
static uint32_t *numbers; /* by topic: the last that was published */
static uint64_t *readers; /* by topic */
static uint64_t bursts_done;
static struct run now;
static char input[READ_BYTES];
static char *output; /* one burst */

static _Noreturn void die(const char *form, ...)
{
    va_list list;
    va_start(list, form);
    fputs("load: ", stderr);
    vfprintf(stderr, form, list);
    fputc('\n', stderr);
    va_end(list);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p) {
        die("out of memory");
    }
    return p;
}

/* Tells the first ones only: one lost message makes many. */
static void fault(const struct client *client, const char *what, const char *text, size_t size)
{
    if (now.errors++ < 5) {
        int shown = size > 160 ? 160 : (int)size;
        fprintf(stderr, "load: client %u: %s: %.*s\n", client->number, what, shown, text);
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* ---- topics: client i reads `each` of them from place i * each on, round and round ---- */

static unsigned topic_of(const struct client *client, unsigned place)
{
    return (unsigned)(((uint64_t)client->number * opt.each + place) % opt.topics);
}

/* The place of a topic in a client's list; `each` where it has none. */
static unsigned place_of(const struct client *client, unsigned topic)
{
    unsigned first = topic_of(client, 0);
    unsigned place = (topic + opt.topics - first) % opt.topics;
    return place < opt.each ? place : opt.each;
}

/* ---- frames ---- */

/* Writes all, or dies: what is written here is small and the gateway reads. */
static void write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            die("send: %s", strerror(errno));
        }
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
}

/* A client's frame; the mask is all zeros, which RFC 6455 leaves to the client. */
static size_t put_frame(char *out, unsigned opcode, const char *text, size_t size)
{
    size_t at = 0;
    out[at++] = (char)(0x80 | opcode);
    if (size < 126) {
        out[at++] = (char)(0x80 | size);
    } else if (size < 65536) {
        out[at++] = (char)(0x80 | 126);
        out[at++] = (char)(size >> 8);
        out[at++] = (char)(size & 0xff);
    } else {
        die("a frame of %zu bytes", size);
    }
    memset(out + at, 0, 4);
    at += 4;
    memcpy(out + at, text, size);
    return at + size;
}

static uint32_t digits(const char **at, const char *end)
{
    uint32_t n = 0;
    while (*at < end && **at >= '0' && **at <= '9') {
        n = n * 10 + (uint32_t)(*(*at)++ - '0');
    }
    return n;
}

static bool starts(const char *text, size_t size, const char *with)
{
    size_t n = strlen(with);
    return size >= n && memcmp(text, with, n) == 0;
}

/* Must be the next number of a topic that this client reads. */
static void on_msg(struct client *client, const char *text, size_t size)
{
    const char *end = text + size;
    const char *at = text + sizeof(MSG_HEAD) - 1;
    uint32_t topic = digits(&at, end);
    const char *data = memmem(at, (size_t)(end - at), DATA_HEAD, sizeof(DATA_HEAD) - 1);
    unsigned place = client->publishes || topic >= opt.topics ? opt.each : place_of(client, topic);
    if (!data || place == opt.each) {
        fault(client, "not subscribed to", text, size);
        return;
    }
    data += sizeof(DATA_HEAD) - 1;
    uint32_t number = digits(&data, end);
    if (number != client->seen[place] + 1) {
        fault(client, number > client->seen[place] ? "missed one before" : "twice", text, size);
    }
    client->seen[place] = number;
    now.deliveries++;
}

static void on_text(struct client *client, const char *text, size_t size)
{
    if (starts(text, size, MSG_HEAD)) {
        on_msg(client, text, size);
    } else if (starts(text, size, "{\"type\":\"welcome\"")) {
        if (client->publishes) {
            client->phase = READY;
            ready++;
        }
    } else if (starts(text, size, "{\"type\":\"subscribed\"")) {
        if (memmem(text, size, "\"error\":", 8)) {
            fault(client, "refused", text, size);
        }
        if (memmem(text, size, "\"done\":true", 11)) {
            client->phase = READY;
            ready++;
        }
    } else if (!starts(text, size, "{\"type\":\"hb\"")) {
        fault(client, "unexpected", text, size);
    }
}

static void on_frame(struct client *client, unsigned opcode, const char *text, size_t size)
{
    char pong[8 + 125];
    switch (opcode) {
    case 1:
        on_text(client, text, size);
        return;
    case 9:
        write_all(client->fd, pong, put_frame(pong, 10, text, size));
        return;
    case 8:
        die("client %u was closed: %.*s", client->number, size > 2 ? (int)size - 2 : 0, text + 2);
    default:
        fault(client, "unexpected frame", text, size);
    }
}

/* Takes whole frames; returns the bytes taken. */
static size_t take_frames(struct client *client, const char *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    size_t at = 0;
    while (size - at >= 2) {
        size_t length = bytes[at + 1];
        size_t head = 2;
        if (length >= 126) {
            head = length == 126 ? 4 : 10;
            if (size - at < head) {
                break;
            }
            length = 0;
            for (size_t i = at + 2; i < at + head; i++) {
                length = length << 8 | bytes[i];
            }
        }
        if (size - at - head < length) {
            break;
        }
        on_frame(client, bytes[at] & 15, data + at + head, length);
        at += head + length;
    }
    return at;
}

/* The head of the answer to the upgrade; returns the bytes taken. */
static size_t take_answer(struct client *client, const char *data, size_t size)
{
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end) {
        return 0;
    }
    if (!starts(data, size, "HTTP/1.1 101 ")) {
        die("no upgrade: %.*s", (int)(end - data), data);
    }
    client->phase = TALKING;
    return (size_t)(end - data) + 4;
}

static void on_readable(struct client *client)
{
    if (client->kept) {
        memcpy(input, client->keep, client->kept);
    }
    ssize_t n = recv(client->fd, input + client->kept, READ_BYTES - client->kept, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        die("client %u: %s", client->number, n ? strerror(errno) : "the gateway hung up");
    }
    size_t size = client->kept + (size_t)n;
    size_t at = 0;
    now.bytes += (uint64_t)n;
    if (client->phase == UPGRADING) {
        at = take_answer(client, input, size);
    }
    if (client->phase != UPGRADING) {
        at += take_frames(client, input + at, size - at);
    }
    if (size - at > client->kept) {
        client->keep = realloc(client->keep, size - at);
        if (!client->keep) {
            die("out of memory");
        }
    }
    client->kept = size - at;
    if (client->kept) {
        memcpy(client->keep, input + at, client->kept);
    }
}

/* Reads what has come; dies where nothing comes for too long. */
static void poll_once(void)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll_fd, events, EVENTS, (int)opt.patience * 1000);
    if (n == 0) {
        die("nothing came for %u s: %u of %u ready, %llu deliveries", opt.patience, ready,
            opt.clients + 1, (unsigned long long)now.deliveries);
    }
    for (int i = 0; i < n; i++) {
        on_readable(events[i].data.ptr);
    }
}

/* ---- connecting ---- */

static int open_socket(unsigned number)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number / PER_ADDRESS);
    if (fd < 0 || inet_pton(AF_INET, opt.host, &to.sin_addr) != 1) {
        die("socket: %s", fd < 0 ? strerror(errno) : "the host is no IPv4 address");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (ntohl(to.sin_addr.s_addr) >> 24 == 127) {
        /* The port is chosen at connect, where it may be that of another pair of addresses. */
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
        if (bind(fd, (struct sockaddr *)&from, sizeof(from))) {
            die("bind: %s", strerror(errno));
        }
    }
    if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
        die("connect to %s:%u: %s", opt.host, opt.port, strerror(errno));
    }
    return fd;
}

static void send_upgrade(const struct client *client)
{
    size_t room = 256 + (size_t)opt.each * 24;
    char *text = allocate(room, 1);
    size_t at = (size_t)snprintf(text, room, "GET /v1/ws");
    for (unsigned i = 0; i < opt.each && !client->publishes; i++) {
        at += (size_t)snprintf(text + at, room - at, "%ctopic=" TOPIC_FORM, i ? '&' : '?',
                               topic_of(client, i));
    }
    at += (size_t)snprintf(text + at, room - at,
                           " HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                           opt.host);
    write_all(client->fd, text, at);
    free(text);
}

static void open_client(struct client *client, unsigned number)
{
    client->number = number;
    client->publishes = client == publisher;
    client->seen = allocate(opt.each, sizeof(*client->seen));
    client->fd = open_socket(number);
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = client}};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event)) {
        die("epoll_ctl: %s", strerror(errno));
    }
    send_upgrade(client);
    for (unsigned i = 0; i < opt.each && !client->publishes; i++) {
        readers[topic_of(client, i)]++;
    }
}

static void open_all(void)
{
    for (unsigned i = 0; i <= opt.clients; i++) {
        open_client(&clients[i], i);
        while (i + 1 - ready >= OPENING) {
            poll_once();
        }
    }
    while (ready <= opt.clients) {
        poll_once();
    }
}

/* ---- bursts ---- */

/* One message as a frame; returns its size. */
static size_t put_publish(char *out, unsigned topic)
{
    char text[65536];
    int n = snprintf(text, sizeof(text),
                     "{\"type\":\"publish\",\"topic\":\"" TOPIC_FORM "\",\"data\":", topic);
    int from = n;
    n += snprintf(text + n, sizeof(text) - (size_t)n, "{\"n\":%u,\"pad\":\"", ++numbers[topic]);
    while (n - from < (int)opt.bytes - 2) {
        text[n++] = 'x';
    }
    memcpy(text + n, "\"}}", 3);
    return put_frame(out, 1, text, (size_t)n + 3);
}

/* K messages by one system call, then until all have arrived. */
static void burst(void)
{
    size_t size = 0;
    uint64_t expected = now.deliveries;
    unsigned first = (unsigned)(bursts_done * opt.spread % opt.topics);
    for (unsigned i = 0; i < opt.messages; i++) {
        unsigned topic = (first + i % opt.spread) % opt.topics;
        size += put_publish(output + size, topic);
        expected += readers[topic];
    }
    bursts_done++;
    write_all(publisher->fd, output, size);
    while (now.deliveries < expected) {
        poll_once();
    }
    if (now.deliveries > expected) {
        fault(publisher, "more deliveries than were due", "", 0);
    }
}

static void run_bursts(unsigned bursts)
{
    now = (struct run){0};
    double wall = seconds();
    double cpu = cpu_seconds();
    for (unsigned i = 0; i < bursts; i++) {
        burst();
    }
    wall = seconds() - wall;
    cpu = cpu_seconds() - cpu;
    printf("{\"bursts\":%u,\"messages\":%llu,\"deliveries\":%llu,\"errors\":%llu,\"bytes\":%llu,"
           "\"seconds\":%.3f,\"idle\":%.2f}\n",
           bursts, (unsigned long long)bursts * opt.messages, (unsigned long long)now.deliveries,
           (unsigned long long)now.errors, (unsigned long long)now.bytes, wall,
           wall > 0 ? 1 - cpu / wall : 0);
    fflush(stdout);
    if (now.errors) {
        exit(1);
    }
}

/* ---- the command line ---- */

static const struct {
    const char *name;
    size_t offset;
    const char *help;
} flags[] = {
    {"--port", offsetof(struct options, port), "where the gateway listens"},
    {"--clients", offsetof(struct options, clients), "subscribers (1000)"},
    {"--topics", offsetof(struct options, topics), "topics in all (1)"},
    {"--each", offsetof(struct options, each), "topics of one subscriber (all of them)"},
    {"--messages", offsetof(struct options, messages), "messages of a burst (1)"},
    {"--spread", offsetof(struct options, spread), "topics of a burst (1)"},
    {"--bytes", offsetof(struct options, bytes), "of a payload (128)"},
    {"--bursts", offsetof(struct options, bursts), "run so many and end"},
    {"--warm-up", offsetof(struct options, warm_up), "bursts before the first answer (5)"},
    {"--patience", offsetof(struct options, patience), "seconds without any delivery (60)"},
};
#define FLAGS (sizeof(flags) / sizeof(flags[0]))

static _Noreturn void usage(void)
{
    fputs("usage: load --port N [--host ADDRESS]", stderr);
    for (size_t i = 1; i < FLAGS; i++) {
        fprintf(stderr, "\n  %-11s N  %s", flags[i].name, flags[i].help);
    }
    fputc('\n', stderr);
    exit(2);
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        size_t row = 0;
        while (row < FLAGS && strcmp(argv[i], flags[row].name) != 0) {
            row++;
        }
        if (i + 1 == argc || (row == FLAGS && strcmp(argv[i], "--host") != 0)) {
            usage();
        } else if (row == FLAGS) {
            opt.host = argv[i + 1];
        } else {
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
                opt.topics <= MAX_TOPICS && opt.each <= opt.topics && opt.spread <= opt.topics &&
                opt.bytes >= 32 && opt.bytes <= 60000;
    if (!good) {
        usage();
    }
}

int main(int argc, char **argv)
{
    opt = (struct options){.host = "127.0.0.1",
                           .clients = 1000,
                           .topics = 1,
                           .messages = 1,
                           .spread = 1,
                           .bytes = 128,
                           .warm_up = 5,
                           .patience = 60};
    parse(argc, argv);
    clients = allocate((size_t)opt.clients + 1, sizeof(*clients));
    publisher = &clients[opt.clients];
    numbers = allocate(opt.topics, sizeof(*numbers));
    readers = allocate(opt.topics, sizeof(*readers));
    output = allocate(opt.messages, (size_t)opt.bytes + 256);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    open_all();
    for (unsigned i = 0; i < opt.warm_up; i++) {
        burst();
    }
    if (now.errors) {
        die("%llu errors before the first run", (unsigned long long)now.errors);
    }
    printf("{\"ready\":%u}\n", opt.clients);
    fflush(stdout);
    unsigned bursts = opt.bursts;
    if (bursts) {
        run_bursts(bursts);
    }
    while (!opt.bursts && scanf("%u", &bursts) == 1) {
        run_bursts(bursts);
    }
    return 0;
}

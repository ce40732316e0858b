// SPDX-License-Identifier: Apache-2.0
#include "client.h"

#include "framing.h"
#include "tokens.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Handshakes under way at a time: below every listen backlog. */
#define OPENING 64
/* Connections from one source address: below the range of ephemeral ports. */
#define PER_ADDRESS 10000
#define EVENTS      256
#define READ_BYTES  (1u << 20)
/* 64 steps for each power of two: 1.6 %. */
#define STEP_BITS 6
#define STEPS     (1u << STEP_BITS)
#define BUCKETS   (STEPS * 40)

struct run now;
struct client *clients;
struct client *publisher; /* behind the subscribers */
unsigned ready;
uint32_t *numbers;
uint64_t *readers;
uint64_t *times_ns;

static int epoll_fd;
static SSL_CTX *tls;
static unsigned opening;
static uint64_t read_at_ns;
static char input[READ_BYTES];
static uint64_t latencies[BUCKETS];
/* Of the dialect's strings. */
static size_t head_size, middle_size;
static size_t behind_size; /* the payload and the tail */

_Noreturn void die(const char *form, ...)
{
    va_list list;
    va_start(list, form);
    fputs("load: ", stderr);
    vfprintf(stderr, form, list);
    fputc('\n', stderr);
    va_end(list);
    exit(1);
}

void *allocate(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p) {
        die("out of memory");
    }
    return p;
}

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void fault(const struct client *client, const char *what, const char *text, size_t size)
{
    if (now.errors++ < 5) {
        int shown = size > 160 ? 160 : (int)size;
        fprintf(stderr, "load: client %u: %s: %.*s\n", client->number, what, shown, text);
    }
}

/* ---- latencies ---- */

void latency_reset(void)
{
    memset(latencies, 0, sizeof(latencies));
}

static void latency_add(uint64_t ns)
{
    unsigned shift = 0;
    while (ns >> shift >= 2 * STEPS) {
        shift++;
    }
    size_t bucket = shift * STEPS + (size_t)(ns >> shift);
    latencies[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

double latency_ms(double part)
{
    uint64_t all = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        all += latencies[i];
    }
    uint64_t below = 0;
    size_t i = 0;
    while (i < BUCKETS - 1 && (double)(below += latencies[i]) < part * (double)all) {
        i++;
    }
    size_t shift = i < 2 * STEPS ? 0 : i / STEPS - 1;
    return (double)((uint64_t)(i - shift * STEPS) << shift) / 1e6;
}

/* ---- topics: client i reads `each` of them from place i * each on, round and round ---- */

static unsigned topic_of(const struct client *client, unsigned place)
{
    return (client->first + place) % opt.topics;
}

/* The place of a topic in a client's list; `each` or more where it has none. */
static unsigned place_of(const struct client *client, unsigned topic)
{
    return topic >= client->first ? topic - client->first : topic + opt.topics - client->first;
}

/* ---- frames ---- */

void write_all(int fd, const char *data, size_t size)
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

static void client_write(const struct client *client, const char *data, size_t size)
{
    if (!client->ssl) {
        write_all(client->fd, data, size);
    } else if (SSL_write(client->ssl, data, (int)size) != (int)size) {
        die("SSL_write to client %u failed", client->number);
    }
}

/* As recv. Over TLS all that is there, since what OpenSSL holds back wakes nobody. */
static ssize_t client_read(const struct client *client, char *out, size_t size)
{
    if (!client->ssl) {
        return recv(client->fd, out, size, MSG_DONTWAIT);
    }
    size_t got = 0;
    int n = 1;
    while (n > 0 && got < size) {
        n = SSL_read(client->ssl, out + got, (int)(size - got));
        got += n > 0 ? (size_t)n : 0;
    }
    if (got == 0 && SSL_get_error(client->ssl, n) == SSL_ERROR_WANT_READ) {
        errno = EAGAIN;
        return -1;
    }
    return (ssize_t)got;
}

static void say(const struct client *client, unsigned opcode, const char *text, size_t size)
{
    char frame[16 + 256];
    if (size > 256) {
        die("a text of %zu bytes", size);
    }
    size_t head = framing_put_head(frame, opcode, size);
    memcpy(frame + head, text, size);
    client_write(client, frame, head + size);
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

static void on_ready(struct client *client)
{
    if (client->phase != READY) {
        client->phase = READY;
        ready++;
        opening--;
    }
}

/* Skips `name` and a number behind it. */
static bool skip_number(const char **at, const char *end, const char *name)
{
    if (!starts(*at, (size_t)(end - *at), name)) {
        return false;
    }
    *at += strlen(name);
    const char *first = *at;
    (void)digits(at, end);
    return *at > first;
}

/* Skips what stands between a topic and its payload: the dialect's middle, and where the topic has
 * a history, behind its quote, the position and the time. */
static bool skip_middle(const char **at, const char *end)
{
    const char *middle = opt.dialect->middle;
    size_t size = middle_size;
    if (opt.history) {
        if (*at == end || *(*at)++ != *middle++ || !skip_number(at, end, ",\"offset\":") ||
            !skip_number(at, end, ",\"ts\":")) {
            return false;
        }
        size--;
    }
    bool good = (size_t)(end - *at) >= size && memcmp(*at, middle, size) == 0;
    *at += good ? size : 0;
    return good;
}

/* Where `text` is a delivery: must be the next number of a topic that this client reads. */
static bool take_delivery(struct client *client, const char *text, size_t size)
{
    if (size < head_size + TOPIC_DIGITS + middle_size ||
        memcmp(text, opt.dialect->head, head_size) != 0) {
        return false;
    }
    const char *end = text + size;
    const char *at = text + head_size;
    uint32_t topic = digits(&at, at + TOPIC_DIGITS);
    unsigned place = client->publishes || topic >= opt.topics ? opt.each : place_of(client, topic);
    if (place >= opt.each || !skip_middle(&at, end) || (size_t)(end - at) != behind_size ||
        !starts(at, behind_size, PAYLOAD_HEAD)) {
        fault(client, "not what was published", text, size);
        return true;
    }
    at += sizeof(PAYLOAD_HEAD) - 1;
    uint32_t number = digits(&at, end);
    uint32_t last = client->seen[place];
    client->seen[place] = number;
    if (client->paused) {
        client->received++;
        if (number <= last) {
            fault(client, "twice, or out of order", text, size);
        }
        return true;
    }
    if (number != last + 1) {
        fault(client, number > last ? "missed one before" : "twice", text, size);
    }
    now.deliveries++;
    latency_add(read_at_ns - times_ns[topic * TIMES + number % TIMES]);
    return true;
}

/* A gap that the server tells; only who was paused may have one. */
static bool take_dropped(struct client *client, const char *text, size_t size)
{
    static const char count[] = "\"count\":";
    if (!client->paused || !starts(text, size, "{\"type\":\"dropped\"")) {
        return false;
    }
    const char *at = memmem(text, size, count, sizeof(count) - 1);
    if (!at) {
        return false;
    }
    at += sizeof(count) - 1;
    client->told += digits(&at, text + size);
    return true;
}

static void on_text(struct client *client, const char *text, size_t size)
{
    const struct dialect *d = opt.dialect;
    if (take_delivery(client, text, size) || take_dropped(client, text, size)) {
        return;
    }
    for (size_t i = 0; i < 2 && d->answers[i].heard; i++) {
        if (starts(text, size, d->answers[i].heard)) {
            say(client, 1, d->answers[i].say, strlen(d->answers[i].say));
            return;
        }
    }
    const char *awaited = client->publishes ? d->welcome : d->ready;
    if (awaited && client->phase == TALKING && starts(text, size, awaited)) {
        if (memmem(text, size, "\"error\":", 8)) {
            fault(client, "refused", text, size);
        }
        if (client->publishes || !d->ready_too ||
            memmem(text, size, d->ready_too, strlen(d->ready_too))) {
            on_ready(client);
        }
        return;
    }
    for (size_t i = 0; i < IGNORED && d->ignored[i]; i++) {
        if (starts(text, size, d->ignored[i])) {
            return;
        }
    }
    fault(client, "unexpected", text, size);
}

static void on_message(struct client *client, const char *text, size_t size)
{
    while (opt.dialect->lines) {
        const char *end = memchr(text, '\n', size);
        if (!end) {
            break;
        }
        on_text(client, text, (size_t)(end - text));
        size -= (size_t)(end - text) + 1;
        text = end + 1;
    }
    if (size) {
        on_text(client, text, size);
    }
}

void client_hear(struct client *client, unsigned opcode, const char *text, size_t size)
{
    switch (opcode) {
    case 1:
        on_message(client, text, size);
        return;
    case 9:
        say(client, 10, text, size);
        return;
    case 8:
        client->code = size >= 2 ? (unsigned)(uint8_t)text[0] << 8 | (uint8_t)text[1] : 1005;
        if (!client->paused) {
            die("client %u was closed: %u %.*s", client->number, client->code,
                size > 2 ? (int)size - 2 : 0, text + 2);
        }
        shutdown(client->fd, SHUT_WR); /* the server is then rid of it without waiting */
        return;
    default:
        fault(client, "unexpected frame", text, size);
    }
}

static bool gets_events(const struct client *client)
{
    return opt.dialect->events && !client->publishes;
}

/* The head of the answer to the first request; returns the bytes taken. */
static size_t take_answer(struct client *client, const char *data, size_t size)
{
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end) {
        return 0;
    }
    if (!starts(data, size, gets_events(client) ? "HTTP/1.1 200 " : "HTTP/1.1 101 ")) {
        die("refused: %.*s", (int)(end - data), data);
    }
    client->phase = TALKING;
    if (opt.dialect->greeting) {
        say(client, 1, opt.dialect->greeting, strlen(opt.dialect->greeting));
    }
    if (!opt.dialect->ready) {
        on_ready(client);
    }
    return (size_t)(end - data) + 4;
}

static bool publishes_aside(const struct client *client)
{
    return client->publishes && strcmp(opt.publish, "ws") != 0;
}

/* What Redis or an HTTP server answers to publishes. */
static void check_answers(const struct client *client, const char *text, size_t size)
{
    if (text[0] == '-' || (starts(text, size, "HTTP/1.1 ") && text[9] != '2')) {
        fault(client, "not published", text, size);
    }
}

static void keep_rest(struct client *client, size_t at, size_t size)
{
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

static void on_end(struct client *client, int error)
{
    if (!client->paused) {
        die("client %u: %s", client->number, error ? strerror(error) : "the server hung up");
    }
    close(client->fd);
    client->phase = CLOSED;
    ready--;
}

static void on_readable(struct client *client)
{
    if (client->kept) {
        memcpy(input, client->keep, client->kept);
    }
    ssize_t n = client_read(client, input + client->kept, READ_BYTES - client->kept);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        on_end(client, n ? errno : 0);
        return;
    }
    read_at_ns = now_ns();
    if (publishes_aside(client)) {
        check_answers(client, input, (size_t)n);
        return;
    }
    size_t size = client->kept + (size_t)n;
    size_t at = 0;
    now.bytes += (uint64_t)n;
    if (client->phase == UPGRADING) {
        at = take_answer(client, input, size);
    }
    if (client->phase != UPGRADING) {
        at += gets_events(client) ? framing_take_events(client, input + at, size - at)
                                  : framing_take_frames(client, input + at, size - at);
    }
    keep_rest(client, at, size);
}

bool poll_once(int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        on_readable(events[i].data.ptr);
    }
    return n > 0;
}

void serve_until_input(void)
{
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = epoll_fd, .events = POLLIN}};
    do {
        poll(fds, 2, -1);
        if (fds[1].revents) {
            poll_once(0);
        }
    } while (!fds[0].revents);
}

/* ---- connecting ---- */

static int open_socket(unsigned number, unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
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
        die("connect to %s:%u: %s", opt.host, port, strerror(errno));
    }
    return fd;
}

static void send_request(const struct client *client)
{
    const char *token = tokens_header(client->number);
    size_t room = 512 + (size_t)opt.each * 24 + strlen(token);
    char *text = allocate(room, 1);
    const char *path = client->publishes && opt.dialect->publish_path ? opt.dialect->publish_path
                                                                      : opt.dialect->path;
    const char *wanted = gets_events(client) ? "Accept: text/event-stream\r\n"
                                             : "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                               "Sec-WebSocket-Version: 13\r\n"
                                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    size_t at = (size_t)snprintf(text, room, "GET %s", path);
    for (unsigned i = 0; i < opt.each && !client->publishes; i++) {
        at += (size_t)snprintf(text + at, room - at, "%s" TOPIC_FORM,
                               i ? opt.dialect->next : opt.dialect->first, topic_of(client, i));
    }
    const char *packed = opt.compress && !client->publishes
                             ? "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                             : "";
    at += (size_t)snprintf(text + at, room - at, " HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", opt.host,
                           wanted, packed, token);
    client_write(client, text, at);
    free(text);
}

static void shake_hands(struct client *client)
{
    client->ssl = SSL_new(tls);
    if (!client->ssl || SSL_set_fd(client->ssl, client->fd) != 1 || SSL_connect(client->ssl) != 1) {
        die("no TLS handshake with client %u", client->number);
    }
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
}

static void watch(struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = client}};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event)) {
        die("epoll_ctl: %s", strerror(errno));
    }
}

void client_open(struct client *client, unsigned number)
{
    client->number = number;
    client->publishes = client == publisher;
    client->first = (unsigned)((uint64_t)number * opt.each % opt.topics);
    client->kept = 0;
    client->code = 0;
    if (!client->seen) {
        client->seen = allocate(opt.each, sizeof(*client->seen));
    }
    for (unsigned i = 0; i < opt.each && !client->publishes; i++) {
        unsigned topic = topic_of(client, i);
        client->seen[i] = numbers[topic];
        readers[topic]++;
    }
    unsigned port = client->publishes && opt.publish_port ? opt.publish_port : opt.port;
    client->fd = open_socket(number, port);
    if (opt.tls && !client->publishes) {
        shake_hands(client);
    }
    watch(client);
    opening++;
    if (publishes_aside(client)) {
        on_ready(client);
        return;
    }
    client->phase = UPGRADING;
    send_request(client);
    while (opening >= OPENING) {
        if (!poll_once((int)opt.patience * 1000)) {
            die("no answer to an upgrade for %u s, %u are ready", opt.patience, ready);
        }
    }
}

void client_drop(struct client *client)
{
    struct linger reset = {.l_onoff = 1};
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(client->fd);
    SSL_free(client->ssl);
    client->ssl = NULL;
    client->phase = CLOSED;
    ready--;
    for (unsigned i = 0; i < opt.each; i++) {
        readers[topic_of(client, i)]--;
    }
}

void clients_await(unsigned count)
{
    while (ready < count) {
        if (!poll_once((int)opt.patience * 1000)) {
            die("nothing came for %u s: %u of %u ready", opt.patience, ready, count);
        }
    }
}

void client_pause(struct client *client)
{
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, client->fd, NULL);
    client->paused = true;
    client->received = 0;
    client->told = 0;
    for (unsigned i = 0; i < opt.each; i++) {
        readers[topic_of(client, i)]--;
    }
}

void client_resume(struct client *client)
{
    watch(client);
}

void client_settle(struct client *client)
{
    client->paused = false;
    if (client->phase == CLOSED) {
        client_open(client, client->number);
        return;
    }
    for (unsigned i = 0; i < opt.each; i++) {
        client->seen[i] = numbers[topic_of(client, i)];
        readers[topic_of(client, i)]++;
    }
}

void clients_init(void)
{
    head_size = strlen(opt.dialect->head);
    middle_size = strlen(opt.dialect->middle);
    behind_size = opt.bytes + strlen(opt.dialect->tail);
    clients = allocate((size_t)opt.clients + 1 + opt.room, sizeof(*clients));
    publisher = &clients[opt.clients];
    numbers = allocate(opt.topics, sizeof(*numbers));
    readers = allocate(opt.topics, sizeof(*readers));
    times_ns = allocate((size_t)opt.topics * TIMES, sizeof(*times_ns));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    tls = SSL_CTX_new(TLS_client_method());
}

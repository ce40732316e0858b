// SPDX-License-Identifier: Apache-2.0
/* Clients that are there, and that all come back at once: each with a token of its own and one
 * subscription; on one thread.
 *
 * Standard output is JSON lines, one when all are subscribed and one for each `return`, a line of
 * standard input: all connections are reset, then all connect, nobody waiting for another. Who is
 * refused comes again when it was told to (Retry-After), and in any case as PROTOCOL.md says: after
 * a random part of 0.5 s, doubled for each try, 20 s at most.
 *
 * Exit 1 where anybody was closed, or all are not back within --patience seconds. */
#include "tokens.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* At the first connect, under way at a time; below every listen backlog. */
#define OPENING 64
/* Connections from one source address: below the range of ephemeral ports. */
#define PER_ADDRESS 10000
/* These addresses are others than those of the load generator beside it. */
#define FIRST_ADDRESS 0x7f000102u
/* Between two looks at who may come again. */
#define LOOK_NS     10000000u
#define EVENTS      256
#define SAID_BYTES  1024
#define FIRST_NS    500000000u
#define LONGEST_NS  20000000000u
#define NS_PER_S    1000000000u
#define PONG_BYTES  125
#define TOPIC_COUNT 100

enum phase { AWAY, CONNECTING, UPGRADING, BACK };

struct guest {
    int fd;
    enum phase phase;
    unsigned tries;
    uint64_t again_ns; /* AWAY: not before */
    uint64_t took_ns;  /* BACK: since the return began */
    unsigned size;     /* of what it was told */
    char said[SAID_BYTES];
};

static const char *tokens_path;
static unsigned port, count, patience = 120;
static struct guest *guests;
static int epoll_fd;
static unsigned back, under_way;
static uint64_t begun_ns;
static unsigned full, often, broken; /* refused by 503, by 429, without a word */

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "crowd: %s: %s\n", what, why);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- one guest ---- */

static void watch(struct guest *guest, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = guest}};
    if (epoll_ctl(epoll_fd, how, guest->fd, &event)) {
        die("epoll_ctl", strerror(errno));
    }
}

static void come(struct guest *guest)
{
    unsigned number = (unsigned)(guest - guests);
    int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    from.sin_addr.s_addr = htonl(FIRST_ADDRESS + number / PER_ADDRESS);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    guest->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (guest->fd < 0) {
        die("socket", strerror(errno));
    }
    setsockopt(guest->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(guest->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (bind(guest->fd, (struct sockaddr *)&from, sizeof(from)) ||
        (connect(guest->fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)) {
        die("connect", strerror(errno));
    }
    guest->phase = CONNECTING;
    guest->size = 0;
    guest->tries++;
    under_way++;
    watch(guest, EPOLL_CTL_ADD, EPOLLOUT);
}

static void leave(struct guest *guest)
{
    struct linger reset = {.l_onoff = 1};
    setsockopt(guest->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(guest->fd);
    guest->phase = AWAY;
}

static void come_again(struct guest *guest, uint64_t told_ns)
{
    uint64_t most_ns = FIRST_NS << (guest->tries < 7 ? guest->tries - 1 : 6);
    most_ns = most_ns < LONGEST_NS ? most_ns : LONGEST_NS;
    leave(guest);
    under_way--;
    guest->again_ns = now_ns() + told_ns + (uint64_t)(drand48() * (double)most_ns);
}

static void ask(struct guest *guest)
{
    char text[4608];
    unsigned number = (unsigned)(guest - guests);
    int size = snprintf(text, sizeof(text),
                        "GET /v1/ws?topic=crowd.%02u HTTP/1.1\r\nHost: bench\r\n"
                        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                        number % TOPIC_COUNT, tokens_header(number));
    if (send(guest->fd, text, (size_t)size, MSG_NOSIGNAL) != size) {
        broken++;
        come_again(guest, 0);
        return;
    }
    guest->phase = UPGRADING;
    watch(guest, EPOLL_CTL_MOD, EPOLLIN);
}

static bool has_said(const struct guest *guest, const char *words)
{
    return memmem(guest->said, guest->size, words, strlen(words)) != NULL;
}

static void refused(struct guest *guest)
{
    const char *told = memmem(guest->said, guest->size, "Retry-After: ", 13);
    unsigned *why = has_said(guest, "HTTP/1.1 503")   ? &full
                    : has_said(guest, "HTTP/1.1 429") ? &often
                                                      : &broken;
    (*why)++;
    if (why == &broken && guest->size) {
        die("a guest was told", guest->said);
    }
    come_again(guest, told ? strtoul(told + 13, NULL, 10) * NS_PER_S : 0);
}

/* Who is back hears pings and nothing else; a mask of zeros is the client's to choose. */
static void pong(const struct guest *guest, const char *frame, size_t size)
{
    char answer[6 + PONG_BYTES] = {(char)0x8a, (char)(0x80 | (size - 2))};
    if (size < 2 || (unsigned char)frame[0] != 0x89 || size - 2 > PONG_BYTES) {
        return;
    }
    memcpy(answer + 6, frame + 2, size - 2);
    (void)!send(guest->fd, answer, size + 4, MSG_NOSIGNAL);
}

static void hear(struct guest *guest)
{
    unsigned kept = guest->phase == BACK ? 0 : guest->size;
    ssize_t n = recv(guest->fd, guest->said + kept, SAID_BYTES - 1 - kept, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (guest->phase == BACK) {
        if (n <= 0 || (unsigned char)guest->said[0] == 0x88) {
            die("a guest was closed", n > 4 ? guest->said + 4 : "no reason");
        }
        pong(guest, guest->said, (size_t)n);
        return;
    }
    guest->size += n > 0 ? (unsigned)n : 0;
    guest->said[guest->size] = '\0';
    if (has_said(guest, "{\"type\":\"subscribed\"") && !has_said(guest, "\"error\"")) {
        guest->phase = BACK;
        guest->took_ns = now_ns() - begun_ns;
        under_way--;
        back++;
    } else if (n <= 0) {
        refused(guest);
    }
}

static void on_event(struct guest *guest)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (guest->phase == UPGRADING || guest->phase == BACK) {
        hear(guest);
    } else if (getsockopt(guest->fd, SOL_SOCKET, SO_ERROR, &error, &size) || error) {
        broken++;
        come_again(guest, 0);
    } else {
        ask(guest);
    }
}

/* ---- all of them ---- */

static void poll_once(int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        on_event(events[i].data.ptr);
    }
}

static void look_who_comes(unsigned most)
{
    uint64_t now = now_ns();
    for (unsigned i = 0; i < count && under_way < most; i++) {
        if (guests[i].phase == AWAY && guests[i].again_ns <= now) {
            come(&guests[i]);
        }
        if (i % OPENING == 0) {
            poll_once(0); /* the first may be back before the last has come */
        }
    }
}

static void bring_all(unsigned most)
{
    uint64_t look_ns = 0;
    while (back < count) {
        if (now_ns() >= look_ns || most < count) {
            look_who_comes(most);
            look_ns = now_ns() + LOOK_NS;
        }
        poll_once(5);
        if (now_ns() - begun_ns > (uint64_t)patience * NS_PER_S) {
            fprintf(stderr, "crowd: %u of %u\n", back, count);
            die("all", "not back in time");
        }
    }
}

static int later(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void answer(void)
{
    uint64_t *took = calloc(count, sizeof(*took));
    if (!took) {
        die("answer", "out of memory");
    }
    for (unsigned i = 0; i < count; i++) {
        took[i] = guests[i].took_ns;
    }
    qsort(took, count, sizeof(*took), later);
    printf("{\"back\":%u,\"seconds\":%.3f,\"median\":%.3f,\"full\":%u,\"often\":%u,"
           "\"broken\":%u}\n",
           back, (double)took[count - 1] / 1e9, (double)took[count / 2] / 1e9, full, often, broken);
    fflush(stdout);
    free(took);
}

static void bring_back(unsigned most)
{
    begun_ns = now_ns();
    full = often = broken = 0;
    for (unsigned i = 0; i < count; i++) {
        if (guests[i].phase == BACK) {
            leave(&guests[i]);
        }
        guests[i].tries = 0;
        guests[i].again_ns = 0;
    }
    back = 0;
    bring_all(most);
    answer();
}

static void serve_until_input(void)
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

static void parse(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        unsigned value = (unsigned)strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--tokens") == 0) {
            tokens_path = argv[i + 1];
        } else if (strcmp(argv[i], "--port") == 0) {
            port = value;
        } else if (strcmp(argv[i], "--clients") == 0) {
            count = value;
        } else if (strcmp(argv[i], "--patience") == 0) {
            patience = value;
        }
    }
    if (!port || !count || argc % 2 == 0) {
        fputs("usage: crowd --port N --clients N [--tokens FILE] [--patience SECONDS]\n", stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    char line[256];
    parse(argc, argv);
    if (!tokens_read(tokens_path)) {
        die(tokens_path, "no tokens there");
    }
    guests = calloc(count, sizeof(*guests));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!guests || epoll_fd < 0) {
        die("crowd", "out of memory");
    }
    setvbuf(stdin, NULL, _IONBF, 0); /* a line that is kept is no input that could be waited for */
    bring_back(OPENING);
    serve_until_input();
    while (fgets(line, sizeof(line), stdin)) {
        bring_back(count);
        serve_until_input();
    }
    return 0;
}

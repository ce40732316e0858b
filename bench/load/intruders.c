// SPDX-License-Identifier: Apache-2.0
/* Bad handshakes at a steady rate, on one thread, each on a connection of its own: what is no HTTP,
 * a request whose framing is in doubt, upgrades without a key, of another version, and of a place
 * that is not there.
 *
 * A line of standard input is how many ms; behind them a line of JSON says how many came
 * (`attempts`), were answered by 4xx (`refused`), by anything else (`other`), closed without a word
 * (`closed`), or not within 5 s (`silent`).
 *
 * Exit 1 where one was let in. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* At a time. */
#define PLACES 4096u
/* Other addresses than those of the crowd: so many ports are not to be had at one. */
#define FIRST_ADDRESS 0x7f000201u
#define ADDRESSES     16u
#define EVENTS        256
#define PATIENCE_NS   5000000000u
#define NS_PER_S      1000000000u
#define NS_PER_MS     1000000u

#define HEAD "GET /v1/ws HTTP/1.1\r\nHost: bench\r\n"
#define UPGRADE                                                                                    \
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"                                                \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static const char *const requests[] = {
    "\x16\x03\x01\x02\x01\x02\x01\xfc\x03\x03\r\n\r\n",
    HEAD "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    HEAD "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
    HEAD UPGRADE "Sec-WebSocket-Version: 12\r\n\r\n",
    "GET /v1/nothing HTTP/1.1\r\nHost: bench\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\n\r\n",
};

struct intruder {
    int fd; /* -1: nobody */
    bool asked;
    uint64_t since_ns;
};

static unsigned port, rate;
static struct intruder intruders[PLACES];
static int epoll_fd;
static uint64_t attempts, refused, other, closed, silent;

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "intruders: %s: %s\n", what, why);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void leave(struct intruder *intruder, uint64_t *counter)
{
    struct linger reset = {.l_onoff = 1};
    setsockopt(intruder->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(intruder->fd);
    intruder->fd = -1;
    (*counter)++;
}

static void watch(struct intruder *intruder, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = intruder}};
    if (epoll_ctl(epoll_fd, how, intruder->fd, &event)) {
        die("epoll_ctl", strerror(errno));
    }
}

static void come(struct intruder *intruder)
{
    int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    from.sin_addr.s_addr = htonl(FIRST_ADDRESS + (uint32_t)(attempts % ADDRESSES));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *intruder = (struct intruder){.since_ns = now_ns()};
    intruder->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (intruder->fd < 0) {
        die("socket", strerror(errno));
    }
    attempts++;
    setsockopt(intruder->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(intruder->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (bind(intruder->fd, (struct sockaddr *)&from, sizeof(from)) ||
        (connect(intruder->fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)) {
        die("connect", strerror(errno));
    }
    watch(intruder, EPOLL_CTL_ADD, EPOLLOUT);
}

static void ask(struct intruder *intruder)
{
    const char *text = requests[attempts % (sizeof(requests) / sizeof(requests[0]))];
    if (send(intruder->fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text)) {
        leave(intruder, &closed);
        return;
    }
    intruder->asked = true;
    watch(intruder, EPOLL_CTL_MOD, EPOLLIN);
}

static void hear(struct intruder *intruder)
{
    char said[1024];
    ssize_t n = recv(intruder->fd, said, sizeof(said), MSG_DONTWAIT);
    if (n > 9 && memcmp(said + 9, "101", 3) == 0) {
        die("an intruder", "was let in");
    }
    if (n >= 0 || errno != EAGAIN) {
        leave(intruder, n <= 0 ? &closed : n > 9 && said[9] == '4' ? &refused : &other);
    }
}

static void poll_once(int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct intruder *intruder = events[i].data.ptr;
        if (intruder->asked) {
            hear(intruder);
        } else {
            ask(intruder);
        }
    }
}

/* Those that are due by now, as far as there are places; the others are made up for later. */
static void bring(uint64_t due)
{
    for (unsigned i = 0; i < PLACES && attempts < due; i++) {
        if (intruders[i].fd < 0) {
            come(&intruders[i]);
        }
    }
}

/* True while there is anybody. */
static bool look_who_waits(uint64_t now)
{
    bool any = false;
    for (unsigned i = 0; i < PLACES; i++) {
        if (intruders[i].fd >= 0 && now - intruders[i].since_ns > PATIENCE_NS) {
            leave(&intruders[i], &silent);
        }
        any = any || intruders[i].fd >= 0;
    }
    return any;
}

static void flood(uint64_t ms)
{
    uint64_t begun = now_ns(), passed = 0;
    attempts = refused = other = closed = silent = 0;
    while (passed < ms * NS_PER_MS) {
        bring(passed / 1000 * rate / (NS_PER_S / 1000));
        poll_once(1);
        passed = now_ns() - begun;
    }
    while (look_who_waits(now_ns())) {
        poll_once(10);
    }
    printf("{\"attempts\":%llu,\"seconds\":%.3f,\"refused\":%llu,\"other\":%llu,\"closed\":%llu,"
           "\"silent\":%llu}\n",
           (unsigned long long)attempts, (double)passed / 1e9, (unsigned long long)refused,
           (unsigned long long)other, (unsigned long long)closed, (unsigned long long)silent);
    fflush(stdout);
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        unsigned value = (unsigned)strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--port") == 0) {
            port = value;
        } else if (strcmp(argv[i], "--rate") == 0) {
            rate = value;
        }
    }
    if (!port || !rate || argc % 2 == 0) {
        fputs("usage: intruders --port N --rate N\n", stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    char line[64];
    parse(argc, argv);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) {
        die("epoll", strerror(errno));
    }
    for (unsigned i = 0; i < PLACES; i++) {
        intruders[i].fd = -1;
    }
    while (fgets(line, sizeof(line), stdin)) {
        flood(strtoull(line, NULL, 10));
    }
    return 0;
}

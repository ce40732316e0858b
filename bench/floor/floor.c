// SPDX-License-Identifier: Apache-2.0
/* The least that a fan-out server can do: epoll, one shared buffer with the finished frame, and one
 * send() to each subscriber. With --batch what one read brought for topics that everybody reads
 * stands in one buffer, and each subscriber gets it by one send(). Same bytes, same protocol as far
 * as the load generator speaks it, and the same socket options as the gateway's listener. With
 * --tls it is the batch floor over TLS: one SSL_write() for each subscriber, and a second port for
 * the publisher, who is plain.
 *
 * It trusts who connects, keeps nothing about a connection but its descriptor, and waits for a
 * socket that is full. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS      1024
#define READ_BYTES  (1u << 20)
#define MAX_TOPICS  10000
#define MAX_FDS     (1u << 16)
#define TOPIC_MARK  "topic=bench."
#define PUBLISH     "{\"type\":\"publish\","
#define MSG         "{\"type\":\"msg\","
#define WELCOME     "{\"type\":\"welcome\"}"
#define SUBSCRIBED  "{\"type\":\"subscribed\",\"done\":true}"
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct topic {
    int *fds;
    unsigned count, room;
};

enum place { NOBODY, UPGRADING, OPEN };

static struct topic topics[MAX_TOPICS];
static uint8_t places[MAX_FDS];
static SSL_CTX *tls;
static SSL *secure[MAX_FDS]; /* NULL: plain */
static bool batch;
static unsigned subscribers; /* that read something */
static int epoll_fd;
static char input[READ_BYTES];
static size_t kept; /* bytes of the publisher's incomplete frame */
static char output[2 * READ_BYTES];
static size_t gathered;              /* bytes of output for everybody */
static const struct topic *everyone; /* who gets them */

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- out ---- */

static void wait_for_room(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    poll(&room, 1, -1);
}

/* In records as large as there are. */
static void seal_all(int fd, const char *data, size_t size)
{
    while (size) {
        int n = SSL_write(secure[fd], data, size < 16384 ? (int)size : 16384);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        } else if (SSL_get_error(secure[fd], n) == SSL_ERROR_WANT_WRITE) {
            wait_for_room(fd);
        } else {
            return; /* it is gone, and epoll will say so */
        }
    }
}

static void send_all(int fd, const char *data, size_t size)
{
    if (secure[fd]) {
        seal_all(fd, data, size);
        return;
    }
    while (size) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            wait_for_room(fd);
            continue;
        }
        if (n < 0) {
            return; /* it is gone, and epoll will say so */
        }
        data += n;
        size -= (size_t)n;
    }
}

static void send_to(const struct topic *topic, const char *data, size_t size)
{
    for (unsigned i = 0; i < topic->count; i++) {
        send_all(topic->fds[i], data, size);
    }
}

static size_t put_head(char *out, size_t size)
{
    out[0] = (char)0x81;
    if (size < 126) {
        out[1] = (char)size;
        return 2;
    }
    if (size < 65536) {
        out[1] = 126;
        out[2] = (char)(size >> 8);
        out[3] = (char)(size & 0xff);
        return 4;
    }
    out[1] = 127;
    for (unsigned i = 0; i < 8; i++) {
        out[2 + i] = (char)(size >> (56 - 8 * i));
    }
    return 10;
}

static size_t put_frame(char *out, const char *text)
{
    size_t size = strlen(text);
    size_t head = put_head(out, size);
    memcpy(out + head, text, size);
    return head + size;
}

static void flush(void)
{
    if (gathered) {
        send_to(everyone, output, gathered);
        gathered = 0;
    }
}

/* ---- in ---- */

/* {"type":"publish",REST becomes {"type":"msg",REST and goes to who reads its topic. */
static void publish(const char *text, size_t size)
{
    size_t before = sizeof(PUBLISH) - 1, after = sizeof(MSG) - 1;
    const char *name = memmem(text, size, "bench.", 6);
    if (!name || size < before) {
        return;
    }
    const struct topic *topic = &topics[strtoul(name + 6, NULL, 10) % MAX_TOPICS];
    bool gathers = batch && topic->count == subscribers;
    if (!gathers || gathered + size + 16 > sizeof(output)) {
        flush();
    }
    char *out = output + gathered;
    size_t n = put_head(out, size - before + after);
    memcpy(out + n, MSG, after);
    memcpy(out + n + after, text + before, size - before);
    n += after + size - before;
    if (gathers) {
        everyone = topic;
        gathered += n;
    } else {
        send_to(topic, out, n);
    }
}

/* The publisher's frames, whose masks are zeros. Returns the bytes taken. */
static size_t take_frames(const char *data, size_t size)
{
    size_t at = 0;
    while (size - at >= 6) {
        const unsigned char *bytes = (const unsigned char *)data + at;
        size_t length = bytes[1] & 127, head = 6;
        if (length == 126) {
            head = 8;
            length = (size_t)bytes[2] << 8 | bytes[3];
        }
        if (size - at < head + length) {
            break;
        }
        if ((bytes[0] & 15) == 1) {
            publish(data + at + head, length);
        }
        at += head + length;
    }
    flush();
    return at;
}

static void subscribe(int fd, struct topic *topic)
{
    if (topic->count == topic->room) {
        topic->room = topic->room ? topic->room * 2 : 8;
        topic->fds = realloc(topic->fds, topic->room * sizeof(*topic->fds));
        if (!topic->fds) {
            die("realloc");
        }
    }
    topic->fds[topic->count++] = fd;
}

static void upgrade(int fd, const char *text, const char *end)
{
    static const char mark[] = "Sec-WebSocket-Key: ";
    char key[24 + sizeof(ACCEPT_GUID)], answer[512];
    unsigned char digest[EVP_MAX_MD_SIZE], accept[64];
    unsigned digest_size;
    const char *found = memmem(text, (size_t)(end - text), mark, sizeof(mark) - 1);
    if (!found || end - found < 24 + (int)sizeof(mark) - 1) {
        close(fd);
        return;
    }
    memcpy(key, found + sizeof(mark) - 1, 24);
    memcpy(key + 24, ACCEPT_GUID, sizeof(ACCEPT_GUID));
    EVP_Digest(key, 24 + sizeof(ACCEPT_GUID) - 1, digest, &digest_size, EVP_sha1(), NULL);
    EVP_EncodeBlock(accept, digest, (int)digest_size);
    size_t n = (size_t)snprintf(answer, sizeof(answer),
                                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                                (const char *)accept);
    n += put_frame(answer + n, WELCOME);
    bool reads = false;
    while ((text = memmem(text, (size_t)(end - text), TOPIC_MARK, sizeof(TOPIC_MARK) - 1))) {
        text += sizeof(TOPIC_MARK) - 1;
        subscribe(fd, &topics[strtoul(text, NULL, 10) % MAX_TOPICS]);
        reads = true;
    }
    if (reads) {
        subscribers++;
        n += put_frame(answer + n, SUBSCRIBED);
    }
    places[fd] = OPEN;
    send_all(fd, answer, n);
}

static void forget(int fd)
{
    bool reads = false;
    for (unsigned t = 0; t < MAX_TOPICS; t++) {
        for (unsigned i = topics[t].count; i-- > 0;) {
            if (topics[t].fds[i] == fd) {
                topics[t].fds[i] = topics[t].fds[--topics[t].count];
                reads = true;
                break;
            }
        }
    }
    subscribers -= reads;
    places[fd] = NOBODY;
    SSL_free(secure[fd]);
    secure[fd] = NULL;
    close(fd);
}

/* As recv. */
static ssize_t receive(int fd, char *out, size_t size)
{
    if (!secure[fd]) {
        return recv(fd, out, size, 0);
    }
    int n = SSL_read(secure[fd], out, (int)size);
    if (n <= 0 && SSL_get_error(secure[fd], n) == SSL_ERROR_WANT_READ) {
        errno = EAGAIN;
        return -1;
    }
    return n;
}

static void on_readable(int fd)
{
    size_t before = places[fd] == OPEN ? kept : 0;
    ssize_t n = receive(fd, input + before, READ_BYTES - before);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        forget(fd);
        return;
    }
    size_t size = before + (size_t)n;
    if (places[fd] == OPEN) {
        size_t taken = take_frames(input, size);
        kept = size - taken;
        memmove(input, input + taken, kept);
        return;
    }
    /* What is kept of a frame stands at the same place: requests come before the first publish. */
    const char *end = memmem(input, size, "\r\n\r\n", 4);
    if (end) {
        upgrade(fd, input, end);
    } else {
        forget(fd);
    }
}

/* The client waits for nothing else meanwhile. */
static void shake_hands(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    secure[fd] = SSL_new(tls);
    SSL_set_fd(secure[fd], fd);
    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    if (SSL_accept(secure[fd]) != 1) {
        die("SSL_accept");
    }
    fcntl(fd, F_SETFL, flags);
}

static void on_accept(int listener, bool plain)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
        if ((unsigned)fd >= MAX_FDS || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
            die("epoll_ctl");
        }
        places[fd] = UPGRADING;
        if (!plain) {
            shake_hands(fd);
        }
    }
}

/* The options of gateway/net/listener.c, which accepted sockets inherit. */
static int listen_on(struct sockaddr_in *address)
{
    static const int options[][3] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},           {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384},
        {SOL_SOCKET, SO_KEEPALIVE, 1},           {IPPROTO_TCP, TCP_KEEPIDLE, 60},
        {IPPROTO_TCP, TCP_KEEPINTVL, 10},        {IPPROTO_TCP, TCP_KEEPCNT, 6},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 120000},
    };
    socklen_t size = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        die("socket");
    }
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (setsockopt(fd, options[i][0], options[i][1], &options[i][2], sizeof(int))) {
            die("setsockopt");
        }
    }
    if (bind(fd, (struct sockaddr *)address, size) || listen(fd, 4096) ||
        getsockname(fd, (struct sockaddr *)address, &size)) {
        die("listen");
    }
    return fd;
}

/* Listens and polls for who comes; returns the descriptor. */
static int open_listener(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = listen_on(&address);
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    *port = ntohs(address.sin_port);
    return fd;
}

static void load_certificate(const char *cert, const char *key)
{
    tls = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
        die("certificate");
    }
    SSL_CTX_set_num_tickets(tls, 1);
    SSL_CTX_set_mode(tls, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--tls") == 0) {
        load_certificate(argv[2], argv[3]);
    }
    batch = tls || (argc == 2 && strcmp(argv[1], "--batch") == 0);
    if (argc > 1 && !batch) {
        fputs("usage: floor [--batch | --tls CERT KEY]\n", stderr);
        return 2;
    }
    unsigned port, secure_port;
    int secure_listener = -1;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listener = open_listener(&port);
    if (tls) {
        secure_listener = open_listener(&secure_port);
        printf("ready publish=%u port=%u\n", port, secure_port);
    } else {
        printf("ready port=%u\n", port);
    }
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener) {
                on_accept(listener, true);
            } else if (events[i].data.fd == secure_listener) {
                on_accept(secure_listener, false);
            } else {
                on_readable(events[i].data.fd);
            }
        }
    }
}

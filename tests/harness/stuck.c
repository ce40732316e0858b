// SPDX-License-Identifier: Apache-2.0
/* Very many clients that do not read: stuck PORT ADDRESS COUNT PATH. Each connects from ADDRESS
 * with the smallest receive buffer there is, so that next to nothing waits on this side, upgrades
 * with PATH ('%' in it stands for its number), reads up to `subscribed`, and then nothing.
 *
 * Prints "open", then obeys lines of standard input:
 *   read     from now on everybody reads
 *   report   one line of JSON: what all have got: {"messages","told","open","closes":{code: count}}
 *   (its end) everybody leaves */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CODES      5000
#define HEAD_BYTES 4096
#define READ_BYTES 65536

struct client {
    int fd;
    char *held; /* a frame that is not yet whole */
    size_t size;
};

static struct client *clients;
static unsigned count;
static unsigned long long messages;
static unsigned long long told;
static unsigned open_now;
static unsigned closes[CODES]; /* 0: without a close frame */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void read_fully(int fd, char *to, size_t size)
{
    while (size) {
        ssize_t n = read(fd, to, size);
        if (n <= 0) {
            die("closed before subscribed");
        }
        to += n;
        size -= (size_t)n;
    }
}

/* The answer to the upgrade, byte by byte: what stands behind it stays in the socket. */
static void read_head(int fd)
{
    char head[HEAD_BYTES];
    size_t size = 0;
    while (size < 4 || memcmp(head + size - 4, "\r\n\r\n", 4) != 0) {
        if (size == sizeof(head)) {
            die("a long head");
        }
        read_fully(fd, head + size++, 1);
    }
    if (memcmp(head, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "%.*s\n", (int)size, head);
        exit(1);
    }
}

/* A server's frame at `at`: the size of its head, or 0 where it is not there yet. */
static size_t frame_head(const uint8_t *at, size_t size, uint64_t *length)
{
    if (size < 2) {
        return 0;
    }
    size_t head = (at[1] & 127) < 126 ? 2 : (at[1] & 127) == 126 ? 4 : 10;
    if (size < head) {
        return 0;
    }
    *length = head == 2 ? at[1] & 127 : 0;
    for (size_t i = 2; i < head; i++) {
        *length = *length << 8 | at[i];
    }
    return head;
}

static void read_until_subscribed(int fd)
{
    static const char wanted[] = "{\"type\":\"subscribed\"";
    char text[HEAD_BYTES];
    do {
        uint8_t head[10];
        read_fully(fd, (char *)head, 2);
        size_t more = (head[1] & 127) == 126 ? 2 : 0;
        read_fully(fd, (char *)head + 2, more);
        uint64_t length = 0;
        frame_head(head, 2 + more, &length);
        if (length >= sizeof(text)) {
            die("a long frame");
        }
        read_fully(fd, text, length);
        text[length] = '\0';
    } while (strncmp(text, wanted, sizeof(wanted) - 1) != 0);
}

static int open_one(unsigned port, const char *address, const char *path, unsigned number)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int least = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, address, &from.sin_addr);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
        connect(fd, (struct sockaddr *)&to, sizeof(to))) {
        die("connect");
    }
    const char *mark = strchr(path, '%');
    int before = mark ? (int)(mark - path) : (int)strlen(path);
    char digits[16] = "";
    snprintf(digits, sizeof(digits), mark ? "%u" : "", number);
    dprintf(fd,
            "GET %.*s%s%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n",
            before, path, digits, mark ? mark + 1 : "");
    read_head(fd);
    read_until_subscribed(fd);
    return fd;
}

static void on_frame(struct client *client, const uint8_t *payload, size_t size, unsigned opcode)
{
    static const char dropped[] = "{\"type\":\"dropped\"";
    static const char message[] = "{\"type\":\"msg\"";
    const char *text = (const char *)payload;
    if (opcode == 8 && size >= 2) {
        unsigned code = (unsigned)payload[0] << 8 | payload[1];
        closes[code < CODES ? code : 0]++;
        close(client->fd);
        client->fd = -1;
        open_now--;
    } else if (size > sizeof(message) && memcmp(text, message, sizeof(message) - 1) == 0) {
        messages++;
    } else if (size > sizeof(dropped) && memcmp(text, dropped, sizeof(dropped) - 1) == 0) {
        const char *number = memmem(text, size, "\"count\":", 8);
        told += number ? strtoull(number + 8, NULL, 10) : 0;
    }
}

/* The whole frames of `size` bytes; returns what they were. */
static size_t parse(struct client *client, const char *data, size_t size)
{
    size_t at = 0;
    while (client->fd >= 0) {
        uint64_t length = 0;
        const uint8_t *frame = (const uint8_t *)data + at;
        size_t head = frame_head(frame, size - at, &length);
        if (head == 0 || size - at - head < length) {
            break;
        }
        on_frame(client, frame + head, (size_t)length, frame[0] & 15);
        at += head + (size_t)length;
    }
    return at;
}

static void read_one(struct client *client)
{
    static char data[READ_BYTES];
    if (client->fd < 0) {
        return;
    }
    ssize_t n = read(client->fd, data, sizeof(data));
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        close(client->fd);
        client->fd = -1;
        closes[0]++;
        open_now--;
        return;
    }
    client->held = realloc(client->held, client->size + (size_t)n);
    memcpy(client->held + client->size, data, (size_t)n);
    client->size += (size_t)n;
    size_t used = parse(client, client->held, client->size);
    client->size -= used;
    memmove(client->held, client->held + used, client->size);
}

static void start_reading(int epoll)
{
    for (unsigned i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i + 1};
        int wide = 1 << 16; /* else it would trickle */
        setsockopt(clients[i].fd, SOL_SOCKET, SO_RCVBUF, &wide, sizeof(wide));
        setsockopt(clients[i].fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &wide, sizeof(wide));
        fcntl(clients[i].fd, F_SETFL, O_NONBLOCK);
        epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event);
    }
}

static void report(void)
{
    printf("{\"messages\":%llu,\"told\":%llu,\"open\":%u,\"closes\":{", messages, told, open_now);
    const char *comma = "";
    for (unsigned code = 0; code < CODES; code++) {
        if (closes[code]) {
            printf("%s\"%u\":%u", comma, code, closes[code]);
            comma = ",";
        }
    }
    printf("}}\n");
}

/* What stands on standard input, a line or several; false: it has ended. */
static bool obey(int epoll)
{
    char lines[256];
    ssize_t n = read(STDIN_FILENO, lines, sizeof(lines) - 1);
    if (n <= 0) {
        return false;
    }
    lines[n] = '\0';
    for (char *at = lines; *at; at = strchr(at, '\n') + 1) {
        if (strncmp(at, "read\n", 5) == 0) {
            start_reading(epoll);
        } else {
            report();
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "stuck PORT ADDRESS COUNT PATH\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    unsigned port = (unsigned)strtoul(argv[1], NULL, 10);
    count = (unsigned)strtoul(argv[3], NULL, 10);
    clients = calloc(count, sizeof(*clients));
    for (open_now = 0; open_now < count; open_now++) {
        clients[open_now].fd = open_one(port, argv[2], argv[4], open_now);
    }
    printf("open\n");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event input = {.events = EPOLLIN};
    epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.u32) {
                read_one(&clients[events[i].data.u32 - 1]);
            } else if (!obey(epoll)) {
                return 0;
            }
        }
    }
}

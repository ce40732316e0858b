// SPDX-License-Identifier: Apache-2.0
#include "cli/client.h"

#include "common/base64.h"
#include "common/random.h"
#include "net/digest.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MS 10000
#define GUID       "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define HEAD_BYTES 65536

static bool fail(struct sw_client *client, const char *what, const char *why)
{
    snprintf(client->error, sizeof(client->error), "%.300s%s%.120s", what, why ? ": " : "",
             why ? why : "");
    sw_client_close(client);
    return false;
}

/* ---- URL ---- */

static bool copy(char *out, size_t capacity, struct sw_slice text)
{
    if (text.size >= capacity) {
        return false;
    }
    memcpy(out, text.data, text.size);
    out[text.size] = 0;
    return true;
}

bool sw_client_url_parse(const char *text, struct sw_client_url *url)
{
    const char *scheme = strstr(text, "://");
    if (scheme) {
        size_t n = (size_t)(scheme - text);
        if (!(n == 4 && memcmp(text, "http", 4) == 0) && !(n == 2 && memcmp(text, "ws", 2) == 0)) {
            return false;
        }
        text = scheme + 3;
    }
    struct sw_slice rest = sw_slice_of(text);
    size_t slash = sw_slice_find(rest, '/');
    struct sw_slice authority = sw_slice(text, slash);
    struct sw_slice path = sw_slice(text + slash, rest.size - slash);
    struct sw_slice host = authority;
    struct sw_slice port = SW_SLICE("80");
    size_t end = 0;
    if (host.size && host.data[0] == '[') { /* [::1]:8000 */
        end = sw_slice_find(host, ']');
        host = sw_slice(host.data + 1, end ? end - 1 : 0);
        end++;
    } else {
        end = sw_slice_find(host, ':');
        host.size = end;
    }
    if (end < authority.size) {
        uint64_t number;
        port = sw_slice(authority.data + end + 1, authority.size - end - 1);
        if (authority.data[end] != ':' || !sw_slice_to_u64(port, 65535, &number) || number == 0) {
            return false;
        }
    }
    return host.size && copy(url->host, sizeof(url->host), host) &&
           copy(url->port, sizeof(url->port), port) &&
           copy(url->path, sizeof(url->path), path.size ? path : SW_SLICE("/"));
}

/* ---- bytes ---- */

static bool connect_one(int fd, const struct addrinfo *address)
{
    struct timeval limit = {.tv_sec = CONNECT_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return connect(fd, address->ai_addr, address->ai_addrlen) == 0;
}

bool sw_client_connect(struct sw_client *client, const struct sw_client_url *url)
{
    *client = (struct sw_client){.fd = -1};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int error = getaddrinfo(url->host, url->port, &hints, &list);
    if (error) {
        return fail(client, url->host, gai_strerror(error));
    }
    int reason = ECONNREFUSED;
    for (struct addrinfo *at = list; at && client->fd < 0; at = at->ai_next) {
        int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd >= 0 && connect_one(fd, at)) {
            client->fd = fd;
        } else {
            reason = errno == EINPROGRESS ? ETIMEDOUT : errno;
            if (fd >= 0) {
                close(fd);
            }
        }
    }
    freeaddrinfo(list);
    if (client->fd < 0) {
        char where[288];
        snprintf(where, sizeof(where), "cannot connect to %s:%s", url->host, url->port);
        return fail(client, where, strerror(reason));
    }
    return true;
}

void sw_client_close(struct sw_client *client)
{
    if (client->fd >= 0) {
        close(client->fd);
        client->fd = -1;
    }
    sw_buf_deinit(&client->in);
}

bool sw_client_send(struct sw_client *client, struct sw_slice bytes)
{
    while (bytes.size) {
        ssize_t n = send(client->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return fail(client, "cannot send", strerror(errno));
        }
        if (n > 0) {
            bytes.data += n;
            bytes.size -= (size_t)n;
        }
    }
    return true;
}

/* Reads some more; false at the end, on an error, and when a signal came. */
static bool read_more(struct sw_client *client)
{
    char *room = sw_buf_reserve(&client->in, 16384);
    ssize_t n = recv(client->fd, room, 16384, 0);
    if (n <= 0) {
        return false;
    }
    client->in.size += (size_t)n;
    return true;
}

/* ---- HTTP ---- */

/* The index behind the empty line, reading as far as it takes; 0: none comes. */
static size_t read_head(struct sw_client *client)
{
    for (;;) {
        char *end =
            client->in.size ? memmem(client->in.data, client->in.size, "\r\n\r\n", 4) : NULL;
        if (end) {
            return (size_t)(end - client->in.data) + 4;
        }
        if (client->in.size > HEAD_BYTES || !read_more(client)) {
            return 0;
        }
    }
}

static struct sw_slice header(struct sw_slice head, const char *name)
{
    while (head.data) {
        struct sw_slice line = sw_slice_split(&head, '\n');
        size_t colon = sw_slice_find(line, ':');
        if (colon < line.size &&
            sw_slice_equal_nocase(sw_slice(line.data, colon), sw_slice_of(name))) {
            struct sw_slice value = sw_slice(line.data + colon + 1, line.size - colon - 1);
            if (value.size && value.data[value.size - 1] == '\r') {
                value.size--;
            }
            return sw_slice_trim(value);
        }
    }
    return sw_slice(NULL, 0);
}

static bool read_status(struct sw_slice head, unsigned *status)
{
    uint64_t number;
    if (head.size < 12 || memcmp(head.data, "HTTP/1.1 ", 9) != 0 ||
        !sw_slice_to_u64(sw_slice(head.data + 9, 3), 999, &number)) {
        return false;
    }
    *status = (unsigned)number;
    return true;
}

bool sw_client_response(struct sw_client *client, unsigned *status, struct sw_buf *body, bool *open)
{
    size_t head_size = read_head(client);
    struct sw_slice head = sw_slice(client->in.data, head_size);
    uint64_t length = 0;
    if (head_size == 0 || !read_status(head, status)) {
        return fail(client, "no HTTP answer", NULL);
    }
    struct sw_slice announced = header(head, "Content-Length");
    if (announced.data && !sw_slice_to_u64(announced, 1u << 26, &length)) {
        return fail(client, "an answer without a sound length", NULL);
    }
    *open = !sw_slice_equal_nocase(header(head, "Connection"), SW_SLICE("close"));
    while (client->in.size < head_size + length) {
        if (!read_more(client)) {
            return fail(client, "the answer was cut off", NULL);
        }
    }
    sw_buf_clear(body);
    sw_buf_append(body, client->in.data + head_size, (size_t)length);
    sw_buf_consume(&client->in, head_size + (size_t)length);
    return true;
}

static void expected_accept(const char *key, char out[32])
{
    char text[64];
    unsigned char digest[SW_SHA1_BYTES];
    int n = snprintf(text, sizeof(text), "%s" GUID, key);
    sw_sha1(sw_slice(text, (size_t)n), digest);
    *sw_base64_encode(out, digest, sizeof(digest)) = 0;
}

bool sw_client_upgrade(struct sw_client *client, const struct sw_client_url *url, const char *token)
{
    unsigned char nonce[16];
    char key[32];
    char accept[32];
    struct sw_buf request = {0};
    sw_random_bytes(nonce, sizeof(nonce));
    *sw_base64_encode(key, nonce, sizeof(nonce)) = 0;
    expected_accept(key, accept);
    bool v6 = strchr(url->host, ':') != NULL;
    sw_buf_printf(&request,
                  "GET %s HTTP/1.1\r\nHost: %s%s%s:%s\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
                  "Sec-WebSocket-Protocol: spillway.v1.json\r\n",
                  url->path, v6 ? "[" : "", url->host, v6 ? "]" : "", url->port, key);
    if (token) {
        sw_buf_printf(&request, "Authorization: Bearer %s\r\n", token);
    }
    sw_buf_append_slice(&request, SW_SLICE("\r\n"));
    bool sent = sw_client_send(client, sw_buf_slice(&request));
    sw_buf_deinit(&request);
    if (!sent) {
        return false;
    }
    size_t head_size = read_head(client);
    struct sw_slice head = sw_slice(client->in.data, head_size);
    unsigned status = 0;
    if (head_size == 0 || !read_status(head, &status) || status != 101 ||
        !sw_slice_equal(header(head, "Sec-WebSocket-Accept"), sw_slice_of(accept))) {
        char why[32];
        snprintf(why, sizeof(why), "HTTP %u", status);
        return fail(client, "no WebSocket is served there", status ? why : NULL);
    }
    sw_buf_consume(&client->in, head_size);
    return true;
}

/* ---- WebSocket ---- */

static bool send_frame(struct sw_client *client, unsigned opcode, struct sw_slice payload)
{
    struct sw_buf frame = {0};
    unsigned char mask[4];
    unsigned char head[10] = {(unsigned char)(0x80 | opcode)};
    size_t n = 2;
    sw_random_bytes(mask, sizeof(mask));
    if (payload.size < 126) {
        head[1] = (unsigned char)(0x80 | payload.size);
    } else if (payload.size < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(payload.size >> 8);
        head[3] = (unsigned char)payload.size;
        n = 4;
    } else {
        head[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++) {
            head[2 + i] = (unsigned char)((uint64_t)payload.size >> (56 - 8 * i));
        }
        n = 10;
    }
    sw_buf_append(&frame, head, n);
    sw_buf_append(&frame, mask, sizeof(mask));
    char *out = sw_buf_reserve(&frame, payload.size);
    for (size_t i = 0; i < payload.size; i++) {
        out[i] = (char)(payload.data[i] ^ (char)mask[i % 4]);
    }
    frame.size += payload.size;
    bool ok = sw_client_send(client, sw_buf_slice(&frame));
    sw_buf_deinit(&frame);
    return ok;
}

bool sw_client_say(struct sw_client *client, struct sw_slice text)
{
    return send_frame(client, 1, text);
}

/* One whole frame in client->in? Its head's size and its payload's. */
static bool frame_ready(const struct sw_buf *in, size_t *head, size_t *size)
{
    const unsigned char *data = (const unsigned char *)in->data;
    if (in->size < 2) {
        return false;
    }
    uint64_t length = data[1] & 127;
    *head = length == 126 ? 4 : length == 127 ? 10 : 2;
    if (in->size < *head) {
        return false;
    }
    if (*head > 2) {
        length = 0;
        for (size_t i = 2; i < *head; i++) {
            length = length << 8 | data[i];
        }
    }
    *size = (size_t)length;
    return in->size - *head >= length;
}

/* What one frame came to; true: an event to return. */
static bool take_frame(struct sw_client *client, size_t head, size_t size, struct sw_buf *text,
                       unsigned *code, enum sw_client_event *event)
{
    unsigned char first = (unsigned char)client->in.data[0];
    unsigned opcode = first & 15;
    struct sw_slice payload = sw_slice(client->in.data + head, size);
    if (opcode == 9) {
        send_frame(client, 10, payload);
    } else if (opcode == 8) {
        *code = size >= 2
                    ? (unsigned)(unsigned char)payload.data[0] << 8 | (unsigned char)payload.data[1]
                    : 1005;
        sw_buf_clear(text);
        if (size > 2) {
            sw_buf_append(text, payload.data + 2, size - 2);
        }
        send_frame(client, 8, sw_slice(payload.data, size >= 2 ? 2 : 0));
        *event = SW_CLIENT_CLOSED;
        return true;
    } else if (opcode <= 2) {
        sw_buf_append_slice(text, payload);
        *event = SW_CLIENT_TEXT;
        return first & 0x80;
    }
    return false;
}

enum sw_client_event sw_client_next(struct sw_client *client, struct sw_buf *text, unsigned *code,
                                    const volatile int *stop)
{
    enum sw_client_event event = SW_CLIENT_LOST;
    sw_buf_clear(text);
    while (client->fd >= 0) {
        size_t head;
        size_t size;
        if (frame_ready(&client->in, &head, &size)) {
            bool done = take_frame(client, head, size, text, code, &event);
            if (client->fd >= 0) {
                sw_buf_consume(&client->in, head + size);
            }
            if (done) {
                return event;
            }
            continue;
        }
        struct pollfd wait = {.fd = client->fd, .events = POLLIN};
        int ready = poll(&wait, 1, 500);
        if (*stop) {
            return SW_CLIENT_STOPPED;
        }
        if (ready > 0 && !read_more(client)) {
            break;
        }
    }
    return SW_CLIENT_LOST;
}

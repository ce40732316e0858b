// SPDX-License-Identifier: Apache-2.0
/* What is published: payloads, and how each kind of server is told of them. */
#include "client.h"
#include "framing.h"

#include <stdio.h>
#include <string.h>

/* The longest row, and what stands behind the last one. */
#define ROW_BYTES 80

/* Rows of prices, as many as fit: a member of the payload, which pads the rest. */
static size_t put_rows(char *out, size_t room, unsigned seed)
{
    size_t n = (size_t)snprintf(out, room, "\"rows\":[");
    for (unsigned i = 0; n + ROW_BYTES < room; i++) {
        seed = seed * 1664525 + 1013904223;
        n += (size_t)snprintf(out + n, room - n,
                              "%s{\"id\":%u,\"side\":\"%s\",\"price\":%u.%02u,\"size\":%u}",
                              i ? "," : "", 700000 + i, seed >> 31 ? "buy" : "sell",
                              100 + (seed >> 8 & 7), (seed >> 11) % 100, (seed >> 20) % 500);
    }
    n += (size_t)snprintf(out + n, room - n, "],");
    return n;
}

static size_t put_payload(char *out, unsigned number)
{
    size_t n = (size_t)snprintf(out, opt.bytes, PAYLOAD_HEAD "%u,", number);
    if (opt.rows) {
        n += put_rows(out + n, opt.bytes - n, number);
    }
    n += (size_t)snprintf(out + n, opt.bytes - n, "\"pad\":\"");
    memset(out + n, 'x', opt.bytes - 2 - n);
    memcpy(out + opt.bytes - 2, "\"}", 2);
    return opt.bytes;
}

/* A message between `head` and `tail`, as they stand in the dialect. */
static size_t put_text(char *out, unsigned topic, const char *head, const char *middle,
                       const char *tail)
{
    size_t n = (size_t)snprintf(out, 256, "%s%04u%s", head, topic, middle);
    n += put_payload(out + n, numbers[topic]);
    memcpy(out + n, tail, strlen(tail));
    return n + strlen(tail);
}

size_t put_publish(char *out, unsigned topic)
{
    static char text[1u << 20];
    const struct dialect *d = opt.dialect;
    size_t head, size;
    uint32_t number = ++numbers[topic];
    times_ns[topic * TIMES + number % TIMES] = now_ns();
    if (strcmp(opt.publish, "ws") == 0) {
        size = put_text(text, topic, d->publish_head, d->publish_middle, d->publish_tail);
        head = framing_put_head(out, 1, size);
    } else if (strcmp(opt.publish, "http") == 0) {
        size = put_text(text, topic, d->head, d->middle, d->tail);
        head = (size_t)snprintf(out, 256,
                                "POST /pub?ids=" TOPIC_FORM " HTTP/1.1\r\nHost: bench\r\n"
                                "Content-Length: %zu\r\n\r\n",
                                topic, size);
    } else {
        size = put_payload(text, number);
        text[size++] = '\r';
        text[size++] = '\n';
        head = (size_t)snprintf(
            out, 256, "*3\r\n$7\r\nPUBLISH\r\n$10\r\n" TOPIC_FORM "\r\n$%zu\r\n", topic, size - 2);
    }
    memcpy(out + head, text, size);
    return head + size;
}

// SPDX-License-Identifier: Apache-2.0
#include "framing.h"

#include "client.h"
#include "inflate.h"

#include <string.h>

/* Of a frame's first byte: it is compressed. */
#define RSV1 0x40

size_t framing_put_head(char *out, unsigned opcode, size_t size)
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
    return at + 4;
}

static void hear_frame(struct client *client, unsigned first, const char *payload, size_t size)
{
    if (first & RSV1) {
        now.compressed++;
        payload = inflate_payload(payload, size, &size);
    }
    client_hear(client, first & 15, payload, size);
}

size_t framing_take_frames(struct client *client, const char *data, size_t size)
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
        hear_frame(client, bytes[at], data + at + head, length);
        at += head + length;
    }
    return at;
}

/* Where the line begins with `name`: what stands behind it. */
static const char *field(const char *line, size_t size, const char *name)
{
    size_t n = strlen(name);
    return size >= n && memcmp(line, name, n) == 0 ? line + n : NULL;
}

static void take_line(struct client *client, const char *line, size_t size)
{
    const char *text = field(line, size, "data: ");
    if (text) {
        client_hear(client, 1, text, (size_t)(line + size - text));
    } else if (field(line, size, "id: ")) {
        now.bookmarks++;
    } else if (size && line[0] != ':' && !field(line, size, "retry: ")) {
        fault(client, "no line of an event", line, size);
    }
}

size_t framing_take_events(struct client *client, const char *data, size_t size)
{
    size_t at = 0;
    const char *end;
    while ((end = memmem(data + at, size - at, "\n\n", 2))) {
        size_t behind = (size_t)(end - data) + 2;
        while (at < behind) {
            const char *line = data + at;
            const char *line_end = memchr(line, '\n', behind - at);
            take_line(client, line, (size_t)(line_end - line));
            at += (size_t)(line_end - line) + 1;
        }
    }
    return at;
}

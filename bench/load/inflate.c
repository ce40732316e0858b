// SPDX-License-Identifier: Apache-2.0
#include "inflate.h"

#include "client.h"

#include <string.h>
#include <zlib.h>

#define ROOM (1u << 20)

/* Ends every payload, and is not sent (RFC 7692, section 7.2.2). */
static const char tail[] = {0, 0, (char)0xff, (char)0xff};

/* The last one: a thousand subscribers get the same bytes. */
static char packed[ROOM], text[ROOM];
static size_t packed_size, unpacked_size;

const char *inflate_payload(const char *payload, size_t size, size_t *text_size)
{
    static z_stream stream;
    if (size != packed_size || memcmp(packed, payload, size) != 0) {
        if (size > ROOM - sizeof(tail) ||
            (stream.state ? inflateReset(&stream) : inflateInit2(&stream, -15)) != Z_OK) {
            die("no room for %zu compressed bytes", size);
        }
        memcpy(packed, payload, size);
        memcpy(packed + size, tail, sizeof(tail));
        packed_size = size;
        stream.next_in = (Bytef *)packed;
        stream.avail_in = (uInt)(size + sizeof(tail));
        stream.next_out = (Bytef *)text;
        stream.avail_out = ROOM;
        if (inflate(&stream, Z_SYNC_FLUSH) != Z_OK || stream.avail_in || !stream.avail_out) {
            die("%zu bytes that are not compressed data", size);
        }
        unpacked_size = ROOM - stream.avail_out;
    }
    *text_size = unpacked_size;
    return text;
}

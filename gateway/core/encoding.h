// SPDX-License-Identifier: Apache-2.0
/* The seam between what happened and its bytes: an encoding is a language of protocol/ times a
 * framing of transport/, paired by node/. A push is rendered once per encoding and goes to every
 * reader as it is. */
#ifndef SW_CORE_ENCODING_H
#define SW_CORE_ENCODING_H

#include "common/buf.h"
#include "core/message.h"
#include "core/position.h"
#include "core/reasons.h"

#include <string.h>

enum sw_push_kind {
    SW_PUSH_MESSAGE,
    SW_PUSH_DROPPED,
    SW_PUSH_EPOCH, /* the same stream goes on as `epoch`; `offset`: where it was said */
    SW_PUSH_RESET, /* the stream was recreated or rolled back: `epoch`, `offset` is its newest */
};

/* What a tape may hold. `name` is what its readers subscribed to. */
struct sw_push {
    enum sw_push_kind kind;
    struct sw_slice name;
    bool pattern;
    const struct sw_message *message; /* SW_PUSH_MESSAGE; borrowed */
    uint64_t offset;                  /* of a message with a position, EPOCH, RESET; else 0 */
    struct sw_epoch epoch;            /* EPOCH, RESET; DROPPED with `from` */
    uint64_t count;                   /* SW_PUSH_DROPPED: 0 = unknown */
    uint64_t from;                    /* SW_PUSH_DROPPED: offsets `from` to `to`; 0: none */
    uint64_t to;
    enum sw_shed reason;
};

/* A client language: text without framing. */
struct sw_language {
    const char *name;
    bool silent; /* it has no words but messages: of a gap or a reset the reader's owner hears */
    /* The exact bytes that write() will make. */
    size_t (*size)(const struct sw_push *push);
    /* Writes them; returns the end. */
    char *(*write)(const struct sw_push *push, char *out);
    /* The part of a message's text that is the same, and nowhere else found, for all messages of
     * its topic and key: newer ones replace older ones with the same. Never empty, and found as
     * well where the text is cut off behind it. NULL where nobody reads it in mode `latest` or with
     * a pace. */
    struct sw_slice (*identity)(struct sw_slice text);
};

/* A framing: what stands before the `size` bytes that a language made of a push, and behind them.
 * `context` is its own, one for each worker. */
struct sw_framing {
    const char *name;
    struct sw_slice tail; /* the same behind every text; may be empty */
    size_t (*head_size)(size_t size);
    char *(*write_head)(void *context, const struct sw_push *push, size_t size, char *out);
    /* The text within a frame; of one that was packed, at least up to the end of its identity. */
    struct sw_slice (*text)(struct sw_slice frame);
    /* NULL, or what makes a message smaller than its text of `size` bytes: renders it into a frame
     * that the context keeps until unpack copies it out, and returns its size; 0: it stays plain.
     */
    size_t (*pack)(void *context, const struct sw_language *language, const struct sw_push *push,
                   size_t size);
    char *(*unpack)(void *context, char *out);
    void *context;
};

/* Those that a worker has; each tape knows its own. */
enum sw_encoding_index {
    SW_ENCODING_WS,
    SW_ENCODING_SSE,
    SW_ENCODING_WS_DEFLATE, /* of topics whose rule says `compress`, for who can read it */
    SW_ENCODING_RAW,
    SW_ENCODINGS
};

/* In place of a text's size: its frame is packed already. */
#define SW_TEXT_PACKED SIZE_MAX

struct sw_encoding {
    const struct sw_language *language;
    const struct sw_framing *framing;
};

/* Bytes of the whole frame; *text_size is for sw_encoding_write, which follows before anything else
 * is rendered in this encoding. */
static inline size_t sw_encoding_size(const struct sw_encoding *encoding,
                                      const struct sw_push *push, size_t *text_size)
{
    const struct sw_framing *framing = encoding->framing;
    *text_size = encoding->language->size(push);
    if (framing->pack && push->kind == SW_PUSH_MESSAGE) {
        size_t packed = framing->pack(framing->context, encoding->language, push, *text_size);
        if (packed) {
            *text_size = SW_TEXT_PACKED;
            return packed;
        }
    }
    return framing->head_size(*text_size) + *text_size + framing->tail.size;
}

/* Renders it; `text_size` as sw_encoding_size said. Returns the end. */
static inline char *sw_encoding_write(const struct sw_encoding *encoding,
                                      const struct sw_push *push, size_t text_size, char *out)
{
    const struct sw_framing *framing = encoding->framing;
    if (text_size == SW_TEXT_PACKED) {
        return framing->unpack(framing->context, out);
    }
    out = framing->write_head(framing->context, push, text_size, out);
    out = encoding->language->write(push, out);
    if (framing->tail.size) {
        memcpy(out, framing->tail.data, framing->tail.size);
    }
    return out + framing->tail.size;
}

/* As sw_language.identity, of a rendered frame. */
static inline struct sw_slice sw_encoding_identity(const struct sw_encoding *encoding,
                                                   struct sw_slice frame)
{
    return encoding->language->identity(encoding->framing->text(frame));
}

#endif

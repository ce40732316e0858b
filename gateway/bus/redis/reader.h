// SPDX-License-Identifier: Apache-2.0
/* RESP2 from one link, read by hiredis' redisReader with object functions of our own: what has come
 * is told while its bytes still lie in the reader's buffer, so a message is copied once, by who
 * wants it. Only where arrays are answers (the commands' link) are they built, as hiredis does it.
 * Sans-I/O: it is fed and calls back. hiredis 0.14 and 1.x. Invariant: the events do not depend on
 * how the bytes were cut. */
#ifndef SW_BUS_REDIS_READER_H
#define SW_BUS_REDIS_READER_H

#include "common/buf.h"

/* Of a channel or pattern that Redis names; what is longer is cut. No topic is that long. */
#define SW_REDIS_NAME_BYTES 4096

enum sw_redis_event_kind {
    SW_REDIS_MESSAGE,      /* channel, text */
    SW_REDIS_PMESSAGE,     /* pattern, channel, text */
    SW_REDIS_SUBSCRIBED,   /* channel */
    SW_REDIS_UNSUBSCRIBED, /* channel; data == NULL where there was nothing to unsubscribe from */
    SW_REDIS_PSUBSCRIBED,
    SW_REDIS_PUNSUBSCRIBED,
    SW_REDIS_PONG,    /* text: what the PING brought; from a status, an array or a bulk string */
    SW_REDIS_STATUS,  /* text */
    SW_REDIS_INTEGER, /* number */
    SW_REDIS_ERROR,   /* text */
    SW_REDIS_OTHER,   /* an array or a nil that nobody asked for */
    SW_REDIS_BULK,    /* of a reader that builds: text; data == NULL for a nil */
    SW_REDIS_ARRAY,   /* likewise: array */
    /* A bulk string above the limit has begun: the last event, nothing can be read behind it.
     * channel and pattern where it is a message's payload. number: its size. */
    SW_REDIS_TOO_LARGE,
};

/* Slices live until the callback returns. */
struct sw_redis_event {
    enum sw_redis_event_kind kind;
    struct sw_slice pattern;
    struct sw_slice channel;
    struct sw_slice text;
    long long number;
    const struct redisReply *array;
};

struct sw_redis_reader {
    struct redisReader *resp; /* NULL: nothing was fed yet */
    size_t bulk_bytes;        /* the largest bulk string that is read */
    size_t array_bytes;       /* of the strings in one array that is built; 0: none is */
    size_t built_bytes;       /* so far */
    const struct redisReplyObjectFunctions *build; /* hiredis' own */
    void (*on_event)(void *owner, const struct sw_redis_event *event);
    void *owner;
    /* Of the array that is being read: what it is (NULL: told as OTHER already), and its names,
     * copied because they may have come with an earlier feed. */
    const struct sw_redis_shape *shape;
    struct sw_buf pattern;
    struct sw_buf channel;
    bool named; /* the channel has come, and was not nil */
    bool stopped;
    char why[160];
};

/* `owner` is borrowed. on_event may stop the reader; it must not feed or reset it. */
void sw_redis_reader_init(struct sw_redis_reader *reader, size_t bulk_bytes,
                          void (*on_event)(void *owner, const struct sw_redis_event *event),
                          void *owner);
/* Arrays and bulk strings are answers here: told as ARRAY and BULK. An array keeps about `bytes` of
 * its strings; those behind them are nils. Before anything is fed. */
void sw_redis_reader_build(struct sw_redis_reader *reader, size_t bytes);
/* Reads on. False: the link is of no use any more; `why` says it in words where Redis was the
 * cause, and is empty where on_event stopped the reader. */
bool sw_redis_reader_feed(struct sw_redis_reader *reader, const char *data, size_t size);
/* From inside on_event: no further event comes. */
void sw_redis_reader_stop(struct sw_redis_reader *reader);
/* For a new link: everything half read is forgotten. */
void sw_redis_reader_reset(struct sw_redis_reader *reader);
void sw_redis_reader_deinit(struct sw_redis_reader *reader);

#endif

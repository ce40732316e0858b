// SPDX-License-Identifier: Apache-2.0
/* What is said to a server and what comes back, for each protocol that is measured. Text only: what
 * stands around it is in framing.h. */
#ifndef BENCH_DIALECT_H
#define BENCH_DIALECT_H

#include <stdbool.h>
#include <stddef.h>

/* Topics are named by number, always in as many bytes. */
#define TOPIC_FORM   "bench.%04u"
#define TOPIC_DIGITS 4
#define PAYLOAD_HEAD "{\"n\":"
#define IGNORED      4

struct dialect {
    const char *name;
    const char *path;      /* of the first request; a subscriber's topics follow it: */
    const char *first;     /* in front of the first one */
    const char *next;      /* in front of the others */
    const char *greeting;  /* said at once after the upgrade */
    const char *ready;     /* so begins what says that all is subscribed; NULL: the upgrade does */
    const char *ready_too; /* and this is in it */
    const char *welcome;   /* the same for who only publishes */
    struct {
        const char *heard, *say;
    } answers[2];
    const char *ignored[IGNORED];
    /* A delivery is head, the topic's digits, middle, payload, tail. */
    const char *head, *middle, *tail;
    bool lines;  /* a frame may hold several, a line each */
    bool events; /* subscribers get Server-Sent Events; the publisher speaks WebSocket */
    /* A publish over WebSocket likewise. */
    const char *publish_path; /* NULL: the same */
    const char *publish_head, *publish_middle, *publish_tail;
};

/* NULL where there is none of that name. */
const struct dialect *dialect_find(const char *name);

#endif

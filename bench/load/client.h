// SPDX-License-Identifier: Apache-2.0
/* The connections of the load generator and what is checked on each: topic by topic, each number
 * must follow the one before it, in a message of exactly the size that was published. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "dialect.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* By number, the last publishes of a topic whose time is remembered. */
#define TIMES 1024u

struct options {
    const char *host;
    const struct dialect *dialect;
    const char *publish; /* ws, http (as nchan takes it), redis */
    const char *tokens;  /* a file, see tokens.h; NULL: none */
    unsigned port;
    unsigned publish_port; /* 0: the same */
    unsigned clients;
    unsigned topics;   /* in all */
    unsigned each;     /* topics of one client */
    unsigned messages; /* K */
    unsigned spread;   /* over so many topics */
    unsigned bytes;    /* of a payload */
    unsigned bursts;   /* 0: asked for on standard input */
    unsigned warm_up;  /* bursts before the first answer */
    unsigned window;   /* bursts under way at a time */
    unsigned room;     /* connections that `handshakes` may add */
    unsigned patience; /* seconds without any delivery */
    unsigned tls;      /* 1: subscribers speak it; the publisher does not */
    unsigned rows;     /* 1: payloads are rows of a table, not a padding of one letter */
    unsigned compress; /* 1: subscribers take compressed messages */
    unsigned history;  /* 1: the topics have one, so each message says its position and its time */
};

enum phase { CLOSED, UPGRADING, TALKING, READY };

struct client {
    int fd;
    struct ssl_st *ssl; /* NULL: plain */
    enum phase phase;
    bool publishes;
    bool paused;     /* is not read, or was not until just now: it may have missed something */
    unsigned code;   /* of the close frame that it got */
    uint32_t number; /* its place among the clients */
    unsigned first;  /* of its topics */
    size_t kept;     /* bytes of an incomplete frame */
    char *keep;
    uint32_t *seen;    /* by place in its list of topics: the last number */
    uint64_t received; /* while paused is set */
    uint64_t told;     /* likewise: by `dropped` */
};

/* What came since the last command. */
struct run {
    uint64_t deliveries;
    uint64_t bytes;
    uint64_t errors;
    uint64_t bookmarks;  /* ids of events */
    uint64_t compressed; /* frames */
};

extern struct options opt;
extern struct run now;
extern struct client *clients;
extern struct client *publisher;
extern unsigned ready;     /* clients that are READY, the publisher too */
extern uint32_t *numbers;  /* by topic: the last that was published */
extern uint64_t *readers;  /* by topic: who must get the next one */
extern uint64_t *times_ns; /* by topic and number % TIMES: when it was published */

_Noreturn void die(const char *form, ...);
void *allocate(size_t count, size_t size);
uint64_t now_ns(void);

void clients_init(void);

/* Connects and asks for the upgrade; more than a few under way at a time wait for each other. */
void client_open(struct client *client, unsigned number);

/* Resets the connection. */
void client_drop(struct client *client);

/* Waits until so many are READY. */
void clients_await(unsigned count);

/* Ends and begins reading. Who was paused stays so for the checks until `client_settle`. */
void client_pause(struct client *client);
void client_resume(struct client *client);
void client_settle(struct client *client);

/* A whole frame; an event is one of opcode 1. */
void client_hear(struct client *client, unsigned opcode, const char *text, size_t size);

/* Reads what has come within `timeout_ms`; false where nothing has. */
bool poll_once(int timeout_ms);

/* Reads what comes, and answers pings, until there is a command on standard input. */
void serve_until_input(void);

/* The first faults are told on standard error: one lost message makes many. */
void fault(const struct client *client, const char *what, const char *text, size_t size);

/* Writes all, or dies. */
void write_all(int fd, const char *data, size_t size);

/* The next message of a topic as the publisher says it; returns its size. */
size_t put_publish(char *out, unsigned topic);

/* Latencies since the last reset, in nanoseconds; `part` of 1. */
void latency_reset(void);
double latency_ms(double part);

#endif

// SPDX-License-Identifier: Apache-2.0
/* What nodes tell each other: one JSON object of at most SW_NOTICE_BYTES. On "$nodes" it is said to
 * all, on "$node.<id>" to one.
 *
 *   {"v":1,"kind":"disconnect","from":"<node>","id":"<request>","session":"..",..}   to all
 *   {"v":1,"kind":"disconnected","from":"<node>","id":"<request>","count":3}         to who asked;
 *                                          "partial":true: not all workers of it have answered
 *
 * Nodes of neighbouring releases live together: fields that a node does not know are skipped, kinds
 * are ignored, and so is a version that it does not know, which a release says only of what the one
 * before it could not do right. Whatever is not as above is ignored as a whole. */
#ifndef SW_BUS_NOTICE_H
#define SW_BUS_NOTICE_H

#include "bus/bus.h"
#include "bus/disconnect.h"

enum sw_notice_kind { SW_NOTICE_DISCONNECT, SW_NOTICE_DISCONNECTED };

/* Of a request: drawn by who asks, so that answers find it. */
#define SW_NOTICE_ID_BYTES 16

struct sw_notice {
    struct sw_post post; /* kind SW_POST_NOTICE */
    enum sw_notice_kind kind;
    char from[SW_NODE_BYTES + 1];
    char id[SW_NOTICE_ID_BYTES + 1];
    bool partial;                    /* of DISCONNECTED, as is `count` */
    uint32_t count;                  /* sessions that were ended */
    struct sw_disconnect disconnect; /* of DISCONNECT */
};

/* Appends the string, without the prefix, on which `node` hears it; NULL: all nodes do. */
void sw_notice_string(struct sw_buf *out, const char *node);
/* NULL: to be ignored. */
struct sw_notice *sw_notice_read(struct sw_slice raw, char separator);
/* The publish that says it to `node`, or to all (NULL). */
struct sw_publish *sw_notice_publish(const struct sw_notice *notice, const char *node);
/* `notice` may be NULL. */
void sw_notice_destroy(struct sw_notice *notice);

#endif

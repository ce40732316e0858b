// SPDX-License-Identifier: Apache-2.0
/* What is read again while the node runs, at SIGHUP and POST /v1/reload: a row for each thing. One
 * that is not good (a file is gone, or holds nonsense) stays as it was, and it is said which and
 * why. Belongs to main's loop. */
#ifndef SW_NODE_RELOAD_H
#define SW_NODE_RELOAD_H

#include "node/config.h"

#define SW_RELOADS 8

struct sw_reload_row {
    const char *what; /* one word, for the log line and the answer: api_keys */
    /* Reads it again and puts it into the old one's place. False: the old one stays, and `why` says
     * in one line for a person which file is wrong and how; never a secret. */
    bool (*read_again)(void *owner, struct sw_buf *why);
    void *owner;
};

struct sw_reload {
    struct sw_reload_row rows[SW_RELOADS];
    unsigned count;
    const struct sw_config *config; /* what runs; NULL: not looked at */
};

/* Where the node starts: only what it has is added. */
void sw_reload_add(struct sw_reload *reload, const char *what,
                   bool (*read_again)(void *owner, struct sw_buf *why), void *owner);
/* Reads all of it again, one after another, with a log line for each: `reloaded` or
 * `reload_failed`; one more where the config file has changed, which only a restart applies.
 * Appends
 * {"reloaded":["api_keys"],"failed":[{"what","message"}],"restart":["workers"]?}. False: one failed
 * at least; then "error" stands in front. */
bool sw_reload_run(const struct sw_reload *reload, struct sw_buf *answer);

#endif

// SPDX-License-Identifier: Apache-2.0
/* The keys that the node verifies tokens with: read when it starts, and again at a reload, from
 * when on each worker has the new ones. Main's. */
#ifndef SW_NODE_TOKEN_KEYS_H
#define SW_NODE_TOKEN_KEYS_H

#include "node/worker.h"

struct sw_token_keys {
    const struct sw_config *config;
    struct sw_keyring *keyring; /* NULL: no tokens are asked for */
    struct sw_worker *workers;  /* once there are some */
    unsigned worker_count;
};

/* False: `error` holds a line. */
bool sw_token_keys_init(struct sw_token_keys *keys, const struct sw_config *config,
                        struct sw_buf *error);
void sw_token_keys_deinit(struct sw_token_keys *keys);
/* For sw_reload_add; `owner`: these keys. */
bool sw_token_keys_read_again(void *owner, struct sw_buf *why);

#endif

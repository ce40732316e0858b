// SPDX-License-Identifier: Apache-2.0
#include "node/token_keys.h"

#include "node/config_keys.h"

bool sw_token_keys_init(struct sw_token_keys *keys, const struct sw_config *config,
                        struct sw_buf *error)
{
    *keys = (struct sw_token_keys){.config = config};
    if (sw_config_wants_tokens(config)) {
        struct sw_keyring_config files = sw_config_keys(config);
        keys->keyring = sw_keyring_load(&files, error);
        return keys->keyring != NULL;
    }
    return true;
}

void sw_token_keys_deinit(struct sw_token_keys *keys)
{
    sw_keyring_unref(&keys->keyring);
}

bool sw_token_keys_read_again(void *owner, struct sw_buf *why)
{
    struct sw_token_keys *keys = owner;
    struct sw_keyring_config files = sw_config_keys(keys->config);
    struct sw_keyring *keyring = sw_keyring_load(&files, why);
    if (!keyring) {
        return false;
    }
    sw_keyring_unref(&keys->keyring);
    keys->keyring = keyring;
    for (unsigned i = 0; i < keys->worker_count; i++) {
        sw_worker_set_keys(&keys->workers[i], keyring);
    }
    return true;
}

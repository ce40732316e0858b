// SPDX-License-Identifier: Apache-2.0
/* What the settings say about tokens. */
#ifndef SW_NODE_CONFIG_KEYS_H
#define SW_NODE_CONFIG_KEYS_H

#include "auth/keys.h"
#include "node/config.h"

/* Is a key named, by which a token could be verified? */
bool sw_config_has_keys(const struct sw_config *config);
/* Does who connects need a token: by the word of --auth, or because there are keys? */
bool sw_config_wants_tokens(const struct sw_config *config);
/* For sw_keyring_load, which reads the files. Borrows from the config. */
struct sw_keyring_config sw_config_keys(const struct sw_config *config);

#endif

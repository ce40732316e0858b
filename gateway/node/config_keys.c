// SPDX-License-Identifier: Apache-2.0
#include "node/config_keys.h"

#include <string.h>

bool sw_config_has_keys(const struct sw_config *config)
{
    return config->jwt_secret_file[0] || config->jwt_key_file[0];
}

bool sw_config_wants_tokens(const struct sw_config *config)
{
    return strcmp(config->auth, "jwt") == 0 || (!config->auth[0] && sw_config_has_keys(config));
}

struct sw_keyring_config sw_config_keys(const struct sw_config *config)
{
    return (struct sw_keyring_config){.secret_file = config->jwt_secret_file,
                                      .key_files = config->jwt_key_file,
                                      .issuer = config->jwt_issuer,
                                      .audience = config->jwt_audience,
                                      .leeway_ms = config->jwt_leeway_ms,
                                      .separator = config->topic_separator[0]};
}

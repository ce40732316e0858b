// SPDX-License-Identifier: Apache-2.0
#include "node/addresses.h"

#include "common/assert.h"
#include "common/log.h"
#include "core/limits.h"

/* Behind proxies it can be told from where a storm comes; before them one address may be all there
 * is. So only there is a limit usual. */
static struct sw_quota_limit limit_of(const struct sw_config *config, enum sw_config_field field,
                                      uint64_t value, uint32_t usual)
{
    struct sw_quota_limit limit = {.set = sw_config_is_set(config, field)};
    if (limit.set) {
        limit.most = (uint32_t)value;
    } else if (config->trusted_proxy[0]) {
        limit.most = usual;
    }
    return limit;
}

void sw_addresses_init(struct sw_addresses *addresses, const struct sw_config *config)
{
    struct sw_buf why = {0};
    bool valid = sw_networks_parse(config->trusted_proxy, &addresses->trusted, &why);
    SW_ASSERT(valid);
    struct sw_quota_limit connections =
        limit_of(config, SW_CONFIG_max_connections_per_address, config->max_connections_per_address,
                 SW_ADDRESS_CONNECTIONS);
    struct sw_quota_limit handshakes =
        limit_of(config, SW_CONFIG_handshakes_per_address, config->handshakes_per_address,
                 SW_ADDRESS_HANDSHAKES);
    sw_quota_init(&addresses->quota, connections, handshakes, &addresses->trusted);
    if (connections.most || handshakes.most) {
        sw_log(SW_LOG_INFO, "address_limits", "connections=%u handshakes=%u trusted_networks=%zu",
               connections.most, handshakes.most, addresses->trusted.count);
    }
}

void sw_addresses_deinit(struct sw_addresses *addresses)
{
    sw_quota_deinit(&addresses->quota);
    sw_networks_deinit(&addresses->trusted);
}

// SPDX-License-Identifier: Apache-2.0
#include "transport/door.h"

#include "http/origin.h"
#include "transport/ws_query.h"

bool sw_door_origin_allowed(const struct sw_door *door, const struct sw_request *request)
{
    return sw_origin_allowed(door->origins, sw_request_header(request, "Origin"));
}

bool sw_door_may_publish(const struct sw_door *door, struct sw_conn *conn,
                         const struct sw_request *request)
{
    if (door->publish_set) {
        return door->publish;
    }
    struct sw_address peer;
    struct sw_slice origin = sw_request_header(request, "Origin");
    return sw_conn_peer(conn, &peer) == 0 && sw_address_is_loopback(&peer) &&
           (!origin.data || sw_origin_is_loopback(origin));
}

static bool shows_bearer(struct sw_slice authorization)
{
    struct sw_slice scheme = sw_slice_split(&authorization, ' ');
    return sw_slice_equal_nocase(scheme, SW_SLICE("Bearer"));
}

static bool offers_bearer(struct sw_slice subprotocols)
{
    while (subprotocols.data) {
        struct sw_slice offered = sw_slice_trim(sw_slice_split(&subprotocols, ','));
        if (sw_slice_starts_with(offered, SW_SLICE("bearer."))) {
            return true;
        }
    }
    return false;
}

bool sw_door_shows_token(const struct sw_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        const struct sw_header *header = &request->headers[i];
        if ((sw_slice_equal_nocase(header->name, SW_SLICE("Authorization")) &&
             shows_bearer(header->value)) ||
            (sw_slice_equal_nocase(header->name, SW_SLICE("Sec-WebSocket-Protocol")) &&
             offers_bearer(header->value))) {
            return true;
        }
    }
    return sw_ws_query_count(request->query, SW_SLICE("ticket")) > 0;
}

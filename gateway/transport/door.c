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
    if (door->tokens) {
        return true;
    }
    struct sw_slice origin = sw_request_header(request, "Origin");
    return sw_http_client(conn).local && (!origin.data || sw_origin_is_loopback(origin));
}

/* Behind the scheme, which must be Bearer. */
static struct sw_slice bearer_of(struct sw_slice authorization)
{
    struct sw_slice scheme = sw_slice_split(&authorization, ' ');
    if (!sw_slice_equal_nocase(scheme, SW_SLICE("Bearer"))) {
        return sw_slice(NULL, 0);
    }
    return authorization.data ? sw_slice_trim(authorization) : sw_slice("", 0);
}

/* The first that is offered. */
static struct sw_slice offered_bearer(struct sw_slice subprotocols)
{
    while (subprotocols.data) {
        struct sw_slice offered = sw_slice_trim(sw_slice_split(&subprotocols, ','));
        struct sw_slice word = SW_SLICE(SW_DOOR_BEARER);
        if (sw_slice_starts_with(offered, word)) {
            return sw_slice(offered.data + word.size, offered.size - word.size);
        }
    }
    return sw_slice(NULL, 0);
}

static struct sw_slice find_token(const struct sw_request *request, const char *name,
                                  struct sw_slice (*read)(struct sw_slice value))
{
    struct sw_slice token = {0};
    for (size_t i = 0; i < request->header_count && !token.data; i++) {
        const struct sw_header *header = &request->headers[i];
        if (sw_slice_equal_nocase(header->name, sw_slice_of(name))) {
            token = read(header->value);
        }
    }
    return token;
}

struct sw_slice sw_door_token(const struct sw_request *request)
{
    struct sw_slice token = find_token(request, "Authorization", bearer_of);
    return token.data ? token : find_token(request, "Sec-WebSocket-Protocol", offered_bearer);
}

bool sw_door_takes_token(const struct sw_door *door, struct sw_http *http,
                         const struct sw_request *request)
{
    bool ticket = sw_ws_query_count(request->query, SW_SLICE("ticket")) > 0;
    if (!door->tokens && (ticket || sw_door_token(request).data)) {
        sw_http_reply_error(http, SW_ERROR_UNSUPPORTED, "this node takes no tokens", 0, NULL);
        return false;
    }
    if (ticket) {
        sw_http_reply_error(http, SW_ERROR_UNSUPPORTED, "tickets are not supported", 0, NULL);
    }
    return !ticket;
}

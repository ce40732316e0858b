// SPDX-License-Identifier: Apache-2.0
#include "dialect.h"

#include <string.h>

static const struct dialect dialects[] = {
    {
        /* Spillway's own; the floor and the small servers of bench/peers speak it, too. */
        .name = "native",
        .path = "/v1/ws",
        .first = "?topic=",
        .next = "&topic=",
        .ready = "{\"type\":\"subscribed\"",
        .ready_too = "\"done\":true",
        .welcome = "{\"type\":\"welcome\"",
        .ignored = {"{\"type\":\"hb\"", "{\"type\":\"welcome\"", "{\"type\":\"epoch\""},
        .head = "{\"type\":\"msg\",\"topic\":\"bench.",
        .middle = "\",\"data\":",
        .tail = "}",
        .publish_head = "{\"type\":\"publish\",\"topic\":\"bench.",
        .publish_middle = "\",\"data\":",
        .publish_tail = "}",
    },
    {
        /* The same frames as events. */
        .name = "sse",
        .path = "/v1/sse",
        .first = "?topic=",
        .next = "&topic=",
        .ready = "{\"type\":\"subscribed\"",
        .ready_too = "\"done\":true",
        .welcome = "{\"type\":\"welcome\"",
        .ignored = {"{\"type\":\"hb\"", "{\"type\":\"welcome\"", "{\"type\":\"epoch\"",
                    "{\"type\":\"cursor\""},
        .head = "{\"type\":\"msg\",\"topic\":\"bench.",
        .middle = "\",\"data\":",
        .tail = "}",
        .events = true,
        .publish_path = "/v1/ws",
        .publish_head = "{\"type\":\"publish\",\"topic\":\"bench.",
        .publish_middle = "\",\"data\":",
        .publish_tail = "}",
    },
    {
        /* nchan hands on what is posted: that is the whole frame. */
        .name = "nchan",
        .path = "/sub",
        .first = "?ids=",
        .next = ",",
        .head = "{\"type\":\"msg\",\"topic\":\"bench.",
        .middle = "\",\"data\":",
        .tail = "}",
    },
    {
        .name = "socket.io",
        .path = "/socket.io/?EIO=4&transport=websocket",
        .first = "&topic=",
        .next = ",",
        .ready = "42[\"ready\"]",
        .welcome = "42[\"ready\"]",
        .answers = {{"0{", "40"}, {"2", "3"}},
        .ignored = {"40{"},
        .head = "42[\"msg\",{\"topic\":\"bench.",
        .middle = "\",\"data\":",
        .tail = "}]",
        .publish_head = "42[\"publish\",\"bench.",
        .publish_middle = "\",",
        .publish_tail = "]",
    },
    {
        .name = "centrifuge",
        .path = "/v1/ws",
        .first = "?topic=",
        .next = "&topic=",
        .greeting = "{\"id\":1,\"connect\":{}}",
        .ready = "{\"id\":1,\"connect\":{",
        .welcome = "{\"id\":1,\"connect\":{",
        .answers = {{"{}", "{}"}},
        .ignored = {"{\"id\":2,\"publish\":{}"},
        .head = "{\"push\":{\"channel\":\"bench.",
        .middle = "\",\"pub\":{\"data\":",
        .tail = "}}}",
        .lines = true,
        .publish_head = "{\"id\":2,\"publish\":{\"channel\":\"bench.",
        .publish_middle = "\",\"data\":",
        .publish_tail = "}}",
    },
};

const struct dialect *dialect_find(const char *name)
{
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
        if (strcmp(dialects[i].name, name) == 0) {
            return &dialects[i];
        }
    }
    return NULL;
}

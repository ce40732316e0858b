// SPDX-License-Identifier: Apache-2.0
#include "transport/raw_query.h"

#include "core/limits.h"
#include "core/topic.h"
#include "transport/ws_query.h"

#define DIGITS_(number) #number
#define DIGITS(limit)   DIGITS_(limit)

bool sw_raw_query_asks(struct sw_slice query, const char **why)
{
    struct sw_buf text = {0};
    bool asks = false;
    if (sw_ws_query_take(query, SW_SLICE("raw"), &text)) {
        asks = sw_slice_equal(sw_buf_slice(&text), SW_SLICE("1"));
        *why = asks ? NULL : "\"raw\" is 1, or left out";
    }
    sw_buf_deinit(&text);
    return asks;
}

static const char *topic_problem(struct sw_slice query, char separator)
{
    struct sw_buf topic = {0};
    const char *why = NULL;
    (void)sw_ws_query_take(query, SW_SLICE("topic"), &topic);
    switch (sw_topic_kind(sw_buf_slice(&topic), separator, &why)) {
    case SW_TOPIC_BAD:
    case SW_TOPIC_CONCRETE:
        break;
    case SW_TOPIC_PATTERN:
        why = "raw takes one topic, not a pattern: a payload alone does not say where it is from";
        break;
    }
    sw_buf_deinit(&topic);
    return why;
}

/* An entry would say that there is no such number. */
static bool last_is_wrong(struct sw_slice query)
{
    struct sw_buf text = {0};
    uint64_t number;
    bool wrong = sw_ws_query_take(query, SW_SLICE("last"), &text) &&
                 (!sw_slice_to_u64(sw_buf_slice(&text), SW_HISTORY_SIZE, &number) || number == 0);
    sw_buf_deinit(&text);
    return wrong;
}

const char *sw_raw_query_problem(struct sw_slice query, char separator)
{
    if (sw_ws_query_count(query, SW_SLICE("topic")) != 1) {
        return "raw takes exactly one topic: /v1/ws?raw=1&topic=orders.eu";
    }
    if (sw_ws_query_count(query, SW_SLICE("from"))) {
        return "raw takes no \"from\": a payload alone has no position to go on from";
    }
    if (sw_ws_query_count(query, SW_SLICE("mode")) ||
        sw_ws_query_count(query, SW_SLICE("max_hz"))) {
        return "raw takes no \"mode\" and no \"max_hz\": nothing is left out, who is too slow is "
               "closed";
    }
    if (last_is_wrong(query)) {
        return "\"last\" is a whole number from 1 to " DIGITS(SW_HISTORY_SIZE);
    }
    return topic_problem(query, separator);
}

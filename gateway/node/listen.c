// SPDX-License-Identifier: Apache-2.0
#include "node/listen.h"

#include <string.h>

bool sw_listen_is_option(struct sw_slice word)
{
    return sw_slice_equal(word, SW_SLICE("tls")) || sw_slice_equal(word, SW_SLICE("proxy"));
}

static bool take_options(struct sw_slice rest, struct sw_listen *listen)
{
    while (rest.data) {
        struct sw_slice word = sw_slice_split(&rest, ',');
        bool *option = sw_slice_equal(word, SW_SLICE("tls")) ? &listen->tls : &listen->proxy;
        if (!sw_listen_is_option(word) || *option) {
            return false;
        }
        *option = true;
    }
    return true;
}

bool sw_listen_parse(struct sw_slice text, struct sw_listen *listen, const char **why)
{
    memset(listen, 0, sizeof(*listen));
    struct sw_slice rest = text;
    struct sw_slice address = sw_slice_split(&rest, ',');
    *why = NULL;
    if (sw_address_parse(address, &listen->address)) {
        *why = "an address is ADDR:PORT in numbers, like 127.0.0.1:8000 or [::1]:8000";
    } else if (!take_options(rest, listen)) {
        *why = "behind an address may stand ,tls and ,proxy, once each; repeat --listen for "
               "another address";
    }
    return *why == NULL;
}

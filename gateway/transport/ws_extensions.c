// SPDX-License-Identifier: Apache-2.0
#include "transport/ws_extensions.h"

#define HEADER     "Sec-WebSocket-Extensions"
#define DEFLATE    "permessage-deflate"
#define WINDOW_MIN 8
#define WINDOW_MAX 15

enum parameter {
    SERVER_NO_CONTEXT_TAKEOVER,
    CLIENT_NO_CONTEXT_TAKEOVER,
    SERVER_MAX_WINDOW_BITS,
    CLIENT_MAX_WINDOW_BITS,
    PARAMETERS
};

static const char *const names[PARAMETERS] = {
    [SERVER_NO_CONTEXT_TAKEOVER] = "server_no_context_takeover",
    [CLIENT_NO_CONTEXT_TAKEOVER] = "client_no_context_takeover",
    [SERVER_MAX_WINDOW_BITS] = "server_max_window_bits",
    [CLIENT_MAX_WINDOW_BITS] = "client_max_window_bits",
};

/* As sw_slice_split, for separators that may stand in quotes. */
static struct sw_slice split_unquoted(struct sw_slice *rest, char separator)
{
    bool quoted = false;
    size_t at = 0;
    for (; at < rest->size && (quoted || rest->data[at] != separator); at++) {
        if (quoted && rest->data[at] == '\\') {
            at += at + 1 < rest->size;
        } else if (rest->data[at] == '"') {
            quoted = !quoted;
        }
    }
    struct sw_slice part = sw_slice(rest->data, at);
    *rest =
        at < rest->size ? sw_slice(rest->data + at + 1, rest->size - at - 1) : sw_slice(NULL, 0);
    return part;
}

/* A number of bits, as it is or in quotes: no leading zero, nothing else. */
static bool read_window(struct sw_slice value, uint8_t *bits)
{
    if (value.size > 2 && value.data[0] == '"' && value.data[value.size - 1] == '"') {
        value = sw_slice(value.data + 1, value.size - 2);
    }
    uint64_t number;
    if (value.size == 0 || value.data[0] == '0' || !sw_slice_to_u64(value, WINDOW_MAX, &number) ||
        number < WINDOW_MIN) {
        return false;
    }
    *bits = (uint8_t)number;
    return true;
}

static int find_parameter(struct sw_slice name)
{
    for (int i = 0; i < PARAMETERS; i++) {
        if (sw_slice_equal_nocase(name, sw_slice_of(names[i]))) {
            return i;
        }
    }
    return -1;
}

/* One parameter of an offer. False: there is none such, it was there already, or its value is none.
 */
static bool read_parameter(struct sw_slice text, uint8_t *seen, struct sw_ws_extensions *offer)
{
    struct sw_slice value = text;
    int parameter = find_parameter(sw_slice_trim(sw_slice_split(&value, '=')));
    if (parameter < 0 || *seen & 1u << parameter) {
        return false;
    }
    *seen = (uint8_t)(*seen | 1u << parameter);
    bool valued = value.data != NULL;
    uint8_t bits = 0;
    if (valued && !read_window(sw_slice_trim(value), &bits)) {
        return false;
    }
    switch ((enum parameter)parameter) {
    case SERVER_MAX_WINDOW_BITS:
        offer->server_window = bits;
        return valued;
    case CLIENT_MAX_WINDOW_BITS: /* we read what any window has made */
        return true;
    case SERVER_NO_CONTEXT_TAKEOVER:
    case CLIENT_NO_CONTEXT_TAKEOVER:
    case PARAMETERS:
        break;
    }
    return !valued;
}

/* False: it is for another extension, or cannot be taken. */
static bool read_offer(struct sw_slice text, struct sw_ws_extensions *offer)
{
    uint8_t seen = 0;
    struct sw_slice name = sw_slice_trim(split_unquoted(&text, ';'));
    *offer = (struct sw_ws_extensions){.deflate = true};
    if (!sw_slice_equal_nocase(name, SW_SLICE(DEFLATE))) {
        return false;
    }
    while (text.data) {
        if (!read_parameter(sw_slice_trim(split_unquoted(&text, ';')), &seen, offer)) {
            return false;
        }
    }
    return true;
}

struct sw_ws_extensions sw_ws_extensions_choose(const struct sw_request *request, bool narrow)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct sw_slice list = request->headers[i].value;
        bool offers = sw_slice_equal_nocase(request->headers[i].name, SW_SLICE(HEADER));
        while (offers && list.data) {
            struct sw_ws_extensions offer;
            if (read_offer(split_unquoted(&list, ','), &offer) &&
                (narrow || !sw_ws_extensions_narrow(&offer))) {
                return offer;
            }
        }
    }
    return (struct sw_ws_extensions){0};
}

bool sw_ws_extensions_narrow(const struct sw_ws_extensions *chosen)
{
    return chosen->server_window && chosen->server_window < WINDOW_MAX;
}

void sw_ws_extensions_append(const struct sw_ws_extensions *chosen, struct sw_buf *out)
{
    if (!chosen->deflate) {
        return;
    }
    sw_buf_append_slice(out, SW_SLICE(HEADER ": " DEFLATE "; server_no_context_takeover; "
                                             "client_no_context_takeover"));
    if (chosen->server_window) {
        sw_buf_printf(out, "; server_max_window_bits=%u", chosen->server_window);
    }
    sw_buf_append_slice(out, SW_SLICE("\r\n"));
}

// SPDX-License-Identifier: Apache-2.0
#include "http/origin.h"

/* "host:80" and "[::1]:80" without the port and the brackets. */
static struct sw_slice strip_port(struct sw_slice host)
{
    if (host.size && host.data[0] == '[') {
        size_t end = sw_slice_find(host, ']');
        return end < host.size ? sw_slice(host.data + 1, end - 1) : host;
    }
    return sw_slice(host.data, sw_slice_find(host, ':'));
}

static bool ends_with_localhost(struct sw_slice name)
{
    struct sw_slice word = SW_SLICE("localhost");
    if (name.size < word.size) {
        return false;
    }
    size_t at = name.size - word.size;
    return sw_slice_equal_nocase(sw_slice(name.data + at, word.size), word) &&
           (at == 0 || name.data[at - 1] == '.');
}

/* 127.x.x.x, and nothing that only begins like it ("127.0.0.1.example.com"). */
static bool is_127(struct sw_slice name)
{
    if (!sw_slice_starts_with(name, SW_SLICE("127."))) {
        return false;
    }
    unsigned parts = 0;
    while (name.data) {
        uint64_t number;
        parts++;
        if (!sw_slice_to_u64(sw_slice_split(&name, '.'), 255, &number)) {
            return false;
        }
    }
    return parts == 4;
}

bool sw_host_is_loopback(struct sw_slice host)
{
    struct sw_slice name = strip_port(host);
    return ends_with_localhost(name) || is_127(name) || sw_slice_equal(name, SW_SLICE("::1"));
}

bool sw_origin_is_loopback(struct sw_slice origin)
{
    for (size_t i = 0; i + 3 <= origin.size; i++) {
        if (origin.data[i] == ':' && origin.data[i + 1] == '/' && origin.data[i + 2] == '/') {
            return sw_host_is_loopback(sw_slice(origin.data + i + 3, origin.size - i - 3));
        }
    }
    return false;
}

bool sw_origin_allowed(char *const *list, struct sw_slice origin)
{
    if (!list || !list[0] || !origin.data) {
        return true;
    }
    for (char *const *allowed = list; *allowed; allowed++) {
        if (sw_slice_equal_nocase(origin, sw_slice_of(*allowed))) {
            return true;
        }
    }
    return false;
}

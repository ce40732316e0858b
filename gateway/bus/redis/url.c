// SPDX-License-Identifier: Apache-2.0
/* redis://[user:pass@]host[:port][/db] taken apart. Pure functions. The userinfo ends at the last
 * '@', so that a password with a raw '@' still means what its owner meant. */
#include "bus/redis/redis.h"

#include "common/mem.h"

#include <string.h>

#define SCHEME       SW_SLICE("redis://")
#define DEFAULT_PORT 6379
#define HOST_BYTES   255
#define MAX_DATABASE 65535 /* Redis takes any number; nobody configures more */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte at *at, which may be written as %XX and then moves *at to its last digit; -1 where the
 * escape is broken or means a NUL, which would cut a C string. */
static int decode_byte(struct sw_slice text, size_t *at)
{
    int byte = (unsigned char)text.data[*at];
    if (byte == '%') {
        if (text.size - *at < 3) {
            return -1;
        }
        int high = hex_value(text.data[*at + 1]);
        int low = hex_value(text.data[*at + 2]);
        if (high < 0 || low < 0) {
            return -1;
        }
        *at += 2;
        byte = high * 16 + low;
    }
    return byte == 0 ? -1 : byte;
}

/* The text without its percent-escapes, owned by the caller; NULL where one of them is bad. */
static char *decode(struct sw_slice text)
{
    char *out = sw_alloc(text.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int byte = decode_byte(text, &i);
        if (byte < 0) {
            sw_free(out);
            return NULL;
        }
        out[size++] = (char)byte;
    }
    out[size] = '\0';
    return out;
}

/* Each parse_* takes its part and returns what is wrong with it, or NULL. */

static const char *parse_userinfo(struct sw_slice userinfo, struct sw_redis_url *url)
{
    struct sw_slice rest = userinfo;
    struct sw_slice user = sw_slice_split(&rest, ':');
    if (!rest.data) {
        return "a user without a password: write user:password@ (or :password@)";
    }
    if (rest.size == 0) {
        return "the password is empty";
    }
    url->password = decode(rest);
    if (!url->password) {
        return "the password has a bad percent-escape";
    }
    if (user.size > 0) {
        url->user = decode(user);
        if (!url->user) {
            return "the user has a bad percent-escape";
        }
    }
    return NULL;
}

static bool host_is_plain(const char *host)
{
    for (const char *at = host; *at; at++) {
        if ((unsigned char)*at <= ' ' || *at == 0x7f) {
            return false;
        }
    }
    return true;
}

static const char *parse_host(struct sw_slice host, struct sw_redis_url *url)
{
    if (host.size == 0) {
        return "the host is missing";
    }
    if (host.size > HOST_BYTES) {
        return "the host is longer than 255 bytes";
    }
    url->host = decode(host);
    if (!url->host) {
        return "the host has a bad percent-escape";
    }
    return host_is_plain(url->host) ? NULL : "the host has a space or a control byte in it";
}

static const char *parse_port(struct sw_slice port, struct sw_redis_url *url)
{
    uint64_t number;
    if (!sw_slice_to_u64(port, UINT16_MAX, &number) || number == 0) {
        return "the port must be a number from 1 to 65535";
    }
    url->port = (uint16_t)number;
    return NULL;
}

/* host, host:port, [ipv6] or [ipv6]:port */
static const char *parse_place(struct sw_slice place, struct sw_redis_url *url)
{
    struct sw_slice host;
    struct sw_slice behind; /* ":port" */
    if (place.size > 0 && place.data[0] == '[') {
        size_t end = sw_slice_find(place, ']');
        if (end == place.size) {
            return "a '[' without its ']'";
        }
        host = sw_slice(place.data + 1, end - 1);
        behind = sw_slice(place.data + end + 1, place.size - end - 1);
    } else {
        size_t colon = sw_slice_find(place, ':');
        host = sw_slice(place.data, colon);
        behind = sw_slice(place.data + colon, place.size - colon);
        if (behind.size > 0 && memchr(behind.data + 1, ':', behind.size - 1)) {
            return "an IPv6 address goes into brackets: redis://[::1]:6379";
        }
    }
    const char *why = parse_host(host, url);
    if (why || behind.size == 0) {
        return why;
    }
    if (behind.data[0] != ':') {
        return "only a port may follow the ']'";
    }
    return parse_port(sw_slice(behind.data + 1, behind.size - 1), url);
}

static const char *parse_database(struct sw_slice database, struct sw_redis_url *url)
{
    uint64_t number;
    if (database.size == 0) {
        return NULL;
    }
    if (!sw_slice_to_u64(database, MAX_DATABASE, &number)) {
        return "the database behind the '/' must be a number";
    }
    url->database = (uint32_t)number;
    return NULL;
}

static const char *parse(struct sw_slice text, struct sw_redis_url *url)
{
    if (sw_slice_starts_with(text, SW_SLICE("rediss://"))) {
        return "TLS to Redis (rediss://) is not supported";
    }
    if (!sw_slice_starts_with(text, SCHEME)) {
        return "it must begin with redis://";
    }
    struct sw_slice rest = sw_slice(text.data + SCHEME.size, text.size - SCHEME.size);
    struct sw_slice place = sw_slice_split(&rest, '/');
    const char *at = place.size > 0 ? memrchr(place.data, '@', place.size) : NULL;
    if (at) {
        struct sw_slice userinfo = sw_slice(place.data, (size_t)(at - place.data));
        place = sw_slice(at + 1, place.size - userinfo.size - 1);
        const char *why = parse_userinfo(userinfo, url);
        if (why) {
            return why;
        }
    }
    const char *why = parse_place(place, url);
    return why ? why : parse_database(rest, url);
}

bool sw_redis_url_parse(const char *text, struct sw_redis_url *url, const char **why)
{
    *url = (struct sw_redis_url){.port = DEFAULT_PORT};
    const char *wrong = parse(sw_slice_of(text), url);
    if (!wrong) {
        return true;
    }
    sw_redis_url_deinit(url);
    if (why) {
        *why = wrong;
    }
    return false;
}

void sw_redis_url_deinit(struct sw_redis_url *url)
{
    sw_free(url->host);
    sw_free(url->user);
    sw_free(url->password);
    *url = (struct sw_redis_url){0};
}

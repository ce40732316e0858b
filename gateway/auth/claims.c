// SPDX-License-Identifier: Apache-2.0
#include "auth/claims.h"

#include <stdlib.h>

/* The end of the year 9999, in seconds. What is later was meant as milliseconds, and would never
 * end. */
#define LAST_SECOND 253402300799.0

enum member { EXP, NBF, IAT, ISS, AUD, SUB, SPILLWAY, MEMBER_COUNT };
static const char *const names[MEMBER_COUNT] = {"exp", "nbf", "iat",     "iss",
                                                "aud", "sub", "spillway"};

/* Seconds, perhaps with a fraction. A number ends where it ends: behind it stands more JSON. */
static bool read_time(struct sw_json_value value, uint64_t *ms)
{
    if (!value.raw.data) {
        return true;
    }
    double seconds = value.type == SW_JSON_NUMBER ? strtod(value.raw.data, NULL) : -1;
    if (!(seconds >= 0 && seconds <= LAST_SECOND)) {
        return false;
    }
    *ms = (uint64_t)(seconds * 1000);
    return true;
}

static bool is_string_or_absent(const struct sw_json_value *value)
{
    return !value->raw.data || value->type == SW_JSON_STRING;
}

static bool is_audience_or_absent(const struct sw_json_value *value)
{
    bool strings = true;
    if (value->type != SW_JSON_ARRAY) {
        return is_string_or_absent(value);
    }
    struct sw_json_walk walk = sw_json_walk(value->raw);
    struct sw_json_member item;
    while (sw_json_next(&walk, &item)) {
        strings &= item.value.type == SW_JSON_STRING;
    }
    return strings;
}

bool sw_claims_read(struct sw_claims *claims, struct sw_slice payload)
{
    struct sw_json_value members[MEMBER_COUNT];
    *claims = (struct sw_claims){0};
    if (sw_json_validate(payload.data, payload.size, SW_TOKEN_DEPTH, NULL) != SW_JSON_OK ||
        sw_json_value(payload).type != SW_JSON_OBJECT) {
        return false;
    }
    claims->object = sw_json_value(payload).raw;
    if (!sw_json_members(claims->object, names, MEMBER_COUNT, members, NULL)) {
        return false;
    }
    claims->issuer = members[ISS];
    claims->audience = members[AUD];
    claims->user = members[SUB];
    claims->grant = members[SPILLWAY];
    return members[EXP].raw.data && read_time(members[EXP], &claims->expires_ms) &&
           read_time(members[NBF], &claims->not_before_ms) &&
           read_time(members[IAT], &claims->issued_ms) && is_string_or_absent(&claims->issuer) &&
           is_audience_or_absent(&claims->audience) && is_string_or_absent(&claims->user);
}

static bool says(struct sw_json_value string, const char *text)
{
    struct sw_buf plain = {0};
    sw_json_unescape(&plain, string.raw);
    bool same = sw_slice_equal(sw_buf_slice(&plain), sw_slice_of(text));
    sw_buf_deinit(&plain);
    return same;
}

static bool is_meant_for(struct sw_json_value audience, const char *us)
{
    if (!audience.raw.data || audience.type == SW_JSON_STRING) {
        return audience.raw.data && says(audience, us);
    }
    struct sw_json_walk walk = sw_json_walk(audience.raw);
    struct sw_json_member item;
    bool meant = false;
    while (!meant && sw_json_next(&walk, &item)) {
        meant = says(item.value, us);
    }
    return meant;
}

enum sw_token_verdict sw_claims_judge(const struct sw_claims *claims,
                                      const struct sw_keyring *keyring, uint64_t now_ms)
{
    uint64_t later_ms = now_ms + keyring->leeway_ms;
    if (now_ms >= claims->expires_ms + keyring->leeway_ms) {
        return SW_TOKEN_EXPIRED;
    }
    if (claims->not_before_ms > later_ms || claims->issued_ms > later_ms) {
        return SW_TOKEN_NOT_YET;
    }
    if (keyring->issuer[0] && !(claims->issuer.raw.data && says(claims->issuer, keyring->issuer))) {
        return SW_TOKEN_WRONG_ISSUER;
    }
    if (keyring->audience[0] && !is_meant_for(claims->audience, keyring->audience)) {
        return SW_TOKEN_WRONG_AUDIENCE;
    }
    return SW_TOKEN_GOOD;
}

// SPDX-License-Identifier: Apache-2.0
#include "auth/jws.h"

#include "common/base64.h"
#include "common/json.h"
#include "core/limits.h"

enum member { ALG, KID, CRIT, MEMBER_COUNT };
static const char *const names[MEMBER_COUNT] = {"alg", "kid", "crit"};

/* Appends to `bytes`, which has room. */
static bool decode(struct sw_jws *jws, struct sw_slice part, struct sw_slice *decoded)
{
    char *start = jws->bytes.data + jws->bytes.size;
    char *end;
    if (!sw_base64url_decode(start, part, &end)) {
        return false;
    }
    *decoded = sw_slice(start, (size_t)(end - start));
    jws->bytes.size += decoded->size;
    return true;
}

static struct sw_slice unescape(struct sw_jws *jws, struct sw_slice raw)
{
    size_t start = jws->bytes.size;
    sw_json_unescape(&jws->bytes, raw);
    return sw_slice(jws->bytes.data + start, jws->bytes.size - start);
}

/* What is no string names no algorithm of ours, but then it is no header either. `crit` lists what
 * must be understood (RFC 7515, section 4.1.11): nothing that we do. */
static bool read_header(struct sw_jws *jws, struct sw_slice header)
{
    struct sw_json_value members[MEMBER_COUNT];
    if (sw_json_validate(header.data, header.size, SW_TOKEN_DEPTH, NULL) != SW_JSON_OK ||
        sw_json_value(header).type != SW_JSON_OBJECT ||
        !sw_json_members(sw_json_value(header).raw, names, MEMBER_COUNT, members, NULL) ||
        members[CRIT].raw.data || members[ALG].type != SW_JSON_STRING ||
        (members[KID].raw.data && members[KID].type != SW_JSON_STRING)) {
        return false;
    }
    jws->algorithm = sw_algorithm_find(unescape(jws, members[ALG].raw));
    if (members[KID].raw.data) {
        jws->kid = unescape(jws, members[KID].raw);
    }
    return true;
}

enum sw_token_verdict sw_jws_read(struct sw_jws *jws, struct sw_slice token)
{
    *jws = (struct sw_jws){.algorithm = SW_ALGORITHM_COUNT};
    if (token.size > SW_TOKEN_BYTES) {
        return SW_TOKEN_TOO_LARGE;
    }
    struct sw_slice rest = token;
    struct sw_slice header = sw_slice_split(&rest, '.');
    struct sw_slice payload = sw_slice_split(&rest, '.');
    if (!rest.data) {
        return SW_TOKEN_MALFORMED;
    }
    jws->text = sw_slice(token.data, token.size - rest.size - 1);
    /* The parts decoded (a third dot is no digit), and the header's two strings unescaped: the
     * bytes must not move. */
    sw_buf_reserve(&jws->bytes, 3 * token.size);
    bool good = decode(jws, header, &header) && decode(jws, payload, &jws->payload) &&
                decode(jws, rest, &jws->signature) && read_header(jws, header);
    return good ? SW_TOKEN_GOOD : SW_TOKEN_MALFORMED;
}

void sw_jws_deinit(struct sw_jws *jws)
{
    sw_buf_deinit(&jws->bytes);
}

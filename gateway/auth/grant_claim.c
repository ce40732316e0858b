// SPDX-License-Identifier: Apache-2.0
#include "auth/grant_claim.h"

#include "core/topic.h"

#include <string.h>

static const char *const members[SW_GRANT_KINDS] = {"sub", "pub", "auto"};

struct reading {
    const struct sw_claims *claims;
    char separator;
    struct sw_buf form; /* a name as it stands in the claim, unescaped */
    struct sw_buf name; /* with its placeholders replaced */
    struct sw_buf word; /* a placeholder, then what it stands for */
};

/* ---- placeholders ---- */

/* The claim of that name, as text: a string, or a whole number's digits. */
static bool find_text(struct reading *at, struct sw_slice placeholder)
{
    sw_buf_clear(&at->word);
    sw_buf_append_slice(&at->word, placeholder);
    const char *name = sw_buf_text(&at->word);
    struct sw_json_value value;
    uint64_t number;
    if (strlen(name) != placeholder.size ||
        !sw_json_members(at->claims->object, &name, 1, &value, NULL)) {
        return false;
    }
    sw_buf_clear(&at->word);
    if (value.type == SW_JSON_STRING) {
        sw_json_unescape(&at->word, value.raw);
        return true;
    }
    sw_buf_append_slice(&at->word, value.raw);
    return sw_json_to_u64(value, UINT64_MAX, &number);
}

/* form -> name, as far as a topic is long. */
static bool replace_placeholders(struct reading *at)
{
    struct sw_slice rest = sw_buf_slice(&at->form);
    sw_buf_clear(&at->name);
    while (rest.data && at->name.size <= SW_TOPIC_BYTES) {
        sw_buf_append_slice(&at->name, sw_slice_split(&rest, '{'));
        if (!rest.data) {
            break;
        }
        struct sw_slice placeholder = sw_slice_split(&rest, '}');
        if (!rest.data || !find_text(at, placeholder) ||
            !sw_topic_is_token(sw_buf_slice(&at->word), at->separator)) {
            return false;
        }
        sw_buf_append_slice(&at->name, sw_buf_slice(&at->word));
    }
    return true;
}

/* ---- names ---- */

/* What is subscribed to at once must be what anybody could ask for. */
static bool is_allowed(enum sw_grant_kind kind, struct sw_slice name, char separator)
{
    return kind == SW_GRANT_AUTO ? sw_topic_kind(name, separator, NULL) != SW_TOPIC_BAD
                                 : sw_topic_is_grantable(name, separator);
}

static bool read_name(struct sw_grant_claim *claim, struct reading *at, enum sw_grant_kind kind,
                      struct sw_json_value value)
{
    if (value.type != SW_JSON_STRING || claim->counts[kind] == SW_GRANT_NAMES) {
        return false;
    }
    sw_buf_clear(&at->form);
    sw_json_unescape(&at->form, value.raw);
    if (!replace_placeholders(at) || !is_allowed(kind, sw_buf_slice(&at->name), at->separator)) {
        return false;
    }
    sw_buf_append_byte(&claim->names, (char)at->name.size);
    sw_buf_append_slice(&claim->names, sw_buf_slice(&at->name));
    claim->counts[kind]++;
    return true;
}

static bool read_list(struct sw_grant_claim *claim, struct reading *at, enum sw_grant_kind kind,
                      struct sw_json_value list)
{
    bool good = !list.raw.data || list.type == SW_JSON_ARRAY;
    claim->starts[kind] = claim->names.size;
    if (good && list.raw.data) {
        struct sw_json_walk walk = sw_json_walk(list.raw);
        struct sw_json_member item;
        while (good && sw_json_next(&walk, &item)) {
            good = read_name(claim, at, kind, item.value);
        }
    }
    sw_buf_append_byte(&claim->names, 0);
    return good;
}

bool sw_grant_claim_read(struct sw_grant_claim *claim, const struct sw_claims *claims,
                         char separator)
{
    struct sw_json_value lists[SW_GRANT_KINDS] = {0};
    struct reading at = {.claims = claims, .separator = separator};
    *claim = (struct sw_grant_claim){0};
    bool good = !claims->grant.raw.data ||
                (claims->grant.type == SW_JSON_OBJECT &&
                 sw_json_members(claims->grant.raw, members, SW_GRANT_KINDS, lists, NULL));
    for (enum sw_grant_kind kind = 0; good && kind < SW_GRANT_KINDS; kind++) {
        good = read_list(claim, &at, kind, lists[kind]);
    }
    sw_buf_deinit(&at.form);
    sw_buf_deinit(&at.name);
    sw_buf_deinit(&at.word);
    return good;
}

void sw_grant_claim_settle(const struct sw_grant_claim *claim, char *memory, struct sw_grant *grant)
{
    struct sw_grant_list *lists[SW_GRANT_KINDS] = {&grant->sub, &grant->pub, &grant->automatic};
    memcpy(memory, claim->names.data, claim->names.size);
    for (enum sw_grant_kind kind = 0; kind < SW_GRANT_KINDS; kind++) {
        *lists[kind] = (struct sw_grant_list){memory + claim->starts[kind], claim->counts[kind]};
    }
}

void sw_grant_claim_deinit(struct sw_grant_claim *claim)
{
    sw_buf_deinit(&claim->names);
}

// SPDX-License-Identifier: Apache-2.0
#include "auth/sign.h"

#include "auth/key.h"
#include "auth/signature.h"
#include "common/base64.h"
#include "common/json.h"
#include "common/mem.h"

struct sw_signer {
    struct sw_key key;
    enum sw_algorithm algorithm;
};

static void append_names(sw_algorithms set, struct sw_buf *out)
{
    for (enum sw_algorithm i = 0; i < SW_ALGORITHM_COUNT; i++) {
        if (sw_algorithms_have(set, i)) {
            sw_buf_printf(out, " %s", sw_algorithm_rows[i].name);
        }
    }
    sw_buf_append_byte(out, '\n');
}

/* Takes the key, also where it returns NULL. */
static struct sw_signer *create(struct sw_key *key, const char *path, const char *algorithm,
                                struct sw_buf *error)
{
    enum sw_algorithm chosen = algorithm ? sw_algorithm_find(sw_slice_of(algorithm))
                                         : sw_algorithms_first(key->algorithms);
    if (!sw_algorithms_have(key->algorithms, chosen)) {
        sw_buf_printf(error, "the key in %s does not sign with %s, but with", path, algorithm);
        append_names(key->algorithms, error);
        sw_key_deinit(key);
        return NULL;
    }
    struct sw_signer *signer = sw_alloc(sizeof(*signer));
    *signer = (struct sw_signer){.key = *key, .algorithm = chosen};
    return signer;
}

struct sw_signer *sw_signer_load_secret(const char *path, const char *algorithm,
                                        struct sw_buf *error)
{
    struct sw_key key;
    return sw_key_load_secret(&key, path, error) ? create(&key, path, algorithm, error) : NULL;
}

struct sw_signer *sw_signer_load_key(const char *path, const char *algorithm, struct sw_buf *error)
{
    struct sw_key key;
    return sw_key_load_private(&key, path, error) ? create(&key, path, algorithm, error) : NULL;
}

static void append_encoded(struct sw_buf *out, struct sw_slice part)
{
    char *start = sw_buf_reserve(out, sw_base64url_size(part.size));
    char *end = sw_base64url_encode(start, part.data, part.size);
    out->size += (size_t)(end - start);
}

bool sw_signer_sign(const struct sw_signer *signer, const char *kid, struct sw_slice claims,
                    struct sw_buf *token)
{
    struct sw_buf part = {0};
    size_t start = token->size;
    sw_buf_printf(&part, "{\"alg\":\"%s\",\"typ\":\"JWT\"",
                  sw_algorithm_rows[signer->algorithm].name);
    if (kid) {
        sw_buf_append_slice(&part, SW_SLICE(",\"kid\":"));
        sw_json_append_string(&part, sw_slice_of(kid));
    }
    sw_buf_append_byte(&part, '}');
    append_encoded(token, sw_buf_slice(&part));
    sw_buf_append_byte(token, '.');
    append_encoded(token, claims);
    sw_buf_clear(&part);
    struct sw_slice text = sw_slice(token->data + start, token->size - start);
    bool done = sw_signature_make(&signer->key, signer->algorithm, text, &part);
    sw_buf_append_byte(token, '.');
    append_encoded(token, sw_buf_slice(&part));
    sw_buf_deinit(&part);
    return done;
}

void sw_signer_destroy(struct sw_signer **signer)
{
    if (*signer) {
        sw_key_deinit(&(*signer)->key);
        sw_free(*signer);
        *signer = NULL;
    }
}

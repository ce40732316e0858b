// SPDX-License-Identifier: Apache-2.0
#include "auth/keys.h"

#include "auth/keyring.h"
#include "common/mem.h"

#include <string.h>

static const struct sw_key *find(const struct sw_keyring *keyring, struct sw_slice kid)
{
    for (uint32_t i = 0; i < keyring->count; i++) {
        const struct sw_key *key = &keyring->keys[i];
        if (key->kid && sw_slice_equal(kid, sw_slice_of(key->kid))) {
            return key;
        }
    }
    return NULL;
}

/* ---- loading ---- */

static size_t count_files(char *const *files)
{
    size_t count = 0;
    while (files && files[count]) {
        count++;
    }
    return count;
}

static bool load_file(struct sw_keyring *keyring, const char *path, struct sw_buf *error)
{
    struct sw_key *key = &keyring->keys[keyring->count];
    if (!sw_key_load_public(key, path, error)) {
        return false;
    }
    if (find(keyring, sw_slice_of(key->kid))) {
        sw_buf_printf(error, "a second key is called %s: rename %s, the file's name is its kid\n",
                      key->kid, path);
        sw_key_deinit(key);
        return false;
    }
    keyring->count++;
    return true;
}

static bool load_keys(struct sw_keyring *keyring, const struct sw_keyring_config *config,
                      struct sw_buf *error)
{
    if (config->secret_file && config->secret_file[0]) {
        if (!sw_key_load_secret(&keyring->keys[0], config->secret_file, error)) {
            return false;
        }
        keyring->count = 1;
    }
    for (char *const *path = config->key_files; path && *path; path++) {
        if (!load_file(keyring, *path, error)) {
            return false;
        }
    }
    if (keyring->count == 0) {
        sw_buf_append_slice(error, SW_SLICE("a secret file or a key file is needed\n"));
    }
    return keyring->count > 0;
}

static char *copy_text(const char *text)
{
    return text ? sw_strndup(text, strlen(text)) : sw_strndup("", 0);
}

struct sw_keyring *sw_keyring_load(const struct sw_keyring_config *config, struct sw_buf *error)
{
    size_t files = count_files(config->key_files);
    if (files > SW_KEYS) {
        sw_buf_printf(error, "%zu key files are more than %d: leave out those no longer in use\n",
                      files, SW_KEYS);
        return NULL;
    }
    struct sw_keyring *keyring =
        sw_zalloc(sizeof(*keyring) + (files + 1) * sizeof(keyring->keys[0]));
    atomic_init(&keyring->owners, 1);
    keyring->issuer = copy_text(config->issuer);
    keyring->audience = copy_text(config->audience);
    keyring->leeway_ms = config->leeway_ms;
    keyring->separator = config->separator;
    if (!load_keys(keyring, config, error)) {
        sw_keyring_unref(&keyring);
    }
    return keyring;
}

struct sw_keyring *sw_keyring_ref(struct sw_keyring *keyring)
{
    atomic_fetch_add_explicit(&keyring->owners, 1, memory_order_relaxed);
    return keyring;
}

void sw_keyring_unref(struct sw_keyring **keyring)
{
    struct sw_keyring *left = *keyring;
    *keyring = NULL;
    if (!left || atomic_fetch_sub_explicit(&left->owners, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (uint32_t i = 0; i < left->count; i++) {
        sw_key_deinit(&left->keys[i]);
    }
    sw_free(left->issuer);
    sw_free(left->audience);
    sw_free(left);
}

/* ---- choosing ---- */

size_t sw_keyring_choose(const struct sw_keyring *keyring, struct sw_slice kid,
                         enum sw_algorithm algorithm, const struct sw_key *keys[SW_KEY_TRIES])
{
    const struct sw_key *named = kid.data ? find(keyring, kid) : NULL;
    size_t count = 0;
    for (uint32_t i = 0; i < keyring->count && count < SW_KEY_TRIES; i++) {
        const struct sw_key *key = &keyring->keys[i];
        bool meant = named ? key == named : !kid.data || !key->kid;
        if (meant && sw_algorithms_have(key->algorithms, algorithm)) {
            keys[count++] = key;
        }
    }
    return count;
}

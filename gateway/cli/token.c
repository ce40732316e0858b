// SPDX-License-Identifier: Apache-2.0
#include "auth/token.h"
#include "auth/sign.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#include <stdio.h>
#include <string.h>

#define HOUR_S 3600u
#define YEAR_S (365u * 24 * HOUR_S)
/* Nesting of what --claim may carry. */
#define CLAIM_DEPTH 16

typedef const char *names[SW_OPTION_REPEATS + 1];

struct wish {
    const char *secret_file;
    const char *key;
    const char *kid;
    const char *algorithm;
    const char *user;
    const char *expires;
    const char *issuer;
    const char *audience;
    names subscribe;
    names publish;
    names automatic;
    names claims;
    bool help;
};

static bool fail(const char *what, const char *why)
{
    fprintf(stderr, "spillway token: %s%s\n", what, why);
    return false;
}

/* ---- values ---- */

/* "90s", "30m", "1h", "7d". */
static bool read_duration(const char *text, uint64_t *seconds)
{
    static const struct {
        char unit;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', HOUR_S}, {'d', 24 * HOUR_S}};
    size_t size = strlen(text);
    for (size_t i = 0; size > 1 && i < SW_ARRAY_SIZE(units); i++) {
        uint64_t count;
        if (text[size - 1] == units[i].unit &&
            sw_slice_to_u64(sw_slice(text, size - 1), YEAR_S / units[i].seconds, &count)) {
            *seconds = count * units[i].seconds;
            return count > 0;
        }
    }
    return false;
}

static void append_member(struct sw_buf *out, const char *name)
{
    sw_buf_append_byte(out, out->size > 1 ? ',' : '{');
    sw_json_append_string(out, sw_slice_of(name));
    sw_buf_append_byte(out, ':');
}

/* The first member opens the object. */
static void append_text(struct sw_buf *out, const char *name, const char *text)
{
    if (text) {
        append_member(out, name);
        sw_json_append_string(out, sw_slice_of(text));
    }
}

static void append_names(struct sw_buf *out, const char *name, const char *const *list)
{
    if (!list[0]) {
        return;
    }
    append_member(out, name);
    for (size_t i = 0; list[i]; i++) {
        sw_buf_append_byte(out, i ? ',' : '[');
        sw_json_append_string(out, sw_slice_of(list[i]));
    }
    sw_buf_append_byte(out, ']');
}

/* NAME=VALUE: JSON where it is some, else text. */
static bool append_claim(struct sw_buf *out, const char *claim)
{
    size_t size = strcspn(claim, "=");
    const char *value = claim + size + 1;
    if (size == 0 || !claim[size]) {
        return fail("--claim is NAME=VALUE, not ", claim);
    }
    char *name = sw_strndup(claim, size);
    if (sw_json_validate(value, strlen(value), CLAIM_DEPTH, NULL) == SW_JSON_OK) {
        append_member(out, name);
        sw_buf_append_slice(out, sw_slice_of(value));
    } else {
        append_text(out, name, value);
    }
    sw_free(name);
    return true;
}

/* ---- the claims ---- */

static void append_grant(struct sw_buf *out, const struct wish *wish)
{
    struct sw_buf grant = {0};
    append_names(&grant, "sub", wish->subscribe);
    append_names(&grant, "pub", wish->publish);
    append_names(&grant, "auto", wish->automatic);
    if (grant.size > 0) {
        append_member(out, "spillway");
        sw_buf_append_slice(out, sw_buf_slice(&grant));
        sw_buf_append_byte(out, '}');
    }
    sw_buf_deinit(&grant);
}

/* What a flag says and a --claim says again would make a token that no node takes. */
static bool check_unique(const struct sw_buf *claims)
{
    struct sw_slice twice;
    if (sw_json_members(sw_buf_slice(claims), NULL, 0, NULL, &twice)) {
        return true;
    }
    fprintf(stderr,
            "spillway token: the claim %.*s would stand twice; --help says which flag sets it\n",
            SW_SLICE_ARG(twice));
    return false;
}

static bool write_claims(const struct wish *wish, struct sw_buf *out)
{
    uint64_t now_s = sw_clock_wall_ms() / 1000;
    uint64_t seconds = HOUR_S;
    if (wish->expires && !read_duration(wish->expires, &seconds)) {
        return fail("--expires is 90s, 30m, 1h or 7d, up to a year, not ", wish->expires);
    }
    append_text(out, "sub", wish->user);
    append_member(out, "iat");
    sw_buf_printf(out, "%llu", (unsigned long long)now_s);
    append_member(out, "exp");
    sw_buf_printf(out, "%llu", (unsigned long long)(now_s + seconds));
    append_text(out, "iss", wish->issuer);
    append_text(out, "aud", wish->audience);
    append_grant(out, wish);
    for (size_t i = 0; wish->claims[i]; i++) {
        if (!append_claim(out, wish->claims[i])) {
            return false;
        }
    }
    sw_buf_append_byte(out, '}');
    return check_unique(out);
}

/* ---- the token ---- */

static struct sw_signer *load_signer(const struct wish *wish)
{
    struct sw_buf error = {0};
    struct sw_signer *signer =
        wish->key ? sw_signer_load_key(wish->key, wish->algorithm, &error)
                  : sw_signer_load_secret(wish->secret_file, wish->algorithm, &error);
    if (!signer) {
        fprintf(stderr, "spillway token: %s", sw_buf_text(&error));
    }
    sw_buf_deinit(&error);
    return signer;
}

static int print_token(const struct sw_signer *signer, const struct wish *wish,
                       struct sw_slice claims)
{
    struct sw_buf token = {0};
    int code = 0;
    if (!sw_signer_sign(signer, wish->kid, claims, &token)) {
        fail("the key cannot sign", "");
        code = 1;
    } else if (token.size > SW_TOKEN_BYTES) {
        fail("the token would be larger than 8192 bytes: grant patterns in place of topics", "");
        code = 2;
    } else {
        puts(sw_buf_text(&token));
    }
    sw_buf_deinit(&token);
    return code;
}

static int run(const struct wish *wish)
{
    struct sw_buf claims = {0};
    struct sw_signer *signer = write_claims(wish, &claims) ? load_signer(wish) : NULL;
    int code = signer ? print_token(signer, wish, sw_buf_slice(&claims)) : 2;
    sw_signer_destroy(&signer);
    sw_buf_deinit(&claims);
    return code;
}

static int usage(const struct sw_option *options)
{
    struct sw_buf text = {0};
    sw_options_help(options, &text);
    printf(
        "usage: spillway token --jwt-secret-file FILE | --key FILE.pem [flags]\n\n"
        "Prints a token (a JSON Web Token) that a node with the same secret, or with the public\n"
        "half of the key, takes. For trying out: what issues tokens in production is elsewhere.\n"
        "In a PATTERN {sub} stands for the user, {NAME} for that claim. ... may be repeated.\n\n"
        "%s",
        sw_buf_text(&text));
    sw_buf_deinit(&text);
    return 0;
}

int sw_cli_token(int argc, char **argv)
{
    struct wish wish = {0};
    const struct sw_option options[] = {
        {"--jwt-secret-file", "FILE", "the secret of the node, for HS256", &wish.secret_file, NULL},
        {"--key", "FILE.pem", "a private key: RSA, EC or Ed25519", &wish.key, NULL},
        {"--kid", "S", "which key it is: its file's name at the node", &wish.kid, NULL},
        {"--alg", "S", "another algorithm of the key: HS512, PS256", &wish.algorithm, NULL},
        {"--sub", "USER", "who it is for", &wish.user, NULL},
        {"--subscribe", "PATTERN...", "what may be read", wish.subscribe, NULL},
        {"--publish", "PATTERN...", "what may be written", wish.publish, NULL},
        {"--auto", "TOPIC...", "what is subscribed to at once", wish.automatic, NULL},
        {"--expires", "1h", "how long it is good: 90s, 30m, 1h (the default), 7d", &wish.expires,
         NULL},
        {"--issuer", "S", "the claim iss", &wish.issuer, NULL},
        {"--audience", "S", "the claim aud", &wish.audience, NULL},
        {"--claim", "NAME=VALUE...", "another claim; JSON, or else text", wish.claims, NULL},
        {"--help", NULL, "this", NULL, &wish.help},
        {0},
    };
    struct sw_buf error = {0};
    if (!sw_options_parse(options, &argc, argv, &error)) {
        fprintf(stderr, "spillway token: %s", sw_buf_text(&error));
        sw_buf_deinit(&error);
        return 2;
    }
    if (wish.help) {
        return usage(options);
    }
    if (argc > 0) {
        fail("flags alone, no words: ", argv[0]);
        return 2;
    }
    if (!wish.key == !wish.secret_file) {
        fail("what signs it? Either --jwt-secret-file FILE or --key FILE.pem", "");
        return 2;
    }
    return run(&wish);
}

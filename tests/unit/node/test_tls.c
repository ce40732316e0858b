// SPDX-License-Identifier: Apache-2.0
/* The settings of TLS, which listeners it is for, and what a reload reads. */
#include "../net/tls_peer.h"

#include "attempt.h"
#include "node/tls.h"

static struct tls_files files;
static struct tls_files other;

static int make_files(void **state)
{
    tls_files_init(&files, "a", -60, 3600);
    tls_files_init(&other, "b", -60, 3600);
    return make_file(state);
}

static int remove_files(void **state)
{
    tls_files_deinit(&files);
    tls_files_deinit(&other);
    return remove_file(state);
}

static char cert_flag[] = "--tls-cert";
static char key_flag[] = "--tls-key";
static char listen_flag[] = "--listen";

static void certificate_and_key_come_together_and_fit(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_it(&outcome, ATTEMPT(FLAGS(cert_flag, files.cert, key_flag, files.key)));
    forget(&outcome);
    refuse(ATTEMPT(FLAGS(cert_flag, files.cert)),
           "--tls-cert comes with its key: add --tls-key FILE");
    refuse(ATTEMPT(FLAGS(key_flag, files.key)),
           "--tls-key comes with its certificate: add --tls-cert FILE");
    refuse(
        ATTEMPT(FLAGS(listen_flag, "127.0.0.1:0,tls")),
        "127.0.0.1:0,tls: it has no certificate to show: add --tls-cert FILE and --tls-key FILE");
    char words[256];
    snprintf(words, sizeof(words), "--tls-key %s does not belong to the certificate in %s",
             other.key, files.cert);
    refuse(ATTEMPT(FLAGS(cert_flag, files.cert, key_flag, other.key)), words);
    snprintf(words, sizeof(words), "--tls-cert %s holds no certificate in PEM", files.key);
    refuse(ATTEMPT(FLAGS(cert_flag, files.key, key_flag, other.key)), words);
    refuse(ATTEMPT(FLAGS(cert_flag, "/nonexistent/cert", key_flag, files.key)),
           "--tls-cert /nonexistent/cert cannot be read: No such file or directory");
    refuse(ATTEMPT(FLAGS(cert_flag, files.cert, key_flag, "/nonexistent/key")),
           "--tls-key /nonexistent/key cannot be read: No such file or directory");
}

static void certificate_out_of_its_time_is_a_warning(void **state)
{
    (void)state;
    struct outcome outcome;
    struct sw_buf out = {0};
    struct tls_files old;
    tls_files_init(&old, "old", -3600, -60);
    accept_it(&outcome, ATTEMPT(FLAGS(cert_flag, old.cert, key_flag, old.key)));
    sw_config_warnings(&outcome.config, &out);
    assert_non_null(strstr(sw_buf_text(&out), "has expired"));
    forget(&outcome);
    sw_buf_deinit(&out);
    tls_files_deinit(&old);
}

/* Which of the listeners "..", "..,tls" show the certificate, as bits. */
static unsigned chosen(struct sw_listen *listens, unsigned count, bool certificate)
{
    struct outcome outcome;
    struct sw_node_tls tls = {0};
    struct sw_buf error = {0};
    char *cert = certificate ? cert_flag : NULL;
    unsigned bits = 0;
    accept_it(&outcome, ATTEMPT(FLAGS(cert, files.cert, key_flag, files.key)));
    assert_true(sw_node_tls_init(&tls, &outcome.config, listens, count, &error));
    assert_int_equal(tls.context != NULL, certificate);
    for (unsigned i = 0; i < count; i++) {
        bits |= (unsigned)listens[i].tls << i;
    }
    sw_node_tls_deinit(&tls);
    forget(&outcome);
    return bits;
}

static void certificate_is_for_the_listeners_that_say_so_or_else_for_all(void **state)
{
    (void)state;
    assert_int_equal(chosen((struct sw_listen[3]){{.tls = false}}, 3, true), 7);
    assert_int_equal(chosen((struct sw_listen[3]){[1] = {.tls = true}}, 3, true), 2);
    assert_int_equal(chosen((struct sw_listen[2]){{.tls = false}}, 2, false), 0);
}

static void reload_that_fails_leaves_what_was(void **state)
{
    (void)state;
    struct outcome outcome;
    struct sw_node_tls tls = {0};
    struct sw_reload reload = {0};
    struct sw_buf text = {0};
    struct sw_listen listen = {0};
    accept_it(&outcome, ATTEMPT(FLAGS(cert_flag, files.cert, key_flag, files.key)));
    assert_true(sw_node_tls_init(&tls, &outcome.config, &listen, 1, &text));
    sw_node_tls_watch(&tls, &reload, NULL, 0);
    const struct sw_tls_context *first = tls.context;
    assert_true(sw_reload_run(&reload, &text));
    assert_string_equal(sw_buf_text(&text), "{\"reloaded\":[\"tls\"],\"failed\":[]}");
    assert_ptr_not_equal(tls.context, first);
    const struct sw_tls_context *second = tls.context;
    assert_int_equal(rename(other.key, files.key), 0);
    sw_buf_clear(&text);
    assert_false(sw_reload_run(&reload, &text));
    assert_non_null(strstr(sw_buf_text(&text), "does not belong to the certificate in"));
    assert_ptr_equal(tls.context, second);
    sw_node_tls_deinit(&tls);
    forget(&outcome);
    sw_buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_and_key_come_together_and_fit),
        cmocka_unit_test(certificate_out_of_its_time_is_a_warning),
        cmocka_unit_test(certificate_is_for_the_listeners_that_say_so_or_else_for_all),
        cmocka_unit_test(reload_that_fails_leaves_what_was),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}

// SPDX-License-Identifier: Apache-2.0
#include "tls_peer.h"

#include "common/mem.h"

#include <sys/stat.h>

static void assert_refused(const char *cert, const char *key, const char *file, const char *words)
{
    struct sw_buf why = {0};
    assert_null(sw_tls_context_create(cert, key, &why));
    const char *text = sw_buf_text(&why);
    if (strncmp(text, file, strlen(file)) != 0 || !strstr(text, words)) {
        fail_msg("\"%s\" does not begin with %s and say \"%s\"", text, file, words);
    }
    assert_ptr_equal(strchr(text, '\n'), text + why.size - 1);
    sw_buf_deinit(&why);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static void what_is_wrong_with_a_file_is_said_with_its_name(void **state)
{
    (void)state;
    struct tls_files files;
    struct tls_files other;
    char nothing[64];
    tls_files_init(&files, "a", -60, 3600);
    tls_files_init(&other, "b", -60, 3600);
    snprintf(nothing, sizeof(nothing), "%s/nothing", files.directory);
    assert_refused(nothing, files.key, nothing, "cannot be read: No such file or directory");
    assert_refused(files.cert, nothing, nothing, "cannot be read: No such file or directory");
    assert_refused(files.directory, files.key, files.directory, "cannot be read: it is no regular");
    assert_refused(files.key, files.key, files.key, "holds no certificate in PEM");
    assert_refused(files.cert, files.cert, files.cert, "holds no private key in PEM");
    assert_refused(files.cert, other.key, other.key, "does not belong to the certificate in");
    write_file(other.cert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_refused(other.cert, files.key, other.cert, "holds no certificate in PEM");
    tls_files_deinit(&files);
    tls_files_deinit(&other);
}

static void what_is_no_file_is_not_waited_for(void **state)
{
    (void)state;
    struct tls_files files;
    char *const paths[] = {files.cert, files.key};
    for (size_t i = 0; i < SW_ARRAY_SIZE(paths); i++) {
        tls_files_init(&files, "a", -60, 3600);
        assert_int_equal(unlink(paths[i]), 0);
        assert_int_equal(mkfifo(paths[i], 0600), 0);
        assert_refused(files.cert, files.key, paths[i], "cannot be read: it is no regular file");
        tls_files_deinit(&files);
    }
}

static void key_of_another_kind_does_not_belong_to_the_certificate_either(void **state)
{
    (void)state;
    struct tls_files files;
    tls_files_init(&files, "a", -60, 3600);
    EVP_PKEY *key = EVP_RSA_gen(2048);
    FILE *file = fopen(files.key, "w");
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    EVP_PKEY_free(key);
    assert_refused(files.cert, files.key, files.key, "does not belong to the certificate in");
    tls_files_deinit(&files);
}

static void key_with_a_passphrase_is_refused_and_nobody_is_asked(void **state)
{
    (void)state;
    struct tls_files files;
    tls_files_init(&files, "a", -60, 3600);
    FILE *file = fopen(files.key, "r");
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    file = fopen(files.key, "w");
    unsigned char phrase[] = "secret";
    assert_int_equal(PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(), phrase, 6, NULL, NULL), 1);
    fclose(file);
    EVP_PKEY_free(key);
    assert_refused(files.cert, files.key, files.key, "is encrypted: store it without a passphrase");
    tls_files_deinit(&files);
}

static void assert_warned(long from_s, long to_s, const char *words)
{
    struct tls_files files;
    struct sw_buf out = {0};
    tls_files_init(&files, "a", from_s, to_s);
    struct sw_tls_context *context = sw_tls_context_create(files.cert, files.key, &out);
    assert_non_null(context);
    sw_tls_context_warn(context, &out);
    assert_non_null(strstr(sw_buf_text(&out), words));
    assert_int_equal(out.size != 0, words[0] != 0);
    if (out.size) {
        assert_non_null(strstr(sw_buf_text(&out), files.cert));
    }
    sw_buf_deinit(&out);
    sw_tls_context_unref(&context);
    tls_files_deinit(&files);
}

static void certificate_that_is_not_valid_today_is_used_and_said(void **state)
{
    (void)state;
    assert_warned(-3600, -60, "has expired");
    assert_warned(60, 3600, "is not valid yet");
    assert_warned(-60, 3600, "");
}

static void last_owner_frees_it(void **state)
{
    (void)state;
    struct sw_tls_context *one = tls_context("a");
    struct sw_tls_context *two = sw_tls_context_ref(one);
    assert_ptr_equal(one, two);
    sw_tls_context_unref(&one);
    assert_null(one);
    sw_tls_context_unref(&one); /* harmless */
    sw_tls_context_unref(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_with_a_file_is_said_with_its_name),
        cmocka_unit_test(what_is_no_file_is_not_waited_for),
        cmocka_unit_test(key_of_another_kind_does_not_belong_to_the_certificate_either),
        cmocka_unit_test(key_with_a_passphrase_is_refused_and_nobody_is_asked),
        cmocka_unit_test(certificate_that_is_not_valid_today_is_used_and_said),
        cmocka_unit_test(last_owner_frees_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

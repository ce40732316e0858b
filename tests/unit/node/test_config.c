// SPDX-License-Identifier: Apache-2.0
/* The settings: order of strength, what is refused and in which words, places in the file. */
#include "attempt.h"

#include "node/config_keys.h"

#include <sys/stat.h>

static void assert_list(char **list, const char *first, const char *second)
{
    assert_non_null(list);
    assert_string_equal(list[0], first);
    if (second) {
        assert_string_equal(list[1], second);
    }
    assert_null(list[second ? 2 : 1]);
}

/* ---- what is good ---- */

static void test_defaults(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_it(&outcome, ATTEMPT(0));
    const struct sw_config *config = &outcome.config;
    assert_list(config->listen, "127.0.0.1:8000", "[::1]:8000");
    assert_string_equal(config->admin_listen, "127.0.0.1:9000");
    assert_string_equal(config->bus, "memory");
    assert_string_equal(config->topic_separator, ".");
    assert_string_equal(config->prefix, "");
    assert_non_null(config->origin);
    assert_null(config->origin[0]);
    assert_int_equal(config->max_message_bytes, 262144);
    assert_false(config->client_publish);
    for (enum sw_config_field i = 0; i < SW_CONFIG_COUNT; i++) {
        assert_false(sw_config_is_set(config, i));
    }
    forget(&outcome);
}

static void test_order_of_strength(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_it(&outcome, ATTEMPT(.file = "{\"workers\": 2, \"drain_ms\": 2, \"stall_ms\": 20000}",
                                ENVIRONMENT("SPILLWAY_WORKERS=3", "SPILLWAY_DRAIN_MS=3"),
                                FLAGS("--workers", "4")));
    assert_int_equal(outcome.config.workers, 4);
    assert_int_equal(outcome.config.drain_ms, 3);
    assert_int_equal(outcome.config.stall_ms, 20000);
    assert_int_equal(outcome.config.pong_ms, 10000);
    assert_true(sw_config_is_set(&outcome.config, SW_CONFIG_stall_ms));
    assert_false(sw_config_is_set(&outcome.config, SW_CONFIG_pong_ms));
    forget(&outcome);
}

static void test_an_address_twice(void **state)
{
    (void)state;
    struct outcome outcome;
    refuse(ATTEMPT(FLAGS("--listen", "[::1]:5", "--listen", "127.0.0.1:5", "--listen", "[0::1]:5")),
           "[0::1]:5: this address stands twice");
    accept_it(&outcome, ATTEMPT(FLAGS("--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0",
                                      "--admin-listen", "127.0.0.1:0")));
    forget(&outcome);
}

static void test_config_file_from_environment(void **state)
{
    (void)state;
    struct outcome outcome;
    char variable[80];
    write_file("{\"workers\": 5}");
    snprintf(variable, sizeof(variable), "SPILLWAY_CONFIG=%s", file_path);
    accept_it(&outcome, ATTEMPT(ENVIRONMENT(variable)));
    assert_int_equal(outcome.config.workers, 5);
    assert_string_equal(outcome.config.config, file_path);
    forget(&outcome);
}

static void test_lists(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_it(&outcome, ATTEMPT(.file = "{\"listen\": [\"127.0.0.1:1\", \"[::1]:2\"]}"));
    assert_list(outcome.config.listen, "127.0.0.1:1", "[::1]:2");
    forget(&outcome);
    accept_it(&outcome, ATTEMPT(.file = "{\"listen\": [\"127.0.0.1:1\"]}",
                                ENVIRONMENT("SPILLWAY_LISTEN=127.0.0.1:3, [::1]:4")));
    assert_list(outcome.config.listen, "127.0.0.1:3", "[::1]:4");
    forget(&outcome);
    accept_it(&outcome, ATTEMPT(ENVIRONMENT("SPILLWAY_LISTEN=127.0.0.1:3,[::1]:4"),
                                FLAGS("--listen", "127.0.0.1:5", "--listen=[::1]:6")));
    assert_list(outcome.config.listen, "127.0.0.1:5", "[::1]:6");
    forget(&outcome);
    accept_it(&outcome, ATTEMPT(FLAGS("--listen", "127.0.0.1:5")));
    assert_list(outcome.config.listen, "127.0.0.1:5", NULL);
    forget(&outcome);
}

static void test_switches(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        bool on;
    } cases[] = {{"--client-publish", true},    {"--client-publish=true", true},
                 {"--client-publish=1", true},  {"--client-publish=false", false},
                 {"--client-publish=0", false}, {"--no-client-publish", false}};
    for (size_t i = 0; i < SW_ARRAY_SIZE(cases); i++) {
        struct outcome outcome;
        char *word = sw_strndup(cases[i].word, strlen(cases[i].word));
        accept_it(&outcome, ATTEMPT(FLAGS(word)));
        assert_int_equal(outcome.config.client_publish, cases[i].on);
        assert_true(sw_config_is_set(&outcome.config, SW_CONFIG_client_publish));
        forget(&outcome);
        sw_free(word);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_it(&outcome, ATTEMPT(FLAGS("--max-message-bytes=64k", "--max-queued-bytes", "2M",
                                      "--workers=07")));
    assert_int_equal(outcome.config.max_message_bytes, 65536);
    assert_int_equal(outcome.config.max_queued_bytes, 2097152);
    assert_int_equal(outcome.config.workers, 7);
    forget(&outcome);
}

static void test_budget(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_it(&outcome, ATTEMPT(FLAGS("--budget", "2g")));
    assert_int_equal(outcome.config.budget, UINT64_C(2) << 30);
    forget(&outcome);
    accept_it(&outcome, ATTEMPT(.file = "{\"budget\": 1048576}"));
    forget(&outcome);
    refuse(ATTEMPT(FLAGS("--budget", "1000k")), "--budget (1024000) must be at least 1m");
}

static void test_foreign_environment(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_it(&outcome, ATTEMPT(ENVIRONMENT(
                            "SPILLWAY_SERVICE_HOST=10.0.0.1", "SPILLWAY_PORT=tcp://10.0.0.1:80",
                            "SPILLWAY_WORKERS=", "SPILLWAY_", "spillway_workers=x", "PATH=/")));
    assert_false(sw_config_is_set(&outcome.config, SW_CONFIG_workers));
    forget(&outcome);
}

static void test_good_files(void **state)
{
    (void)state;
    static const char *const files[] = {
        "{}",
        " \n{ }\n ",
        "\xef\xbb\xbf{\"workers\": 1}",
        "// first\n{\"workers\": /* in between */ 1} // last",
        "/*/ not closed by its own slash */ {}",
        "{\"prefix\": \"//no/*comment*/\"}",
        "{\"prefix\": \"a\\\"//b\"}",
        "{\"work\\u0065rs\": 3}",
        "{\"api_key_file\": \"/dev/null\", \"admin_listen\": \"127.0.0.1:0\"}",
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(files) - 1; i++) {
        struct outcome outcome;
        accept_it(&outcome, ATTEMPT(.file = files[i]));
        forget(&outcome);
    }
    struct outcome outcome; /* a file with a key is good, but this one holds none */
    load(&outcome, ATTEMPT(.file = files[SW_ARRAY_SIZE(files) - 1]));
    assert_false(outcome.ok);
    forget(&outcome);
}

static void test_other_addresses(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_it(&outcome, ATTEMPT(FLAGS("--listen", "0.0.0.0:0", "--auth", "none")));
    forget(&outcome);
    write_file("a-key\n");
    struct attempt keyed = {FLAGS("--admin-listen", "0.0.0.0:9000", "--api-key-file", file_path)};
    accept_it(&outcome, &keyed);
    forget(&outcome);
}

/* ---- what is not ---- */

static void test_bad_command_lines(void **state)
{
    (void)state;
    refuse(ATTEMPT(FLAGS("--worker", "2")), "unknown flag --worker; did you mean --workers?");
    refuse(ATTEMPT(FLAGS("--max_connections=5")), "did you mean --max-connections?");
    refuse(ATTEMPT(FLAGS("--zzzzzzzzzz")), "unknown flag --zzzzzzzzzz; spillway --help");
    refuse(ATTEMPT(FLAGS("--no-bus")), "unknown flag --no-bus");
    refuse(ATTEMPT(FLAGS("--no-demo=true")), "unknown flag --no-demo");
    refuse(ATTEMPT(FLAGS("workers")), "unexpected argument \"workers\"");
    refuse(ATTEMPT(FLAGS("--")), "unexpected argument");
    refuse(ATTEMPT(FLAGS("--=x")), "unexpected argument");
    refuse(ATTEMPT(FLAGS("--bus")), "--bus needs a value: URL");
    refuse(ATTEMPT(FLAGS("--bus", "--demo")), "--bus needs a value");
    refuse(ATTEMPT(FLAGS("--bus=")), "--bus: the value is empty");
    refuse(ATTEMPT(FLAGS("--origin", "")), "--origin: the value is empty");
    refuse(ATTEMPT(FLAGS("--demo=maybe")), "--demo: true or false is needed");
}

static void test_bad_numbers(void **state)
{
    (void)state;
    static const char *const values[] = {
        "", "many", "-1", "65", "1e1", "1.5", "0x1", " 1", "1 ", "4k", "99999999999999999999"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(values); i++) {
        char word[64];
        snprintf(word, sizeof(word), "--workers=%s", values[i]);
        refuse(ATTEMPT(FLAGS(word)), "--workers: a whole number from 0 to 64 is needed");
    }
    refuse(ATTEMPT(FLAGS("--drain-ms", "10s")), "--drain-ms: a whole number");
    refuse(ATTEMPT(FLAGS("--max-message-bytes", "k")), "--max-message-bytes: a whole number");
    refuse(ATTEMPT(FLAGS("--max-message-bytes", "1g")), "--max-message-bytes: a whole number");
    refuse(ATTEMPT(ENVIRONMENT("SPILLWAY_WORKERS=x")), "SPILLWAY_WORKERS: a whole number");
}

static void test_later_versions(void **state)
{
    (void)state;
    refuse(ATTEMPT(FLAGS("--auth", "callback")), "--auth callback is not supported");
    refuse(ATTEMPT(FLAGS("--listen", "127.0.0.1:0,tsl")), "may stand ,tls and ,proxy, once each");
    refuse(ATTEMPT(FLAGS("--listen", "127.0.0.1:0,tls,tls")), "once each");
    refuse(ATTEMPT(FLAGS("--bus", "rediss://h")), "--bus rediss:// is not supported");
    refuse(ATTEMPT(FLAGS("--bus", "redis-sentinel://h/m")), "redis-sentinel:// is not supported");
    refuse(ATTEMPT(FLAGS("--bus", "redis-cluster://h")), "redis-cluster:// is not supported");
}

static void test_bad_values(void **state)
{
    (void)state;
    static const struct {
        const char *flag;
        const char *value;
        const char *words;
    } cases[] = {
        {"--listen", "nonsense", "an address is ADDR:PORT"},
        {"--service", "a b", "no blanks, quotes and backslashes, unlike \"a b\""},
        {"--environment", "a\"", "no blanks, quotes and backslashes"},
        {"--listen", "127.0.0.1:65536", "an address is ADDR:PORT"},
        {"--listen", "127.0.0.1:1,127.0.0.1:2", "repeat --listen"},
        {"--listen", "0.0.0.0:80", "add --auth none"},
        {"--listen", "[::]:80", "not a loopback address"},
        {"--admin-listen", "127.0.0.1:8000", "is a public listener, too (--listen)"},
        {"--admin-listen", "127.0.0.1", "an address is ADDR:PORT"},
        {"--admin-listen", "0.0.0.0:1", "add --api-key-file"},
        {"--api-key-file", "/nonexistent/keys", "/nonexistent/keys"},
        {"--topic-separator", "..", "one of . : /"},
        {"--topic-separator", "*", "one of . : /"},
        {"--prefix", "a{b}", "no braces"},
        {"--prefix", "a b", "no braces"},
        {"--prefix", "a\x7f", "no braces"},
        {"--bus", "reddis://h", "--bus cannot be used"},
        {"--auth", "maybe", "--auth is none|jwt"},
        {"--log-level", "loud", "debug|info|warn|error"},
        {"--log-format", "xml", "auto|text|json"},
        {"--echo-path", "echo", "a path like /echo"},
        {"--echo-path", "/a b", "a path like /echo"},
        {"--origin", "example.com", "scheme://host"},
        {"--origin", "https://example.com/", "nothing behind it"},
        {"--origin", "*", "scheme://host"},
        {"--stall-ms", "9999", "--pong-ms (10000)"},
        {"--max-message-bytes", "524289",
         "at least twice --max-message-bytes (524289): add --max-queued-bytes 1048578"},
        {"--queue-low-bytes", "196609", "--queue-high-bytes (196608): raise that one, too"},
        {"--queue-high-bytes", "65535", "--queue-low-bytes (65536): lower that one, too"},
        {"--queue-high-bytes", "1048577", "--max-queued-bytes (1048576): raise that one, too"},
        {"--config", "/nonexistent/file", "/nonexistent/file"},
        {"--config", "/", "cannot read"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(cases); i++) {
        char word[128];
        snprintf(word, sizeof(word), "%s=%s", cases[i].flag, cases[i].value);
        refuse(ATTEMPT(FLAGS(word)), cases[i].words);
        refuse(ATTEMPT(FLAGS(word)),
               cases[i].flag + (strcmp(cases[i].flag, "--config") == 0 ? 2 : 0));
    }
    refuse(ATTEMPT(.file = "{\"listen\": [\"0.0.0.0:1\"]}"), "\"listen\" 0.0.0.0:1");
}

/* ---- tokens ---- */

static char secret_path[] = "/tmp/spillway-secret-XXXXXX";

static int make_secret(void **state)
{
    static const char secret[] = "0123456789abcdef0123456789abcdef\n";
    int fd = mkstemp(secret_path);
    if (fd < 0 || write(fd, secret, sizeof(secret) - 1) != sizeof(secret) - 1 || close(fd)) {
        return -1;
    }
    return make_file(state);
}

static int remove_secret(void **state)
{
    unlink(secret_path);
    return remove_file(state);
}

/* What a config says about tokens: the word of --auth, or the keys. */
static void test_who_needs_a_token(void **state)
{
    (void)state;
    static const struct {
        bool secret;
        const char *auth;
        bool wanted;
    } rows[] = {
        {false, NULL, false}, {false, "none", false}, {true, NULL, true}, {true, "jwt", true}};
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct attempt attempt = {0};
        struct outcome outcome;
        char secret[80];
        char auth[32];
        size_t n = 0;
        if (rows[i].secret) {
            snprintf(secret, sizeof(secret), "--jwt-secret-file=%s", secret_path);
            attempt.flags[n++] = secret;
        }
        if (rows[i].auth) {
            snprintf(auth, sizeof(auth), "--auth=%s", rows[i].auth);
            attempt.flags[n++] = auth;
        }
        accept_it(&outcome, &attempt);
        assert_int_equal(sw_config_wants_tokens(&outcome.config), rows[i].wanted);
        assert_int_equal(sw_config_has_keys(&outcome.config), rows[i].secret);
        forget(&outcome);
    }
}

static void test_settings_of_tokens(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_it(&outcome, ATTEMPT(FLAGS("--jwt-secret-file", secret_path, "--jwt-issuer",
                                      "https://id", "--jwt-audience", "gw", "--jwt-leeway-ms", "0",
                                      "--topic-separator", ":", "--listen", "0.0.0.0:0")));
    struct sw_keyring_config keys = sw_config_keys(&outcome.config);
    assert_string_equal(keys.secret_file, secret_path);
    assert_null(keys.key_files[0]);
    assert_string_equal(keys.issuer, "https://id");
    assert_string_equal(keys.audience, "gw");
    assert_int_equal(keys.leeway_ms, 0);
    assert_int_equal(keys.separator, ':');
    forget(&outcome);
    char file[128];
    snprintf(file, sizeof(file), "{\"jwt_secret_file\": \"%s\", \"auth\": \"jwt\"}", secret_path);
    accept_it(&outcome, ATTEMPT(.file = file));
    assert_int_equal(sw_config_keys(&outcome.config).leeway_ms, 5000);
    forget(&outcome);
}

static void test_tokens_that_contradict(void **state)
{
    (void)state;
    char fix[] = "add --jwt-secret-file FILE or --jwt-key-file FILE.pem";
    refuse(ATTEMPT(FLAGS("--auth", "jwt")), "--auth jwt needs a key");
    refuse(ATTEMPT(FLAGS("--auth", "jwt")), fix);
    refuse(ATTEMPT(FLAGS("--jwt-issuer", "x")), "--jwt-issuer means nothing without a key");
    refuse(ATTEMPT(FLAGS("--jwt-audience", "x")), fix);
    refuse(ATTEMPT(FLAGS("--jwt-leeway-ms", "5000")), "--jwt-leeway-ms means nothing");
    refuse(ATTEMPT(ENVIRONMENT("SPILLWAY_JWT_ISSUER=x")), "SPILLWAY_JWT_ISSUER means nothing");
    refuse(ATTEMPT(FLAGS("--auth", "none", "--jwt-secret-file", secret_path)),
           "--jwt-secret-file says what a token must be, and --auth none that nobody needs one");
    refuse(ATTEMPT(FLAGS("--auth", "none", "--jwt-issuer", "x")), "leave one of the two out");
    refuse(ATTEMPT(FLAGS("--jwt-leeway-ms", "300001")), "from 0 to 300000");
    refuse(ATTEMPT(FLAGS("--jwt-key-file", "")), "--jwt-key-file: the value is empty");
    refuse(ATTEMPT(FLAGS("--listen", "0.0.0.0:1")), "or --jwt-key-file FILE.pem");
}

static void test_keys_are_read_at_the_check(void **state)
{
    (void)state;
    write_file("too short\n");
    refuse(ATTEMPT(FLAGS("--jwt-secret-file", file_path)), "--jwt-secret-file the secret in ");
    refuse(ATTEMPT(FLAGS("--jwt-secret-file", file_path)), "at least 32 are needed");
    refuse(ATTEMPT(FLAGS("--jwt-key-file", file_path)), "--jwt-key-file /tmp/spillway-config-");
    refuse(ATTEMPT(FLAGS("--jwt-secret-file", secret_path, "--jwt-key-file", file_path)),
           "--jwt-key-file /tmp/spillway-config-");
    refuse(ATTEMPT(.file = "{\"jwt_key_file\": [\"/nonexistent/a.pem\"]}"),
           "\"jwt_key_file\" cannot read the key file /nonexistent/a.pem: No such file");
}

static void test_too_many_listeners(void **state)
{
    (void)state;
    refuse(ATTEMPT(ENVIRONMENT("SPILLWAY_LISTEN=[::1]:1,[::1]:2,[::1]:3,[::1]:4,[::1]:5,[::1]:6,"
                               "[::1]:7,[::1]:8,[::1]:9")),
           "SPILLWAY_LISTEN takes 1 to 8");
    refuse(ATTEMPT(ENVIRONMENT("SPILLWAY_LISTEN=127.0.0.1:1,,")),
           "SPILLWAY_LISTEN: the value is empty");
}

static void test_no_password_in_words(void **state)
{
    (void)state;
    static const char *const urls[] = {"redis://u:hush@h:port", "rediss://u:hush@h", "u:hush@h",
                                       "redis-cluster://u:hush@h"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(urls); i++) {
        struct outcome outcome;
        char word[64];
        snprintf(word, sizeof(word), "--bus=%s", urls[i]);
        load(&outcome, ATTEMPT(FLAGS(word)));
        assert_false(outcome.ok);
        assert_null(strstr(sw_buf_text(&outcome.error), "hush"));
        forget(&outcome);
    }
    struct outcome outcome;
    accept_it(&outcome, ATTEMPT(FLAGS("--bus", "redis://u:hush@h:1")));
    struct sw_buf text = {0};
    sw_config_describe(&outcome.config, &text);
    assert_non_null(strstr(sw_buf_text(&text), "--bus redis://"));
    assert_null(strstr(sw_buf_text(&text), "hush"));
    sw_buf_deinit(&text);
    forget(&outcome);
}

static void test_api_key_of_the_environment(void **state)
{
    (void)state;
    struct outcome outcome;
    struct sw_buf text = {0};
    accept_it(&outcome, ATTEMPT(ENVIRONMENT("SPILLWAY_API_KEY=hush-hush-hush-hush"),
                                FLAGS("--admin-listen", "0.0.0.0:9000")));
    assert_string_equal(outcome.config.api_key, "hush-hush-hush-hush");
    sw_config_describe(&outcome.config, &text);
    sw_config_warnings(&outcome.config, &text);
    assert_null(strstr(sw_buf_text(&text), "hush"));
    sw_buf_deinit(&text);
    forget(&outcome);
    refuse(ATTEMPT(ENVIRONMENT("SPILLWAY_API_KEY=hush")), "SPILLWAY_API_KEY: key 1 has fewer than");
}

static void test_short_keys_of_a_file_are_a_warning(void **state)
{
    (void)state;
    struct outcome outcome;
    struct sw_buf text = {0};
    write_file("hush\n0123456789abcdef\n");
    accept_it(&outcome, ATTEMPT(FLAGS("--api-key-file", file_path)));
    sw_config_warnings(&outcome.config, &text);
    assert_non_null(strstr(sw_buf_text(&text), "1 of the API keys in "));
    assert_null(strstr(sw_buf_text(&text), "hush"));
    sw_buf_deinit(&text);
    forget(&outcome);
}

static void test_a_secret_that_all_may_read_is_a_warning(void **state)
{
    (void)state;
    struct outcome outcome;
    write_file("0123456789abcdef0123456789abcdef");
    for (mode_t mode = 0600; mode <= 0644; mode += 0044) {
        struct sw_buf text = {0};
        assert_int_equal(chmod(file_path, mode), 0);
        accept_it(&outcome, ATTEMPT(FLAGS("--jwt-secret-file", file_path)));
        sw_config_warnings(&outcome.config, &text);
        const char *said = text.size ? strstr(sw_buf_text(&text), "chmod o-r ") : NULL;
        assert_int_equal(said != NULL, mode == 0644);
        sw_buf_deinit(&text);
        forget(&outcome);
    }
}

static void test_a_long_leave_is_a_warning(void **state)
{
    (void)state;
    static const struct {
        const char *flag;
        bool warned;
    } rows[] = {{"--drain-ms=24500", false}, {"--drain-ms=24501", true}};
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct outcome outcome;
        struct sw_buf text = {0};
        char word[32];
        snprintf(word, sizeof(word), "%s", rows[i].flag);
        accept_it(&outcome, ATTEMPT(FLAGS(word)));
        sw_config_warnings(&outcome.config, &text);
        assert_int_equal(text.size > 0, rows[i].warned);
        assert_true(!rows[i].warned || strstr(sw_buf_text(&text), "leaving may take 30001 ms"));
        sw_buf_deinit(&text);
        forget(&outcome);
    }
}

static void assert_changed(const struct outcome *running, const char *file, const char *expected)
{
    struct sw_buf names = {0};
    struct sw_buf error = {0};
    write_file(file);
    bool ok = sw_config_changed(&running->config, &names, &error);
    assert_int_equal(ok, expected != NULL);
    assert_int_equal(ok, error.size == 0);
    if (expected) {
        assert_string_equal(sw_buf_text(&names), expected);
    }
    sw_buf_deinit(&names);
    sw_buf_deinit(&error);
}

static void test_what_the_file_has_changed(void **state)
{
    (void)state;
    struct outcome running;
    static const char before[] =
        "{\"workers\": 2, \"bus\": \"redis://u:one@h:1\", \"origin\": [\"https://a.example\"], "
        "\"ping_ms\": 5000, \"topics\": [{\"match\": \"a\"}]}";
    accept_it(&running, ATTEMPT(.file = before, FLAGS("--ping-ms", "6000")));
    assert_changed(&running, before, "");
    assert_changed(&running,
                   "{\"bus\": \"redis://u:two@h:1\", \"origin\": [\"https://b.example\"], "
                   "\"drain_ms\": 7, \"ping_ms\": 7000, \"topics\": [{\"match\": \"b\"}]}",
                   "bus,workers,origin,drain_ms,topics");
    assert_changed(&running, "{\"workers\": }", NULL);
    forget(&running);
    accept_it(&running, ATTEMPT(0));
    assert_changed(&running, "{\"workers\": 2}", "");
    forget(&running);
}

static void test_places_in_the_file(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *words;
    } cases[] = {
        {"", ":1:1: not valid JSON"},
        {"{", ":1:2: not valid JSON"},
        {"{\n  \"workers\": }\n", ":2:14: not valid JSON at '}'"},
        {"{\n  \"workers\": 1,\n  \"bus\" \"memory\"\n}\n", ":3:9: not valid JSON"},
        {"{\"workers\": 1} x", ":1:16: not valid JSON at 'x'"},
        {"{\"workers\": 1,}", ":1:15: not valid JSON at '}'"},
        {"{\n  workers: 1}", ":2:3: not valid JSON at 'w'"},
        {"{\"listen\": [1,\n x]}", ":2:2: not valid JSON at 'x'"},
        {"{\"bus\": \"memory}", "not valid JSON"},
        {"/* two\nlines */ {\"workers\": }", ":2:22: not valid JSON"},
        {"{} /* no end", ":1:4: a comment without its end"},
        {"{\"workers\": 01}", ":1:13: not a number"},
        {"{\"workers\": 1.}", ":1:13: not a number"},
        {"{\"prefix\": \"a\tb\"}", ":1:14: a control character"},
        {"{\n\"prefix\": \"\xff\"}", ":2:12: not valid UTF-8"},
        {"{\"prefix\": \"\xc3\xa9\", \"worker\": 1}",
         ":1:17: unknown key \"worker\"; did you mean \"workers\"?"},
        {"[1]", ":1:1: the file must hold one object"},
        {"\n 7", ":2:2: the file must hold one object"},
        {"{\"workers\": 1,\n \"workers\": 1}", ":2:2: \"workers\" stands twice"},
        {"{\"workers\": 1, \"work\\u0065rs\": 1}", ":1:16: \"workers\" stands twice"},
        {"{\"prefix\": \"workers\",\n\"workers\": \"2\"}",
         ":2:12: \"workers\" must be a whole number"},
        {"{\"workers\": -1}", ":1:13: \"workers\": a whole number from 0 to 64"},
        {"{\"workers\": 1.5}", "not \"1.5\""},
        {"{\"workers\": null}", "\"workers\" must be a whole number"},
        {"{\"bus\": 7}", ":1:9: \"bus\" must be a string"},
        {"{\"bus\": \"\"}", ":1:9: \"bus\": the value is empty"},
        {"{\"bus\": \"a\\u0000b\"}", ":1:9: a NUL in a string"},
        {"{\"bus\\u0000\": \"memory\"}", ":1:2: unknown key"},
        {"{\"demo\": \"yes\"}", "\"demo\" must be true or false"},
        {"{\"listen\": \"127.0.0.1:0\"}", ":1:12: \"listen\" must be an array of strings"},
        {"{\"listen\": [\"127.0.0.1:0\",\n 8000]}", ":2:2: \"listen\" must be an array of strings"},
        {"{\"origin\": []}", ":1:12: an empty array"},
        {"{\"config\": \"x\"}", ":1:2: \"config\" cannot stand in the file itself"},
        {"{\"max-connections\": 1}", "did you mean \"max_connections\"?"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(cases); i++) {
        refuse(ATTEMPT(.file = cases[i].file), cases[i].words);
        refuse(ATTEMPT(.file = cases[i].file), file_path);
    }
}

static void test_marks_may_be_equal(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_it(&outcome, ATTEMPT(FLAGS("--queue-low-bytes=600k", "--queue-high-bytes=600k",
                                      "--max-queued-bytes=600k", "--max-message-bytes=300k")));
    assert_int_equal(outcome.config.queue_high_messages, 1000);
    forget(&outcome);
    refuse(ATTEMPT(.file = "{\"max_queued_bytes\": 131072}", FLAGS("--max-message-bytes", "64k")),
           "\"max_queued_bytes\" (131072) must not be below --queue-high-bytes (196608)");
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const names[] = {"serve", "pub", "sub", "check", "ttl_ms", NULL};
    assert_string_equal(sw_config_nearest("chek", names), "check");
    assert_string_equal(sw_config_nearest("serv", names), "serve");
    assert_string_equal(sw_config_nearest("ttl", names), "ttl_ms");
    assert_null(sw_config_nearest("tt", names));
    assert_string_equal(sw_config_nearest("usb", names), "sub");
    assert_string_equal(sw_config_nearest("sub", names), "sub");
    assert_null(sw_config_nearest("", names));
    assert_null(sw_config_nearest("x", names));
    assert_null(sw_config_nearest("version", names));
    char huge[1000];
    memset(huge, 'a', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = 0;
    assert_null(sw_config_nearest(huge, names));
    char flag[1010];
    snprintf(flag, sizeof(flag), "--%s", huge);
    refuse(ATTEMPT(FLAGS(flag, "x")), "unknown flag --aaaa");
}

/* ---- the pages ---- */

static void test_help_and_docs(void **state)
{
    (void)state;
    struct sw_buf help = {0};
    struct sw_buf docs = {0};
    sw_config_help(&help);
    sw_config_docs(&docs);
    struct sw_slice rest = sw_buf_slice(&help);
    while (rest.data) {
        assert_true(sw_slice_split(&rest, '\n').size <= 100);
    }
    assert_non_null(strstr(sw_buf_text(&help), "  --unsubscribe-delay-ms N      A topic"));
    assert_non_null(
        strstr(sw_buf_text(&docs),
               "| `--max-connections` | `SPILLWAY_MAX_CONNECTIONS` | `\"max_connections\"` |"));
    assert_non_null(strstr(sw_buf_text(&docs), "| debug\\|info\\|warn\\|error |"));
    sw_buf_deinit(&help);
    sw_buf_deinit(&docs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_order_of_strength),
        cmocka_unit_test(test_an_address_twice),
        cmocka_unit_test(test_config_file_from_environment),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_switches),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_foreign_environment),
        cmocka_unit_test(test_good_files),
        cmocka_unit_test(test_other_addresses),
        cmocka_unit_test(test_bad_command_lines),
        cmocka_unit_test(test_bad_numbers),
        cmocka_unit_test(test_later_versions),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_who_needs_a_token),
        cmocka_unit_test(test_settings_of_tokens),
        cmocka_unit_test(test_tokens_that_contradict),
        cmocka_unit_test(test_keys_are_read_at_the_check),
        cmocka_unit_test(test_too_many_listeners),
        cmocka_unit_test(test_no_password_in_words),
        cmocka_unit_test(test_api_key_of_the_environment),
        cmocka_unit_test(test_what_the_file_has_changed),
        cmocka_unit_test(test_a_secret_that_all_may_read_is_a_warning),
        cmocka_unit_test(test_a_long_leave_is_a_warning),
        cmocka_unit_test(test_short_keys_of_a_file_are_a_warning),
        cmocka_unit_test(test_places_in_the_file),
        cmocka_unit_test(test_marks_may_be_equal),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_help_and_docs),
    };
    return cmocka_run_group_tests(tests, make_secret, remove_secret);
}

// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "node/config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int help(void)
{
    printf("usage: spillway check --config FILE [--topic T] [flags of serve]\n\n"
           "Says whether a node would start with this file, this environment and these flags, and\n"
           "with what. Exit code 0 or 2.\n\n"
           "  --topic T    instead: which topic rule this topic or pattern falls under, and why\n");
    return 0;
}

static bool is_flag(const char *word, const char *name)
{
    size_t size = strlen(name);
    return strncmp(word, name, size) == 0 && (!word[size] || word[size] == '=');
}

/* Takes --topic out of the words, since the rest are the flags of serve. False: without its value.
 */
static bool take_topic(int *argc, char **argv, const char **topic)
{
    static const char name[] = "--topic";
    int words = 0;
    for (int i = 0; i < *argc; i++) {
        if (!is_flag(argv[i], name)) {
            argv[words++] = argv[i];
        } else if (argv[i][sizeof(name) - 1]) {
            *topic = argv[i] + sizeof(name);
        } else if (i + 1 < *argc) {
            *topic = argv[++i];
        } else {
            return false;
        }
    }
    *argc = words;
    return true;
}

static bool check(struct sw_config *config, int argc, char **argv, struct sw_buf *error)
{
    if (!sw_config_load(config, argc, argv, environ, error)) {
        return false;
    }
    if (!config->config[0]) {
        sw_buf_append_slice(error, SW_SLICE("which file? add --config FILE\n"));
        return false;
    }
    return true;
}

static void say_warnings(const struct sw_config *config)
{
    struct sw_buf text = {0};
    sw_config_warnings(config, &text);
    struct sw_slice rest = sw_buf_slice(&text);
    while (rest.size) {
        struct sw_slice line = sw_slice_split(&rest, '\n');
        fprintf(stderr, "spillway check: warning: %.*s\n", SW_SLICE_ARG(line));
    }
    sw_buf_deinit(&text);
}

/* What was asked, on standard output. */
static bool answer(const struct sw_config *config, const char *topic)
{
    struct sw_buf text = {0};
    bool ok = true;
    if (!topic) {
        sw_config_describe(config, &text);
        printf("ok\n%s", sw_buf_text(&text));
    } else if (sw_config_explain(config, sw_slice_of(topic), &text)) {
        printf("%s", sw_buf_text(&text));
    } else {
        fprintf(stderr, "spillway check: --topic \"%s\" is no topic or pattern: %s\n", topic,
                sw_buf_text(&text));
        ok = false;
    }
    sw_buf_deinit(&text);
    return ok;
}

int sw_cli_check(int argc, char **argv)
{
    const char *topic = NULL;
    for (int i = 0; i < argc; i++) {
        if (is_flag(argv[i], "--help") || is_flag(argv[i], "-h")) {
            return help();
        }
        if (is_flag(argv[i], "--connect")) {
            fprintf(stderr, "spillway check: --connect is not supported by this version\n");
            return 2;
        }
    }
    if (!take_topic(&argc, argv, &topic)) {
        fprintf(stderr, "spillway check: --topic needs a value: a topic or pattern\n");
        return 2;
    }
    struct sw_config config;
    struct sw_buf error = {0};
    sw_config_init(&config);
    bool ok = check(&config, argc, argv, &error);
    if (ok) {
        say_warnings(&config);
        ok = answer(&config, topic);
    } else {
        fprintf(stderr, "spillway check: %s", sw_buf_text(&error));
    }
    sw_buf_deinit(&error);
    sw_config_deinit(&config);
    return ok ? 0 : 2;
}

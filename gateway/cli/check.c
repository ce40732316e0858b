// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "node/config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int help(void)
{
    printf("usage: spillway check --config FILE [flags of serve]\n\n"
           "Says whether a node would start with this file, this environment and these flags, and\n"
           "with what. Exit code 0 or 2.\n");
    return 0;
}

static bool is_flag(const char *word, const char *name)
{
    size_t size = strlen(name);
    return strncmp(word, name, size) == 0 && (!word[size] || word[size] == '=');
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

int sw_cli_check(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (is_flag(argv[i], "--help") || is_flag(argv[i], "-h")) {
            return help();
        }
        if (is_flag(argv[i], "--connect") || is_flag(argv[i], "--topic")) {
            fprintf(stderr, "spillway check: %.*s is not supported by this version\n",
                    (int)strcspn(argv[i], "="), argv[i]);
            return 2;
        }
    }
    struct sw_config config;
    struct sw_buf text = {0};
    sw_config_init(&config);
    bool ok = check(&config, argc, argv, &text);
    if (ok) {
        sw_config_describe(&config, &text);
        printf("ok\n%s", sw_buf_text(&text));
    } else {
        fprintf(stderr, "spillway check: %s", sw_buf_text(&text));
    }
    sw_buf_deinit(&text);
    sw_config_deinit(&config);
    return ok ? 0 : 2;
}

// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "node/config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* NULL: not listed */
};

static const struct command commands[] = {
    {"serve", sw_cli_serve, "run a node (the default)"},
    {"pub", sw_cli_pub, "publish messages through a node's admin listener"},
    {"sub", sw_cli_sub, "subscribe to topics and print what comes"},
    {"check", sw_cli_check, "check a configuration"},
    {"docs", sw_cli_docs, NULL},
    {NULL, NULL, NULL},
};

static int help(void)
{
    printf(
        "spillway %s: a real-time pub/sub fan-out gateway\n\nusage: spillway [command] [flags]\n\n",
        SW_VERSION);
    for (const struct command *command = commands; command->name; command++) {
        if (command->help) {
            printf("    %-8s %s\n", command->name, command->help);
        }
    }
    struct sw_buf flags = {0};
    sw_config_help(&flags);
    printf("\nspillway COMMAND --help says more. Flags of serve:\n\n%s", sw_buf_text(&flags));
    sw_buf_deinit(&flags);
    return 0;
}

static int unknown(const char *word)
{
    const char *names[sizeof(commands) / sizeof(commands[0])] = {0};
    for (size_t i = 0; commands[i].name; i++) {
        names[i] = commands[i].help ? commands[i].name : "";
    }
    const char *nearest = sw_config_nearest(word, names);
    fprintf(stderr, "spillway: unknown command \"%s\"%s%s%s\n", word,
            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return 2;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0) {
        printf("spillway %s\n", SW_VERSION);
        return 0;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        return help();
    }
    if (!word[0] || word[0] == '-') {
        return sw_cli_serve(argc - 1, argv + 1);
    }
    for (const struct command *command = commands; command->name; command++) {
        if (strcmp(command->name, word) == 0) {
            return command->run(argc - 2, argv + 2);
        }
    }
    return unknown(word);
}

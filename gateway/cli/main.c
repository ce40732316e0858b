// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "common/mem.h"
#include "node/config.h"
#include "node/version.h"

#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* NULL: not listed */
};

static int version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("spillway %s\n", sw_version);
    return 0;
}

static int help(int argc, char **argv);

static const struct command commands[] = {
    {"serve", sw_cli_serve, "run a node (the default)"},
    {"pub", sw_cli_pub, "publish messages through a node's admin listener"},
    {"sub", sw_cli_sub, "subscribe to topics and print what comes"},
    {"token", sw_cli_token, "make a token, for trying out"},
    {"drain", sw_cli_drain, "ask a node to leave, and wait until it has"},
    {"health", sw_cli_health, "ask a node whether it is well, for probes"},
    {"check", sw_cli_check, "check a configuration"},
    {"version", version, "print the version"},
    {"help", help, "print this"},
    {"docs", sw_cli_docs, NULL},
    {"--version", version, NULL},
    {"-V", version, NULL},
    {"--help", help, NULL},
    {"-h", help, NULL},
};

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < SW_ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct sw_buf flags = {0};
    sw_config_help(&flags);
    printf("spillway %s: a real-time pub/sub fan-out gateway\n\n"
           "usage: spillway [COMMAND] [ARGUMENTS]      (spillway COMMAND --help says more)\n\n",
           sw_version);
    for (size_t i = 0; i < SW_ARRAY_SIZE(commands); i++) {
        if (commands[i].help) {
            printf("  %-8s %s\n", commands[i].name, commands[i].help);
        }
    }
    printf("\nflags of serve:\n\n%s", sw_buf_text(&flags));
    sw_buf_deinit(&flags);
    return 0;
}

static int unknown(const char *word)
{
    const char *names[SW_ARRAY_SIZE(commands) + 1] = {0};
    size_t count = 0;
    for (size_t i = 0; i < SW_ARRAY_SIZE(commands); i++) {
        if (commands[i].help) {
            names[count++] = commands[i].name;
        }
    }
    const char *nearest = sw_config_nearest(word, names);
    fprintf(stderr, "spillway: unknown command \"%s\"%s%s%s\n", word,
            nearest ? "; did you mean \"" : "; spillway --help lists what there is",
            nearest ? nearest : "", nearest ? "\"?" : "");
    return 2;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return sw_cli_serve(0, argv + argc);
    }
    const struct command *command = find(argv[1]);
    if (command) {
        return command->run(argc - 2, argv + 2);
    }
    return argv[1][0] == '-' ? sw_cli_serve(argc - 1, argv + 1) : unknown(argv[1]);
}

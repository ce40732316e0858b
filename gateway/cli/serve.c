// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "node/node.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int help(void)
{
    struct sw_buf flags = {0};
    sw_config_help(&flags);
    printf("usage: spillway [serve] [flags]\n\n"
           "Runs a node until SIGTERM or SIGINT, which drain it; a second one ends it at once.\n"
           "Each flag may also stand in the environment (SPILLWAY_NAME) or, as \"name\" with _,\n"
           "in the JSON file of --config; the flag is the strongest.\n\n%s",
           sw_buf_text(&flags));
    sw_buf_deinit(&flags);
    return 0;
}

int sw_cli_serve(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return help();
        }
    }
    struct sw_config config;
    struct sw_buf error = {0};
    sw_config_init(&config);
    int code = 2;
    if (sw_config_load(&config, argc, argv, environ, &error)) {
        code = sw_node_run(&config);
    } else {
        fprintf(stderr, "spillway: %s", sw_buf_text(&error));
    }
    sw_buf_deinit(&error);
    sw_config_deinit(&config);
    return code;
}

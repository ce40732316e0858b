// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "node/node.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int help(void)
{
    struct sw_buf out = {0};
    sw_config_help(&out);
    printf("usage: spillway [serve] [flags]\n\nRuns a node. Each flag may also stand in the "
           "environment (SPILLWAY_NAME) or in the file of --config.\n\n%s",
           sw_buf_text(&out));
    sw_buf_deinit(&out);
    return 0;
}

int sw_cli_serve(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
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

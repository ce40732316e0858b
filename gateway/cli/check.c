// SPDX-License-Identifier: Apache-2.0
#include "bus/bus.h"
#include "cli/cli.h"
#include "node/config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void say(const struct sw_config *config)
{
    struct sw_buf bus = {0};
    sw_bus_url_public(config->bus, &bus);
    printf("ok: listens on");
    for (char **text = config->listen; *text; text++) {
        printf(" %s", *text);
    }
    printf(", admin on %s, bus %s\n", config->admin_listen, sw_buf_text(&bus));
    sw_buf_deinit(&bus);
}

int sw_cli_check(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            printf("usage: spillway check --config FILE [flags of serve]\n\n"
                   "Says whether a node would start with this configuration: exit 0 or 2.\n");
            return 0;
        }
        if (strcmp(argv[i], "--connect") == 0 || strncmp(argv[i], "--topic", 8) == 0) {
            fprintf(stderr, "spillway check: %s is not supported by this version\n", argv[i]);
            return 2;
        }
    }
    struct sw_config config;
    struct sw_buf error = {0};
    sw_config_init(&config);
    bool ok = sw_config_load(&config, argc, argv, environ, &error);
    if (ok && !config.config[0]) {
        sw_buf_append_slice(&error, SW_SLICE("--config FILE is missing\n"));
        ok = false;
    }
    if (ok) {
        say(&config);
    } else {
        fprintf(stderr, "spillway check: %s", sw_buf_text(&error));
    }
    sw_buf_deinit(&error);
    sw_config_deinit(&config);
    return ok ? 0 : 2;
}

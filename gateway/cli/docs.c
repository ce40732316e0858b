// SPDX-License-Identifier: Apache-2.0
/* Prints the generated pages, from the tables they are generated from. */
#include "api/metrics.h"
#include "cli/cli.h"
#include "node/config.h"

#include <stdio.h>
#include <string.h>

int sw_cli_docs(int argc, char **argv)
{
    struct sw_buf out = {0};
    if (argc == 1 && strcmp(argv[0], "config") == 0) {
        sw_config_docs(&out);
    } else if (argc == 1 && strcmp(argv[0], "metrics") == 0) {
        sw_metrics_docs(&out);
    } else {
        fprintf(stderr, "usage: spillway docs config|metrics\n");
        return 2;
    }
    fwrite(out.data, 1, out.size, stdout);
    sw_buf_deinit(&out);
    return 0;
}

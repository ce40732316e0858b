// SPDX-License-Identifier: Apache-2.0
/* The flags of the small subcommands: one table for parsing and for --help. (Those of `serve` are
 * node/config.def.) */
#ifndef SW_CLI_OPTIONS_H
#define SW_CLI_OPTIONS_H

#include "common/buf.h"

/* How often a flag may stand that may be repeated. */
#define SW_OPTION_REPEATS 64

/* A row has a `value` or is `on`; with neither it belongs to a later version. Where its form ends
 * with "..." the flag may be repeated, and `value` is the first of SW_OPTION_REPEATS + 1 pointers,
 * of which a NULL is behind the last. The table ends with a row without a name. */
struct sw_option {
    const char *name; /* "--url" */
    const char *form; /* of its value: "URL", "TOPIC..." */
    const char *help;
    const char **value;
    bool *on;
};

/* Takes the flags out of argv, wherever they stand up to "--", and leaves the *argc other words at
 * its front. --name VALUE and --name=VALUE; -h is --help. False: `error` has one line with the
 * nearest valid name. */
bool sw_options_parse(const struct sw_option *options, int *argc, char **argv,
                      struct sw_buf *error);
/* The table, a line each. */
void sw_options_help(const struct sw_option *options, struct sw_buf *out);

#endif

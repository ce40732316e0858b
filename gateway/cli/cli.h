// SPDX-License-Identifier: Apache-2.0
/* The subcommands. Each gets the arguments behind its name and returns the exit code: 0, 2 for a
 * wrong command line or configuration, 1 for everything else. */
#ifndef SW_CLI_CLI_H
#define SW_CLI_CLI_H

int sw_cli_serve(int argc, char **argv);
int sw_cli_pub(int argc, char **argv);
int sw_cli_sub(int argc, char **argv);
int sw_cli_token(int argc, char **argv);
int sw_cli_drain(int argc, char **argv);
int sw_cli_health(int argc, char **argv);
int sw_cli_check(int argc, char **argv);
int sw_cli_docs(int argc, char **argv);

#endif

// SPDX-License-Identifier: Apache-2.0
/* An attempt to load a configuration, and what came of it. */
#ifndef SW_UNIT_NODE_ATTEMPT_H
#define SW_UNIT_NODE_ATTEMPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/mem.h"
#include "node/config.h"

#define WORDS 16

/* One attempt to load: what stands in the file, the environment and on the command line. */
struct attempt {
    const char *file; /* NULL: none; else it is named by --config */
    char *environment[WORDS];
    char *flags[WORDS];
};

struct outcome {
    struct sw_config config;
    struct sw_buf error;
    bool ok;
};

static char config_flag[] = "--config";
static char file_path[64];

static inline void write_file(const char *text)
{
    FILE *file = fopen(file_path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline void load(struct outcome *outcome, const struct attempt *attempt)
{
    char *argv[WORDS + 2];
    int argc = 0;
    *outcome = (struct outcome){0};
    sw_config_init(&outcome->config);
    if (attempt->file) {
        write_file(attempt->file);
        argv[argc++] = config_flag;
        argv[argc++] = file_path;
    }
    for (int i = 0; attempt->flags[i]; i++) {
        argv[argc++] = attempt->flags[i];
    }
    outcome->ok =
        sw_config_load(&outcome->config, argc, argv, attempt->environment, &outcome->error);
    assert_int_equal(outcome->ok, outcome->error.size == 0);
}

static inline void forget(struct outcome *outcome)
{
    sw_config_deinit(&outcome->config);
    sw_buf_deinit(&outcome->error);
}

/* Loads and expects success; the caller forgets it. */
static inline void accept_it(struct outcome *outcome, const struct attempt *attempt)
{
    load(outcome, attempt);
    if (!outcome->ok) {
        fail_msg("refused: %s", sw_buf_text(&outcome->error));
    }
}

/* Loads and expects a refusal: one line with these words in it. */
static inline void refuse(const struct attempt *attempt, const char *words)
{
    struct outcome outcome;
    load(&outcome, attempt);
    const char *said = sw_buf_text(&outcome.error);
    if (outcome.ok || !strstr(said, words)) {
        fail_msg("\"%s\" expected, said \"%s\"", words, said);
    }
    assert_ptr_equal(strchr(said, '\n'), said + outcome.error.size - 1);
    forget(&outcome);
}

#define ATTEMPT(...)     (&(struct attempt){__VA_ARGS__})
#define ENVIRONMENT(...) .environment = {__VA_ARGS__}
#define FLAGS(...)       .flags = {__VA_ARGS__}

static inline int make_file(void **state)
{
    (void)state;
    snprintf(file_path, sizeof(file_path), "/tmp/spillway-config-XXXXXX");
    int fd = mkstemp(file_path);
    return fd < 0 ? -1 : close(fd);
}

static inline int remove_file(void **state)
{
    (void)state;
    return unlink(file_path);
}

#endif

// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include "common/assert.h"
#include "node/config.h"

#include <string.h>

#define MAX_OPTIONS 16
#define NAME_BYTES  64
#define HELP_COLUMN 22u

static const struct sw_option *find(const struct sw_option *options, const char *name)
{
    for (; options->name; options++) {
        if (strcmp(options->name, name) == 0) {
            return options;
        }
    }
    return NULL;
}

static bool fail_unknown(const struct sw_option *options, const char *name, struct sw_buf *error)
{
    const char *names[MAX_OPTIONS + 1] = {0};
    size_t count = 0;
    for (; options->name; options++) {
        SW_ASSERT(count < MAX_OPTIONS);
        if (options->value || options->on) {
            names[count++] = options->name;
        }
    }
    const char *nearest = sw_config_nearest(name, names);
    sw_buf_printf(error, "unknown flag %s", name);
    if (nearest) {
        sw_buf_printf(error, "; did you mean %s?", nearest);
    }
    sw_buf_append_byte(error, '\n');
    return false;
}

static bool is_repeatable(const struct sw_option *option)
{
    size_t size = strlen(option->form);
    return size > 3 && strcmp(option->form + size - 3, "...") == 0;
}

static bool set(const struct sw_option *option, const char *value, struct sw_buf *error)
{
    const char **place = option->value;
    if (is_repeatable(option)) {
        while (*place) {
            place++;
        }
        if (place == option->value + SW_OPTION_REPEATS) {
            sw_buf_printf(error, "%s stands more than %d times\n", option->name, SW_OPTION_REPEATS);
            return false;
        }
    }
    *place = value;
    return true;
}

/* Takes argv[*at], and the word behind it where its value stands there. */
static bool take(const struct sw_option *options, int argc, char **argv, int *at,
                 struct sw_buf *error)
{
    char name[NAME_BYTES];
    const char *word = strcmp(argv[*at], "-h") == 0 ? "--help" : argv[*at];
    size_t size = strcspn(word, "=");
    const char *value = word[size] ? word + size + 1 : NULL;
    size = size < sizeof(name) ? size : sizeof(name) - 1;
    memcpy(name, word, size);
    name[size] = 0;
    const struct sw_option *option = find(options, name);
    if (!option) {
        return fail_unknown(options, name, error);
    }
    if (option->on && !value) {
        *option->on = true;
        return true;
    }
    if (!option->value) {
        sw_buf_printf(error,
                      option->on ? "%s takes no value\n" : "%s is not supported by this version\n",
                      name);
        return false;
    }
    if (!value && *at + 1 < argc) {
        value = argv[++*at];
    }
    if (!value || !value[0]) {
        sw_buf_printf(error, "%s needs a value: %s\n", name, option->form);
        return false;
    }
    return set(option, value, error);
}

bool sw_options_parse(const struct sw_option *options, int *argc, char **argv, struct sw_buf *error)
{
    int words = 0;
    bool flags = true;
    for (int at = 0; at < *argc; at++) {
        if (flags && strcmp(argv[at], "--") == 0) {
            flags = false;
        } else if (flags && (strncmp(argv[at], "--", 2) == 0 || strcmp(argv[at], "-h") == 0)) {
            if (!take(options, *argc, argv, &at, error)) {
                return false;
            }
        } else {
            argv[words++] = argv[at];
        }
    }
    *argc = words;
    return true;
}

static size_t flag_width(const struct sw_option *option)
{
    return 3 + strlen(option->name) + (option->form ? strlen(option->form) : 0);
}

/* Where the words begin: behind the widest flag. */
static size_t help_column(const struct sw_option *options)
{
    size_t column = HELP_COLUMN;
    for (; options->name; options++) {
        size_t end = flag_width(options) + 2;
        column = options->help && end > column ? end : column;
    }
    return column;
}

void sw_options_help(const struct sw_option *options, struct sw_buf *out)
{
    size_t column = help_column(options);
    for (; options->name; options++) {
        if (options->help) {
            size_t start = out->size;
            sw_buf_printf(out, "  %s%s%s", options->name, options->form ? " " : "",
                          options->form ? options->form : "");
            sw_buf_printf(out, "%*s%s\n", (int)(start + column - out->size), "", options->help);
        }
    }
}

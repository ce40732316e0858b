// SPDX-License-Identifier: Apache-2.0
/* Topics and patterns. The input is a separator and up to three names, a line each; covering is
 * checked against matching. */
#include "fuzz.h"

#include "core/limits.h"
#include "core/topic.h"

#define NAMES 3

static enum sw_topic_kind kind_of(struct sw_slice name, char separator)
{
    const char *why = NULL;
    enum sw_topic_kind kind = sw_topic_kind(name, separator, &why);
    FUZZ_CHECK(kind == sw_topic_kind(name, separator, NULL));
    FUZZ_CHECK((kind == SW_TOPIC_BAD) == (why != NULL));
    if (kind != SW_TOPIC_BAD) {
        FUZZ_CHECK(name.size >= 1 && name.size <= SW_TOPIC_BYTES);
        FUZZ_CHECK(sw_topic_is_grantable(name, separator));
        FUZZ_CHECK(sw_topic_covers(name, name, separator));
    }
    if (sw_topic_is_token(name, separator)) {
        FUZZ_CHECK(sw_slice_find(name, separator) == name.size);
        FUZZ_CHECK(sw_slice_find(name, '>') == name.size && sw_slice_find(name, '*') == name.size);
    }
    return kind;
}

/* What a pattern covers, it matches; and what covers the pattern, matches too. */
static void check_pair(const struct sw_slice *names, const enum sw_topic_kind *kinds,
                       char separator)
{
    for (size_t p = 0; p < NAMES; p++) {
        for (size_t t = 0; t < NAMES; t++) {
            if (kinds[p] == SW_TOPIC_BAD || kinds[t] != SW_TOPIC_CONCRETE) {
                continue;
            }
            bool match = sw_topic_match(names[p], names[t], separator);
            FUZZ_CHECK(match == sw_topic_covers(names[p], names[t], separator));
            FUZZ_CHECK(kinds[p] != SW_TOPIC_CONCRETE ||
                       match == sw_slice_equal(names[p], names[t]));
        }
    }
}

/* Covering is transitive. */
static void check_three(const struct sw_slice *names, char separator)
{
    if (sw_topic_covers(names[0], names[1], separator) &&
        sw_topic_covers(names[1], names[2], separator)) {
        FUZZ_CHECK(sw_topic_covers(names[0], names[2], separator));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char separators[] = ".:/";
    struct sw_slice names[NAMES];
    enum sw_topic_kind kinds[NAMES];
    bool all = true;
    if (size == 0) {
        return 0;
    }
    char separator = separators[data[0] % 3];
    char *copy = fuzz_copy(fuzz_input(data + 1, size - 1));
    struct sw_slice rest = sw_slice(copy, size - 1);
    for (size_t i = 0; i < NAMES; i++) {
        names[i] = sw_slice_split(&rest, '\n');
        kinds[i] = kind_of(names[i], separator);
        all = all && kinds[i] != SW_TOPIC_BAD;
    }
    check_pair(names, kinds, separator);
    if (all) {
        check_three(names, separator);
    }
    free(copy);
    return 0;
}

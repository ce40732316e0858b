// SPDX-License-Identifier: Apache-2.0
#include "bus/wire.h"

#include <string.h>

static void put_literal(struct sw_buf *out, struct sw_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\0' && strchr("*?[]^\\-", text.data[i])) {
            sw_buf_append_byte(out, '\\');
        }
        sw_buf_append_byte(out, text.data[i]);
    }
}

/* "a.*" becomes a.[^.]* and "a.>" becomes a.* */
static void put_glob(struct sw_buf *out, struct sw_slice pattern, char separator)
{
    struct sw_slice rest = pattern;
    while (rest.data) {
        struct sw_slice token = sw_slice_split(&rest, separator);
        if (sw_slice_equal(token, SW_SLICE("*"))) {
            sw_buf_printf(out, "[^%c]*", separator);
        } else if (sw_slice_equal(token, SW_SLICE(">"))) {
            sw_buf_append_byte(out, '*');
        } else {
            put_literal(out, token);
        }
        if (rest.data) {
            sw_buf_append_byte(out, separator);
        }
    }
}

void sw_wire_put(struct sw_buf *out, struct sw_slice prefix, struct sw_slice name, bool pattern,
                 char separator)
{
    if (pattern) {
        put_literal(out, prefix);
        put_glob(out, name, separator);
    } else {
        sw_buf_append_slice(out, prefix);
        sw_buf_append_slice(out, name);
    }
}

// SPDX-License-Identifier: Apache-2.0
/* What stands in a URL. */
#include "http/parser.h"

bool sw_query_next(struct sw_slice *rest, struct sw_slice *name, struct sw_slice *value)
{
    while (rest->data && rest->size > 0) {
        struct sw_slice pair = sw_slice_split(rest, '&');
        if (pair.size == 0) {
            continue;
        }
        *name = sw_slice_split(&pair, '=');
        *value = pair.data ? pair : sw_slice("", 0);
        return true;
    }
    return false;
}

int sw_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool sw_percent_decode(struct sw_buf *out, struct sw_slice text, bool plus)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.size ? sw_hex_digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? sw_hex_digit(text.data[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == 0) {
            return false;
        }
        sw_buf_append_byte(out, c);
    }
    return true;
}

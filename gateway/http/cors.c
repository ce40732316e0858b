// SPDX-License-Identifier: Apache-2.0
#include "http/cors.h"

#include "http/origin.h"

#include <stdio.h>

void sw_cors_append(struct sw_buf *out, char *const *origins, struct sw_slice origin)
{
    if (!origins || !origins[0]) {
        sw_buf_append_slice(out, SW_SLICE("Access-Control-Allow-Origin: *\r\n"));
        return;
    }
    if (origin.data && sw_origin_allowed(origins, origin)) {
        sw_buf_printf(out, "Access-Control-Allow-Origin: %.*s\r\n", SW_SLICE_ARG(origin));
    }
    sw_buf_append_slice(out, SW_SLICE("Vary: Origin\r\n"));
}

const char *sw_methods_text(unsigned methods, char out[SW_METHODS_TEXT])
{
    int size = snprintf(out, SW_METHODS_TEXT, "%s%s%s%s", methods & SW_GET ? "GET, " : "",
                        methods & SW_HEAD ? "HEAD, " : "", methods & SW_POST ? "POST, " : "",
                        methods & SW_OPTIONS ? "OPTIONS, " : "");
    if (size >= 2) {
        out[size - 2] = 0;
    }
    return out;
}

void sw_cors_append_preflight(struct sw_buf *out, unsigned methods)
{
    char text[SW_METHODS_TEXT];
    sw_buf_printf(out,
                  "Access-Control-Allow-Methods: %s\r\n"
                  "Access-Control-Allow-Headers: Authorization, Content-Type, Last-Event-ID\r\n"
                  "Access-Control-Max-Age: 86400\r\n",
                  sw_methods_text(methods, text));
}

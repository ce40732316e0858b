// SPDX-License-Identifier: Apache-2.0
#include "http/reply.h"

#include "common/json.h"
#include "common/mem.h"

#include <stdio.h>

static const char *status_words(unsigned status)
{
    static const struct {
        unsigned status;
        const char *words;
    } rows[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        if (rows[i].status == status) {
            return rows[i].words;
        }
    }
    return "Unknown";
}

void sw_reply_append(struct sw_buf *out, const struct sw_reply *reply)
{
    sw_buf_printf(out, "HTTP/1.1 %u %s\r\n", reply->status, status_words(reply->status));
    if (reply->type) {
        sw_buf_printf(out, "Content-Type: %s\r\n", reply->type);
    }
    if (reply->status != 204 && reply->status != 304 && !reply->endless) {
        sw_buf_printf(out, "Content-Length: %zu\r\n", reply->body.size);
    }
    if (reply->close) {
        sw_buf_append_slice(out, SW_SLICE("Connection: close\r\n"));
    } else if (reply->keep_alive) {
        sw_buf_append_slice(out, SW_SLICE("Connection: keep-alive\r\n"));
    }
    for (size_t i = 0; i < SW_ARRAY_SIZE(reply->headers); i++) {
        sw_buf_append_slice(out, sw_slice_of(reply->headers[i]));
    }
    sw_buf_append_slice(out, SW_SLICE("\r\n"));
    if (!reply->bodyless && reply->status != 204 && reply->status != 304) {
        sw_buf_append_slice(out, reply->body);
    }
}

void sw_http_append_error(struct sw_buf *out, enum sw_error error, const char *message,
                          unsigned retry_ms, const char *outcome)
{
    const struct sw_error_row *row = sw_error_row(error);
    sw_buf_printf(out, "{\"code\":\"%s\",\"message\":", row->code);
    sw_json_append_string(out, sw_slice_of(message ? message : row->message));
    sw_buf_printf(out, ",\"retry\":%s", row->retry ? "true" : "false");
    if (retry_ms) {
        sw_buf_printf(out, ",\"retry_ms\":%u", retry_ms);
    }
    if (outcome) {
        sw_buf_append_slice(out, SW_SLICE(",\"outcome\":"));
        sw_json_append_string(out, sw_slice_of(outcome));
    }
    sw_buf_append_byte(out, '}');
}

static void append_body(struct sw_buf *out, enum sw_error error, const char *message,
                        unsigned retry_ms, const char *outcome)
{
    sw_buf_append_slice(out, SW_SLICE("{\"error\":"));
    sw_http_append_error(out, error, message, retry_ms, outcome);
    sw_buf_append_slice(out, SW_SLICE("}\n"));
}

void sw_http_reply_error(struct sw_http *http, enum sw_error error, const char *message,
                         unsigned retry_ms, const char *outcome)
{
    struct sw_buf body = {0};
    append_body(&body, error, message, retry_ms, outcome);
    char headers[48] = "";
    unsigned status = sw_error_row(error)->status;
    if (retry_ms) {
        snprintf(headers, sizeof(headers), "Retry-After: %u\r\n", (retry_ms - 1) / 1000 + 1);
    } else if (status == 401) { /* which must say how one authenticates (RFC 9110, 15.5.2) */
        snprintf(headers, sizeof(headers), "WWW-Authenticate: Bearer\r\n");
    }
    sw_http_reply(http, status, "application/json", sw_buf_slice(&body), headers);
    sw_buf_deinit(&body);
}

void sw_http_reply_refusal(struct sw_http *http, unsigned status, enum sw_error error,
                           const char *message, const char *headers)
{
    struct sw_buf body = {0};
    append_body(&body, error, message, 0, NULL);
    sw_http_reply(http, status, "application/json", sw_buf_slice(&body), headers);
    sw_buf_deinit(&body);
}

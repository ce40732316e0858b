// SPDX-License-Identifier: Apache-2.0
#include "api/assets.h"

#include "web/assets.h"

#define POLICY                                                                                     \
    "Content-Security-Policy: default-src 'self'; connect-src 'self' ws: wss:; "                   \
    "img-src 'self' data:; frame-ancestors 'none'\r\n"                                             \
    "X-Content-Type-Options: nosniff\r\n"
/* The client belongs to pages of other origins, also to those that embed only what allows it. That
 * it is five minutes old does no harm: the protocol changes by addition. */
#define SHARED "Cross-Origin-Resource-Policy: cross-origin\r\nCache-Control: max-age=300\r\n"

static const struct sw_asset *find(struct sw_slice path, bool demo)
{
    for (size_t i = 0; i < sw_asset_count; i++) {
        const struct sw_asset *asset = &sw_assets[i];
        if (sw_slice_equal(path, sw_slice_of(asset->path)) && (demo || !asset->demo)) {
            return asset;
        }
    }
    return NULL;
}

void sw_api_asset(struct sw_http *http, const struct sw_request *request, bool demo)
{
    const struct sw_asset *asset = find(request->path, demo);
    if (!asset) {
        sw_http_reply_error(http, SW_ERROR_NOT_FOUND, NULL, 0, NULL);
        return;
    }
    if (request->method != SW_GET && request->method != SW_HEAD) {
        struct sw_buf body = {0};
        sw_buf_append_slice(&body, SW_SLICE("{\"error\":"));
        sw_http_append_error(&body, SW_ERROR_BAD_METHOD, NULL, 0, NULL);
        sw_buf_append_byte(&body, '}');
        sw_http_reply(http, 405, "application/json", sw_buf_slice(&body), "Allow: GET, HEAD\r\n");
        sw_buf_deinit(&body);
        return;
    }
    struct sw_buf headers = {0};
    sw_buf_printf(&headers, "ETag: %s\r\n%s" POLICY, asset->etag,
                  asset->demo ? "Cache-Control: no-cache\r\n" : SHARED);
    if (sw_slice_equal(sw_request_header(request, "If-None-Match"), sw_slice_of(asset->etag))) {
        sw_http_reply(http, 304, NULL, sw_slice("", 0), sw_buf_text(&headers));
    } else {
        sw_http_reply(http, 200, asset->type, sw_slice((const char *)asset->data, asset->size),
                      sw_buf_text(&headers));
    }
    sw_buf_deinit(&headers);
}

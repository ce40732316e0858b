// SPDX-License-Identifier: Apache-2.0
/* Sec-WebSocket-Extensions: what is taken was offered, and what is answered is an offer that would
 * be taken again. */
#include "fuzz.h"

#include "transport/ws_extensions.h"

static struct sw_ws_extensions choose(struct sw_slice value, bool narrow)
{
    struct sw_request request = {.header_count = 1};
    request.headers[0] = (struct sw_header){SW_SLICE("Sec-WebSocket-Extensions"), value};
    return sw_ws_extensions_choose(&request, narrow);
}

static void check_answer(const struct sw_ws_extensions *chosen)
{
    struct sw_buf answer = {0};
    sw_ws_extensions_append(chosen, &answer);
    struct sw_slice value = sw_buf_slice(&answer);
    (void)sw_slice_split(&value, ':');
    value.size -= 2; /* CR LF */
    struct sw_ws_extensions again = choose(sw_slice_trim(value), true);
    FUZZ_CHECK(again.deflate && again.server_window == chosen->server_window);
    sw_buf_deinit(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(fuzz_input(data, size));
    struct sw_ws_extensions wide = choose(sw_slice(copy, size), false);
    struct sw_ws_extensions any = choose(sw_slice(copy, size), true);
    FUZZ_CHECK(any.deflate || !wide.deflate);
    FUZZ_CHECK(!wide.deflate || !sw_ws_extensions_narrow(&wide));
    if (any.deflate) {
        FUZZ_CHECK(any.server_window == 0 || (any.server_window >= 8 && any.server_window <= 15));
        check_answer(&any);
    }
    free(copy);
    return 0;
}

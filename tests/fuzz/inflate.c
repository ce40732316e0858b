// SPDX-License-Identifier: Apache-2.0
/* The payload of a compressed message: never larger than it may be, the same again, and what is
 * packed is read as it was. */
#include "fuzz.h"

#include "transport/ws_deflate.h"
#include "transport/ws_extensions.h"

#define MAX_BYTES 5000

static void check_inflate(struct sw_ws_deflate *streams, struct sw_slice payload)
{
    struct sw_slice text;
    struct sw_slice again;
    struct sw_buf first = {0};
    enum sw_ws_inflated done = sw_ws_inflate(streams, payload, MAX_BYTES, &text);
    FUZZ_CHECK(text.size <= MAX_BYTES + (done != SW_WS_INFLATED)); /* the byte too many shows */
    sw_buf_append_slice(&first, text);
    FUZZ_CHECK(sw_ws_inflate(streams, payload, MAX_BYTES, &again) == done);
    FUZZ_CHECK(sw_slice_equal(sw_buf_slice(&first), again));
    if (done == SW_WS_INFLATED && first.size > 0) {
        /* Room for one byte less is too little, and no more than that was made of it. */
        FUZZ_CHECK(sw_ws_inflate(streams, payload, first.size - 1, &text) == SW_WS_INFLATE_TOO_BIG);
        FUZZ_CHECK(text.size <= first.size);
    }
    sw_buf_deinit(&first);
}

static void check_round_trip(struct sw_ws_deflate *streams, struct sw_slice text, size_t head,
                             enum sw_ws_window window)
{
    struct sw_buf whole = {0};
    struct sw_slice seen;
    if (head > 0) {
        sw_ws_deflate_store(&whole, sw_slice(text.data, head));
    }
    sw_buf_append_slice(
        &whole, sw_ws_deflate(streams, sw_slice(text.data + head, text.size - head), window));
    struct sw_slice packed = sw_buf_slice(&whole);
    if (head > 0) {
        FUZZ_CHECK(sw_slice_equal(sw_ws_deflate_head(packed), sw_slice(text.data, head)));
    }
    FUZZ_CHECK(sw_ws_inflate(streams, packed, text.size, &seen) == SW_WS_INFLATED);
    FUZZ_CHECK(sw_slice_equal(seen, text));
    sw_buf_deinit(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(fuzz_input(data, size));
    struct sw_slice bytes = sw_slice(copy, size);
    struct sw_ws_deflate *streams = sw_ws_deflate_create();
    check_inflate(streams, bytes);
    check_round_trip(streams, bytes, 0, SW_WS_DEFLATE_WIDE);
    if (size > 0) {
        check_round_trip(streams, bytes, data[0] % size, SW_WS_DEFLATE_NARROW);
    }
    check_inflate(streams, bytes); /* it remembers nothing */
    sw_ws_deflate_destroy(&streams);
    free(copy);
    return 0;
}

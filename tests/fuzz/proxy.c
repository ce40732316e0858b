// SPDX-License-Identifier: Apache-2.0
/* A PROXY header in front of a client's bytes: the same however they are cut, and not one byte of
 * the client's is taken. */
#include "fuzz.h"

#include "net/proxy_header.h"

static void read_stream(struct sw_slice stream, size_t first, size_t step, struct sw_buf *log)
{
    struct sw_proxy_header header = {0};
    enum sw_proxy_step outcome = SW_PROXY_MORE;
    size_t total = 0;
    for (size_t at = 0, size = first; outcome == SW_PROXY_MORE && at < stream.size;
         at += size, size = step) {
        size_t taken = 0;
        size = size < stream.size - at ? size : stream.size - at;
        char *piece = fuzz_copy(sw_slice(stream.data + at, size));
        outcome = sw_proxy_header_take(&header, sw_slice(piece, size), &taken);
        FUZZ_CHECK(taken <= size && (outcome != SW_PROXY_MORE || taken == size));
        FUZZ_CHECK((outcome == SW_PROXY_BAD) == (header.why != NULL));
        total += taken;
        free(piece);
    }
    FUZZ_CHECK(header.size == total && total <= SW_PROXY_HEADER_BYTES);
    sw_buf_printf(log, "%d %s", (int)outcome, header.why ? header.why : "");
    if (outcome == SW_PROXY_DONE) {
        char text[SW_ADDRESS_TEXT];
        sw_buf_printf(log, " %zu bytes, %s", total,
                      header.named ? sw_peer_text(&header.client, text) : "nobody");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_cut_everywhere(read_stream, fuzz_input(data, size));
    return 0;
}

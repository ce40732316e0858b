// SPDX-License-Identifier: Apache-2.0
/* The wrapper around a payload: what is read of one says the same when it is written again, and no
 * payload can pass for a wrapper. */
#include "fuzz.h"

#include "bus/envelope.h"
#include "core/limits.h"

static void check_same(const struct sw_envelope *a, const struct sw_envelope *b)
{
    FUZZ_CHECK(sw_slice_equal(a->payload, b->payload));
    FUZZ_CHECK(sw_slice_equal(a->key, b->key));
    FUZZ_CHECK(sw_slice_equal(a->id, b->id));
    FUZZ_CHECK(sw_slice_equal(a->epoch, b->epoch));
    FUZZ_CHECK(a->offset == b->offset && a->time_ms == b->time_ms);
}

/* Opened, written, opened. */
static void check_read(struct sw_slice raw)
{
    struct sw_envelope opened = sw_envelope_open(raw);
    FUZZ_CHECK(fuzz_lies_in(opened.payload, raw));
    FUZZ_CHECK(opened.payload.size == raw.size ||
               opened.payload.data + opened.payload.size == raw.data + raw.size);
    FUZZ_CHECK(opened.key.size == 0 || sw_envelope_key_valid(opened.key));
    FUZZ_CHECK(opened.id.size == 0 || sw_envelope_key_valid(opened.id));
    if (opened.payload.size == raw.size) {
        return; /* no wrapper */
    }
    struct sw_buf written = {0};
    sw_envelope_write(&written, &opened);
    sw_buf_append_slice(&written, opened.payload);
    struct sw_envelope again = sw_envelope_open(sw_buf_slice(&written));
    check_same(&opened, &again);
    sw_buf_deinit(&written);
}

/* Wrapped where it must be, opened: the input's first line is the key, the rest the payload. */
static void check_written(struct sw_slice raw)
{
    struct sw_slice payload = raw;
    struct sw_slice key = sw_slice_split(&payload, '\n');
    struct sw_buf wire = {0};
    if (!payload.data) {
        payload = sw_slice("", 0);
    }
    if (!sw_envelope_key_valid(key)) {
        key = sw_slice("", 0);
    }
    bool wrapped = sw_envelope_needed(key, payload);
    if (wrapped) {
        sw_envelope_write_head(&wire, key);
    }
    sw_buf_append_slice(&wire, payload);
    struct sw_envelope opened = sw_envelope_open(sw_buf_slice(&wire));
    FUZZ_CHECK(sw_slice_equal(opened.payload, payload));
    FUZZ_CHECK(sw_slice_equal(opened.key, key));
    FUZZ_CHECK(wrapped || key.size == 0);
    sw_buf_deinit(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(fuzz_input(data, size));
    check_read(sw_slice(copy, size));
    check_written(sw_slice(copy, size));
    free(copy);
    return 0;
}

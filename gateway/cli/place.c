// SPDX-License-Identifier: Apache-2.0
#include "cli/place.h"

#include <string.h>

struct sw_place *sw_place_find(struct sw_place *places, size_t count, struct sw_slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (sw_slice_equal(sw_slice_of(places[i].name), name)) {
            return &places[i];
        }
    }
    return NULL;
}

bool sw_place_start(struct sw_place *places, size_t count, const char *text)
{
    const char *at = strrchr(text, '@');
    struct sw_position position;
    if (!at || !sw_position_parse(sw_slice_of(at + 1), &position)) {
        return false;
    }
    struct sw_place *place = sw_place_find(places, count, sw_slice(text, (size_t)(at - text)));
    if (place) {
        place->positioned = true;
        place->position = position;
    }
    return place != NULL;
}

void sw_place_append_claim(const struct sw_place *place, const char *last, struct sw_buf *out)
{
    if (place->positioned) {
        sw_buf_append_slice(out, SW_SLICE(",\"from\":{"));
        sw_position_write_members(out, &place->position);
        sw_buf_append_byte(out, '}');
    } else if (last) {
        sw_buf_printf(out, ",\"last\":%s", last);
    }
}

void sw_place_move(struct sw_place *place, struct sw_json_value epoch, struct sw_json_value offset)
{
    if (epoch.raw.data && epoch.type == SW_JSON_STRING) {
        (void)sw_epoch_parse(sw_slice(epoch.raw.data + 1, epoch.raw.size - 2),
                             &place->position.epoch);
    }
    if (offset.raw.data) {
        (void)sw_json_to_u64(offset, SW_OFFSET_MAX, &place->position.offset);
    }
}

void sw_place_begin(struct sw_place *place, struct sw_slice entry)
{
    enum { EPOCH, OFFSET, RESUMED, REPLAY, COUNT };
    static const char *const names[] = {"epoch", "offset", "resumed", "replay"};
    struct sw_json_value fields[COUNT];
    uint64_t replay = 0;
    if (!sw_json_members(entry, names, COUNT, fields, NULL) || !fields[EPOCH].raw.data) {
        place->positioned = false;
        return;
    }
    place->positioned = true;
    if (fields[RESUMED].type == SW_JSON_TRUE) {
        fields[OFFSET].raw.data = NULL; /* what comes first is behind the position it asked for */
    }
    sw_place_move(place, fields[EPOCH], fields[OFFSET]);
    if (fields[OFFSET].raw.data && fields[REPLAY].raw.data &&
        sw_json_to_u64(fields[REPLAY], place->position.offset, &replay)) {
        place->position.offset -= replay;
    }
}

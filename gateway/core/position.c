// SPDX-License-Identifier: Apache-2.0
#include "core/position.h"

#include <string.h>

static bool is_epoch_character(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool sw_epoch_parse(struct sw_slice text, struct sw_epoch *epoch)
{
    *epoch = (struct sw_epoch){0};
    if (text.size == 0 || text.size > SW_EPOCH_BYTES) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (!is_epoch_character(text.data[i])) {
            return false;
        }
    }
    if (!sw_slice_equal(text, SW_SLICE("0"))) {
        epoch->size = (uint8_t)text.size;
        memcpy(epoch->text, text.data, text.size);
    }
    return true;
}

bool sw_epoch_equal(const struct sw_epoch *a, const struct sw_epoch *b)
{
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

/* As it is written: without needless zeros. */
static bool parse_offset(struct sw_slice text, uint64_t *offset)
{
    bool needless = text.size > 1 && text.data[0] == '0';
    return !needless && sw_slice_to_u64(text, SW_OFFSET_MAX, offset);
}

/* "<epoch><separator><offset>" */
static bool parse_pair(struct sw_slice text, char separator, struct sw_epoch *epoch,
                       uint64_t *offset)
{
    struct sw_slice name = sw_slice_split(&text, separator);
    return text.data && sw_epoch_parse(name, epoch) && parse_offset(text, offset);
}

bool sw_position_parse(struct sw_slice text, struct sw_position *position)
{
    *position = (struct sw_position){0};
    struct sw_position parsed;
    if (!parse_pair(text, ':', &parsed.epoch, &parsed.offset)) {
        return false;
    }
    *position = parsed;
    return true;
}

void sw_position_write(struct sw_buf *out, const struct sw_position *position)
{
    sw_buf_printf(out, "%.*s:%llu", SW_SLICE_ARG(sw_epoch_text(&position->epoch)),
                  (unsigned long long)position->offset);
}

void sw_position_write_members(struct sw_buf *out, const struct sw_position *position)
{
    sw_buf_printf(out, "\"epoch\":\"%.*s\",\"offset\":%llu",
                  SW_SLICE_ARG(sw_epoch_text(&position->epoch)),
                  (unsigned long long)position->offset);
}

bool sw_lineage_parse_ends(struct sw_lineage *lineage, struct sw_slice text)
{
    lineage->count = 0;
    while (text.size > 0) {
        struct sw_slice item = sw_slice_split(&text, ' ');
        if (item.size == 0) {
            continue;
        }
        if (lineage->count == SW_LINEAGE_ENDS) {
            memmove(&lineage->ends[0], &lineage->ends[1],
                    (SW_LINEAGE_ENDS - 1) * sizeof(lineage->ends[0]));
            lineage->count--;
        }
        if (!parse_pair(item, '=', &lineage->ends[lineage->count].epoch,
                        &lineage->ends[lineage->count].last)) {
            lineage->count = 0;
            return false;
        }
        lineage->count++;
    }
    return true;
}

bool sw_lineage_holds(const struct sw_lineage *lineage, uint64_t top,
                      const struct sw_position *position)
{
    if (position->epoch.size == 0) {
        return position->offset == 0;
    }
    if (position->offset > top) {
        return false;
    }
    if (sw_epoch_equal(&position->epoch, &lineage->epoch)) {
        return true;
    }
    for (uint8_t i = 0; i < lineage->count; i++) {
        if (sw_epoch_equal(&position->epoch, &lineage->ends[i].epoch)) {
            return position->offset <= lineage->ends[i].last;
        }
    }
    return false;
}

// SPDX-License-Identifier: Apache-2.0
/* Where somebody stands in a topic with history: an epoch, which names one life of the stream, and
 * an offset, from 1 on without holes (PROTOCOL.md, sections 4 and 7). What a stream was called
 * before, and how far it went under each name, is its lineage: after a restart or a promotion the
 * offsets go on under a new name, and a position under an old one stays good up to that name's end.
 * Pure values, any thread. */
#ifndef SW_CORE_POSITION_H
#define SW_CORE_POSITION_H

#include "common/buf.h"

/* PROTOCOL.md, section 4: 1 to 24 of [A-Za-z0-9]. */
#define SW_EPOCH_BYTES 24
/* What every JSON reader keeps exactly. */
#define SW_OFFSET_MAX ((1ull << 53) - 1)
/* Former names that a stream remembers. */
#define SW_LINEAGE_ENDS 16

struct sw_epoch {
    uint8_t size; /* 0: none was drawn yet; said as "0" */
    char text[SW_EPOCH_BYTES];
};

struct sw_position {
    struct sw_epoch epoch;
    uint64_t offset;
};

struct sw_lineage {
    struct sw_epoch epoch; /* the present one */
    uint8_t count;         /* of the former ones, oldest first */
    struct {
        struct sw_epoch epoch;
        uint64_t last; /* its last offset */
    } ends[SW_LINEAGE_ENDS];
};

/* False: no epoch; *epoch is none then. "0" is none too, and true. */
bool sw_epoch_parse(struct sw_slice text, struct sw_epoch *epoch);
static inline struct sw_slice sw_epoch_text(const struct sw_epoch *epoch)
{
    return epoch->size ? sw_slice(epoch->text, epoch->size) : SW_SLICE("0");
}
bool sw_epoch_equal(const struct sw_epoch *a, const struct sw_epoch *b);

/* "Qx7:44"; "0:0" is the beginning of any epoch. False: none; *position is then zero. */
bool sw_position_parse(struct sw_slice text, struct sw_position *position);
void sw_position_write(struct sw_buf *out, const struct sw_position *position);
/* The same as members of an object: "epoch":"Qx7","offset":44 */
void sw_position_write_members(struct sw_buf *out, const struct sw_position *position);

/* "<epoch>=<last> <epoch>=<last> " as the meta hash keeps it, oldest first, into `ends`; the oldest
 * above SW_LINEAGE_ENDS are left out. False: not of that form. */
bool sw_lineage_parse_ends(struct sw_lineage *lineage, struct sw_slice text);
/* Does what somebody has seen up to the position belong to the stream whose newest is `top`? The
 * one judgement of all: 0:0, or the epoch is current and the offset not above top, or the epoch is
 * listed and the offset not above its end. */
bool sw_lineage_holds(const struct sw_lineage *lineage, uint64_t top,
                      const struct sw_position *position);

#endif

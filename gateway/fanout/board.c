// SPDX-License-Identifier: Apache-2.0
#include "fanout/board.h"

#include "common/mem.h"
#include "fanout/internal.h"

static struct sw_board *create(uint64_t position)
{
    struct sw_board *board = sw_zalloc(sizeof(*board));
    board->last = SW_BOARD_FIRST;
    board->floor = SW_BOARD_FIRST;
    board->base = position;
    board->trim_at = SW_BOARD_TRIM;
    return board;
}

void sw_board_hold(struct sw_tape *tape)
{
    tape->board->readers++;
}

void sw_board_leave(struct sw_fanout *fanout, struct sw_tape *tape)
{
    struct sw_board *board = tape->board;
    if (--board->readers) {
        return;
    }
    for (uint32_t i = board->first; i < board->end; i++) {
        if (board->entries[i].frame) {
            sw_block_leave(fanout, board->entries[i].frame);
        }
    }
    sw_map_deinit(&board->keys);
    sw_free(board->entries);
    sw_free(board);
    tape->board = NULL;
}

uint64_t sw_board_last(const struct sw_tape *tape)
{
    return tape->board->last;
}

/* The index of the first entry, replaced or not, behind `seq`. */
static uint32_t index_behind(const struct sw_board *board, uint64_t seq)
{
    uint32_t low = board->first;
    uint32_t high = board->end;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (board->entries[middle].seq > seq) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static const struct sw_board_entry *live_from(const struct sw_board *board, uint32_t index)
{
    while (index < board->end) {
        if (board->entries[index].frame) {
            return &board->entries[index];
        }
        index++;
    }
    return NULL;
}

const struct sw_board_entry *sw_board_behind(const struct sw_board *board, uint64_t seq)
{
    return live_from(board, index_behind(board, seq));
}

const struct sw_board_entry *sw_board_next(const struct sw_board *board,
                                           const struct sw_board_entry *entry)
{
    return live_from(board, (uint32_t)(entry - board->entries) + 1);
}

bool sw_board_lacks(const struct sw_board *board, uint64_t seq)
{
    bool found = seq < board->fell_unknown;
    const struct sw_board_entry *entry = sw_board_behind(board, seq);
    for (; entry && !found; entry = sw_board_next(board, entry)) {
        found = entry->unknown;
    }
    return found;
}

uint64_t sw_board_since_ms(const struct sw_tape *tape, uint64_t seq)
{
    const struct sw_board_entry *entry = sw_board_behind(tape->board, seq);
    return entry ? entry->frame->born_ms : UINT64_MAX;
}

/* Moves the entries to an array with `before` free places in front and half as many again behind;
 * those that were replaced stay behind. */
static void arrange(struct sw_board *board, uint32_t before)
{
    uint32_t capacity = before + board->live + board->live / 2 + 16;
    struct sw_board_entry *entries = sw_alloc(capacity * sizeof(*entries));
    uint32_t at = before;
    for (uint32_t i = board->first; i < board->end; i++) {
        if (board->entries[i].frame) {
            entries[at++] = board->entries[i];
        }
    }
    sw_free(board->entries);
    board->entries = entries;
    board->first = before;
    board->end = at;
    board->capacity = capacity;
}

static struct sw_slice identity(const struct sw_fanout *fanout, const struct sw_tape *tape,
                                const char *frame, size_t size)
{
    return sw_encoding_identity(&fanout->encodings[tape->encoding], sw_slice(frame, size));
}

/* A copy of one frame, which the board owns. */
static struct sw_block *copy(struct sw_fanout *fanout, const struct sw_tape *tape,
                             struct sw_block *block, uint32_t frame)
{
    uint32_t start = sw_block_start(block, frame);
    uint32_t size = sw_block_end(block, frame) - start;
    struct sw_block *own = sw_block_create(&fanout->pool, 0, size, true);
    own->refs = 1;
    own->tape = tape->id;
    own->rule = tape->rule;
    own->born_ms = sw_block_time_ms(block, frame);
    own->gap = block->gap;
    own->count = block->count;
    own->span = block->span;
    own->shed = block->shed;
    own->first = sw_block_position(block, frame);
    own->plain = block->plain + (block->positioned ? 0 : frame);
    own->positioned = block->positioned;
    __builtin_memcpy(sw_block_data(own), sw_block_data(block) + start, size);
    sw_block_add(own, size, own->born_ms);
    return own;
}

static struct sw_slice key_of(const struct sw_fanout *fanout, const struct sw_tape *tape,
                              struct sw_block *own)
{
    return identity(fanout, tape, sw_block_data(own), own->bytes);
}

static void note_fallen(struct sw_board *board, uint64_t seq, uint64_t position, uint64_t offset,
                        bool unknown)
{
    if (unknown && board->fell_unknown < seq) {
        board->fell_unknown = seq;
        board->fell_unknown_at = position;
    }
    if (board->fell_seq < seq) {
        board->fell_seq = seq;
        board->fell = position;
        board->fell_offset = offset;
    }
}

/* With history: behind that frame. */
static uint64_t offset_behind(const struct sw_tape *tape, const struct sw_block *block,
                              uint32_t frame)
{
    return tape->history ? sw_tape_offset(tape, block, frame + 1) : 0;
}

static void drop_frame(struct sw_fanout *fanout, struct sw_board *board,
                       struct sw_board_entry *entry)
{
    board->live--;
    board->bytes -= entry->frame->bytes;
    sw_block_leave(fanout, entry->frame);
    entry->frame = NULL;
}

/* The oldest entry goes; whoever has not read it is told so. */
static void fall(struct sw_fanout *fanout, struct sw_tape *tape)
{
    struct sw_board *board = tape->board;
    while (!board->entries[board->first].frame) {
        board->first++;
    }
    struct sw_board_entry *entry = &board->entries[board->first++];
    if (!entry->frame->gap) {
        sw_map_remove(&board->keys, key_of(fanout, tape, entry->frame));
    }
    note_fallen(board, entry->seq, entry->position, offset_behind(tape, entry->frame, 0),
                entry->unknown);
    drop_frame(fanout, board, entry);
}

/* What stands under the same key is replaced. */
static void replace(struct sw_fanout *fanout, struct sw_tape *tape, struct sw_slice key)
{
    struct sw_board *board = tape->board;
    const void *found = sw_map_find(&board->keys, key);
    if (!found) {
        return;
    }
    struct sw_board_entry *old = &board->entries[index_behind(board, (uintptr_t)found - 1)];
    sw_map_remove(&board->keys, key);
    drop_frame(fanout, board, old);
}

static void insert_key(struct sw_board *board, struct sw_slice key, uint64_t seq)
{
    sw_map_insert(&board->keys, key, (void *)(uintptr_t)seq);
}

/* One frame becomes the newest entry. */
static void append(struct sw_fanout *fanout, struct sw_tape *tape, struct sw_block *block,
                   uint32_t frame)
{
    struct sw_board *board = tape->board;
    struct sw_block *own = copy(fanout, tape, block, frame);
    if (board->end == board->capacity) {
        arrange(board, 0);
    }
    struct sw_board_entry *entry = &board->entries[board->end++];
    *entry = (struct sw_board_entry){.seq = ++board->last,
                                     .position = sw_block_position(block, frame + 1),
                                     .frame = own,
                                     .unknown = sw_block_is_unknown(own)};
    board->live++;
    board->bytes += own->bytes;
    board->base_gap = board->base_gap || (entry->unknown && entry->position == board->base);
    if (!own->gap) {
        struct sw_slice key = key_of(fanout, tape, own);
        replace(fanout, tape, key);
        insert_key(board, key, board->last);
    }
    while (board->live > SW_BOARD_ENTRIES ||
           (board->bytes > fanout->board_bytes && board->live > 1)) {
        fall(fanout, tape);
    }
}

/* The lowest number that a reader of the board has read up to. */
static uint64_t read_by_all(const struct sw_fanout *fanout, const struct sw_tape *tape)
{
    uint64_t least = tape->board->last;
    for (uint32_t place = 0; place < tape->readers; place++) {
        const struct sw_cursor *cursor = &fanout->cursors[tape->hub[place].cursor];
        if (tape->hub[place].cursor && cursor->kind == SW_CURSOR_BOARD && cursor->seq < least) {
            least = cursor->seq;
        }
    }
    return least;
}

/* Entries that everybody has read go: a board of readers that keep up stays small. The board begins
 * behind them then. */
static void trim(struct sw_fanout *fanout, struct sw_tape *tape)
{
    struct sw_board *board = tape->board;
    uint64_t least = read_by_all(fanout, tape);
    for (; board->first < board->end && board->entries[board->first].seq <= least; board->first++) {
        struct sw_board_entry *entry = &board->entries[board->first];
        board->base = entry->position;
        board->fell = 0; /* who stands here has heard of what fell; it is before the board now */
        board->fell_seq = 0;
        board->fell_unknown = 0;
        if (entry->frame && !entry->frame->gap) {
            sw_map_remove(&board->keys, key_of(fanout, tape, entry->frame));
        }
        if (entry->frame) {
            drop_frame(fanout, board, entry);
        }
    }
    const struct sw_board_entry *first = &board->entries[board->first];
    board->base_gap = board->first < board->end && first->unknown && first->position == board->base;
    board->trim_at = 2 * board->live > SW_BOARD_TRIM ? 2 * board->live : SW_BOARD_TRIM;
}

void sw_board_turn(struct sw_fanout *fanout, struct sw_tape *tape)
{
    if (!tape->board) {
        if (!tape->paced) {
            return;
        }
        tape->board = create(tape->walked);
    }
    if (tape->board->live >= tape->board->trim_at) {
        trim(fanout, tape);
    }
    uint32_t frame = tape->turn.frame;
    for (struct sw_block *block = tape->turn.block; block; block = block->next) {
        for (; frame < block->frames && !block->renames; frame++) { /* cursors know their names */
            append(fanout, tape, block, frame);
        }
        frame = 0;
    }
}

void sw_board_turned(struct sw_fanout *fanout, struct sw_tape *tape)
{
    if (tape->board && tape->board->readers == 0) {
        sw_board_hold(tape);
        sw_board_leave(fanout, tape);
    }
}

/* A place on the tape, on the way through its blocks. */
struct step {
    struct sw_block *block;
    uint32_t frame;
};

/* Does the board begin before the frame at this position? A gap mark without a count has no
 * position of its own. */
static bool has(const struct sw_board *board, const struct sw_block *block, uint64_t position)
{
    return position > board->base ||
           (position == board->base && (board->base_gap || !sw_block_is_unknown(block)));
}

/* The frames from (block, frame) up to where the board begins: an array that the caller frees. */
static struct step *steps_from(const struct sw_board *board, struct sw_block *block, uint32_t frame,
                               uint32_t *count)
{
    uint32_t capacity = 0;
    struct step *steps = NULL;
    *count = 0;
    for (; block; block = block->next) {
        for (; frame < block->frames; frame++) {
            if (has(board, block, sw_block_position(block, frame))) {
                return steps;
            }
            if (*count == capacity) {
                capacity = capacity ? capacity * 2 : 256;
                steps = sw_realloc(steps, capacity * sizeof(*steps));
            }
            steps[(*count)++] = (struct step){.block = block, .frame = frame};
        }
        frame = 0;
    }
    return steps;
}

/* One frame from before the first entry, unless it has been replaced since. Where one finds the
 * board *full, so do all that are older. */
static void prepend(struct sw_fanout *fanout, struct sw_tape *tape, const struct step *step,
                    bool *full)
{
    struct sw_board *board = tape->board;
    struct sw_block *block = step->block;
    uint32_t start = sw_block_start(block, step->frame);
    uint32_t size = sw_block_end(block, step->frame) - start;
    uint64_t seq = board->floor--;
    if (block->renames) {
        return;
    }
    if (!block->gap) {
        struct sw_slice key = identity(fanout, tape, sw_block_data(block) + start, size);
        if (sw_map_find(&board->keys, key)) {
            return;
        }
    }
    uint64_t position = sw_block_position(block, step->frame + 1);
    *full = *full || board->live >= SW_BOARD_ENTRIES || board->bytes + size > fanout->board_bytes;
    if (*full) {
        note_fallen(board, seq, position, offset_behind(tape, block, step->frame),
                    sw_block_is_unknown(block));
        return;
    }
    struct sw_block *own = copy(fanout, tape, block, step->frame);
    board->entries[--board->first] = (struct sw_board_entry){
        .seq = seq, .position = position, .frame = own, .unknown = sw_block_is_unknown(block)};
    board->live++;
    board->bytes += size;
    if (!own->gap) {
        insert_key(board, key_of(fanout, tape, own), seq);
    }
}

/* Makes the board reach back to a place on the tape. */
static void reach_back(struct sw_fanout *fanout, struct sw_tape *tape, struct sw_block *block,
                       uint32_t frame)
{
    struct sw_board *board = tape->board;
    uint32_t count;
    struct step *steps = steps_from(board, block, frame, &count);
    if (board->first < count) {
        arrange(board, count + board->live); /* and for those who stand further back */
    }
    bool full = false;
    for (uint32_t i = count; i > 0; i--) {
        prepend(fanout, tape, &steps[i - 1], &full);
    }
    sw_free(steps);
    board->base = sw_block_position(block, frame);
    board->base_gap = sw_block_is_unknown(block);
}

/* The index of the first entry whose position is behind `position`. */
static uint32_t index_past(const struct sw_board *board, uint64_t position)
{
    uint32_t low = board->first;
    uint32_t high = board->end;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (board->entries[middle].position > position) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* The number behind which everything is unread for whoever stands before the frame at `position`;
 * `unknown`: that is a gap mark without a count. Where several of these stand side by side, the
 * last one tells as much as all. */
static uint64_t seq_before(const struct sw_board *board, bool unknown, uint64_t position)
{
    uint32_t at = index_past(board, position);
    const struct sw_board_entry *mark = at > board->first ? &board->entries[at - 1] : NULL;
    if (unknown && mark && mark->unknown && mark->position == position) {
        return mark->seq - 1;
    }
    if (board->fell_unknown &&
        (position < board->fell_unknown_at || (position == board->fell_unknown_at && unknown))) {
        return board->fell_unknown - 1;
    }
    if (position < board->fell) {
        return board->fell_seq - 1;
    }
    return at < board->end ? board->entries[at].seq - 1 : board->last;
}

void sw_board_take(struct sw_fanout *fanout, struct sw_cursor *cursor)
{
    struct sw_tape *tape = fanout->tapes[cursor->tape];
    struct sw_block *held = cursor->block;
    struct sw_block *block = held;
    uint32_t frame = cursor->frame;
    SW_ASSERT(tape->top == tape->walked);
    if (frame == block->frames && block->next) {
        block = block->next;
        frame = 0;
    }
    struct sw_stood stood = sw_cursor_stood(fanout, cursor);
    bool unread = frame < block->frames;
    if (!tape->board) {
        tape->board = create(tape->walked);
    }
    uint64_t seq;
    if (unread && !has(tape->board, block, stood.position)) {
        reach_back(fanout, tape, block, frame);
        seq = tape->board->floor;
    } else {
        seq = seq_before(tape->board, unread && sw_block_is_unknown(block), stood.position);
    }
    sw_cursor_to_board(fanout, cursor, seq, stood);
    sw_block_leave(fanout, held);
}

bool sw_board_sane(const struct sw_board *board)
{
    uint64_t seq = board->floor;
    uint64_t position = board->base;
    uint64_t bytes = 0;
    uint32_t live = 0;
    uint32_t keys = 0;
    for (uint32_t i = board->first; i < board->end; i++) {
        const struct sw_board_entry *entry = &board->entries[i];
        if (entry->seq <= seq || entry->seq > board->last || entry->position < position) {
            return false;
        }
        seq = entry->seq;
        position = entry->position;
        live += entry->frame != NULL;
        bytes += entry->frame ? entry->frame->bytes : 0;
        keys += entry->frame && !entry->frame->gap;
    }
    return live == board->live && bytes == board->bytes && keys == board->keys.count &&
           live <= SW_BOARD_ENTRIES;
}

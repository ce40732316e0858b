// SPDX-License-Identifier: Apache-2.0
/* The gate on what the kernel holds. The kernel is a queue too: it swallows 120-200 KB for a slow
 * client before it says no, which at 256 kbit/s is 5 s of old prices that nobody can shed, and it
 * gives no event when bytes are acknowledged. So the queue of a session that may be slow is looked
 * at every SW_GATE_TICK_MS, and while it is pressured, it leaves unacknowledged at most what was
 * acknowledged within SW_GATE_WINDOW_MS and two round trips.
 *
 * A gate begins by being watched (a look found much in the kernel, it took less than it was given,
 * or a policy found old data). Who is watched and acknowledges too little for what is in the kernel
 * gets no more than SW_GATE_WATCHED_BYTES there, or twice what it acknowledged, until it is known
 * whether it is slow: so a queue that has to be waited for later is never long. When it is (a byte
 * has waited for SW_PRESSURE_MS), the gate is shut, and the session pressured until nothing has
 * waited for SW_CALM_MS.
 *
 * Over TLS the kernel holds ciphertext and what was written is counted as plaintext: 22 bytes more
 * for each record are near enough. */
#include "common/mem.h"
#include "fanout/internal.h"

#define LOOKS 32 /* ticks in the ring: enough for the window and a round trip of 190 ms */

#define WINDOW_TICKS (SW_GATE_WINDOW_MS / SW_GATE_TICK_MS)

struct sw_gate {
    uint32_t slot;
    uint32_t kernel;       /* bytes that it held at the last look */
    uint32_t written;      /* since */
    uint32_t charged;      /* of what it holds, to the budget; while pressured */
    uint32_t window;       /* ticks that count */
    uint32_t ring[LOOKS];  /* acknowledged, by tick */
    uint32_t ring_sum;     /* of the last `window`, and what came since */
    uint32_t ring_at;      /* of what came since */
    uint16_t idle;         /* looks without progress */
    uint16_t skip;         /* ticks to leave out: nothing moves there */
    uint16_t skip_left;    /* of these */
    bool pressured;        /* an episode has begun */
    uint64_t tick;         /* of the last measure */
    uint64_t refreshed_ms; /* when the kernel's queue was looked at */
    uint64_t told_ms;      /* when its lag was last counted */
    uint64_t begun_ms;     /* the episode */
    uint64_t shed;         /* meanwhile */
    uint64_t slow_ms;      /* since when the kernel has held more than it may; 0: it does not */
    uint64_t calm_ms;      /* since when nothing waits; 0: something does */
    uint64_t high_ms;      /* since when it is above the high mark; 0: it is not */
};

static struct sw_gate *gate_of(const struct sw_fanout *fanout, const struct sw_reader *reader)
{
    return reader->gate ? &fanout->gates[reader->gate - 1] : NULL;
}

static uint64_t now_ms(const struct sw_fanout *fanout)
{
    return sw_loop_now_ms(fanout->loop);
}

static uint32_t kernel_bytes(const struct sw_fanout *fanout, uint32_t slot)
{
    int bytes = sw_conn_unacknowledged(fanout->events->conn(fanout->owner, slot));
    return bytes > 0 ? (uint32_t)bytes : 0;
}

static uint32_t allowed(const struct sw_gate *gate)
{
    return gate->ring_sum > SW_GATE_BYTES ? gate->ring_sum : SW_GATE_BYTES;
}

/* Bytes that the kernel may hold. Who takes what comes is not held back; who may just be beginning,
 * as a new connection, is: to twice of what it takes, which is how connections grow. */
static uint32_t most(const struct sw_gate *gate)
{
    uint32_t taken = allowed(gate);
    if (gate->pressured) {
        return taken;
    }
    if (gate->kernel <= taken) {
        return UINT32_MAX;
    }
    uint32_t twice = 2 * gate->ring_sum + SW_NOTSENT_LOWAT;
    return twice > SW_GATE_WATCHED_BYTES ? twice : SW_GATE_WATCHED_BYTES;
}

static uint32_t room(const struct sw_gate *gate)
{
    uint32_t held = gate->kernel + gate->written;
    uint32_t left = held < most(gate) ? most(gate) - held : 0;
    return left < SW_FLUSH_BYTES ? left : SW_FLUSH_BYTES;
}

/* The kernel's memory is the node's too. */
static void charge(struct sw_fanout *fanout, struct sw_gate *gate, uint32_t bytes)
{
    if (bytes != gate->charged) {
        int64_t more = (int64_t)bytes - gate->charged;
        sw_purse_charge(fanout->pool.purse, SW_PART_KERNEL, more);
        gate->charged = bytes;
    }
}

/* What was acknowledged since the kernel's queue was last looked at is noted. */
static void refresh(struct sw_fanout *fanout, struct sw_gate *gate)
{
    uint32_t held = kernel_bytes(fanout, gate->slot);
    uint32_t before = gate->kernel + gate->written;
    uint32_t acknowledged = before > held ? before - held : 0;
    gate->idle = acknowledged || gate->written ? 0 : gate->idle;
    gate->ring[gate->ring_at] += acknowledged;
    gate->ring_sum += acknowledged;
    gate->kernel = held;
    gate->written = 0;
    gate->refreshed_ms = now_ms(fanout);
    charge(fanout, gate, gate->pressured ? held : 0);
}

/* ---- coming and going ---- */

static struct sw_gate *gate_create(struct sw_fanout *fanout, uint32_t slot)
{
    if (fanout->gates_count == fanout->gates_capacity) {
        fanout->gates_capacity = fanout->gates_capacity ? fanout->gates_capacity * 2 : 16;
        fanout->gates = sw_realloc(fanout->gates, fanout->gates_capacity * sizeof(struct sw_gate));
    }
    struct sw_gate *gate = &fanout->gates[fanout->gates_count++];
    uint64_t trip_ms = sw_conn_round_trip_us(fanout->events->conn(fanout->owner, slot)) / 1000;
    uint64_t window = WINDOW_TICKS + 2 * trip_ms / SW_GATE_TICK_MS;
    *gate = (struct sw_gate){.slot = slot,
                             .kernel = kernel_bytes(fanout, slot),
                             .tick = now_ms(fanout) / SW_GATE_TICK_MS,
                             .window = window < LOOKS ? (uint32_t)window : LOOKS - 1};
    sw_reader(fanout, slot)->gate = fanout->gates_count;
    if (!sw_timer_running(&fanout->gates_timer)) {
        sw_loop_timer_start(fanout->loop, &fanout->gates_timer, SW_GATE_TICK_MS);
    }
    return gate;
}

void sw_gate_watch(struct sw_fanout *fanout, uint32_t slot)
{
    const struct sw_reader *reader = sw_reader(fanout, slot);
    if (!reader->gate && !(reader->flags & SW_CLOSING)) {
        gate_create(fanout, slot);
    }
}

static void tell(struct sw_fanout *fanout, const struct sw_gate *gate, bool begun)
{
    sw_count(&fanout->counters->pressured_sessions, begun ? 1 : -1);
    struct sw_pressure pressure = {.begun = begun,
                                   .ms = now_ms(fanout) - gate->begun_ms,
                                   .shed = gate->shed,
                                   .queued_bytes = sw_reader(fanout, gate->slot)->queued_bytes};
    fanout->events->on_pressure(fanout->owner, gate->slot, &pressure);
}

void sw_gate_shut(struct sw_fanout *fanout, uint32_t slot)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    if (reader->flags & SW_CLOSING) {
        return;
    }
    struct sw_gate *gate = reader->gate ? gate_of(fanout, reader) : gate_create(fanout, slot);
    gate->calm_ms = 0;
    if (gate->pressured) {
        return;
    }
    sw_fanout_skip(fanout, slot);
    reader->flags |= SW_GATED;
    gate->pressured = true;
    gate->begun_ms = now_ms(fanout);
    tell(fanout, gate, true);
}

void sw_gate_leave(struct sw_fanout *fanout, uint32_t slot)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    struct sw_gate *gate = gate_of(fanout, reader);
    if (!gate) {
        return;
    }
    if (gate->pressured) {
        tell(fanout, gate, false);
    }
    charge(fanout, gate, 0);
    *gate = fanout->gates[--fanout->gates_count];
    sw_reader(fanout, gate->slot)->gate = reader->gate;
    reader->gate = 0;
    reader->flags &= (uint8_t)~SW_GATED;
}

bool sw_reader_pressured(const struct sw_fanout *fanout, const struct sw_reader *reader)
{
    return reader->gate && gate_of(fanout, reader)->pressured;
}

/* ---- what passes ---- */

size_t sw_gate_room(struct sw_fanout *fanout, struct sw_reader *reader)
{
    struct sw_gate *gate = gate_of(fanout, reader);
    if (!gate) {
        return SW_FLUSH_BYTES;
    }
    bool looked = gate->refreshed_ms == now_ms(fanout) && gate->written == 0;
    if (room(gate) == 0 && !looked) {
        refresh(fanout, gate); /* who reads now is not kept waiting for the tick */
    }
    if (room(gate) == 0) {
        reader->flags |= SW_GATED;
    } else if (!gate->pressured) {
        reader->flags &= (uint8_t)~SW_GATED;
    }
    return room(gate);
}

bool sw_gate_keeps(const struct sw_fanout *fanout, const struct sw_reader *reader)
{
    const struct sw_gate *gate = gate_of(fanout, reader);
    return reader->flags & SW_GATED && (!gate->pressured || room(gate) == 0);
}

void sw_gate_passed(struct sw_fanout *fanout, uint32_t slot, size_t bytes)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    struct sw_gate *gate = gate_of(fanout, reader);
    if (!gate) {
        uint32_t now = (uint32_t)now_ms(fanout);
        bool looked = reader->behind == 0 && now - reader->since < SW_GATE_TICK_MS;
        reader->unlooked = 0;
        if (reader->behind == 0) {
            reader->since = now; /* nothing waits, so it is free for the time of the look */
        }
        /* what was just written cannot be acknowledged yet */
        if (!looked && kernel_bytes(fanout, slot) > bytes + SW_GATE_BYTES) {
            sw_gate_watch(fanout, slot);
        }
        return;
    }
    gate->written += (uint32_t)bytes;
    if (!(reader->flags & SW_GATED) && room(gate) == 0) {
        refresh(fanout, gate);
        reader->flags |= room(gate) ? 0 : SW_GATED;
    }
}

uint32_t sw_gate_slot(const struct sw_fanout *fanout, uint32_t index)
{
    return fanout->gates[index].slot;
}

void sw_gate_shed(struct sw_fanout *fanout, const struct sw_reader *reader, uint64_t count)
{
    struct sw_gate *gate = gate_of(fanout, reader);
    if (gate) {
        gate->shed += count;
    }
}

/* ---- the look ---- */

/* A tick: what was acknowledged goes into the ring, what is too old out of it. */
static void measure(struct sw_fanout *fanout, struct sw_gate *gate, uint64_t now)
{
    gate->idle = (uint16_t)(gate->idle + (gate->idle < 64));
    refresh(fanout, gate);
    uint64_t passed = now / SW_GATE_TICK_MS - gate->tick;
    gate->tick += passed;
    for (uint64_t i = 0; i < passed && i < LOOKS; i++) {
        gate->ring_at = (gate->ring_at + 1) % LOOKS;
        gate->ring[gate->ring_at] = 0;
        gate->ring_sum -= gate->ring[(gate->ring_at + LOOKS - gate->window) % LOOKS];
    }
}

/* Has the kernel held more than it may for as long as a byte may wait? Then new data would wait
 * there, where nobody can shed it. */
static bool kernel_slow(struct sw_gate *gate, uint64_t now)
{
    if (gate->kernel <= allowed(gate)) {
        gate->slow_ms = 0;
    } else if (gate->slow_ms == 0) {
        gate->slow_ms = now;
    }
    return !gate->pressured && gate->slow_ms && now - gate->slow_ms >= SW_PRESSURE_MS;
}

/* A `disconnect` subscription may be above the high mark for a while, not for long. */
static void check_high(struct sw_fanout *fanout, struct sw_gate *gate, uint64_t now)
{
    const struct sw_reader *reader = sw_reader(fanout, gate->slot);
    if (!sw_policy_over_high(fanout, reader)) {
        gate->high_ms = 0;
    } else if (gate->high_ms == 0) {
        gate->high_ms = now;
    } else if (now - gate->high_ms >= SW_DISCONNECT_MS &&
               sw_reader_has(fanout, reader, SW_MODE_DISCONNECT)) {
        fanout->events->on_over(fanout->owner, gate->slot);
    }
}

/* Once a second for each session that does not keep up. */
static void count_lag(struct sw_fanout *fanout, struct sw_gate *gate, uint64_t now)
{
    if (gate->pressured && now - gate->told_ms >= 1000) {
        gate->told_ms = now;
        uint64_t lag_ms = sw_reader_lag_ms(fanout, gate->slot);
        sw_histogram_add(&fanout->counters->lag, lag_ms * 1000, 1);
    }
}

/* True: the gate is gone. */
static bool look(struct sw_fanout *fanout, struct sw_gate *gate, uint64_t now)
{
    uint32_t slot = gate->slot;
    struct sw_reader *reader = sw_reader(fanout, slot);
    measure(fanout, gate, now);
    count_lag(fanout, gate, now);
    if (kernel_slow(gate, now)) {
        sw_gate_shut(fanout, slot);
    }
    if (!gate->pressured && room(gate)) {
        reader->flags &= (uint8_t)~SW_GATED;
    }
    bool waits = reader->flags & SW_WRITE_PENDING || sw_reader_owed(fanout, reader);
    if (waits || gate->kernel > allowed(gate)) {
        gate->calm_ms = 0;
        bool may = waits && !(reader->flags & SW_WRITE_PENDING) && sw_gate_room(fanout, reader);
        bool old = waits && (uint32_t)now - reader->since >= SW_PRESSURE_MS;
        if (may || old || sw_policy_over_high(fanout, reader)) { /* then a policy has a look */
            sw_fanout_due(fanout, slot);
        }
        check_high(fanout, gate, now);
        gate->skip = gate->idle > 16 ? 15 : gate->idle > 4 ? 3 : 0;
        return false;
    }
    gate->skip = 0;
    gate->high_ms = 0;
    if (gate->calm_ms == 0) {
        gate->calm_ms = now;
    } else if (!gate->pressured || now - gate->calm_ms >= SW_CALM_MS) {
        sw_gate_leave(fanout, slot);
        return true;
    }
    return false;
}

/* Each gate once in a tick, or where there are too many, in its turn. */
static void on_tick(struct sw_timer *timer)
{
    struct sw_fanout *fanout = SW_CONTAINER_OF(timer, struct sw_fanout, gates_timer);
    uint64_t now = now_ms(fanout);
    uint32_t looks = 0;
    for (uint32_t n = fanout->gates_count; n > 0 && looks < SW_GATE_LOOKS; n--) {
        if (fanout->gates_next >= fanout->gates_count) {
            fanout->gates_next = 0;
        }
        struct sw_gate *gate = &fanout->gates[fanout->gates_next];
        if (gate->skip_left) {
            gate->skip_left--;
            fanout->gates_next++;
            continue;
        }
        looks++;
        if (!look(fanout, gate, now)) {
            gate->skip_left = gate->skip;
            fanout->gates_next++;
        }
    }
    if (fanout->gates_count) {
        sw_loop_timer_start(fanout->loop, timer, SW_GATE_TICK_MS);
    }
}

void sw_gates_init(struct sw_fanout *fanout)
{
    sw_timer_init(&fanout->gates_timer, on_tick);
}

void sw_gates_deinit(struct sw_fanout *fanout)
{
    SW_ASSERT(fanout->gates_count == 0);
    sw_loop_timer_stop(fanout->loop, &fanout->gates_timer);
    sw_free(fanout->gates);
}

// SPDX-License-Identifier: Apache-2.0
#include "session/intake.h"

#include "common/mem.h"

#define WINDOW_S (SW_INTAKE_WINDOW_MS / 1000)

/* What a session sent in its window, which begins with the first byte behind the last one. Every
 * idle client has one of these, so it is small: `since` comes round after 68 minutes, and whoever
 * lives has answered a ping by then. */
#define MESSAGES_BITS 20
#define SINCE_BITS    12
struct intake {
    uint32_t bytes;
    uint32_t messages : MESSAGES_BITS;
    uint32_t since : SINCE_BITS; /* a second of the loop's clock */
};
_Static_assert(sizeof(struct intake) == 8, "what an idle client pays for what it may send");
_Static_assert(SW_CLIENT_MESSAGES *WINDOW_S < 1u << MESSAGES_BITS, "a window counts all it may");
_Static_assert((uint64_t)SW_CLIENT_BYTES *WINDOW_S < UINT32_MAX, "a window counts all it may");

struct sw_intakes {
    struct sw_sessions *all;
    struct intake *of_slot;
    size_t bytes; /* of it */
    struct sw_list halves;
    uint32_t count;
    struct sw_timer timer;
};

static void on_timer(struct sw_timer *timer);

struct sw_intakes *sw_intakes_create(struct sw_sessions *all)
{
    struct sw_intakes *intakes = sw_zalloc(sizeof(*intakes));
    intakes->all = all;
    intakes->bytes = (size_t)all->slab_count * SW_SLAB_CELLS * sizeof(struct intake);
    intakes->of_slot = sw_reserve(intakes->bytes);
    sw_list_init(&intakes->halves);
    sw_timer_init(&intakes->timer, on_timer);
    return intakes;
}

void sw_intakes_destroy(struct sw_intakes **intakes)
{
    sw_loop_timer_stop((*intakes)->all->loop, &(*intakes)->timer);
    sw_release((*intakes)->of_slot, (*intakes)->bytes);
    sw_free(*intakes);
    *intakes = NULL;
}

/* ---- how much ---- */

static struct intake fresh(const struct sw_sessions *all)
{
    uint64_t second = sw_loop_now_ms(all->loop) / 1000;
    return (struct intake){.since = second & ((1u << SINCE_BITS) - 1)};
}

void sw_intake_begin(const struct sw_session *session)
{
    session->all->intakes->of_slot[session->slot] = fresh(session->all);
}

static struct intake *intake_of(const struct sw_session *session)
{
    struct intake *intake = &session->all->intakes->of_slot[session->slot];
    struct intake now = fresh(session->all);
    uint32_t passed = (uint32_t)(now.since - intake->since) & ((1u << SINCE_BITS) - 1);
    if (passed > WINDOW_S) {
        *intake = now;
    }
    return intake;
}

static bool within(struct sw_session *session, uint64_t taken, uint32_t per_s)
{
    if (per_s == 0 || session->echo || taken <= (uint64_t)per_s * WINDOW_S) {
        return true;
    }
    sw_session_close(session, SW_REASON_RATE);
    return false;
}

bool sw_intake_bytes(struct sw_session *session, size_t size)
{
    struct intake *intake = intake_of(session);
    uint64_t taken = intake->bytes + (uint64_t)size;
    intake->bytes = taken < UINT32_MAX ? (uint32_t)taken : UINT32_MAX;
    return within(session, taken, session->all->config.client_bytes);
}

bool sw_intake_message(struct sw_session *session)
{
    struct intake *intake = intake_of(session);
    intake->messages = (intake->messages + 1) & ((1u << MESSAGES_BITS) - 1);
    return within(session, intake->messages, session->all->config.client_messages);
}

/* ---- halves ---- */

static void watch(struct sw_intakes *intakes, const struct sw_half *oldest)
{
    struct sw_sessions *all = intakes->all;
    uint64_t passed = sw_loop_now_ms(all->loop) - oldest->since_ms;
    uint64_t limit = all->config.message_ms;
    sw_loop_timer_start(all->loop, &intakes->timer, passed < limit ? limit - passed : 0);
}

static void append(struct sw_intakes *intakes, struct sw_half *half)
{
    half->since_ms = sw_loop_now_ms(intakes->all->loop);
    sw_list_push(&intakes->halves, &half->link);
}

static struct sw_half *oldest_of(const struct sw_intakes *intakes)
{
    struct sw_list *link = sw_list_first(&intakes->halves);
    return link ? SW_CONTAINER_OF(link, struct sw_half, link) : NULL;
}

static void give_up(struct sw_half *half, enum sw_reason reason)
{
    struct sw_session *session = half->session;
    sw_session_close(session, reason);
    session->deaf = true;
    half->drop(session);
}

/* Who is paused by this node cannot end its message, and the echo path has no deadline. */
static void on_timer(struct sw_timer *timer)
{
    struct sw_intakes *intakes = SW_CONTAINER_OF(timer, struct sw_intakes, timer);
    uint64_t now = sw_loop_now_ms(intakes->all->loop);
    struct sw_half *half;
    while ((half = oldest_of(intakes)) && now - half->since_ms >= intakes->all->config.message_ms) {
        if (half->session->paused || half->session->echo) {
            sw_list_remove(&half->link);
            append(intakes, half);
        } else {
            give_up(half, SW_REASON_UNFINISHED);
        }
    }
    if (half) {
        watch(intakes, half);
    }
}

void sw_half_begin(struct sw_half *half, struct sw_session *session,
                   void (*drop)(struct sw_session *session))
{
    struct sw_intakes *intakes = session->all->intakes;
    sw_half_end(half);
    half->session = session;
    half->drop = drop;
    append(intakes, half);
    intakes->count++;
    sw_count(&session->all->counters->unfinished_messages, 1);
    if (!sw_timer_running(&intakes->timer)) {
        watch(intakes, half);
    }
    if (intakes->count > session->all->config.unfinished_messages) {
        give_up(oldest_of(intakes), SW_REASON_CROWDED);
    }
}

void sw_half_end(struct sw_half *half)
{
    if (half->session) {
        struct sw_sessions *all = half->session->all;
        sw_list_remove(&half->link);
        all->intakes->count--;
        sw_count(&all->counters->unfinished_messages, -1);
        half->session = NULL;
    }
}

static void charge(struct sw_half *half, struct sw_session *session, int64_t bytes)
{
    sw_purse_charge(session->all->fanout.pool.purse, SW_PART_CLIENTS, bytes - half->charged);
    half->charged = bytes;
}

void sw_half_hold(struct sw_half *half, struct sw_session *session, size_t bytes)
{
    struct sw_intakes *intakes = session->all->intakes;
    charge(half, session, (int64_t)bytes);
    if (half->session && sw_purse_step(session->all->fanout.pool.purse) == SW_BUDGET_FULL) {
        give_up(oldest_of(intakes), SW_REASON_EVICTED);
    }
}

void sw_half_release(struct sw_half *half, struct sw_session *session)
{
    sw_half_end(half);
    charge(half, session, 0);
}

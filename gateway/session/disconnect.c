// SPDX-License-Identifier: Apache-2.0
/* Who is ordered to go. Every session is looked at once, a bounded number of them in one turn; who
 * came after the order is not meant, so that a client that comes back at once is not met again. */
#include "common/assert.h"
#include "session/internal.h"

/* Whom the order means on this worker, looked up anew in each turn: tapes come and go. */
struct target {
    const struct sw_disconnect *order;
    uint64_t session;
    uint32_t tapes[2 * SW_ENCODINGS];
    unsigned tape_count;
};

/* Could there be any? */
static bool find_target(struct sw_sessions *all, const struct sw_disconnect *order,
                        struct target *target)
{
    struct sw_slice name = sw_disconnect_name(order);
    *target = (struct target){.order = order};
    switch (order->by) {
    case SW_BY_SESSION:
        return sw_session_id_parse(name, &target->session);
    case SW_BY_USER:
        return true;
    case SW_BY_TOPIC:
        for (unsigned which = 0; which < 2 * SW_ENCODINGS; which++) {
            const struct sw_tape *tape = sw_tape_find(&all->fanout, which / 2, name, which % 2);
            if (tape) {
                target->tapes[target->tape_count++] = tape->id;
            }
        }
        return target->tape_count > 0;
    case SW_SELECTOR_COUNT:
        break;
    }
    SW_UNREACHABLE();
}

bool sw_session_matches_user(const struct sw_session *session, struct sw_slice user)
{
    return user.size > 0 && sw_slice_equal(sw_session_user(session), user);
}

static bool reads_one_of(const struct sw_session *session, const struct target *target)
{
    const struct sw_reader *reader = sw_session_reader(session);
    for (unsigned i = 0; i < reader->subscriptions; i++) {
        for (unsigned t = 0; t < target->tape_count; t++) {
            if (reader->list[i].tape == target->tapes[t]) {
                return true;
            }
        }
    }
    return false;
}

static bool is_meant(const struct sw_session *session, const struct target *target)
{
    switch (target->order->by) {
    case SW_BY_SESSION:
        return session->id == target->session;
    case SW_BY_USER:
        return sw_session_matches_user(session, sw_disconnect_name(target->order));
    case SW_BY_TOPIC:
        return reads_one_of(session, target);
    case SW_SELECTOR_COUNT:
        break;
    }
    SW_UNREACHABLE();
}

static bool came_after(const struct sw_session *session, uint32_t tick)
{
    uint32_t now = sw_sessions_tick(session->all);
    return now - session->opened < now - tick;
}

/* Whom it found is ended; what that cost. */
static uint32_t look_at(struct sw_sessions *all, struct sw_report *report,
                        const struct target *target)
{
    uint32_t slot = report->next++;
    const struct sw_reader *reader = sw_reader(&all->fanout, slot);
    if (reader->state != SW_OPEN && reader->state != SW_CLOSING_STATE) {
        return 1;
    }
    struct sw_session *session = sw_session_at(all, slot);
    uint32_t looked = 1u + (target->order->by == SW_BY_TOPIC ? reader->subscriptions : 0);
    if (came_after(session, report->begun) || !is_meant(session, target)) {
        return looked;
    }
    if (sw_session_disconnect(session, target->order->code, sw_disconnect_words(target->order))) {
        report->count++;
    }
    if (target->order->by == SW_BY_SESSION) {
        report->next = all->fanout.slots_high; /* there is no second */
    }
    return looked + SW_DISCONNECT_ROWS;
}

bool sw_sessions_disconnect(struct sw_sessions *all, struct sw_report *report, uint32_t *work)
{
    struct target target;
    if (!find_target(all, report->disconnect, &target)) {
        return true;
    }
    while (report->next < all->fanout.slots_high) {
        if (*work >= SW_REPORT_ROWS) {
            return false;
        }
        *work += look_at(all, report, &target);
    }
    return true;
}

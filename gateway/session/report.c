// SPDX-License-Identifier: Apache-2.0
#include "session/report.h"

#include "common/assert.h"
#include "common/clock.h"
#include "common/mem.h"
#include "session/internal.h"

#include <string.h>

/* A byte in the session remembers the place. */
_Static_assert(SW_ENDED_SESSIONS == 256, "sw_session.ended_at");

struct sw_recorder {
    struct sw_connection_row ended[SW_ENDED_SESSIONS];
    uint32_t ended_next; /* the next place; counts on, modulo the ring */
    uint32_t slots;
    unsigned char (*hosts)[16]; /* by slot, where the peer is IPv6: who is not costs nothing */
    uint64_t epoch_ms;     /* the wall clock when the loop's was 0, so that a time stays the same */
    struct sw_post *first; /* reports that wait for their share of a turn */
    struct sw_post **last;
};

struct sw_recorder *sw_recorder_create(uint32_t slots)
{
    struct sw_recorder *recorder = sw_zalloc(sizeof(*recorder));
    recorder->slots = slots;
    recorder->hosts = sw_reserve((size_t)slots * sizeof(*recorder->hosts));
    /* the loop counts as this clock does, but may have looked at it a while ago */
    recorder->epoch_ms = sw_clock_wall_ms() - sw_clock_ms();
    recorder->last = &recorder->first;
    return recorder;
}

static struct sw_report *take_first(struct sw_recorder *recorder)
{
    struct sw_post *post = recorder->first;
    recorder->first = post->next;
    if (!recorder->first) {
        recorder->last = &recorder->first;
    }
    return SW_CONTAINER_OF(post, struct sw_report, post);
}

void sw_recorder_destroy(struct sw_recorder **pointer)
{
    struct sw_recorder *recorder = *pointer;
    *pointer = NULL;
    while (recorder->first) {
        sw_report_answer(take_first(recorder));
    }
    sw_release(recorder->hosts, (size_t)recorder->slots * sizeof(*recorder->hosts));
    sw_free(recorder);
}

/* ---- one session ---- */

void sw_session_set_peer(struct sw_session *session, const struct sw_peer *peer)
{
    session->port = peer->port;
    session->ipv4 = peer->ipv4;
    session->ipv6 = peer->ipv6;
    if (peer->ipv4) {
        memcpy(&session->host, peer->host, sizeof(session->host));
    } else if (peer->ipv6) {
        memcpy(session->all->recorder->hosts[session->slot], peer->host, sizeof(peer->host));
    }
}

struct sw_peer sw_session_peer(const struct sw_session *session)
{
    struct sw_peer peer = {.port = session->port, .ipv4 = session->ipv4, .ipv6 = session->ipv6};
    if (peer.ipv4) {
        memcpy(peer.host, &session->host, sizeof(session->host));
    } else if (peer.ipv6) {
        memcpy(peer.host, session->all->recorder->hosts[session->slot], sizeof(peer.host));
    }
    return peer;
}

static const char *state_word(const struct sw_fanout *fanout, const struct sw_reader *reader)
{
    if (reader->state != SW_OPEN) {
        return "closing";
    }
    return sw_reader_pressured(fanout, reader) ? "pressured" : "open";
}

static void fill_user(const struct sw_session *session, struct sw_connection_row *row)
{
    struct sw_slice user = sw_session_user(session);
    size_t size = user.size < sizeof(row->user) ? user.size : sizeof(row->user);
    row->user_size = (uint8_t)size;
    memcpy(row->user, user.data, size);
}

static void fill_row(struct sw_session *session, struct sw_connection_row *row)
{
    struct sw_sessions *all = session->all;
    const struct sw_reader *reader = sw_session_reader(session);
    uint64_t now_ticks = sw_loop_now_ms(all->loop) / SW_WHEEL_TICK_MS;
    uint32_t age_ticks = (uint32_t)now_ticks - session->opened;
    *row = (struct sw_connection_row){
        .session = session->id,
        .dropped = reader->shed,
        .since_ms = all->recorder->epoch_ms + (now_ticks - age_ticks) * SW_WHEEL_TICK_MS,
        .transport = session->transport->name,
        .state = state_word(&all->fanout, reader),
        .peer = sw_session_peer(session),
        .queued_bytes = reader->queued_bytes,
        .lag_ms = sw_reader_lag_ms(&all->fanout, session->slot),
        .topics = reader->subscriptions,
        .reason = session->reason,
    };
    fill_user(session, row);
}

static bool is_client(const struct sw_reader *reader)
{
    return reader->state == SW_OPEN || reader->state == SW_CLOSING_STATE;
}

/* ---- the flight recorder ---- */

void sw_recorder_note(struct sw_session *session)
{
    struct sw_recorder *recorder = session->all->recorder;
    session->ended_at = (uint8_t)(recorder->ended_next++ % SW_ENDED_SESSIONS);
    struct sw_connection_row *row = &recorder->ended[session->ended_at];
    fill_row(session, row);
    row->code = sw_session_code(session);
    row->ended_ms = sw_clock_wall_ms();
}

void sw_recorder_close(const struct sw_session *session)
{
    struct sw_connection_row *row = &session->all->recorder->ended[session->ended_at];
    if (row->session != session->id) {
        return; /* many ended after it */
    }
    row->dropped = sw_session_reader(session)->shed;
    row->ended_ms = sw_clock_wall_ms();
    row->state = "closed";
}

static void report_ended(const struct sw_recorder *recorder, struct sw_report *report)
{
    uint32_t kept =
        recorder->ended_next < SW_ENDED_SESSIONS ? recorder->ended_next : SW_ENDED_SESSIONS;
    for (uint32_t i = 0; i < kept && report->count < report->limit; i++) {
        uint32_t at = (recorder->ended_next - 1 - i) % SW_ENDED_SESSIONS;
        report->connections[report->count++] = recorder->ended[at];
    }
}

/* ---- who is slow ---- */

static uint64_t sort_key(struct sw_sessions *all, uint32_t slot, enum sw_report_sort sort,
                         uint32_t *work)
{
    const struct sw_reader *reader = sw_reader(&all->fanout, slot);
    switch (sort) {
    case SW_SORT_LAG: /* of those who wait equally long, who is owed most */
        *work += reader->cursors ? reader->subscriptions : 0; /* each may have a cursor */
        return (uint64_t)sw_reader_lag_ms(&all->fanout, slot) << 32 | reader->queued_bytes;
    case SW_SORT_QUEUED:
        return reader->queued_bytes;
    case SW_SORT_DROPPED:
        return reader->shed;
    case SW_SORT_AGE:
        return sw_sessions_tick(all) - sw_session_at(all, slot)->opened;
    }
    SW_UNREACHABLE();
}

static bool report_connections(struct sw_sessions *all, struct sw_report *report, uint32_t *work)
{
    while (report->next < all->fanout.slots_high) {
        if (*work >= SW_REPORT_ROWS) {
            return false;
        }
        uint32_t slot = report->next++;
        ++*work;
        if (is_client(sw_reader(&all->fanout, slot))) {
            uint64_t key = sort_key(all, slot, (enum sw_report_sort)report->sort, work);
            sw_best_offer(&report->best, key, slot);
        }
    }
    for (uint32_t i = 0; i < report->best.count; i++) {
        uint32_t slot = report->best.entries[i].id;
        if (is_client(sw_reader(&all->fanout, slot))) { /* else it has left meanwhile */
            fill_row(sw_session_at(all, slot), &report->connections[report->count++]);
        }
    }
    return true;
}

/* ---- what is read ---- */

static bool report_topics(struct sw_sessions *all, struct sw_report *report, uint32_t *work)
{
    const struct sw_fanout *fanout = &all->fanout;
    while (report->next < fanout->tapes_count) {
        if (*work >= SW_REPORT_ROWS) {
            return false;
        }
        uint32_t id = report->next++;
        const struct sw_tape *tape = fanout->tapes[id];
        ++*work;
        if (tape && tape->readers && sw_report_wants(report, sw_tape_name(tape))) {
            sw_best_offer(&report->best, tape->readers, id);
        }
    }
    for (uint32_t i = 0; i < report->best.count; i++) {
        const struct sw_tape *tape = fanout->tapes[report->best.entries[i].id];
        if (tape && tape->readers) {
            struct sw_topic_row *row = &report->topics[report->count++];
            row->known = true;
            row->subscribers = tape->readers;
            row->size = tape->name_size;
            memcpy(row->name, tape->name, tape->name_size);
        }
    }
    return true;
}

static void report_counts(struct sw_sessions *all, struct sw_report *report)
{
    for (uint32_t i = 0; i < report->count; i++) {
        struct sw_topic_row *row = &report->topics[i];
        row->subscribers = 0;
        for (unsigned which = 0; which < 2 * SW_ENCODINGS; which++) {
            const struct sw_tape *tape =
                sw_tape_find(&all->fanout, which / 2, sw_topic_row_name(row), which % 2);
            row->known = row->known || tape;
            row->subscribers += tape ? tape->readers : 0;
        }
    }
}

/* ---- the turn ---- */

void sw_sessions_report(struct sw_sessions *all, struct sw_report *report)
{
    struct sw_recorder *recorder = all->recorder;
    report->post.next = NULL;
    report->begun = sw_sessions_tick(all);
    *recorder->last = &report->post;
    recorder->last = &report->post.next;
}

/* False: its share of this turn is used up. */
static bool work_at(struct sw_sessions *all, struct sw_report *report, uint32_t *work)
{
    switch ((enum sw_report_kind)report->kind) {
    case SW_REPORT_CONNECTIONS:
        return report_connections(all, report, work);
    case SW_REPORT_ENDED:
        report_ended(all->recorder, report);
        *work += report->count;
        return true;
    case SW_REPORT_TOPICS:
        return report_topics(all, report, work);
    case SW_REPORT_COUNTS:
        report_counts(all, report);
        *work += report->count;
        return true;
    case SW_REPORT_DISCONNECT:
        return sw_sessions_disconnect(all, report, work);
    }
    SW_UNREACHABLE();
}

bool sw_sessions_report_turn(struct sw_sessions *all)
{
    struct sw_recorder *recorder = all->recorder;
    uint32_t work = 0;
    while (recorder->first && work < SW_REPORT_ROWS) {
        struct sw_report *report = SW_CONTAINER_OF(recorder->first, struct sw_report, post);
        if (!work_at(all, report, &work)) {
            break;
        }
        sw_report_answer(take_first(recorder));
    }
    return recorder->first != NULL;
}

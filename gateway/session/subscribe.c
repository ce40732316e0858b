// SPDX-License-Identifier: Apache-2.0
/* Subscribing and unsubscribing. A tape that the bus feeds already is read at once, where begin.c
 * can say from which place; another is joined, and the subscription waits in pending.c until the
 * bus says that what follows is live. */
#include "core/topic.h"
#include "session/guest.h"
#include "session/internal.h"

/* SW_SESSION_JOINS_PER_S of those that were refused fit into it. */
#define JOIN_RETRY_MS 1000

void sw_tape_release(struct sw_sessions *all, struct sw_tape *tape)
{
    if (tape->state == SW_TAPE_DOOMED || tape->readers || sw_tape_awaited(tape)) {
        return;
    }
    sw_bus_leave(all->bus, all->config.worker, tape->id, tape->generation, sw_tape_name(tape),
                 tape->pattern);
    sw_tape_destroy(&all->fanout, tape);
}

/* What the subscription has not been told of yet; nothing of it can be told later. */
static void say_push(struct sw_session *session, const struct sw_tape *tape, struct sw_push push)
{
    push.name = sw_tape_name(tape);
    push.pattern = tape->pattern;
    const struct sw_encoding *encoding = &session->all->fanout.encodings[tape->encoding];
    struct sw_buf frame = {0};
    size_t text_size;
    size_t size = sw_encoding_size(encoding, &push, &text_size);
    sw_encoding_write(encoding, &push, text_size, sw_buf_reserve(&frame, size));
    sw_session_say_raw(session, frame.data, size);
    sw_buf_deinit(&frame);
}

static void say_untold(struct sw_session *session, const struct sw_tape *tape,
                       const struct sw_untold *untold)
{
    if (untold->slow || untold->unknown) {
        say_push(session, tape,
                 (struct sw_push){.kind = SW_PUSH_DROPPED,
                                  .count = untold->unknown ? 0 : untold->slow,
                                  .epoch = untold->epoch,
                                  .from = untold->from,
                                  .to = untold->to,
                                  .reason = untold->slow_reason});
    }
    if (untold->passed) {
        say_push(session, tape,
                 (struct sw_push){.kind = SW_PUSH_DROPPED,
                                  .count = untold->passed,
                                  .reason = untold->passed_reason});
    }
    if (untold->reset) {
        say_push(
            session, tape,
            (struct sw_push){.kind = SW_PUSH_RESET, .epoch = untold->epoch, .offset = untold->to});
    }
    if (untold->feed) {
        say_push(session, tape, (struct sw_push){.kind = SW_PUSH_DROPPED, .reason = SW_SHED_FEED});
    }
}

void sw_tape_refused(struct sw_sessions *all, struct sw_tape *tape, enum sw_error error)
{
    sw_pending_refused(tape, error);
    struct sw_buf text = {0};
    sw_encode_ended(&text, sw_tape_name(tape), error);
    while (tape->readers) {
        uint32_t place = tape->readers - 1;
        struct sw_session *session = sw_session_at(all, tape->hub[place].slot);
        struct sw_untold untold =
            sw_hub_unsubscribe(&all->fanout, session->slot, sw_entry_index(&tape->hub[place]));
        say_untold(session, tape, &untold);
        sw_session_say(session, sw_buf_slice(&text));
        sw_raw_refused(session);
    }
    sw_buf_deinit(&text);
    sw_tape_destroy(&all->fanout, tape);
}

/* ---- subscribe ---- */

/* One request while it is being answered. */
struct subscribing {
    struct sw_session *session;
    struct sw_request *request; /* NULL: nothing waits so far */
    bool covered;               /* by the session's grant: at least one entry */
    uint64_t id;
    struct sw_buf entries;
    struct sw_buf topic;
};

/* A bucket that holds SW_SESSION_JOINS and is refilled by one per unit of its clock. */
static bool may_join(struct sw_session *session)
{
    uint64_t now_ms = sw_loop_now_ms(session->all->loop);
    uint32_t now = (uint32_t)(now_ms * SW_SESSION_JOINS_PER_S / 1000);
    uint32_t taken = session->joins_until - now;
    if (taken > SW_SESSION_JOINS) {
        taken = 0; /* until then was long ago */
    }
    if (taken == SW_SESSION_JOINS) {
        return false;
    }
    session->joins_until = now + taken + 1;
    return true;
}

static void refuse(struct subscribing *at, enum sw_error error, const char *message,
                   uint64_t retry_ms)
{
    sw_encode_subscribed_error(&at->entries, sw_buf_slice(&at->topic), error, message, retry_ms);
}

static struct sw_want want_of(const struct sw_command_sub *sub)
{
    struct sw_want want = {.claim = {.kind = SW_CLAIM_NOW}};
    if (sub->has_from) {
        want.claim = (struct sw_claim){.kind = SW_CLAIM_FROM, .from = sub->from};
    } else if (sub->last) {
        want.claim = (struct sw_claim){.kind = SW_CLAIM_LAST, .last = sub->last};
    }
    return want;
}

/* Of the tapes that it reads under this rule. */
static enum sw_encoding_index encoding_under(const struct sw_session *session,
                                             const struct sw_rule *rule)
{
    enum sw_encoding_index plain = session->transport->encoding;
    bool packed = plain == SW_ENCODING_WS && session->deflate && rule->compress;
    return packed ? SW_ENCODING_WS_DEFLATE : plain;
}

/* Patterns that it reads or waits for. */
static uint32_t patterns_held(const struct sw_session *session)
{
    const struct sw_reader *reader = sw_session_reader(session);
    uint32_t count = sw_pending_patterns(session);
    for (uint32_t i = 0; i < reader->subscriptions; i++) {
        count += session->all->fanout.tapes[reader->list[i].tape]->pattern;
    }
    return count;
}

/* The topic may be subscribed: now, when the bus has it, or when it is known where to begin. */
static void subscribe_topic(struct subscribing *at, const struct sw_rule *rule, bool pattern,
                            struct sw_want want)
{
    struct sw_session *session = at->session;
    struct sw_sessions *all = session->all;
    struct sw_slice topic = sw_buf_slice(&at->topic);
    enum sw_encoding_index encoding = encoding_under(session, rule);
    struct sw_tape *tape = sw_tape_find(&all->fanout, encoding, topic, pattern);
    bool known = tape && sw_session_find(session, tape);
    uint32_t held = sw_session_reader(session)->subscriptions + sw_pending_count(session);
    if (!known && held >= SW_SESSION_TOPICS) {
        sw_count(&all->counters->topics_refused_total, 1);
        refuse(at, SW_ERROR_TOO_MANY_TOPICS, NULL, 0);
        return;
    }
    if (!known && pattern && patterns_held(session) >= all->config.max_patterns) {
        sw_count(&all->counters->patterns_refused_total, 1);
        refuse(at, SW_ERROR_TOO_MANY_TOPICS, "too many patterns: max_patterns of one client", 0);
        return;
    }
    bool looks = want.claim.kind != SW_CLAIM_NOW && rule->history_size > 0;
    if ((!tape || looks) && !may_join(session)) {
        refuse(at, SW_ERROR_RATE_LIMITED, "too many new topics or positions at once",
               JOIN_RETRY_MS);
        return;
    }
    if (tape && tape->state == SW_TAPE_JOINED && !sw_pending_first(session, tape) &&
        sw_session_begin(session, tape, &want, &at->entries)) {
        return;
    }
    if (!tape) {
        tape = sw_tape_create(&all->fanout, encoding, topic, pattern);
        tape->rule = (uint8_t)sw_rule_index(all->config.rules, rule);
        tape->retain = rule->retain && !tape->pattern;
        sw_bus_join(all->bus, all->config.worker, tape->id, tape->generation, topic, pattern);
    }
    sw_pending_add(session, &at->request, at->id, tape, &want);
}

static void subscribe_one(struct subscribing *at, const struct sw_command_sub *sub)
{
    const struct sw_sessions *all = at->session->all;
    sw_buf_clear(&at->topic);
    sw_json_unescape(&at->topic, sub->topic);
    struct sw_slice topic = sw_buf_slice(&at->topic);
    const char *why = NULL;
    enum sw_topic_kind kind = sw_topic_kind(topic, all->config.separator, &why);
    if (kind == SW_TOPIC_BAD) {
        at->covered = true; /* it is no grant that is missing */
        refuse(at, SW_ERROR_BAD_TOPIC, why, 0);
        return;
    }
    if (!sw_session_may_subscribe(at->session, topic)) {
        refuse(at, SW_ERROR_FORBIDDEN, "no grant", 0);
        return;
    }
    at->covered = true;
    if (sub->error != SW_ERROR_NONE) {
        refuse(at, sub->error, sub->message, 0);
        return;
    }
    bool pattern = kind == SW_TOPIC_PATTERN;
    const struct sw_rule *rule = sw_rules_find(all->config.rules, topic, pattern);
    struct sw_want want = want_of(sub);
    char forbidden[SW_RULE_WHY_BYTES];
    enum sw_error error =
        sw_rule_choose(rule, &sub->wish, &want.choice, forbidden, sizeof(forbidden));
    if (at->session->transport->raw) { /* nothing can be told of what is left out */
        want.choice = (struct sw_choice){.mode = SW_MODE_DISCONNECT};
        error = SW_ERROR_NONE;
    }
    if (error != SW_ERROR_NONE) {
        refuse(at, error, forbidden, 0);
        return;
    }
    subscribe_topic(at, rule, pattern, want);
}

static uint32_t count_entries(const struct sw_command *command)
{
    struct sw_command_walk walk = {0};
    struct sw_command_sub sub;
    uint32_t count = 0;
    while (sw_command_next_sub(command, &walk, &sub)) {
        count++;
    }
    return count;
}

bool sw_session_subscribe(struct sw_session *session, const struct sw_command *command)
{
    if (count_entries(command) > SW_SUBSCRIBE_ENTRIES) {
        sw_session_error(session, &(struct sw_encode_error){
                                      .error = SW_ERROR_TOO_MANY_TOPICS,
                                      .id = command->id,
                                      .message = "one subscribe names at most 512 topics"});
        return true;
    }
    struct subscribing at = {.session = session, .id = command->id};
    struct sw_command_walk walk = {0};
    struct sw_command_sub sub;
    while (sw_command_next_sub(command, &walk, &sub)) {
        subscribe_one(&at, &sub);
    }
    if (at.request) {
        sw_request_start(at.request);
    }
    if (at.entries.size || !at.request) {
        struct sw_buf text = {0};
        sw_encode_subscribed_begin(&text, at.id, at.request == NULL);
        sw_encode_subscribed_end(&text, sw_buf_slice(&at.entries));
        sw_session_say(session, sw_buf_slice(&text));
        sw_buf_deinit(&text);
    }
    sw_buf_deinit(&at.entries);
    sw_buf_deinit(&at.topic);
    return at.covered;
}

bool sw_session_subscribe_text(struct sw_session *session, struct sw_slice text)
{
    struct sw_command command = sw_command_parse(text);
    return command.kind != SW_COMMAND_SUBSCRIBE || sw_session_subscribe(session, &command);
}

/* ---- unsubscribe ---- */

static void end_subscription(struct sw_session *session, const struct sw_subscription *subscription)
{
    struct sw_sessions *all = session->all;
    const struct sw_reader *reader = sw_session_reader(session);
    struct sw_tape *tape = all->fanout.tapes[subscription->tape];
    struct sw_untold untold =
        sw_hub_unsubscribe(&all->fanout, session->slot, (uint32_t)(subscription - reader->list));
    if (!(reader->flags & SW_CLOSING)) {
        say_untold(session, tape, &untold);
    }
    sw_tape_release(all, tape);
}

static void unsubscribe_one(struct sw_session *session, struct sw_slice topic)
{
    struct sw_sessions *all = session->all;
    enum sw_topic_kind kind = sw_topic_kind(topic, all->config.separator, NULL);
    if (kind == SW_TOPIC_BAD) {
        return; /* what cannot be subscribed is not */
    }
    bool pattern = kind == SW_TOPIC_PATTERN;
    const struct sw_rule *rule = sw_rules_find(all->config.rules, topic, pattern);
    struct sw_tape *tape =
        sw_tape_find(&all->fanout, encoding_under(session, rule), topic, pattern);
    if (!tape) {
        return;
    }
    struct sw_subscription *subscription = sw_session_find(session, tape);
    if (subscription) {
        end_subscription(session, subscription);
        return;
    }
    sw_pending_cancel(session, tape);
    sw_tape_release(all, tape);
}

void sw_session_unsubscribe(struct sw_session *session, const struct sw_command *command)
{
    struct sw_buf text = {0};
    struct sw_buf topic = {0};
    struct sw_command_walk walk = {0};
    struct sw_slice raw;
    bool first = true;
    sw_encode_unsubscribed_begin(&text, command->id);
    while (sw_command_next_topic(command, &walk, &raw)) {
        sw_buf_clear(&topic);
        sw_json_unescape(&topic, raw);
        unsubscribe_one(session, sw_buf_slice(&topic));
        sw_encode_unsubscribed_topic(&text, sw_buf_slice(&topic), first);
        first = false;
    }
    sw_encode_unsubscribed_end(&text);
    sw_session_say(session, sw_buf_slice(&text));
    sw_buf_deinit(&topic);
    sw_buf_deinit(&text);
}

void sw_session_revoke(struct sw_session *session)
{
    const struct sw_reader *reader = sw_session_reader(session);
    struct sw_buf text = {0};
    bool first = true;
    sw_pending_revoke(session);
    sw_encode_unsubscribed_begin(&text, 0);
    for (uint32_t i = reader->subscriptions; i-- > 0;) {
        struct sw_slice name = sw_tape_name(session->all->fanout.tapes[reader->list[i].tape]);
        if (!sw_session_may_subscribe(session, name)) {
            sw_encode_unsubscribed_topic(&text, name, first);
            first = false;
            end_subscription(session, &reader->list[i]);
        }
    }
    sw_encode_revoked_end(&text);
    if (!first) {
        sw_session_say(session, sw_buf_slice(&text));
    }
    sw_buf_deinit(&text);
}

void sw_session_unsubscribe_all(struct sw_session *session)
{
    struct sw_reader *reader = sw_session_reader(session);
    while (reader->subscriptions) {
        end_subscription(session, &reader->list[reader->subscriptions - 1]);
    }
}

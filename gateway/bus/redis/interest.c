// SPDX-License-Identifier: Apache-2.0
#include "bus/redis/interest.h"

#include "bus/redis/link.h"
#include "common/assert.h"
#include "common/log.h"
#include "common/mem.h"
#include "core/topic.h"

#include <string.h>

/* One interest on this link that something is under way for, or what is left of it. */
struct mark {
    struct sw_list link;
    struct sw_interest *interest; /* NULL: nobody wants it any more */
    uint32_t refs;                /* places in the queue and in commands that name it */
    uint32_t outstanding;         /* SUBSCRIBEs sent and not answered */
    bool queued;
    bool subscribed; /* Redis has, or may have, a subscription of ours */
    bool alone;      /* goes in a command of its own: another one with it was refused */
    bool pattern;
    size_t size;
    char wire[]; /* own copy: UNSUBSCRIBE and the answers come after the interest */
};

/* In place of the mark of an interest whose subscription was answered. */
static struct mark subscribed;

enum verb { SUBSCRIBE, PSUBSCRIBE, UNSUBSCRIBE, PUNSUBSCRIBE, PING };

struct command {
    enum verb verb;
    uint32_t count;
    uint32_t answered;
    struct mark *marks[];
};

/* A channel that is not subscribed to for a while. */
struct left_out {
    struct sw_list link;
    uint64_t until_ms;
    size_t size;
    char channel[];
};

static const struct {
    struct sw_slice word;
    enum sw_redis_event_kind answer;
} verbs[] = {
    [SUBSCRIBE] = {{"SUBSCRIBE", 9}, SW_REDIS_SUBSCRIBED},
    [PSUBSCRIBE] = {{"PSUBSCRIBE", 10}, SW_REDIS_PSUBSCRIBED},
    [UNSUBSCRIBE] = {{"UNSUBSCRIBE", 11}, SW_REDIS_UNSUBSCRIBED},
    [PUNSUBSCRIBE] = {{"PUNSUBSCRIBE", 12}, SW_REDIS_PUNSUBSCRIBED},
    [PING] = {{"PING", 4}, SW_REDIS_PONG},
};

static struct sw_slice mark_wire(const struct mark *mark)
{
    return sw_slice(mark->wire, mark->size);
}

/* ---- marks ---- */

static struct mark *mark_create(struct sw_redis_interests *interests, struct sw_interest *interest)
{
    struct sw_slice wire = sw_interest_wire(interest);
    struct mark *mark = sw_zalloc(sizeof(*mark) + wire.size);
    mark->interest = interest;
    mark->pattern = interest->pattern;
    mark->size = wire.size;
    memcpy(mark->wire, wire.data, wire.size);
    sw_list_push(&interests->marks, &mark->link);
    interest->backend = mark;
    return mark;
}

/* The interest's mark; a new one where it has none now. */
static struct mark *mark_get(struct sw_redis_interests *interests, struct sw_interest *interest)
{
    struct mark *mark = interest->backend;
    if (mark && mark != &subscribed) {
        return mark;
    }
    struct mark *fresh = mark_create(interests, interest);
    fresh->subscribed = mark == &subscribed;
    return fresh;
}

static void mark_destroy(struct mark *mark)
{
    sw_list_remove(&mark->link);
    sw_free(mark);
}

/* Frees a mark that nothing names any more: if its interest is still there, everything that was
 * asked for it has its answer, and it is subscribed. */
static void mark_settle(struct mark *mark)
{
    if (mark->refs > 0) {
        return;
    }
    if (mark->interest) {
        SW_ASSERT(mark->subscribed && mark->outstanding == 0);
        mark->interest->backend = &subscribed;
    }
    mark_destroy(mark);
}

/* Its interest is forgotten here. */
static void mark_cut(struct mark *mark)
{
    mark->interest->backend = NULL;
    mark->interest = NULL;
}

static void enqueue(struct sw_redis_interests *interests, struct mark *mark)
{
    if (!mark->queued) {
        mark->queued = true;
        mark->refs++;
        sw_ring_push(&interests->queue, mark);
    }
}

/* ---- what is left out ---- */

/* One place of a glob against one byte: a byte, '\\' and a byte, '?', or "[^x]". Returns what the
 * place takes of the glob, 0 where it does not fit. */
static size_t glob_place(struct sw_slice glob, char byte)
{
    if (glob.size >= 4 && glob.data[0] == '[' && glob.data[1] == '^' && glob.data[3] == ']') {
        return glob.data[2] != byte ? 4 : 0;
    }
    if (glob.size >= 2 && glob.data[0] == '\\') {
        return glob.data[1] == byte ? 2 : 0;
    }
    return glob.size >= 1 && (glob.data[0] == byte || glob.data[0] == '?') ? 1 : 0;
}

/* Redis' glob, as far as the exchange writes it. Goes back to the last '*' only, so it takes no
 * more than size(glob) x size(text). */
static bool glob_covers(struct sw_slice glob, struct sw_slice text)
{
    size_t g = 0;
    size_t t = 0;
    size_t star = SIZE_MAX; /* behind the last '*' */
    size_t retry = 0;
    while (t < text.size) {
        if (g < glob.size && glob.data[g] == '*') {
            star = ++g;
            retry = t;
            continue;
        }
        size_t taken = glob_place(sw_slice(glob.data + g, glob.size - g), text.data[t]);
        if (taken > 0) {
            g += taken;
            t++;
        } else if (star != SIZE_MAX) {
            g = star;
            t = ++retry;
        } else {
            return false;
        }
    }
    while (g < glob.size && glob.data[g] == '*') {
        g++;
    }
    return g == glob.size;
}

static bool covers(const struct sw_interest *interest, struct sw_slice channel)
{
    return interest->pattern ? glob_covers(sw_interest_wire(interest), channel)
                             : sw_slice_equal(sw_interest_wire(interest), channel);
}

static bool is_left_out(const struct sw_redis_interests *interests,
                        const struct sw_interest *interest)
{
    for (struct sw_list *at = interests->left_out.next; at != &interests->left_out; at = at->next) {
        const struct left_out *left = SW_CONTAINER_OF(at, struct left_out, link);
        if (covers(interest, sw_slice(left->channel, left->size))) {
            return true;
        }
    }
    return false;
}

/* Would the message have been for it? A glob covers more than the pattern means. */
static bool means(const struct sw_redis_interests *interests, const struct sw_interest *interest,
                  struct sw_slice channel)
{
    const struct sw_bus_config *config = sw_exchange_config(interests->exchange);
    if (!interest->pattern) {
        return true;
    }
    size_t prefix = strlen(config->prefix);
    if (channel.size <= prefix) {
        return false;
    }
    struct sw_slice topic = sw_slice(channel.data + prefix, channel.size - prefix);
    return sw_topic_kind(topic, config->separator, NULL) == SW_TOPIC_CONCRETE &&
           sw_topic_match(sw_interest_name(interest), topic, config->separator);
}

static void tell_left_out(void *context, struct sw_interest *interest)
{
    const struct sw_redis_interests *interests = context;
    const struct left_out *left = SW_CONTAINER_OF(interests->left_out.prev, struct left_out, link);
    struct sw_slice channel = sw_slice(left->channel, left->size);
    if (interest->acked && covers(interest, channel) && means(interests, interest, channel)) {
        sw_exchange_too_large(interests->exchange, interest);
    }
}

void sw_redis_interests_leave_out(struct sw_redis_interests *interests, struct sw_slice channel,
                                  uint64_t until_ms)
{
    struct left_out *left = sw_alloc(sizeof(*left) + channel.size);
    left->until_ms = until_ms;
    left->size = channel.size;
    memcpy(left->channel, channel.data, channel.size);
    sw_list_push(&interests->left_out, &left->link);
    sw_exchange_visit(interests->exchange, tell_left_out, interests);
}

/* Queues it where it has no mark. */
static void subscribe_rest(void *context, struct sw_interest *interest)
{
    if (!interest->backend) {
        sw_redis_interests_subscribe(context, interest);
    }
}

void sw_redis_interests_look(struct sw_redis_interests *interests, uint64_t now_ms)
{
    bool some = false;
    struct sw_list *next;
    for (struct sw_list *at = interests->left_out.next; at != &interests->left_out; at = next) {
        next = at->next;
        struct left_out *left = SW_CONTAINER_OF(at, struct left_out, link);
        if (now_ms >= left->until_ms) {
            sw_list_remove(at);
            sw_free(left);
            some = true;
        }
    }
    if (some && interests->up) {
        sw_exchange_visit(interests->exchange, subscribe_rest, interests);
    }
}

/* ---- wanted and wanted no more ---- */

void sw_redis_interests_subscribe(struct sw_redis_interests *interests,
                                  struct sw_interest *interest)
{
    if (!interests->up || is_left_out(interests, interest)) {
        return;
    }
    enqueue(interests, mark_get(interests, interest));
}

void sw_redis_interests_unsubscribe(struct sw_redis_interests *interests,
                                    struct sw_interest *interest)
{
    if (!interest->backend) {
        return;
    }
    struct mark *mark = mark_get(interests, interest);
    mark_cut(mark);
    if (mark->subscribed) {
        enqueue(interests, mark); /* or, where it is queued already, that place now means this */
    }
    mark_settle(mark);
}

void sw_redis_interests_up(struct sw_redis_interests *interests)
{
    interests->up = true;
    sw_exchange_visit(interests->exchange, subscribe_rest, interests);
}

/* Forgets the queue and what was sent. */
static void forget(struct sw_redis_interests *interests)
{
    interests->up = false;
    while (sw_ring_pop(&interests->queue)) {
    }
    for (void *command; (command = sw_ring_pop(&interests->sent));) {
        sw_free(command);
    }
    interests->unanswered = 0;
    for (struct sw_list *node; (node = sw_list_first(&interests->marks));) {
        mark_destroy(SW_CONTAINER_OF(node, struct mark, link));
    }
}

static void unmark(void *context, struct sw_interest *interest)
{
    (void)context;
    interest->backend = NULL;
}

void sw_redis_interests_down(struct sw_redis_interests *interests)
{
    sw_exchange_visit(interests->exchange, unmark, NULL);
    forget(interests);
}

/* ---- commands ---- */

/* What a mark's place in the queue means now. False: nothing any more. */
static bool meaning(const struct mark *mark, enum verb *verb)
{
    if (mark->interest) {
        *verb = mark->pattern ? PSUBSCRIBE : SUBSCRIBE;
        return true;
    }
    *verb = mark->pattern ? PUNSUBSCRIBE : UNSUBSCRIBE;
    return mark->subscribed;
}

static struct mark *dequeue(struct sw_redis_interests *interests)
{
    struct mark *mark = sw_ring_pop(&interests->queue);
    mark->queued = false;
    mark->refs--;
    return mark;
}

/* The first mark whose place means something; the others before it are dropped. */
static struct mark *queue_first(struct sw_redis_interests *interests, enum verb *verb)
{
    struct mark *mark;
    while ((mark = sw_ring_first(&interests->queue))) {
        if (meaning(mark, verb)) {
            return mark;
        }
        mark_settle(dequeue(interests));
    }
    return NULL;
}

/* Takes what goes together from the queue's front: the order of the queue is the order on the wire,
 * so that an UNSUBSCRIBE never overtakes the SUBSCRIBE of those who came back. */
static struct command *next_command(struct sw_redis_interests *interests)
{
    struct mark *marks[SW_REDIS_BATCH];
    uint32_t count = 0;
    enum verb verb = PING;
    enum verb of_this;
    size_t room = SW_REDIS_WINDOW - interests->unanswered;
    struct mark *mark;
    while (count < SW_REDIS_BATCH && count < room && (mark = queue_first(interests, &of_this))) {
        if (count > 0 && (of_this != verb || mark->alone || marks[0]->alone)) {
            break;
        }
        verb = of_this;
        marks[count++] = dequeue(interests);
    }
    if (count == 0) {
        return NULL;
    }
    struct command *command = sw_alloc(sizeof(*command) + count * sizeof(command->marks[0]));
    *command = (struct command){.verb = verb, .count = count};
    memcpy(command->marks, marks, count * sizeof(marks[0]));
    return command;
}

void sw_redis_interests_write(struct sw_redis_interests *interests, struct sw_buf *out)
{
    struct command *command;
    while ((command = next_command(interests))) {
        bool wanted = command->verb == SUBSCRIBE || command->verb == PSUBSCRIBE;
        sw_redis_put_command(out, command->count + 1);
        sw_redis_put_argument(out, verbs[command->verb].word);
        for (uint32_t i = 0; i < command->count; i++) {
            struct mark *mark = command->marks[i];
            sw_redis_put_argument(out, mark_wire(mark));
            mark->refs++;
            mark->subscribed = wanted;
            mark->outstanding += wanted;
        }
        interests->unanswered += command->count;
        sw_ring_push(&interests->sent, command);
    }
}

bool sw_redis_interests_whole(const struct sw_redis_interests *interests)
{
    const struct sw_list *all = &interests->marks;
    for (const struct sw_list *at = all->next; at != all; at = at->next) {
        const struct mark *mark = SW_CONTAINER_OF(at, const struct mark, link);
        if (mark->interest && mark->interest->lost) {
            return false;
        }
    }
    return true;
}

void sw_redis_interests_ping(struct sw_redis_interests *interests, struct sw_buf *out,
                             struct sw_slice text)
{
    struct command *command = sw_alloc(sizeof(*command));
    *command = (struct command){.verb = PING};
    sw_ring_push(&interests->sent, command);
    sw_redis_put_command(out, 2);
    sw_redis_put_argument(out, verbs[PING].word);
    sw_redis_put_argument(out, text);
}

/* ---- answers ---- */

static void answer_mark(struct sw_redis_interests *interests, enum verb verb, struct mark *mark)
{
    struct sw_interest *acked = NULL;
    mark->refs--;
    if (verb == SUBSCRIBE || verb == PSUBSCRIBE) {
        mark->outstanding--;
        mark->alone = false;
        if (mark->outstanding == 0 && !mark->queued) {
            acked = mark->interest;
        }
    }
    mark_settle(mark);
    if (acked) {
        sw_exchange_acked(interests->exchange, acked); /* last: it may unsubscribe */
    }
}

enum sw_redis_answer sw_redis_interests_answer(struct sw_redis_interests *interests,
                                               const struct sw_redis_event *event)
{
    struct command *command = sw_ring_first(&interests->sent);
    if (!command || verbs[command->verb].answer != event->kind) {
        return SW_REDIS_ANSWER_STRAY;
    }
    if (command->verb == PING) {
        sw_free(sw_ring_pop(&interests->sent));
        return SW_REDIS_ANSWER_GOOD;
    }
    struct mark *mark = command->marks[command->answered];
    if (!sw_slice_equal(event->channel, mark_wire(mark))) {
        return SW_REDIS_ANSWER_STRAY;
    }
    enum verb verb = command->verb;
    interests->unanswered--;
    if (++command->answered == command->count) {
        sw_free(sw_ring_pop(&interests->sent));
    }
    answer_mark(interests, verb, mark);
    return SW_REDIS_ANSWER_GOOD;
}

static void log_refused(const struct mark *mark, struct sw_slice error)
{
    char channel[160];
    char text[160];
    char clean[160];
    sw_redis_error_text(text, sizeof(text), error);
    sw_log(SW_LOG_WARN, "redis_refused", "%s=\"%s\" why=\"%s\"",
           mark->pattern ? "pattern" : "channel",
           sw_log_clean(channel, sizeof(channel), mark_wire(mark)),
           sw_log_clean(clean, sizeof(clean), sw_slice_of(text)));
}

/* Redis looks at all channels of a command before it subscribes to any, so none of them is. */
static void refuse_mark(struct sw_redis_interests *interests, struct mark *mark, bool alone,
                        struct sw_slice error)
{
    struct sw_interest *refused = NULL;
    mark->refs--;
    mark->outstanding--;
    mark->subscribed = mark->outstanding > 0;
    if (mark->interest && !alone) {
        mark->alone = true;
        enqueue(interests, mark);
    } else if (mark->interest) {
        log_refused(mark, error);
        refused = mark->interest;
        mark_cut(mark);
    }
    mark_settle(mark);
    if (refused) {
        sw_exchange_refused(interests->exchange, refused,
                            sw_redis_error_is(error, "NOPERM") ? SW_ERROR_FORBIDDEN
                                                               : SW_ERROR_INTERNAL);
    }
}

enum sw_redis_answer sw_redis_interests_error(struct sw_redis_interests *interests,
                                              struct sw_slice error)
{
    struct command *command = sw_ring_first(&interests->sent);
    if (!command || command->answered > 0 || command->verb == PING) {
        return SW_REDIS_ANSWER_STRAY;
    }
    (void)sw_ring_pop(&interests->sent);
    interests->unanswered -= command->count;
    for (uint32_t i = 0; i < command->count; i++) {
        if (command->verb == SUBSCRIBE || command->verb == PSUBSCRIBE) {
            refuse_mark(interests, command->marks[i], command->count == 1, error);
        } else {
            command->marks[i]->refs--; /* it stays subscribed, and its messages find nobody */
            mark_settle(command->marks[i]);
        }
    }
    sw_free(command);
    return SW_REDIS_ANSWER_GOOD;
}

/* ---- life ---- */

void sw_redis_interests_init(struct sw_redis_interests *interests, struct sw_exchange *exchange)
{
    *interests = (struct sw_redis_interests){.exchange = exchange};
    sw_list_init(&interests->marks);
    sw_list_init(&interests->left_out);
}

void sw_redis_interests_deinit(struct sw_redis_interests *interests)
{
    forget(interests);
    for (struct sw_list *node; (node = sw_list_pop(&interests->left_out));) {
        sw_free(SW_CONTAINER_OF(node, struct left_out, link));
    }
    sw_ring_deinit(&interests->queue);
    sw_ring_deinit(&interests->sent);
}

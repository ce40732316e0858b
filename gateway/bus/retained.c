// SPDX-License-Identifier: Apache-2.0
#include "bus/retained.h"

#include "bus/envelope.h"
#include "common/assert.h"
#include "common/clock.h"
#include "common/mem.h"
#include "core/limits.h"

struct sw_retained {
    struct sw_retainers *all;
    struct sw_interest *interest; /* NULL: it is gone; what is left waits for its value */
    const struct sw_rule *rule;
    struct sw_message *last; /* kept; NULL: none is known */
    struct sw_value_read read;
    struct sw_buf key;
    bool reading;
    bool heard; /* since the read began a message came, which is newer */
    bool waits; /* joins wait for the read */
    struct sw_timer patience;
};

/* ---- states ---- */

static struct sw_topic_state *create_state(const struct sw_retained *retained)
{
    struct sw_topic_state state = {.joined = true, .retained = retained->last};
    return sw_topic_state_create(&state);
}

static void welcome(struct sw_retained *retained)
{
    struct sw_topic_state *state = create_state(retained);
    struct sw_exchange_reader *reader = retained->interest->readers;
    retained->waits = false;
    sw_loop_timer_stop(retained->all->loop, &retained->patience);
    for (; reader; reader = reader->next) {
        if (!reader->joined) {
            sw_reader_welcome(retained->all->outlets, reader, state);
        }
    }
    sw_topic_state_unref(retained->all->purse, state);
}

void sw_retained_joined(struct sw_retained *retained, struct sw_exchange_reader *reader)
{
    if (retained->waits) {
        return;
    }
    struct sw_topic_state *state = create_state(retained);
    sw_reader_welcome(retained->all->outlets, reader, state);
    sw_topic_state_unref(retained->all->purse, state);
}

static void on_patience(struct sw_timer *timer)
{
    welcome(SW_CONTAINER_OF(timer, struct sw_retained, patience));
}

/* ---- messages ---- */

static void keep(struct sw_retained *retained, struct sw_message *message)
{
    struct sw_message *before = retained->last;
    sw_lent_keep(retained->all->purse, message);
    retained->last = message;
    if (before) {
        sw_lent_keep_no_more(retained->all->purse, before);
    }
}

void sw_retained_take(struct sw_retained *retained, struct sw_message *message)
{
    retained->heard = true;
    keep(retained, message);
}

/* ---- what a key says ---- */

static void take_value(struct sw_retained *retained, struct sw_slice value)
{
    struct sw_envelope envelope = sw_envelope_open(value);
    if (envelope.payload.size > retained->interest->max_bytes) {
        sw_count(&retained->all->counters->retained_ignored_total, 1);
        return;
    }
    struct sw_message *message = sw_lent_message(
        retained->all->purse, sw_interest_name(retained->interest), &envelope, sw_clock_ns());
    keep(retained, message);
    sw_lent_let_go(retained->all->purse, message);
}

static void release(struct sw_retained *retained)
{
    if (!retained->interest && !retained->reading) {
        sw_buf_deinit(&retained->key);
        sw_free(retained);
    }
}

static void on_value(void *context, struct sw_value_read *read, struct sw_slice value)
{
    struct sw_retained *retained = context;
    (void)read;
    retained->reading = false;
    if (!retained->interest) {
        release(retained);
        return;
    }
    if (value.data && !retained->heard) {
        take_value(retained, value);
    }
    if (retained->waits) {
        welcome(retained);
    }
}

/* {topic} is the topic, wherever it stands. */
static void put_key(struct sw_buf *out, struct sw_slice form, struct sw_slice topic)
{
    static const struct sw_slice mark = {SW_RETAIN_TOPIC, sizeof(SW_RETAIN_TOPIC) - 1};
    sw_buf_clear(out);
    while (form.size > 0) {
        if (sw_slice_starts_with(form, mark)) {
            sw_buf_append_slice(out, topic);
            form = sw_slice(form.data + mark.size, form.size - mark.size);
        } else {
            sw_buf_append_byte(out, form.data[0]);
            form = sw_slice(form.data + 1, form.size - 1);
        }
    }
}

/* The embedded bus has no keys; it knows the topic. */
static void read_value(struct sw_retained *retained)
{
    struct sw_backend *backend = retained->all->backend;
    struct sw_slice topic = sw_interest_name(retained->interest);
    put_key(&retained->key, retained->rule->retain_key, topic);
    retained->read = (struct sw_value_read){
        .key = sw_buf_slice(&retained->key),
        .topic = topic,
        .done = on_value,
        .context = retained,
    };
    retained->reading = true;
    retained->heard = false;
    retained->waits = true;
    sw_loop_timer_start(retained->all->loop, &retained->patience, SW_RETAIN_WAIT_MS);
    backend->ops->get(backend, &retained->read);
}

void sw_retained_acked(struct sw_retained *retained)
{
    bool asks =
        retained->rule->retain_key.size > 0 || retained->all->backend->ops->kind == SW_BUS_MEMORY;
    if (asks && !retained->reading) {
        read_value(retained);
    } else if (!retained->waits) {
        welcome(retained);
    }
}

/* ---- life ---- */

struct sw_retained *sw_retained_create(struct sw_retainers *all, struct sw_interest *interest,
                                       const struct sw_rule *rule)
{
    struct sw_retained *retained = sw_zalloc(sizeof(*retained));
    retained->all = all;
    retained->interest = interest;
    retained->rule = rule;
    sw_timer_init(&retained->patience, on_patience);
    return retained;
}

void sw_retained_close(struct sw_retained *retained)
{
    sw_loop_timer_stop(retained->all->loop, &retained->patience);
    if (retained->last) {
        sw_lent_keep_no_more(retained->all->purse, retained->last);
    }
    retained->interest = NULL;
    release(retained);
}

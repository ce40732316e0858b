// SPDX-License-Identifier: Apache-2.0
#include "protocol/command.h"

#include "common/assert.h"
#include "core/limits.h"

/* How each request looks when it is right; shown to whoever got it wrong. */
#define EXPECT_ANY         "{\"type\":\"ping\",\"id\":1}"
#define EXPECT_HELLO       "{\"type\":\"hello\",\"id\":1}"
#define EXPECT_SUBSCRIBE   "{\"type\":\"subscribe\",\"id\":1,\"subs\":[{\"topic\":\"orders.eu\"}]}"
#define EXPECT_UNSUBSCRIBE "{\"type\":\"unsubscribe\",\"id\":1,\"topics\":[\"orders.eu\"]}"
#define EXPECT_PUBLISH     "{\"type\":\"publish\",\"id\":1,\"topic\":\"orders.eu\",\"data\":{\"id\":7}}"
#define EXPECT_REFRESH     "{\"type\":\"refresh\",\"id\":1,\"token\":\"...\"}"

enum field { TYPE, ID, TOKEN, SUBS, TOPICS, TOPIC, DATA, KEY, FIELD_COUNT };
static const char *const field_names[FIELD_COUNT] = {"type",   "id",    "token", "subs",
                                                     "topics", "topic", "data",  "key"};

enum sub_field { SUB_TOPIC, SUB_MODE, SUB_MAX_HZ, SUB_FROM, SUB_LAST, SUB_FIELD_COUNT };
static const char *const sub_names[SUB_FIELD_COUNT] = {"topic", "mode", "max_hz", "from", "last"};

enum from_field { FROM_EPOCH, FROM_OFFSET, FROM_FIELD_COUNT };
static const char *const from_names[FROM_FIELD_COUNT] = {"epoch", "offset"};

#define DIGITS_(number) #number
#define DIGITS(limit)   DIGITS_(limit)

static bool present(const struct sw_json_value *value)
{
    return value->raw.data != NULL;
}

static bool is_string(const struct sw_json_value *value)
{
    return present(value) && value->type == SW_JSON_STRING;
}

static void bad(struct sw_command *command, const char *problem, const char *expected)
{
    command->kind = SW_COMMAND_BAD;
    command->problem = problem;
    command->expected = expected;
}

/* Subscribe entries are objects with a topic; a wrong type spoils the whole request. */
static bool sub_shape_ok(struct sw_json_value value)
{
    struct sw_json_value fields[SUB_FIELD_COUNT];
    return value.type == SW_JSON_OBJECT &&
           sw_json_members(value.raw, sub_names, SUB_FIELD_COUNT, fields, NULL) &&
           is_string(&fields[SUB_TOPIC]) &&
           (!present(&fields[SUB_MODE]) || is_string(&fields[SUB_MODE]));
}

static void read_subscribe(struct sw_command *command, const struct sw_json_value *fields,
                           struct sw_slice text)
{
    command->kind = SW_COMMAND_SUBSCRIBE;
    if (present(&fields[SUBS]) == present(&fields[TOPIC])) {
        bad(command, "subscribe needs \"subs\" or one \"topic\"", EXPECT_SUBSCRIBE);
        return;
    }
    if (present(&fields[TOPIC])) {
        command->single = true;
        command->list = text;
        if (!sub_shape_ok(sw_json_value(text))) {
            bad(command, "\"topic\" and \"mode\" are strings", EXPECT_SUBSCRIBE);
        }
        return;
    }
    if (fields[SUBS].type != SW_JSON_ARRAY) {
        bad(command, "\"subs\" is an array", EXPECT_SUBSCRIBE);
        return;
    }
    command->list = fields[SUBS].raw;
    struct sw_json_walk walk = sw_json_walk(command->list);
    struct sw_json_member member;
    size_t count = 0;
    while (sw_json_next(&walk, &member)) {
        count++;
        if (!sub_shape_ok(member.value)) {
            bad(command, "an entry of \"subs\" is an object with a \"topic\"", EXPECT_SUBSCRIBE);
            return;
        }
    }
    if (count == 0) {
        bad(command, "\"subs\" is empty", EXPECT_SUBSCRIBE);
    }
}

static void read_unsubscribe(struct sw_command *command, const struct sw_json_value *fields)
{
    command->kind = SW_COMMAND_UNSUBSCRIBE;
    if (present(&fields[TOPICS]) == present(&fields[TOPIC])) {
        bad(command, "unsubscribe needs \"topics\" or one \"topic\"", EXPECT_UNSUBSCRIBE);
        return;
    }
    if (present(&fields[TOPIC])) {
        command->single = true;
        command->list = fields[TOPIC].raw;
        if (!is_string(&fields[TOPIC])) {
            bad(command, "\"topic\" is a string", EXPECT_UNSUBSCRIBE);
        }
        return;
    }
    if (fields[TOPICS].type != SW_JSON_ARRAY) {
        bad(command, "\"topics\" is an array", EXPECT_UNSUBSCRIBE);
        return;
    }
    command->list = fields[TOPICS].raw;
    struct sw_json_walk walk = sw_json_walk(command->list);
    struct sw_json_member member;
    while (sw_json_next(&walk, &member)) {
        if (!is_string(&member.value)) {
            bad(command, "\"topics\" holds strings", EXPECT_UNSUBSCRIBE);
            return;
        }
    }
}

static void read_publish(struct sw_command *command, const struct sw_json_value *fields)
{
    command->kind = SW_COMMAND_PUBLISH;
    if (!is_string(&fields[TOPIC])) {
        bad(command, "publish needs a \"topic\", a string", EXPECT_PUBLISH);
    } else if (!present(&fields[DATA])) {
        bad(command, "publish needs \"data\"", EXPECT_PUBLISH);
    } else if (present(&fields[KEY]) && !is_string(&fields[KEY])) {
        bad(command, "\"key\" is a string", EXPECT_PUBLISH);
    } else {
        command->topic = fields[TOPIC].raw;
        command->data = fields[DATA].raw;
        command->key = fields[KEY].raw;
    }
}

static void read_token(struct sw_command *command, const struct sw_json_value *fields,
                       enum sw_command_kind kind)
{
    const char *expected = kind == SW_COMMAND_HELLO ? EXPECT_HELLO : EXPECT_REFRESH;
    command->kind = kind;
    command->token = fields[TOKEN].raw;
    if (present(&fields[TOKEN]) && !is_string(&fields[TOKEN])) {
        bad(command, "\"token\" is a string", expected);
    } else if (kind == SW_COMMAND_REFRESH && !present(&fields[TOKEN])) {
        bad(command, "refresh needs a \"token\"", expected);
    }
}

static bool read_head(struct sw_command *command, const struct sw_json_value *fields)
{
    if (present(&fields[ID]) &&
        (!sw_json_to_u64(fields[ID], (UINT64_C(1) << 53) - 1, &command->id) || command->id == 0)) {
        command->id = 0;
        bad(command, "\"id\" is an integer above 0", EXPECT_ANY);
        return false;
    }
    if (!is_string(&fields[TYPE])) {
        bad(command, "a request needs a \"type\", a string", EXPECT_ANY);
        return false;
    }
    command->type = sw_slice(fields[TYPE].raw.data + 1, fields[TYPE].raw.size - 2);
    return true;
}

/* The expected line for text that could not be read far enough to know its type. */
static bool open_object(struct sw_command *command, struct sw_slice *text,
                        struct sw_json_value *fields)
{
    switch (sw_json_validate(text->data, text->size, SW_PAYLOAD_DEPTH, NULL)) {
    case SW_JSON_INVALID:
        bad(command, "not valid JSON", EXPECT_ANY);
        return false;
    case SW_JSON_TOO_DEEP:
        bad(command, "nested too deeply", EXPECT_ANY);
        return false;
    case SW_JSON_OK:
        break;
    }
    struct sw_json_value value = sw_json_value(*text);
    if (value.type != SW_JSON_OBJECT) {
        bad(command, "a request is one JSON object", EXPECT_ANY);
        return false;
    }
    *text = value.raw;
    if (!sw_json_members(value.raw, field_names, FIELD_COUNT, fields, NULL)) {
        bad(command, "a name stands twice", EXPECT_ANY);
        return false;
    }
    return true;
}

struct sw_command sw_command_parse(struct sw_slice text)
{
    struct sw_command command = {.kind = SW_COMMAND_UNKNOWN};
    struct sw_json_value fields[FIELD_COUNT];
    if (!open_object(&command, &text, fields) || !read_head(&command, fields)) {
        return command;
    }
    if (sw_slice_equal(command.type, SW_SLICE("subscribe"))) {
        read_subscribe(&command, fields, text);
    } else if (sw_slice_equal(command.type, SW_SLICE("unsubscribe"))) {
        read_unsubscribe(&command, fields);
    } else if (sw_slice_equal(command.type, SW_SLICE("publish"))) {
        read_publish(&command, fields);
    } else if (sw_slice_equal(command.type, SW_SLICE("ping"))) {
        command.kind = SW_COMMAND_PING;
    } else if (sw_slice_equal(command.type, SW_SLICE("hello"))) {
        read_token(&command, fields, SW_COMMAND_HELLO);
    } else if (sw_slice_equal(command.type, SW_SLICE("refresh"))) {
        read_token(&command, fields, SW_COMMAND_REFRESH);
    }
    return command;
}

static bool read_mode(struct sw_json_value value, struct sw_wish *wish)
{
    enum sw_mode mode;
    struct sw_slice word = sw_slice(value.raw.data + 1, value.raw.size - 2);
    if (!sw_mode_parse(word, &mode)) {
        return false;
    }
    wish->mode = (int8_t)mode;
    return true;
}

static bool read_max_hz(struct sw_json_value value, struct sw_wish *wish)
{
    uint64_t hz;
    if (!sw_json_to_u64(value, UINT8_MAX, &hz) || !sw_max_hz_valid(hz)) {
        return false;
    }
    wish->max_hz = (uint8_t)hz;
    return true;
}

/* NULL, or what is wrong with it. */
static const char *read_from(struct sw_json_value value, struct sw_position *from)
{
    static const char what[] = "\"from\" is a position: {\"epoch\":\"Qx7\",\"offset\":41}";
    struct sw_json_value fields[FROM_FIELD_COUNT];
    if (value.type != SW_JSON_OBJECT) {
        return what;
    }
    if (!sw_json_members(value.raw, from_names, FROM_FIELD_COUNT, fields, NULL)) {
        return "a name stands twice in \"from\"";
    }
    if (!is_string(&fields[FROM_EPOCH]) || !present(&fields[FROM_OFFSET])) {
        return what;
    }
    struct sw_slice epoch = fields[FROM_EPOCH].raw;
    if (!sw_epoch_parse(sw_slice(epoch.data + 1, epoch.size - 2), &from->epoch)) {
        return "an \"epoch\" is 1 to 24 of A-Z, a-z and 0-9";
    }
    if (!sw_json_to_u64(fields[FROM_OFFSET], SW_OFFSET_MAX, &from->offset)) {
        return "an \"offset\" is a whole number from 0, below 2^53";
    }
    return NULL;
}

static const char *read_last(struct sw_json_value value, uint32_t *last)
{
    uint64_t number;
    if (!sw_json_to_u64(value, SW_HISTORY_SIZE, &number) || number == 0) {
        return "\"last\" is a whole number from 1 to " DIGITS(SW_HISTORY_SIZE);
    }
    *last = (uint32_t)number;
    return NULL;
}

/* What the entry brings along. NULL, or what is wrong with it. */
static const char *read_claim(const struct sw_json_value *fields, struct sw_command_sub *sub)
{
    sub->has_from = present(&fields[SUB_FROM]);
    if (sub->has_from && present(&fields[SUB_LAST])) {
        return "\"from\" and \"last\" exclude each other";
    }
    if (sub->has_from) {
        return read_from(fields[SUB_FROM], &sub->from);
    }
    return present(&fields[SUB_LAST]) ? read_last(fields[SUB_LAST], &sub->last) : NULL;
}

/* What is wrong is refused per entry, never ignored. */
static void judge_sub(const struct sw_json_value *fields, struct sw_command_sub *sub)
{
    sub->wish = (struct sw_wish){.mode = -1};
    if (present(&fields[SUB_MODE]) && !read_mode(fields[SUB_MODE], &sub->wish)) {
        sub->message = "unknown \"mode\": it is " SW_MODE_WORDS;
    } else if (present(&fields[SUB_MAX_HZ]) && !read_max_hz(fields[SUB_MAX_HZ], &sub->wish)) {
        sub->message = "\"max_hz\" is a number: " SW_MAX_HZ_WORDS;
    } else {
        sub->message = read_claim(fields, sub);
    }
    sub->error = sub->message ? SW_ERROR_BAD_REQUEST : SW_ERROR_NONE;
}

/* The next element, or the single value once. */
static bool step(const struct sw_command *command, struct sw_command_walk *at,
                 struct sw_json_value *value)
{
    if (command->single) {
        if (at->begun) {
            return false;
        }
        at->begun = true;
        *value = sw_json_value(command->list);
        return true;
    }
    if (!at->begun) {
        at->begun = true;
        at->walk = sw_json_walk(command->list);
    }
    struct sw_json_member member;
    if (!sw_json_next(&at->walk, &member)) {
        return false;
    }
    *value = member.value;
    return true;
}

bool sw_command_next_sub(const struct sw_command *command, struct sw_command_walk *at,
                         struct sw_command_sub *sub)
{
    struct sw_json_value value;
    if (!step(command, at, &value)) {
        return false;
    }
    struct sw_json_value fields[SUB_FIELD_COUNT];
    bool unique = sw_json_members(value.raw, sub_names, SUB_FIELD_COUNT, fields, NULL);
    SW_ASSERT(unique); /* sw_command_parse has looked */
    *sub = (struct sw_command_sub){.topic = fields[SUB_TOPIC].raw};
    judge_sub(fields, sub);
    return true;
}

bool sw_command_next_topic(const struct sw_command *command, struct sw_command_walk *at,
                           struct sw_slice *topic)
{
    struct sw_json_value value;
    if (!step(command, at, &value)) {
        return false;
    }
    *topic = value.raw;
    return true;
}

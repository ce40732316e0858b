// SPDX-License-Identifier: Apache-2.0
/* What a client says: whatever it is, all that is told of it lies in its own bytes, what is wrong
 * is said in words, and white space around it changes nothing. */
#include "fuzz.h"

#include "core/limits.h"
#include "protocol/command.h"

static void check_string(struct sw_slice raw, struct sw_slice text)
{
    FUZZ_CHECK(raw.size >= 2 && fuzz_lies_in(raw, text));
    FUZZ_CHECK(raw.data[0] == '"' && raw.data[raw.size - 1] == '"');
    FUZZ_CHECK(sw_json_validate(raw.data, raw.size, SW_PAYLOAD_DEPTH, NULL) == SW_JSON_OK);
}

static void check_subs(const struct sw_command *command, struct sw_slice text)
{
    struct sw_command_walk at = {0};
    struct sw_command_sub sub;
    size_t count = 0;
    while (sw_command_next_sub(command, &at, &sub)) {
        count++;
        check_string(sub.topic, text);
        FUZZ_CHECK((sub.error == SW_ERROR_NONE) == (sub.message == NULL));
        FUZZ_CHECK(sub.error != SW_ERROR_NONE || !(sub.has_from && sub.last));
        FUZZ_CHECK(sub.error != SW_ERROR_NONE || sub.from.offset <= SW_OFFSET_MAX);
    }
    FUZZ_CHECK(count > 0 && (count == 1 || !command->single));
}

static void check_topics(const struct sw_command *command, struct sw_slice text)
{
    struct sw_command_walk at = {0};
    struct sw_slice topic;
    while (sw_command_next_topic(command, &at, &topic)) {
        check_string(topic, text);
    }
}

static void check_command(const struct sw_command *command, struct sw_slice text)
{
    FUZZ_CHECK((command->kind == SW_COMMAND_BAD) == (command->problem != NULL));
    FUZZ_CHECK((command->kind == SW_COMMAND_BAD) == (command->expected != NULL));
    FUZZ_CHECK(fuzz_lies_in(command->type, text) && command->id <= SW_OFFSET_MAX);
    switch (command->kind) {
    case SW_COMMAND_SUBSCRIBE:
        check_subs(command, text);
        break;
    case SW_COMMAND_UNSUBSCRIBE:
        check_topics(command, text);
        break;
    case SW_COMMAND_PUBLISH:
        check_string(command->topic, text);
        FUZZ_CHECK(fuzz_lies_in(command->data, text));
        FUZZ_CHECK(sw_json_validate(command->data.data, command->data.size, SW_PAYLOAD_DEPTH,
                                    NULL) == SW_JSON_OK);
        break;
    case SW_COMMAND_REFRESH:
        check_string(command->token, text);
        break;
    case SW_COMMAND_BAD:
    case SW_COMMAND_UNKNOWN:
    case SW_COMMAND_HELLO:
    case SW_COMMAND_PING:
        break;
    }
    if (command->kind == SW_COMMAND_BAD) {
        FUZZ_CHECK(sw_command_parse(sw_slice_of(command->expected)).kind != SW_COMMAND_BAD);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(fuzz_input(data, size));
    struct sw_slice text = sw_slice(copy, size);
    struct sw_command command = sw_command_parse(text);
    check_command(&command, text);

    struct sw_buf padded = {0};
    sw_buf_printf(&padded, " \r\n\t");
    sw_buf_append_slice(&padded, text);
    sw_buf_append_byte(&padded, '\n');
    struct sw_command again = sw_command_parse(sw_buf_slice(&padded));
    FUZZ_CHECK(again.kind == command.kind && again.id == command.id);
    FUZZ_CHECK(sw_slice_equal(again.topic, command.topic));
    FUZZ_CHECK(sw_slice_equal(again.data, command.data));
    sw_buf_deinit(&padded);
    free(copy);
    return 0;
}

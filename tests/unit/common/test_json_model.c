// SPDX-License-Identifier: Apache-2.0
/* The validator against a model: recursive descent, one byte at a time, as slow as it is plain. */
#include "unit.h"

#include "common/json.h"
#include "common/utf8.h"

static void assert_judged(struct sw_slice text, bool valid)
{
    char *exact = unit_exact_copy(text.data, text.size);
    enum sw_json_verdict found = sw_json_validate(exact, text.size, 512, NULL);
    free(exact);
    if (found != (valid ? SW_JSON_OK : SW_JSON_INVALID)) {
        print_error("%.*s\n", SW_SLICE_ARG(text));
        fail();
    }
}

struct model {
    const char *at;
    const char *end;
};

static bool model_value(struct model *model);

static void model_space(struct model *model)
{
    while (model->at < model->end && strchr(" \t\r\n", *model->at) && *model->at) {
        model->at++;
    }
}

static bool model_take(struct model *model, char byte)
{
    if (model->at < model->end && *model->at == byte) {
        model->at++;
        return true;
    }
    return false;
}

static bool model_digits(struct model *model)
{
    const char *start = model->at;
    while (model->at < model->end && *model->at >= '0' && *model->at <= '9') {
        model->at++;
    }
    return model->at > start;
}

static bool model_number(struct model *model)
{
    model_take(model, '-');
    if (!model_take(model, '0') && !model_digits(model)) {
        return false;
    }
    if (model_take(model, '.') && !model_digits(model)) {
        return false;
    }
    if (model_take(model, 'e') || model_take(model, 'E')) {
        if (!model_take(model, '+')) {
            model_take(model, '-');
        }
        return model_digits(model);
    }
    return true;
}

/* Four hexadecimal digits, or -1. */
static long model_hex(struct model *model)
{
    char digits[5] = {0};
    for (int i = 0; i < 4; i++, model->at++) {
        if (model->at == model->end || !*model->at ||
            !strchr("0123456789abcdefABCDEF", *model->at)) {
            return -1;
        }
        digits[i] = *model->at;
    }
    return strtol(digits, NULL, 16);
}

static bool model_escape(struct model *model)
{
    if (model->at == model->end || !*model->at || !strchr("\"\\/bfnrtu", *model->at)) {
        return false;
    }
    if (*model->at++ != 'u') {
        return true;
    }
    long code = model_hex(model);
    if (code >= 0xd800 && code <= 0xdbff) {
        long low = model_take(model, '\\') && model_take(model, 'u') ? model_hex(model) : -1;
        return low >= 0xdc00 && low <= 0xdfff;
    }
    return code >= 0 && !(code >= 0xdc00 && code <= 0xdfff);
}

static bool model_string(struct model *model)
{
    if (!model_take(model, '"')) {
        return false;
    }
    while (model->at < model->end) {
        if (model_take(model, '"')) {
            return true;
        }
        if (model_take(model, '\\')) {
            if (!model_escape(model)) {
                return false;
            }
            continue;
        }
        if ((unsigned char)*model->at < 0x20) {
            return false;
        }
        model->at++;
    }
    return false;
}

static bool model_items(struct model *model, char close, bool named)
{
    model_space(model);
    if (model_take(model, close)) {
        return true;
    }
    for (;;) {
        model_space(model);
        if (named) {
            if (!model_string(model)) {
                return false;
            }
            model_space(model);
            if (!model_take(model, ':')) {
                return false;
            }
        }
        if (!model_value(model)) {
            return false;
        }
        model_space(model);
        if (!model_take(model, ',')) {
            return model_take(model, close);
        }
    }
}

static bool model_value(struct model *model)
{
    static const char *const words[] = {"true", "false", "null"};
    model_space(model);
    if (model->at == model->end) {
        return false;
    }
    if (model_take(model, '[')) {
        return model_items(model, ']', false);
    }
    if (model_take(model, '{')) {
        return model_items(model, '}', true);
    }
    if (*model->at == '"') {
        return model_string(model);
    }
    for (size_t i = 0; i < 3; i++) {
        size_t size = strlen(words[i]);
        if ((size_t)(model->end - model->at) >= size && !memcmp(model->at, words[i], size)) {
            model->at += size;
            return true;
        }
    }
    return model_number(model);
}

static bool model_valid(struct sw_slice text)
{
    struct model model = {text.data, text.data + text.size};
    if (!sw_utf8_valid(text.data, text.size) || !model_value(&model)) {
        return false;
    }
    model_space(&model);
    return model.at == model.end;
}

static void append_random_value(struct sw_buf *text, struct sw_random *random, unsigned depth)
{
    static const char *const scalars[] = {
        "0",
        "-1.5",
        "2e10",
        "true",
        "false",
        "null",
        "\"\"",
        "\"some text of twenty bytes\"",
        "\"\\u00e4\\\\ \\ud83d\\ude00\"",
        "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 x\"",
    };
    static const char *const spaces[] = {"", "", "", " ", "\n  ", "\r\n", "\t"};
    uint64_t kind = depth >= 6 ? 9 : sw_random_below(random, 10);
    sw_buf_append_slice(text, sw_slice_of(spaces[sw_random_below(random, 7)]));
    if (kind >= 4) {
        sw_buf_append_slice(text, sw_slice_of(scalars[sw_random_below(random, 10)]));
    } else {
        bool object = kind < 2;
        sw_buf_append_byte(text, object ? '{' : '[');
        for (uint64_t n = sw_random_below(random, 4), i = 0; i < n; i++) {
            sw_buf_printf(text, "%s", i > 0 ? "," : "");
            if (object) {
                sw_buf_printf(text, " \"name%u\"%s:", (unsigned)i,
                              spaces[sw_random_below(random, 7)]);
            }
            append_random_value(text, random, depth + 1);
        }
        sw_buf_append_slice(text, sw_slice_of(spaces[sw_random_below(random, 7)]));
        sw_buf_append_byte(text, object ? '}' : ']');
    }
    sw_buf_append_slice(text, sw_slice_of(spaces[sw_random_below(random, 7)]));
}

static void damage(struct sw_buf *text, struct sw_random *random)
{
    static const char alphabet[] = "{}[]:,\"\\ \n0123456789.eE+-tfnu/a\x01\x80\xc3\xf0";
    size_t at = sw_random_below(random, text->size);
    switch (sw_random_below(random, 3)) {
    case 0:
        text->data[at] = alphabet[sw_random_below(random, sizeof(alphabet))];
        break;
    case 1:
        text->size = at;
        break;
    default:
        memmove(text->data + at, text->data + at + 1, text->size - at - 1);
        text->size--;
        break;
    }
}

static void random_texts_whole_and_damaged_are_judged_like_the_model(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(20260107);
    struct sw_buf text = {0};
    unsigned valid = 0;
    for (int i = 0; i < 60000; i++) {
        sw_buf_clear(&text);
        append_random_value(&text, &random, 0);
        assert_judged(sw_buf_slice(&text), true);
        for (int hits = 0; hits < 2 && text.size > 0; hits++) {
            damage(&text, &random);
            bool good = model_valid(sw_buf_slice(&text));
            assert_judged(sw_buf_slice(&text), good);
            valid += good;
        }
    }
    assert_true(valid > 1000);
    sw_buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts_whole_and_damaged_are_judged_like_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "core/reasons.h"

#include "common/assert.h"

static const struct sw_reason_row reasons[] = {
#define SW_REASON(NAME, word, code, reconnect, text) {#word, code, reconnect, text},
#include "core/reasons.def"
};

static const char *const shed_words[] = {
#define SW_SHED(NAME, word, why) #word,
#include "core/reasons.def"
};

static const char *const shed_whys[] = {
#define SW_SHED(NAME, word, why) why,
#include "core/reasons.def"
};

static const struct sw_error_row errors[] = {
#define SW_ERROR(NAME, code, status, retry, message) {#code, status, retry, message},
#include "core/errors.def"
};

const struct sw_reason_row *sw_reason_row(enum sw_reason reason)
{
    SW_ASSERT(reason < SW_REASON_COUNT);
    return &reasons[reason];
}

const struct sw_error_row *sw_error_row(enum sw_error error)
{
    SW_ASSERT(error < SW_ERROR_COUNT);
    return &errors[error];
}

const char *sw_shed_word(enum sw_shed shed)
{
    SW_ASSERT(shed < SW_SHED_COUNT);
    return shed_words[shed];
}

const char *sw_shed_why(enum sw_shed shed)
{
    SW_ASSERT(shed < SW_SHED_COUNT);
    return shed_whys[shed];
}

// SPDX-License-Identifier: Apache-2.0
/* reasons.def and errors.def as types: how connections end, why deliveries are shed, what a request
 * can be answered. */
#ifndef SW_CORE_REASONS_H
#define SW_CORE_REASONS_H

#include <stdbool.h>
#include <stdint.h>

enum sw_reason {
#define SW_REASON(NAME, ...) SW_REASON_##NAME,
#include "core/reasons.def"
    SW_REASON_COUNT
};

enum sw_shed {
#define SW_SHED(NAME, ...) SW_SHED_##NAME,
#include "core/reasons.def"
    SW_SHED_COUNT
};

enum sw_error {
#define SW_ERROR(NAME, ...) SW_ERROR_##NAME,
#include "core/errors.def"
    SW_ERROR_COUNT,
    SW_ERROR_NONE = SW_ERROR_COUNT
};

struct sw_reason_row {
    const char *word;
    uint16_t code; /* WebSocket close code; 0: no close frame is possible */
    bool reconnect;
    const char *text;
};

struct sw_error_row {
    const char *code;
    uint16_t status; /* HTTP */
    bool retry;
    const char *message;
};

const struct sw_reason_row *sw_reason_row(enum sw_reason reason);
const struct sw_error_row *sw_error_row(enum sw_error error);
/* The word that clients and metrics see. */
const char *sw_shed_word(enum sw_shed shed);
const char *sw_shed_why(enum sw_shed shed);

#endif

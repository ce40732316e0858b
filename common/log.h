// SPDX-License-Identifier: Apache-2.0
/* The log: one line per event, written to standard error as text on a terminal and as JSON lines
 * elsewhere. A loop never waits for it: lines go into a bounded ring (1 MB) that a writer thread of
 * its own empties; what does not fit is dropped and counted, and the next line that fits says how
 * many. The one global of the program. Never log payloads or tokens. sw_log(SW_LOG_INFO,
 * "session_closed", "session=%s reason=%s", id, reason) `event` is a stable word; the rest is
 * key=value pairs separated by spaces. A value that may hold spaces or foreign bytes is logged as
 * key="%s": it runs to the next quote; control bytes and quotes inside must have been replaced by
 * sw_log_clean. In JSON each pair becomes a member (numbers stay numbers). */
#ifndef SW_COMMON_LOG_H
#define SW_COMMON_LOG_H

#include "common/slice.h"

enum sw_log_level { SW_LOG_DEBUG, SW_LOG_INFO, SW_LOG_WARN, SW_LOG_ERROR };
enum sw_log_format { SW_LOG_AUTO, SW_LOG_TEXT, SW_LOG_JSON };

/* What is worth a line, and its form. Until sw_log_start lines are written at once. */
void sw_log_configure(enum sw_log_level level, enum sw_log_format format);
/* Before any other thread; until then lines are written at once. */
void sw_log_start(enum sw_log_level level, enum sw_log_format format);
/* Writes out what waits (for at most a second) and ends the writer. */
void sw_log_stop(void);
/* Any thread; does not block. */
void sw_log(enum sw_log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Lines lost so far because nobody read them. */
uint64_t sw_log_dropped(void);
/* `text` made safe for a quoted value: backslashes and control bytes become '?', quotes single
 * ones, cut at capacity - 1, NUL behind it. Returns `out`. */
const char *sw_log_clean(char *out, size_t capacity, struct sw_slice text);

#endif

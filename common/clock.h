// SPDX-License-Identifier: Apache-2.0
/* Time. Any thread. Code that owns a loop asks the loop instead (one reading per turn). */
#ifndef SW_COMMON_CLOCK_H
#define SW_COMMON_CLOCK_H

#include <stdint.h>

/* Monotonic. */
uint64_t sw_clock_ns(void);
uint64_t sw_clock_ms(void);
/* Since 1970, for people and other machines. */
uint64_t sw_clock_wall_ms(void);

/* "2026-11-28T11:34:24.123Z" and a NUL */
#define SW_CLOCK_TEXT 25
/* A wall time as RFC 3339 writes it, in UTC; for years 1970 to 9999. Returns `out`. */
const char *sw_clock_text(uint64_t wall_ms, char out[SW_CLOCK_TEXT]);

#endif

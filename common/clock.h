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

#endif

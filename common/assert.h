// SPDX-License-Identifier: Apache-2.0
/* Bugs. An assertion says what cannot happen; it is compiled into every build, prints the condition
 * with a backtrace and aborts, because a gateway that goes on after a broken invariant lies to its
 * clients. Weather (OS, network, Redis) and guests (what a client did) are never asserted. */
#ifndef SW_COMMON_ASSERT_H
#define SW_COMMON_ASSERT_H

#define SW_LIKELY(x)   __builtin_expect(!!(x), 1)
#define SW_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* The return value says how it went and must be looked at. */
#define SW_MUST_CHECK __attribute__((warn_unused_result))

_Noreturn void sw_assert_failed(const char *condition, const char *file, int line);

#define SW_ASSERT(condition)                                                                       \
    do {                                                                                           \
        if (SW_UNLIKELY(!(condition))) {                                                           \
            sw_assert_failed(#condition, __FILE__, __LINE__);                                      \
        }                                                                                          \
    } while (0)

/* A place that no path reaches. */
#define SW_UNREACHABLE() sw_assert_failed("unreachable", __FILE__, __LINE__)

#endif

// SPDX-License-Identifier: Apache-2.0
/* Topics and patterns (PROTOCOL.md, section 3): 1 to 255 bytes of UTF-8, tokens split by one
 * separator for the whole node. With '.' as separator: valid topics      orders.eu   a
 * user.42.inbox   preise.größe valid patterns    orders.*    orders.>   a.*.c.> invalid a..b  .a a.
 * (empty token) · a.> .b (> not last) · *.a  > (first token not literal) a.b* (* beside other
 * characters) · a{b} · a b · control bytes · 256 bytes valid, no match   orders.* against orders
 * (one token more is needed) or orders.a.b (one too many) Pure functions, any thread. */
#ifndef SW_CORE_TOPIC_H
#define SW_CORE_TOPIC_H

#include "common/slice.h"

/* What a string may be used for: concrete names can be published to, patterns only subscribed. */
enum sw_topic_kind { SW_TOPIC_CONCRETE, SW_TOPIC_PATTERN, SW_TOPIC_BAD };

/* *why (may be NULL) says in words what is wrong with a bad one. Names that begin with '$' are
 * reserved and bad. */
enum sw_topic_kind sw_topic_kind(struct sw_slice topic, char separator, const char **why);
/* May a grant name it? Topics and patterns, of which the first token may be a wildcard, too. */
bool sw_topic_is_grantable(struct sw_slice name, char separator);
/* Is it one literal token: what may stand between two separators and is no wildcard? */
bool sw_topic_is_token(struct sw_slice text, char separator);
/* `pattern` and `topic` must be valid: does the pattern cover the topic? */
bool sw_topic_match(struct sw_slice pattern, struct sw_slice topic, char separator);
/* Both valid (or grantable), either may be concrete: does the pattern cover every topic that
 * `inner` covers? */
bool sw_topic_covers(struct sw_slice pattern, struct sw_slice inner, char separator);

#endif

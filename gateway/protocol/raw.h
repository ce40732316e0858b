// SPDX-License-Identifier: Apache-2.0
/* The language without words (PROTOCOL.md, section 10): a message is its payload, byte for byte,
 * and nothing else is said. */
#ifndef SW_PROTOCOL_RAW_H
#define SW_PROTOCOL_RAW_H

#include "core/encoding.h"

extern const struct sw_language sw_raw_language;

#endif

// SPDX-License-Identifier: Apache-2.0
/* JSON (RFC 8259) where bytes must survive: a strict validator, a scanner that returns byte spans,
 * and an escaper. Nothing here is ever re-printed: payloads are spliced as they came. Sans-I/O, no
 * globals. */
#ifndef SW_COMMON_JSON_H
#define SW_COMMON_JSON_H

#include "common/buf.h"

/* What a payload is, found in one pass. */
enum sw_json_verdict {
    SW_JSON_OK,
    SW_JSON_INVALID,
    SW_JSON_TOO_DEEP, /* would be valid as far as it was read, but nests deeper than allowed */
};

/* Strict: valid UTF-8, no control characters in strings, no trailing bytes but white space, nesting
 * <= `max_depth`, lone surrogate escapes refused. Does not recurse and does not allocate for
 * max_depth <= 512. *breaks (may be NULL) counts CR and LF between tokens. */
enum sw_json_verdict sw_json_validate(const char *data, size_t size, unsigned max_depth,
                                      size_t *breaks);
/* Turns each CR and LF between tokens of a valid text into a space, in place. (In a valid text none
 * stands inside a string.) */
void sw_json_flatten(char *data, size_t size);

enum sw_json_type {
    SW_JSON_NULL,
    SW_JSON_FALSE,
    SW_JSON_TRUE,
    SW_JSON_NUMBER,
    SW_JSON_STRING,
    SW_JSON_ARRAY,
    SW_JSON_OBJECT,
};

/* One value: `raw` are its bytes as they stand in the text (a string with its quotes), borrowed
 * from it. */
struct sw_json_value {
    enum sw_json_type type;
    struct sw_slice raw;
};

struct sw_json_member {
    struct sw_slice name; /* between the quotes, not unescaped */
    struct sw_json_value value;
};

/* Walks the members of an object or the elements of an array, which must lie in validated bytes:
 *     struct sw_json_walk walk = sw_json_walk(value.raw);
 *     while (sw_json_next(&walk, &member)) ...          (name.data == NULL in an array) */
struct sw_json_walk {
    const char *at;
    const char *end;
    bool object;
};
struct sw_json_walk sw_json_walk(struct sw_slice raw);
bool sw_json_next(struct sw_json_walk *walk, struct sw_json_member *member);
/* How many members or elements. */
size_t sw_json_count(struct sw_slice raw);
/* The one value that a validated text holds, white space trimmed. */
struct sw_json_value sw_json_value(struct sw_slice text);

/* The members that `names` asks for into values[] (type SW_JSON_NULL with raw.data == NULL where
 * absent). `object` lies in validated bytes and is an object. A name may be written with escapes.
 * False: some name (asked for or not) stands twice; *duplicate (may be NULL) is it. */
bool sw_json_members(struct sw_slice object, const char *const *names, size_t count,
                     struct sw_json_value *values, struct sw_slice *duplicate);

/* Appends a validated string's text, unescaped (with quotes: value.raw). */
void sw_json_unescape(struct sw_buf *out, struct sw_slice raw);
/* A whole number 0..max written without fraction, exponent or sign. */
bool sw_json_to_u64(struct sw_json_value value, uint64_t max, uint64_t *number);

/* How many bytes valid UTF-8 takes inside a JSON string, quotes not counted. */
size_t sw_json_escaped_size(struct sw_slice text);
/* Writes them; returns the end. */
char *sw_json_escape(char *out, struct sw_slice text);
/* Appends the string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void sw_json_append_string(struct sw_buf *out, struct sw_slice text);

#endif

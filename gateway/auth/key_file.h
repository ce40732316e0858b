// SPDX-License-Identifier: Apache-2.0
/* The files that keys stand in, as bytes. */
#ifndef SW_AUTH_KEY_FILE_H
#define SW_AUTH_KEY_FILE_H

#include "common/assert.h"
#include "common/buf.h"

/* Appends what a regular file of at most 64 KB holds, which is not empty. False: `error` has a line
 * for a person. */
bool sw_key_file_read(const char *path, struct sw_buf *text, struct sw_buf *error) SW_MUST_CHECK;
/* Overwrites the bytes, all that there was ever room for, and frees them. */
void sw_key_file_wipe(struct sw_buf *text);
/* What stands behind the last slash. */
const char *sw_key_file_name(const char *path);

#endif

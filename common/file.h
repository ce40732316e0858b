// SPDX-License-Identifier: Apache-2.0
/* Files that settings name, at a start and at each reload. */
#ifndef SW_COMMON_FILE_H
#define SW_COMMON_FILE_H

#include "common/assert.h"

#include <stdio.h>

/* Opens a regular file to be read. NULL: *why says in words why not. */
FILE *sw_file_open(const char *path, const char **why) SW_MUST_CHECK;

#endif

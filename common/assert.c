// SPDX-License-Identifier: Apache-2.0
#include "common/assert.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FRAMES 64

/* Neither stdio's locks nor malloc: whoever failed may hold them. */
_Noreturn void sw_assert_failed(const char *condition, const char *file, int line)
{
    char text[512];
    int size = snprintf(text, sizeof(text), "bug: %s at %s:%d\n", condition, file, line);
    if (size >= (int)sizeof(text)) {
        size = (int)sizeof(text) - 1;
    }
    if (size > 0 && write(STDERR_FILENO, text, (size_t)size) > 0) {
        void *frames[FRAMES];
        backtrace_symbols_fd(frames, backtrace(frames, FRAMES), STDERR_FILENO);
    }
    abort();
}

// SPDX-License-Identifier: Apache-2.0
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pipe or a device would be waited for, by all that its reader does beside, and could not be read
 * again at a reload. */
FILE *sw_file_open(const char *path, const char **why)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        *why = strerror(errno);
        return NULL;
    }
    bool known = fstat(fd, &status) == 0;
    FILE *file = known && S_ISREG(status.st_mode) ? fdopen(fd, "r") : NULL;
    if (!file) {
        *why = known && !S_ISREG(status.st_mode) ? "it is no regular file" : strerror(errno);
        close(fd);
    }
    return file;
}

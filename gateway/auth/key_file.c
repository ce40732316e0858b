// SPDX-License-Identifier: Apache-2.0
#include "auth/key_file.h"

#include "common/file.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>

/* Certificates of the largest keys are below 10 KB. */
#define FILE_BYTES 65536

/* NULL, or why not. Room for all is made at once, so that no copy of a secret is left behind. */
static const char *read_all(int fd, struct sw_buf *text)
{
    char *room = sw_buf_reserve(text, FILE_BYTES + 1);
    size_t size = 0;
    ssize_t n = 1;
    while (n > 0 && size <= FILE_BYTES) {
        n = read(fd, room + size, FILE_BYTES + 1 - size);
        if (n < 0 && errno != EINTR) {
            return strerror(errno);
        }
        size += n > 0 ? (size_t)n : 0;
        n = n < 0 ? 1 : n;
    }
    text->size += size;
    return size > FILE_BYTES ? "it is larger than 64 KB, as no key is"
           : size == 0       ? "it is empty"
                             : NULL;
}

static const char *open_and_read(const char *path, struct sw_buf *text)
{
    const char *why = NULL;
    FILE *file = sw_file_open(path, &why);
    if (file) {
        why = read_all(fileno(file), text);
        fclose(file);
    }
    return why;
}

bool sw_key_file_read(const char *path, struct sw_buf *text, struct sw_buf *error)
{
    const char *why = open_and_read(path, text);
    if (why) {
        sw_buf_printf(error, "cannot read the key file %s: %s\n", path, why);
    }
    return !why;
}

void sw_key_file_wipe(struct sw_buf *text)
{
    if (text->capacity > 0) {
        OPENSSL_cleanse(text->data, text->capacity);
    }
    sw_buf_deinit(text);
}

const char *sw_key_file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

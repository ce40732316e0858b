// SPDX-License-Identifier: Apache-2.0
/* Runs a fuzz target over the files of one folder: what is committed stays true under every
 * compiler and sanitizer. Each file is a case of its own, told as cmocka tells its cases. */
#include "fuzz.h"

#include <dirent.h>

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void read_file(const char *path, struct sw_buf *bytes)
{
    FILE *file = fopen(path, "rb");
    FUZZ_CHECK(file);
    size_t size;
    do {
        size = fread(sw_buf_reserve(bytes, 4096), 1, 4096, file);
        bytes->size += size;
    } while (size > 0);
    FUZZ_CHECK(!ferror(file));
    fclose(file);
}

static void replay(const char *folder, const char *name)
{
    char path[1024];
    struct sw_buf bytes = {0};
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    printf("[ RUN      ] %s\n", name);
    fflush(stdout);
    read_file(path, &bytes);
    char *copy = fuzz_copy(sw_buf_slice(&bytes));
    LLVMFuzzerTestOneInput((const uint8_t *)copy, bytes.size);
    free(copy);
    sw_buf_deinit(&bytes);
    printf("[       OK ] %s\n", name);
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    int count = argc == 2 ? scandir(argv[1], &entries, is_file, alphasort) : -1;
    if (count <= 0) {
        fprintf(stderr, "usage: %s FOLDER, with files in it\n", argv[0]);
        return 2;
    }
    for (int i = 0; i < count; i++) {
        replay(argv[1], entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
/* A config file, with its topic rules: loaded and whole, or refused in lines for a person. */
#include "fuzz.h"

#include "node/config.h"

#include <sys/mman.h>
#include <unistd.h>

/* A file of memory alone, the same for all inputs. */
static void put_file(const uint8_t *data, size_t size, char path[32])
{
    static int file = -1;
    if (file < 0) {
        file = memfd_create("config", 0);
    }
    FUZZ_CHECK(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    snprintf(path, 32, "/proc/self/fd/%d", file);
}

static void check_loaded(const struct sw_config *config)
{
    static const char *const names[] = {"orders.eu", "orders.>", "a.*.c", "", "$x", "a..b"};
    struct sw_buf out = {0};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)sw_config_explain(config, sw_slice_of(names[i]), &out);
        FUZZ_CHECK(out.size > 0);
        sw_buf_clear(&out);
    }
    sw_config_warnings(config, &out);
    sw_config_describe(config, &out);
    sw_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    char flag[] = "--config";
    char *const arguments[] = {flag, path, NULL};
    char *const environment[] = {NULL};
    struct sw_config config = {0};
    struct sw_buf error = {0};
    put_file(data, size, path);
    sw_config_init(&config);
    bool good = sw_config_load(&config, 2, arguments, environment, &error);
    FUZZ_CHECK(good == (error.size == 0));
    FUZZ_CHECK(good || error.data[error.size - 1] == '\n');
    if (good) {
        check_loaded(&config);
        struct sw_buf names = {0};
        FUZZ_CHECK(sw_config_changed(&config, &names, &error) && names.size == 0);
        sw_buf_deinit(&names);
    }
    sw_buf_deinit(&error);
    sw_config_deinit(&config);
    return 0;
}

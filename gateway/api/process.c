// SPDX-License-Identifier: Apache-2.0
#include "api/process.h"

#include "common/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNKNOWN (-1.0)

struct metric {
    const char *name;
    const char *type;
    const char *help;
    double (*read)(void); /* UNKNOWN: nobody says */
};

/* ---- /proc/self/stat ---- */

/* Where fields stand (proc(5)), counted from the state, which is the first behind the name. */
enum field { USER_TICKS = 11, SYSTEM_TICKS = 12, START_TICKS = 19, VIRTUAL_BYTES = 20, PAGES = 21 };

static double read_stat(enum field wanted)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[size] = 0;
    if (file) {
        fclose(file);
    }
    const char *at = strrchr(text, ')'); /* the name may hold blanks */
    struct sw_slice rest = at && at[1] ? sw_slice_of(at + 2) : sw_slice("", 0);
    struct sw_slice word = sw_slice_split(&rest, ' ');
    for (unsigned i = 0; i < (unsigned)wanted && rest.data; i++) {
        word = sw_slice_split(&rest, ' ');
    }
    uint64_t number;
    return sw_slice_to_u64(word, INT64_MAX, &number) ? (double)number : UNKNOWN;
}

static double ticks_to_seconds(double ticks)
{
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

static double cpu_seconds(void)
{
    double user = read_stat(USER_TICKS);
    return user < 0 ? UNKNOWN : ticks_to_seconds(user + read_stat(SYSTEM_TICKS));
}

static double resident_bytes(void)
{
    double pages = read_stat(PAGES);
    return pages < 0 ? UNKNOWN : pages * (double)sysconf(_SC_PAGESIZE);
}

static double virtual_bytes(void)
{
    return read_stat(VIRTUAL_BYTES);
}

/* The kernel counts from its own start. */
static double start_seconds(void)
{
    double ticks = read_stat(START_TICKS);
    double boot = UNKNOWN;
    char line[128];
    FILE *file = fopen("/proc/stat", "re");
    while (file && boot < 0 && fgets(line, sizeof(line), file)) {
        (void)sscanf(line, "btime %lf", &boot);
    }
    if (file) {
        fclose(file);
    }
    return ticks < 0 || boot < 0 ? UNKNOWN : boot + ticks_to_seconds(ticks);
}

/* ---- descriptors ---- */

static double count_entries(const char *path)
{
    DIR *directory = opendir(path);
    double count = directory ? -3 : UNKNOWN; /* "." and "..", and this one */
    while (directory && readdir(directory)) {
        count++;
    }
    if (directory) {
        closedir(directory);
    }
    return count;
}

/* Since Linux 6.2 the size of the directory says it; before, whoever wants to know must count. */
static double open_descriptors(void)
{
    struct stat status;
    const char *path = "/proc/self/fd";
    bool told = stat(path, &status) == 0 && status.st_size > 0;
    return told ? (double)status.st_size : count_entries(path);
}

static double most_descriptors(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (double)limit.rlim_cur : UNKNOWN;
}

/* ---- all of it ---- */

static const struct metric metrics[] = {
    {"cpu_seconds_total", "counter", "CPU time of all threads, user's and kernel's.", cpu_seconds},
    {"resident_memory_bytes", "gauge", "Memory that is in RAM.", resident_bytes},
    {"virtual_memory_bytes", "gauge", "Memory that is mapped.", virtual_bytes},
    {"open_fds", "gauge", "Open file descriptors.", open_descriptors},
    {"max_fds", "gauge", "How many there may be.", most_descriptors},
    {"start_time_seconds", "gauge", "When it began, in seconds since 1970.", start_seconds},
};

void sw_process_write(struct sw_buf *out)
{
    for (size_t i = 0; i < SW_ARRAY_SIZE(metrics); i++) {
        const struct metric *metric = &metrics[i];
        double value = metric->read();
        if (value >= 0) {
            sw_buf_printf(out, "# HELP process_%s %s\n# TYPE process_%s %s\nprocess_%s %.15g\n",
                          metric->name, metric->help, metric->name, metric->type, metric->name,
                          value);
        }
    }
}

void sw_process_docs(struct sw_buf *out)
{
    for (size_t i = 0; i < SW_ARRAY_SIZE(metrics); i++) {
        sw_buf_printf(out, "| `process_%s` | %s |  | %s |\n", metrics[i].name, metrics[i].type,
                      metrics[i].help);
    }
}

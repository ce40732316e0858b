// SPDX-License-Identifier: Apache-2.0
/* A line is made by the thread that logs, outside of the lock; under it there is only a copy into
 * the ring. The writer writes straight from the ring: what it writes is nobody else's until it
 * moves the head. */
#include "common/log.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES (1u << 20)
/* What a pipe takes at once after poll() called it writable, so that a write does not block. */
#define WRITE_BYTES PIPE_BUF
#define POLL_MS     100
#define STOP_MS     1000

static struct {
    _Atomic int level;
    _Atomic int format;
    _Atomic uint64_t dropped;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_t writer;
    /* Under the lock: */
    bool running;
    bool stopping;
    uint64_t stop_ms; /* monotonic; the writer gives up then */
    char *ring;
    size_t head;
    size_t size;
    uint64_t unreported; /* dropped lines that no line has told of */
} logger = {
    .level = SW_LOG_INFO,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .filled = PTHREAD_COND_INITIALIZER,
};

/* ---- lines ---- */

static const char *const level_words[] = {"debug", "info", "warn", "error"};

static bool as_json(void)
{
    int format = atomic_load_explicit(&logger.format, memory_order_relaxed);
    return format == SW_LOG_AUTO ? !isatty(STDERR_FILENO) : format == SW_LOG_JSON;
}

/* Integers and decimals as JSON writes them; an id like 12e5 or 007 is none. */
static bool is_number(struct sw_slice value)
{
    return value.size > 0 &&
           (value.data[0] == '-' || (value.data[0] >= '0' && value.data[0] <= '9')) &&
           sw_slice_find(value, 'e') == value.size && sw_slice_find(value, 'E') == value.size &&
           sw_json_validate(value.data, value.size, 0, NULL) == SW_JSON_OK;
}

static void append_value(struct sw_buf *line, struct sw_slice value)
{
    if (is_number(value) || sw_slice_equal(value, SW_SLICE("true")) ||
        sw_slice_equal(value, SW_SLICE("false"))) {
        sw_buf_append_slice(line, value);
    } else {
        sw_json_append_string(line, value);
    }
}

/* Each key=value as a member; a word without '=' becomes true. */
static void append_members(struct sw_buf *line, struct sw_slice pairs)
{
    while (pairs.data) {
        size_t key_size = 0;
        while (key_size < pairs.size && pairs.data[key_size] != '=' &&
               pairs.data[key_size] != ' ') {
            key_size++;
        }
        struct sw_slice key = sw_slice(pairs.data, key_size);
        bool value_follows = key_size < pairs.size && pairs.data[key_size] == '=';
        sw_slice_split(&pairs, value_follows ? '=' : ' ');
        if (key_size == 0 && !value_follows) {
            continue;
        }
        sw_buf_append_byte(line, ',');
        sw_json_append_string(line, key);
        sw_buf_append_byte(line, ':');
        if (!value_follows) {
            sw_buf_append(line, "true", 4);
        } else if (pairs.size > 0 && pairs.data[0] == '"') {
            sw_slice_split(&pairs, '"');
            sw_json_append_string(line, sw_slice_split(&pairs, '"'));
        } else {
            append_value(line, sw_slice_split(&pairs, ' '));
        }
    }
}

static void append_json(struct sw_buf *line, enum sw_log_level level, const char *event,
                        struct sw_slice pairs, const struct tm *utc, unsigned ms)
{
    sw_buf_printf(line,
                  "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03uZ\",\"level\":\"%s\",\"event\":",
                  utc->tm_year + 1900, utc->tm_mon + 1, utc->tm_mday, utc->tm_hour, utc->tm_min,
                  utc->tm_sec, ms, level_words[level]);
    sw_json_append_string(line, sw_slice_of(event));
    append_members(line, pairs);
    sw_buf_append(line, "}\n", 2);
}

/* Control bytes would let a value write lines of its own, or steer the terminal. */
static void append_text(struct sw_buf *line, enum sw_log_level level, const char *event,
                        struct sw_slice pairs, const struct tm *utc, unsigned ms)
{
    sw_buf_printf(line, "%02d:%02d:%02d.%03u %-5s %s", utc->tm_hour, utc->tm_min, utc->tm_sec, ms,
                  level_words[level], event);
    if (pairs.size > 0) {
        sw_buf_append_byte(line, ' ');
        sw_buf_append_slice(line, pairs);
    }
    for (size_t i = 0; i < line->size; i++) {
        unsigned char byte = (unsigned char)line->data[i];
        if (byte < ' ' || byte == 0x7f) {
            line->data[i] = '?';
        }
    }
    sw_buf_append_byte(line, '\n');
}

static void make_line(struct sw_buf *line, enum sw_log_level level, const char *event,
                      struct sw_slice pairs)
{
    uint64_t now_ms = sw_clock_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    unsigned ms = (unsigned)(now_ms % 1000);
    if (as_json()) {
        append_json(line, level, event, pairs, &utc, ms);
    } else {
        append_text(line, level, event, pairs, &utc, ms);
    }
}

/* ---- the ring and its writer ---- */

static void count_dropped(uint64_t lines)
{
    atomic_fetch_add_explicit(&logger.dropped, lines, memory_order_relaxed);
    logger.unreported += lines;
}

static void put(const char *data, size_t size)
{
    size_t tail = (logger.head + logger.size) % RING_BYTES;
    size_t first = RING_BYTES - tail < size ? RING_BYTES - tail : size;
    memcpy(logger.ring + tail, data, first);
    memcpy(logger.ring, data + first, size - first);
    logger.size += size;
}

/* Under the lock: the line, behind a report of those that were dropped before it; or it is dropped
 * too. */
static void enqueue(const struct sw_buf *line)
{
    struct sw_buf report = {0};
    if (logger.unreported > 0) {
        char pairs[32];
        int size = snprintf(pairs, sizeof(pairs), "n=%llu", (unsigned long long)logger.unreported);
        make_line(&report, SW_LOG_WARN, "log_dropped", sw_slice(pairs, (size_t)size));
    }
    if (report.size + line->size > RING_BYTES - logger.size) {
        count_dropped(1);
    } else {
        if (report.size > 0) {
            put(report.data, report.size);
            logger.unreported = 0;
        }
        put(line->data, line->size);
        pthread_cond_signal(&logger.filled);
    }
    sw_buf_deinit(&report);
}

/* Waits for at most POLL_MS for standard error to take something. Returns the bytes written, 0: not
 * yet, or -1: it never will. */
static ssize_t write_some(const char *data, size_t size)
{
    struct pollfd poll_fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&poll_fd, 1, POLL_MS) == 0) {
        return 0;
    }
    ssize_t written = write(STDERR_FILENO, data, size < WRITE_BYTES ? size : WRITE_BYTES);
    if (written < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    return written;
}

static uint64_t lines_in(const char *data, size_t size)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < size; i++) {
        lines += data[i] == '\n';
    }
    return lines;
}

/* Under the lock, which it gives up while it writes. */
static void write_front(void)
{
    const char *data = logger.ring + logger.head;
    size_t size = RING_BYTES - logger.head < logger.size ? RING_BYTES - logger.head : logger.size;
    pthread_mutex_unlock(&logger.lock);
    ssize_t written = write_some(data, size);
    pthread_mutex_lock(&logger.lock);
    if (written < 0) {
        count_dropped(lines_in(data, size));
        written = (ssize_t)size;
    }
    logger.head = (logger.head + (size_t)written) % RING_BYTES;
    logger.size -= (size_t)written;
}

static void *run_writer(void *nothing)
{
    pthread_mutex_lock(&logger.lock);
    for (;;) {
        if (logger.size > 0 && !(logger.stopping && sw_clock_ms() >= logger.stop_ms)) {
            write_front();
        } else if (logger.stopping) {
            break;
        } else {
            pthread_cond_wait(&logger.filled, &logger.lock);
        }
    }
    pthread_mutex_unlock(&logger.lock);
    return nothing;
}

/* Blocks all signals in the writer: handlers run in main's thread, and a SIGPIPE of a log that
 * nobody reads any more ends nothing. */
static bool start_writer(void)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&logger.writer, NULL, run_writer, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0;
}

void sw_log_configure(enum sw_log_level level, enum sw_log_format format)
{
    atomic_store_explicit(&logger.level, level, memory_order_relaxed);
    atomic_store_explicit(&logger.format, format, memory_order_relaxed);
    atomic_store_explicit(&logger.format, as_json() ? SW_LOG_JSON : SW_LOG_TEXT,
                          memory_order_relaxed);
}

void sw_log_start(enum sw_log_level level, enum sw_log_format format)
{
    sw_log_configure(level, format);
    pthread_mutex_lock(&logger.lock);
    if (!logger.running) {
        logger.ring = sw_alloc(RING_BYTES);
        logger.head = 0;
        logger.size = 0;
        logger.stopping = false;
        logger.running = start_writer();
    }
    pthread_mutex_unlock(&logger.lock);
}

void sw_log_stop(void)
{
    pthread_mutex_lock(&logger.lock);
    bool running = logger.running;
    logger.running = false;
    logger.stopping = true;
    logger.stop_ms = sw_clock_ms() + STOP_MS;
    pthread_cond_signal(&logger.filled);
    pthread_mutex_unlock(&logger.lock);
    if (!running) {
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_MS / 1000 + 1;
    if (pthread_timedjoin_np(logger.writer, NULL, &until) == 0) {
        sw_free(logger.ring);
        logger.ring = NULL;
    } else {
        /* It hangs in a write, for instance to a stopped terminal: the ring stays its. */
        pthread_detach(logger.writer);
    }
}

/* ---- logging ---- */

/* Without a writer: at program start and end, where waiting hurts nobody. */
static void write_now(const struct sw_buf *line)
{
    size_t done = 0;
    for (int patience = STOP_MS / POLL_MS; done < line->size && patience > 0;) {
        ssize_t written = write_some(line->data + done, line->size - done);
        if (written < 0) {
            return;
        }
        patience -= written == 0;
        done += (size_t)written;
    }
}

void sw_log(enum sw_log_level level, const char *event, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&logger.level, memory_order_relaxed)) {
        return;
    }
    struct sw_buf pairs = {0};
    struct sw_buf line = {0};
    va_list arguments;
    va_start(arguments, format);
    sw_buf_vprintf(&pairs, format, arguments);
    va_end(arguments);
    make_line(&line, level, event, sw_buf_slice(&pairs));
    pthread_mutex_lock(&logger.lock);
    bool running = logger.running;
    if (running) {
        enqueue(&line);
    }
    pthread_mutex_unlock(&logger.lock);
    if (!running) {
        write_now(&line);
    }
    sw_buf_deinit(&line);
    sw_buf_deinit(&pairs);
}

uint64_t sw_log_dropped(void)
{
    return atomic_load_explicit(&logger.dropped, memory_order_relaxed);
}

const char *sw_log_clean(char *out, size_t capacity, struct sw_slice text)
{
    size_t size = text.size < capacity - 1 ? text.size : capacity - 1;
    /* Not in the middle of a character. */
    while (size < text.size && size > 0 && ((unsigned char)text.data[size] & 0xc0) == 0x80) {
        size--;
    }
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        bool bad = byte < ' ' || byte == 0x7f || byte == '\\';
        out[i] = byte == '"' ? '\'' : bad ? '?' : text.data[i];
    }
    out[size] = '\0';
    return out;
}

// SPDX-License-Identifier: Apache-2.0
/* libwebsockets (README.md). Its test builds it, where the library is installed. */
#include <fcntl.h>
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 4096
#define TICK_US    2000 /* how often the standard input is looked at */

static struct lws_context *context;
static struct lws *connection;
static bool over;

/* Words that are not obeyed yet. */
static char orders[16 * LINE_BYTES];
static size_t orders_size;

/* A message as far as it has come. */
static char text[300000];
static size_t text_size;

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

static void take_text(const char *data, size_t size)
{
    if (size > sizeof(text) - text_size) {
        exit(1);
    }
    memcpy(text + text_size, data, size);
    text_size += size;
    if (lws_is_final_fragment(connection) && lws_remaining_packet_payload(connection) == 0) {
        printf("text %.*s\n", (int)text_size, text);
        fflush(stdout);
        text_size = 0;
    }
}

static int write_frame(const char *data, enum lws_write_protocol kind)
{
    unsigned char room[LWS_PRE + LINE_BYTES];
    size_t size = strlen(data);
    memcpy(room + LWS_PRE, data, size);
    return lws_write(connection, room + LWS_PRE, size, kind) < (int)size ? -1 : 0;
}

/* Not 0: the connection is to be closed. */
static int obey(const char *line)
{
    if (strncmp(line, "send ", 5) == 0) {
        return write_frame(line + 5, LWS_WRITE_TEXT);
    }
    if (strcmp(line, "ping") == 0) {
        return write_frame("x", LWS_WRITE_PING);
    }
    lws_close_reason(connection, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
    return -1;
}

/* One at a time, since each is a frame. */
static int obey_next(void)
{
    char *end = memchr(orders, '\n', orders_size);
    if (!end) {
        return 0;
    }
    *end = 0;
    int result = end - orders < LINE_BYTES ? obey(orders) : -1;
    orders_size -= (size_t)(end + 1 - orders);
    memmove(orders, end + 1, orders_size);
    return result;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    (void)user;
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        connection = wsi;
        say("open");
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        take_text(in, size);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        say("pong");
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return obey_next();
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        connection = NULL;
        over = true;
        return 0;
    default:
        return 0;
    }
}

static void on_tick(lws_sorted_usec_list_t *tick)
{
    ssize_t size = read(STDIN_FILENO, orders + orders_size, sizeof(orders) - orders_size);
    orders_size += size > 0 ? (size_t)size : 0;
    if (connection && memchr(orders, '\n', orders_size)) {
        lws_callback_on_writable(connection);
    }
    lws_sul_schedule(context, 0, tick, on_tick, TICK_US);
}

int main(int argc, char **argv)
{
    static const struct lws_protocols protocols[] = {
        {.name = "spillway.v1.json", .callback = on_event, .rx_buffer_size = 4096}, {0}};
    static lws_sorted_usec_list_t tick;
    const struct lws_context_creation_info creation = {.port = CONTEXT_PORT_NO_LISTEN,
                                                       .protocols = protocols};
    const char *scheme;
    const char *path;
    char place[256];
    struct lws_client_connect_info info = {.protocol = "spillway.v1.json"};
    if (argc != 2 || lws_parse_uri(argv[1], &scheme, &info.address, &info.port, &path)) {
        return 2;
    }
    lws_set_log_level(LLL_ERR, NULL);
    snprintf(place, sizeof(place), "/%s", path);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    context = lws_create_context(&creation);
    info.context = context;
    info.path = place;
    info.host = info.address;
    lws_client_connect_via_info(&info);
    lws_sul_schedule(context, 0, &tick, on_tick, TICK_US);
    while (!over && lws_service(context, 0) >= 0) {
    }
    lws_context_destroy(context);
    say("closed 0"); /* the library keeps what it heard to itself */
    return 0;
}

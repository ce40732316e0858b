// SPDX-License-Identifier: Apache-2.0
/* A redis-server of the test's own: a child on a free loopback port, without persistence, that ends
 * with the test. */
#ifndef SW_TESTS_BUS_REDIS_REAL_SERVER_H
#define SW_TESTS_BUS_REDIS_REAL_SERVER_H

#include "common/clock.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVER_PATH "/usr/bin/redis-server"

struct server {
    pid_t pid; /* 0: does not run */
    uint16_t port;
};

static inline struct sockaddr_in server_address(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
    };
}

/* A port that was free a moment ago, below those that the kernel gives to connections. */
static inline uint16_t server_free_port(void)
{
    for (uint16_t port = (uint16_t)(12000 + getpid() % 20000);; port++) {
        struct sockaddr_in address = server_address(port);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        int status = bind(fd, (const struct sockaddr *)&address, sizeof(address));
        close(fd);
        if (status == 0) {
            return port;
        }
    }
}

/* Sends `bytes` on a connection of its own and reads what is there once a line has come. Returns
 * its size, or -1. */
static inline ssize_t server_send(const struct server *server, const char *bytes, size_t size,
                                  char *reply, size_t capacity)
{
    struct sockaddr_in address = server_address(server->port);
    struct timeval patience = {.tv_sec = 5};
    ssize_t got = -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        for (size_t sent = 0; sent < size;) {
            ssize_t n = send(fd, bytes + sent, size - sent, MSG_NOSIGNAL);
            if (n <= 0) {
                break;
            }
            sent += (size_t)n;
        }
        got = recv(fd, reply, capacity - 1, 0);
    }
    close(fd);
    reply[got > 0 ? got : 0] = '\0';
    return got;
}

/* One inline command; the answer must contain `wanted`. */
static inline void server_ask(const struct server *server, const char *command, const char *wanted)
{
    char reply[8192];
    char line[512];
    int size = snprintf(line, sizeof(line), "%s\r\n", command);
    (void)server_send(server, line, (size_t)size, reply, sizeof(reply));
    if (!strstr(reply, wanted)) {
        fail_msg("%s: \"%s\" is not in \"%s\"", command, wanted, reply);
    }
}

static inline void server_wait(const struct server *server)
{
    uint64_t end = sw_clock_ms() + 10000;
    char reply[256];
    while (server_send(server, "PING\r\n", 6, reply, sizeof(reply)) <= 0) {
        assert_true(sw_clock_ms() < end);
        usleep(5000);
    }
}

static inline void server_start(struct server *server, const char *password)
{
    char port[8];
    snprintf(port, sizeof(port), "%u", (unsigned)server->port);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(SERVER_PATH, SERVER_PATH, "--port", port, "--bind", "127.0.0.1", "--save", "",
              "--appendonly", "no", "--logfile", "/dev/null", "--dir", "/tmp", "--requirepass",
              password, (char *)NULL);
        _exit(127);
    }
    server_wait(server);
}

static inline void server_kill(struct server *server)
{
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
}

#endif

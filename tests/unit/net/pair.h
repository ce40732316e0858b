// SPDX-License-Identifier: Apache-2.0
/* Two ends of a TCP connection over loopback. */
#ifndef SW_PAIR_H
#define SW_PAIR_H

#include "turning.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* fds[0] is the accepted end; neither blocks. */
static inline void pair_connect(int fds[2])
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(in);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&in, size), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&in, &size), 0);
    assert_int_equal(listen(listener, 1), 0);
    fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fds[1], (struct sockaddr *)&in, size), 0);
    fds[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fds[0] >= 0);
    close(listener);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
}

#endif

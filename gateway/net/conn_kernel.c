// SPDX-License-Identifier: Apache-2.0
/* What the kernel knows of a connection. Apart from conn.c, since linux/tcp.h and the tcp.h that
 * libuv includes exclude each other. */
#include "net/conn.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

int sw_conn_unacknowledged(const struct sw_conn *conn)
{
    int bytes = 0;
    return ioctl(conn->fd, SIOCOUTQ, &bytes) ? 0 : bytes;
}

/* All zero where it cannot be told. */
static struct tcp_info tcp_info(const struct sw_conn *conn)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    if (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &size)) {
        info = (struct tcp_info){0};
    }
    return info;
}

uint32_t sw_conn_silent_ms(const struct sw_conn *conn)
{
    return tcp_info(conn).tcpi_last_ack_recv;
}

uint32_t sw_conn_round_trip_us(const struct sw_conn *conn)
{
    struct tcp_info info = tcp_info(conn);
    return info.tcpi_min_rtt == UINT32_MAX ? 0 : info.tcpi_min_rtt;
}

// SPDX-License-Identifier: Apache-2.0
#include "net/conn_write.h"

#include "common/assert.h"
#include "common/mem.h"
#include "net/loop_internal.h"

static void on_rest_written(uv_write_t *request, int status)
{
    struct sw_write *write = SW_CONTAINER_OF(request, struct sw_write, uv);
    struct sw_conn *conn = write->conn;
    struct sw_rest rest = write->rest;
    /* Put back first: what `done` writes next takes the same request, which is warm. */
    sw_write_put(sw_loop_of((uv_handle_t *)request->handle), write);
    rest.done(conn, &rest, status);
    if (status && !conn->closing) {
        sw_conn_broke(conn, status);
    }
}

void sw_conn_write_rest(struct sw_conn *conn, const void *data, const struct sw_rest *rest)
{
    SW_ASSERT(rest->bytes > 0 && !conn->closing);
    uv_stream_t *stream = (uv_stream_t *)conn->handle;
    struct sw_write *write = sw_write_get(sw_loop_of((uv_handle_t *)stream));
    write->conn = conn;
    write->rest = *rest;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)data, rest->bytes);
    int status = uv_write(&write->uv, stream, &buf, 1, on_rest_written);
    SW_ASSERT(status == 0);
}

// SPDX-License-Identifier: Apache-2.0
/* The HTTP side of a connection: parses requests (llhttp with limits of our own), finds their
 * route, and carries the replies. It exists only while HTTP is spoken: an upgrade frees it and
 * hands the connection on.
 *
 * Strictness: a message whose framing is in doubt (obs-fold, Content-Length beside
 * Transfer-Encoding, bare LF, ...) gets 400 and the connection is closed; so does HTTP/1.0 that
 * asks for an upgrade. Requests on one connection are answered one after another: the next is not
 * parsed before the reply to the last. */
#ifndef SW_HTTP_SERVER_H
#define SW_HTTP_SERVER_H

#include "core/counters.h"
#include "http/forwarded.h"
#include "http/request.h"
#include "net/conn.h"

struct sw_http;

/* Must reply (sw_http_reply*), upgrade (sw_http_detach) or defer before it returns. */
typedef void sw_handler(void *context, struct sw_http *http, const struct sw_request *request);
/* Replies itself (or holds the request) and returns false to refuse. Asked before the body is read;
 * behind a refusal it is thrown away, and the connection closes. */
typedef bool sw_head_guard(void *context, struct sw_http *http, const struct sw_request *request);

struct sw_route {
    unsigned methods; /* enum sw_method, or'ed; another one gets 405 with Allow, OPTIONS a
                         preflight's answer where `cors` is set */
    const char *path; /* "/v1/publish"; "/v1/topics/" with `prefix` covers what is below it */
    bool prefix;
    bool cors;            /* pages may read it: Access-Control-Allow-Origin on every answer */
    size_t max_body;      /* bytes; above it 413 */
    sw_head_guard *guard; /* may be NULL */
    sw_handler *handle;
};

/* Requests whose guards could not say yet: first come, first asked again. */
struct sw_http_held {
    struct sw_loop *loop;
    struct sw_list list;
    struct sw_task ask;
    const struct sw_http *asking; /* whose guard is asked again just now */
    bool again;                   /* and could not say again */
};

/* What a listener serves. Borrowed by its connections; lives longer than they do. */
struct sw_site {
    const struct sw_route *routes;
    size_t route_count;
    void *context; /* for the handlers */
    struct sw_loop *loop;
    struct sw_counters *counters;
    _Atomic int64_t *open; /* gauge of its connections while they are HTTP; may be NULL */
    sw_head_guard *guard;  /* of all routes, looked at before routing; may be NULL */
    const struct sw_networks *trusted; /* proxies that are believed; may be NULL */
    /* NULL-terminated allow-list of the pages that may read a `cors` route; empty or NULL: all. */
    char *const *origins;
    struct sw_http_held *held; /* where a guard may hold requests; else NULL */
    /* Headers for every reply ("Name: value\r\n..."), may be NULL. */
    const char *headers;
    bool leaving; /* the next reply is the last on each connection that is opened from now on */
    /* The connection has closed while it was HTTP: the memory around it is the owner's again. */
    void (*on_closed)(void *context, struct sw_conn *conn);
};

/* Nothing is held. */
void sw_http_held_init(struct sw_http_held *held, struct sw_loop *loop);
/* Serves HTTP on an accepted connection: opens `conn` with `fd`. Returns 0 or a negative errno
 * (then the memory is the caller's at once). */
int sw_http_open(const struct sw_site *site, struct sw_conn *conn, int fd) SW_MUST_CHECK;
/* Who holds its other end, behind sw_http_open; else nobody knows. */
void sw_http_introduce(struct sw_conn *conn, const struct sw_http_client *from);
/* Who sends the request that its handler or guard is asked about. */
struct sw_http_client sw_http_client(struct sw_conn *conn);
/* Draining: the next reply is the last, with Connection: close. Who idles between two requests is
 * closed; who has not asked yet may. */
void sw_http_finish(struct sw_conn *conn);
/* The same, and who has not asked yet is closed, too. */
void sw_http_close(struct sw_conn *conn);
struct sw_conn *sw_http_conn(struct sw_http *http);

/* A reply: status, body with its type (may be NULL for an empty body), and further headers, each
 * ending in CRLF ("" for none). Never sends a body for HEAD, nor a length where body.data == NULL.
 * The request's slices are invalid afterwards. */
void sw_http_reply(struct sw_http *http, unsigned status, const char *type, struct sw_slice body,
                   const char *headers);
/* {"error":{"code","message","retry","retry_ms"?,"outcome"?}} with the status of the row; `message`
 * NULL: the row's own; retry_ms 0: none, else Retry-After too (rounded up to seconds). `outcome`:
 * "unknown" or NULL. */
void sw_http_reply_error(struct sw_http *http, enum sw_error error, const char *message,
                         unsigned retry_ms, const char *outcome);
/* The same object for other places (batch results): appends {"code":...}. */
void sw_http_append_error(struct sw_buf *out, enum sw_error error, const char *message,
                          unsigned retry_ms, const char *outcome);
/* Replies later: until then `on_gone(owner)` comes if the connection breaks or is closed first, and
 * the handler must not use `http` any more. A peer that only ends its side waits for its reply. The
 * request's slices are invalid as soon as the handler returns. */
void sw_http_defer(struct sw_http *http, void (*on_gone)(void *owner), void *owner);
/* In a head guard, which then returns false: it cannot say yet, and is asked again in a later turn,
 * behind those that are held already. They are asked in order and only until one is held again, so
 * that very many cost a turn no more than few. */
void sw_http_hold(struct sw_http *http);
/* In such a guard: are others held whose turn it is before this one? */
bool sw_http_must_wait(const struct sw_http *http);
/* What a guard found out, for the handler: `drop` takes it when the request is over. */
void sw_http_keep(struct sw_http *http, void *kept, void (*drop)(void *kept));
/* NULL: nothing. */
void *sw_http_kept(const struct sw_http *http);
/* The same, and it is the caller's now. */
void *sw_http_take_kept(struct sw_http *http);
/* Appends the head of a 200 whose body ends with the connection, for who then detaches and writes
 * it. `headers` as of sw_http_reply. */
void sw_http_append_stream(const struct sw_http *http, const char *type, const char *headers,
                           struct sw_buf *head);
/* Hands the connection on after an upgrade: frees the HTTP side, returns the connection; its next
 * owner calls sw_conn_adopt. `rest` gets the bytes that came behind the request (the caller frees
 * it). */
struct sw_conn *sw_http_detach(struct sw_http *http, struct sw_buf *rest);

#endif

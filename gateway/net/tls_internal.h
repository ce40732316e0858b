// SPDX-License-Identifier: Apache-2.0
/* What the two files of TLS share: OpenSSL's types. Nobody else includes this. */
#ifndef SW_NET_TLS_INTERNAL_H
#define SW_NET_TLS_INTERNAL_H

#include "net/tls_context.h"

#include <openssl/ssl.h>

/* A connection's state, which keeps the context by a reference of OpenSSL's own. Never NULL. */
SSL *sw_tls_context_open(const struct sw_tls_context *context);

#endif

// SPDX-License-Identifier: Apache-2.0
/* The files of web/, from inside the binary. */
#ifndef SW_API_ASSETS_H
#define SW_API_ASSETS_H

#include "http/server.h"

/* Serves the asset of the request's path, or replies 404; those of the demo only with `demo`. */
void sw_api_asset(struct sw_http *http, const struct sw_request *request, bool demo);

#endif

// SPDX-License-Identifier: Apache-2.0
/* The files of this folder as data inside the binary. assets.list names them, embed.cmake writes
 * the table at build time. Everything here is constant and lives as long as the process. */
#ifndef SW_WEB_ASSETS_H
#define SW_WEB_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

struct sw_asset {
    const char *path; /* of the request, exactly */
    const char *type; /* the Content-Type */
    const unsigned char *data;
    size_t size;
    const char *etag; /* of the bytes, quotes included */
    bool demo;        /* served only with --demo */
};

extern const struct sw_asset sw_assets[];
extern const size_t sw_asset_count;

#endif

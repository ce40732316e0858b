// SPDX-License-Identifier: Apache-2.0
/* The version of this binary, in an object of its own: another version is another link. */
#ifndef SW_NODE_VERSION_H
#define SW_NODE_VERSION_H

extern const char sw_version[];

#endif

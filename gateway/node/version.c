// SPDX-License-Identifier: Apache-2.0
#include "node/version.h"

const char sw_version[] = SW_VERSION;

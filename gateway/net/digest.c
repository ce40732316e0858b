// SPDX-License-Identifier: Apache-2.0
#include "net/digest.h"

#include "common/assert.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

void sw_sha1(struct sw_slice data, unsigned char out[SW_SHA1_BYTES])
{
    unsigned size = 0;
    int done = EVP_Digest(data.data, data.size, out, &size, EVP_sha1(), NULL);
    SW_ASSERT(done == 1 && size == SW_SHA1_BYTES);
}

bool sw_secret_equal(struct sw_slice a, struct sw_slice b)
{
    return a.size == b.size && (a.size == 0 || CRYPTO_memcmp(a.data, b.data, a.size) == 0);
}

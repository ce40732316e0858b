// SPDX-License-Identifier: Apache-2.0
/* Signatures as tokens carry them (RFC 7518, section 3): the MAC itself, RSA's number, ECDSA's r
 * and s one behind the other in a fixed size. Pure, any thread; leaves OpenSSL's queue of errors as
 * it was. */
#ifndef SW_AUTH_SIGNATURE_H
#define SW_AUTH_SIGNATURE_H

#include "auth/key.h"

/* `algorithm` is one of the key's. A MAC is compared in constant time. */
bool sw_signature_verify(const struct sw_key *key, enum sw_algorithm algorithm,
                         struct sw_slice text, struct sw_slice signature) SW_MUST_CHECK;
/* The bytes of a signature. */
size_t sw_signature_size(const struct sw_key *key, enum sw_algorithm algorithm);
/* Appends the signature; the key is a secret or private. False: OpenSSL could not. */
bool sw_signature_make(const struct sw_key *key, enum sw_algorithm algorithm, struct sw_slice text,
                       struct sw_buf *signature) SW_MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
//
// Tokens as an identity provider makes them, by node:crypto alone, so that the gateway's own signing is never its own witness.

import { constants, createHmac, createPrivateKey, generateKeyPairSync, randomBytes, sign as signBytes, verify as verifyBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from './scope.mjs';

const HASH = { 256: 'sha256', 384: 'sha384', 512: 'sha512' };
const CURVE = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

const json = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export const seconds = (offset = 0) => Math.floor(Date.now() / 1000) + offset;

const isPss = (alg) => alg.startsWith('PS');
const options = (key, alg) => ({
  key,
  dsaEncoding: 'ieee-p1363',
  ...(isPss(alg) && { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }),
});
const hashOf = (alg) => (alg === 'EdDSA' ? null : HASH[alg.slice(2)]);

// The algorithm that a private key is mostly used with.
function usualAlgorithm(key) {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'rsa') return 'RS256';
  if (type === 'ec') return { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }[details.namedCurve];
  return 'EdDSA';
}

// A compact token. `secret` (text or bytes) or `key` (a private KeyObject or PEM) signs it; `header` adds to the header or replaces
// what stands there. Without `exp` it is good for an hour; `exp: undefined` leaves it out.
export function sign(claims, { secret, key, alg, kid, header } = {}) {
  const signer = key === undefined || key.asymmetricKeyType ? key : createPrivateKey(key);
  const algorithm = alg ?? (signer ? usualAlgorithm(signer) : 'HS256');
  const head = { alg: algorithm, typ: 'JWT', ...(kid !== undefined && { kid }), ...header };
  const text = `${json(head)}.${json({ exp: seconds(3600), ...claims })}`;
  return `${text}.${signature(text, algorithm, secret, signer).toString('base64url')}`;
}

function signature(text, alg, secret, key) {
  if (alg === 'none') return Buffer.alloc(0);
  if (alg.startsWith('HS')) return createHmac(hashOf(alg), secret).update(text).digest();
  return signBytes(hashOf(alg), Buffer.from(text), options(key, alg));
}

// The parts of a token whose signature is good under `secret` or `key` (public), else an exception.
export function verify(token, { secret, key, alg }) {
  const [head, body, signed] = token.split('.');
  const text = `${head}.${body}`;
  const bytes = Buffer.from(signed, 'base64url');
  const good = secret
    ? createHmac(hashOf(alg), secret).update(text).digest().equals(bytes)
    : verifyBytes(hashOf(alg), Buffer.from(text), options(key, alg), bytes);
  if (!good) throw new Error(`not signed by this key with ${alg}: ${token}`);
  return { header: JSON.parse(Buffer.from(head, 'base64url')), claims: JSON.parse(Buffer.from(body, 'base64url')) };
}

// A key pair that fits the algorithm: { privateKey, publicKey, privatePem, publicPem }.
export function keyPair(alg) {
  const pair = CURVE[alg]
    ? generateKeyPairSync('ec', { namedCurve: CURVE[alg] })
    : alg === 'EdDSA'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    ...pair,
    privatePem: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    publicPem: pair.publicKey.export({ type: 'spki', format: 'pem' }),
  };
}

export const makeSecret = () => randomBytes(32).toString('hex');

// Files for --jwt-secret-file and --jwt-key-file in a folder that ends with the test: writes { name: text } and returns { name: path }.
export function keyFiles(t, files) {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-keys-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  return Object.fromEntries(
    Object.entries(files).map(([name, text]) => {
      const path = join(directory, name);
      writeFileSync(path, text, { mode: 0o600 });
      return [name, path];
    }),
  );
}

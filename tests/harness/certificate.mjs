// SPDX-License-Identifier: Apache-2.0
//
// A certificate of the test's own for the loopback, which signs itself.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// Writes it into `directory`: the paths of certificate, key and both in one file, and the PEM that a client must trust.
export function selfSigned(directory) {
  const [cert, key, both] = ['cert.pem', 'key.pem', 'both.pem'].map((name) => join(directory, name));
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
  const subject = ['-subj', '/CN=localhost', '-addext', names, '-days', '2'];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'pipe' });
  const ca = readFileSync(cert, 'utf8');
  writeFileSync(both, ca + readFileSync(key, 'utf8'), { mode: 0o600 });
  return { cert, key, both, ca };
}

// SPDX-License-Identifier: Apache-2.0
//
// Certificates, each its own authority, made anew for a test by `openssl req`.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from './scope.mjs';

export class Certificate {
  // For 127.0.0.1 and localhost, under the name `name`. `key` and `cert` are paths.
  constructor(t, name = 'localhost') {
    const directory = mkdtempSync(join(tmpdir(), 'spillway-certificate-'));
    atEnd(t, () => rmSync(directory, { recursive: true }));
    Object.assign(this, { name, cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') });
    const form = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    execFileSync('openssl', ['req', '-x509', ...form, ...names, '-keyout', this.key, '-out', this.cert], { stdio: 'ignore' });
  }

  // What a client must trust.
  get ca() {
    return readFileSync(this.cert);
  }
  get flags() {
    return ['--tls-cert', this.cert, '--tls-key', this.key];
  }

  // Takes the place of another one, whose files change their contents in one step each.
  replace(other) {
    for (const file of ['cert', 'key']) {
      copyFileSync(this[file], `${other[file]}.new`);
      renameSync(`${other[file]}.new`, other[file]);
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// A gateway that asks for tokens, and who mints them: HS256 by a secret, ES256 by a key named "es".

import { Client } from './client.mjs';
import { Gateway } from './gateway.mjs';
import { keyFiles, keyPair, makeSecret, sign } from './jwt.mjs';

export class Guests {
  secret = makeSecret();
  pair = keyPair('ES256');

  static async start(t, args = [], options) {
    const guests = new Guests();
    const files = keyFiles(t, { secret: guests.secret, 'es.pem': guests.pair.publicPem });
    const keys = ['--jwt-secret-file', files.secret, '--jwt-key-file', files['es.pem']];
    guests.files = files;
    guests.gateway = await Gateway.start(t, ['--auth', 'jwt', ...keys, ...args], options);
    return guests;
  }

  // A token of this user. `grant`: {sub, pub, auto}; `claims` beside it.
  token(sub, grant = {}, claims = {}) {
    return sign({ sub, spillway: grant, ...claims }, { secret: this.secret });
  }
  // The same, a hundred times as dear to verify.
  costly(sub, grant = {}, claims = {}) {
    return sign({ sub, spillway: grant, ...claims }, { key: this.pair.privateKey, kid: 'es' });
  }

  // A client whose token came with the upgrade.
  connect(t, token, { query = '', ...options } = {}) {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    return Client.connect(t, this.gateway.url + query, { ...options, headers: { ...headers, ...options.headers } });
  }
  // One that has shown none, and is not welcomed yet.
  stranger(t, options = {}) {
    return this.connect(t, undefined, { ...options, welcome: false });
  }
  // What becomes of an upgrade that is refused behind its 101: {code, reason}, and the client.
  async refusal(t, options) {
    const client = await Client.connect(t, this.gateway.url + (options.query ?? ''), { ...options, welcome: false });
    return { client, ...(await client.closed) };
  }

  // Waits until exactly so many sessions ended for this reason, which is counted behind the client's own end.
  closed(reason, count) {
    const ended = (metrics) => metrics.sum('spillway_closed_total', { reason });
    return this.gateway.counted((metrics) => ended(metrics) === count, `${count} closed: ${reason}`);
  }
}

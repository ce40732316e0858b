// SPDX-License-Identifier: Apache-2.0
//
// Bad handshakes without end: each is answered and counted by what is wrong with it, nothing of it stays, and who is connected
// gets everything in order meanwhile. What that does to latencies is measured by bench/run handshakes.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Guests } from '../harness/guests.mjs';
import { OPCODE, RawSocket, close, upgradeRequest } from '../harness/raw.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { SANITIZED, size } from '../harness/setting.mjs';

const STRANGER = '127.0.0.9';
const CLIENTS = 20;
const ROUNDS = size({ long: 200, short: 30, sanitized: 6 });
const AT_ONCE = 10; // of each kind
const MB = 2 ** 20;

// What is sent, and what comes of it: a status, or behind 101 the code of a close frame.
const KINDS = {
  'no HTTP': { bytes: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', status: 400 },
  'two lengths': { bytes: 'GET /v1/ws HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', status: 400 },
  'no key': { bytes: upgradeRequest('/v1/ws', { 'Sec-WebSocket-Key': undefined }), status: 400 },
  'another version': { bytes: upgradeRequest('/v1/ws', { 'Sec-WebSocket-Version': '12' }), status: 426 },
  'no such place': { bytes: upgradeRequest('/v1/nothing'), status: 404 },
  'a bad token': { bytes: upgradeRequest('/v1/ws', { Authorization: 'Bearer a.b.c' }), status: 101, code: 4501 },
};

async function attempt(t, port, { bytes, status, code }) {
  const raw = await RawSocket.connect(t, port, { localAddress: STRANGER });
  raw.write(Buffer.from(bytes, 'latin1'));
  const answer = await raw.response();
  if (answer.status === 429) return 429;
  assert.equal(answer.status, status, bytes);
  if (code) {
    const frame = await raw.frame();
    assert.deepEqual([frame.opcode, frame.code], [OPCODE.close, code]);
    raw.write(close(code));
    await raw.ended;
  }
  raw.destroy();
  return status;
}

// Each kind so many times; how often each status came.
async function flood(t, port, rounds) {
  const seen = {};
  for (let round = 0; round < rounds; round++) {
    const attempts = Array.from({ length: AT_ONCE }, () => Object.values(KINDS).map((kind) => attempt(t, port, kind)));
    for (const status of await Promise.all(attempts.flat())) seen[status] = (seen[status] ?? 0) + 1;
  }
  return seen;
}

class Established {
  #published = 0;

  static async start(t, guests) {
    const all = new Established();
    all.guests = guests;
    const token = guests.token('kim', { sub: ['a'] });
    all.clients = await Promise.all(Array.from({ length: CLIENTS }, () => guests.connect(t, token, { query: '?topic=a' })));
    await Promise.all(all.clients.map((client) => client.next('subscribed')));
    return all;
  }

  // Publishes until `over` settles; what that came to.
  async reads(over) {
    let going = true;
    over.then(
      () => (going = false),
      () => (going = false),
    );
    while (going) await this.guests.gateway.publish('a', String(this.#published++));
    const expected = Array.from({ length: this.#published }, (_, i) => i);
    for (const client of this.clients) {
      const frames = await client.received('a', this.#published);
      assert.deepEqual(
        frames.map(({ data }) => data),
        expected,
      );
    }
    return over;
  }
}

const sums = (before, after) => {
  const of = (name, labels) => after.sum(name, labels) - before.sum(name, labels);
  return {
    accepted: of('spillway_accepted_total'),
    errors: of('spillway_http_errors_total'),
    unauthorized: of('spillway_closed_total', { reason: 'unauthorized' }),
    refused: of('spillway_refused_total', { reason: 'address' }),
    sessions: of('spillway_sessions'),
    shed: of('spillway_shed_total'),
  };
};

describe('bad handshakes', () => {
  const scope = suiteScope();
  const each = AT_ONCE * ROUNDS;

  test('are answered and counted by what is wrong, leave nothing, and who is connected gets everything', async (t) => {
    const guests = await Guests.start(scope);
    const { gateway } = guests;
    const established = await Established.start(t, guests);
    await established.reads(flood(t, gateway.port, ROUNDS)); // what is kept for the next is there behind it
    const before = await guests.closed('unauthorized', each);
    const resident = gateway.rss();
    const seen = await established.reads(flood(t, gateway.port, ROUNDS));
    assert.deepEqual(seen, { 101: each, 400: 3 * each, 404: each, 426: each });
    const after = await guests.closed('unauthorized', 2 * each);
    const { accepted, ...counted } = sums(before, after);
    assert.ok(accepted >= 6 * each, `${accepted} accepted`);
    assert.deepEqual(counted, { errors: 5 * each, unauthorized: each, refused: 0, sessions: 0, shed: 0 });
    t.diagnostic(`${each} of each kind: ${resident} bytes resident before, ${gateway.rss()} behind`);
    // A sanitizer keeps what was freed.
    if (!SANITIZED) assert.ok(gateway.rss() - resident < 2 * MB, `${resident} to ${gateway.rss()} bytes`);
  });

  test('of one address are 429 above its rate, and who is connected gets everything', async (t) => {
    const guests = await Guests.start(scope, ['--handshakes-per-address', String(CLIENTS)]);
    const { gateway } = guests;
    const established = await Established.start(t, guests);
    const before = await gateway.metrics();
    const seen = await established.reads(flood(t, gateway.port, ROUNDS));
    const after = await gateway.counted((metrics) => sums(before, metrics).sessions === 0, 'nobody left of them');
    assert.ok(seen[429] > 0, JSON.stringify(seen));
    assert.equal(
      Object.values(seen).reduce((sum, count) => sum + count),
      6 * each,
    );
    const { refused, shed } = sums(before, after);
    assert.deepEqual({ refused, shed }, { refused: seen[429], shed: 0 });
  });
});

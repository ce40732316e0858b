// SPDX-License-Identifier: Apache-2.0
//
// Everybody comes back at once, each with a token of its own, while a few stay: all are welcomed, subscribed and served once; who
// stayed misses nothing; and each token is verified once.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Crowd } from '../harness/crowd.mjs';
import { Guests } from '../harness/guests.mjs';
import { size } from '../harness/setting.mjs';

const CLIENTS = size({ long: 19_000, short: 1000, sanitized: 200 });
const STAY = 5;
const TOPIC = 'returning.all';

const tokens = (metrics, outcome) => metrics.sum('spillway_tokens_total', { outcome });
const message = (n) => `{"type":"msg","topic":"${TOPIC}","data":{"n":${n}}}`;
const gone = (metrics) => metrics.sum('spillway_closed_total', { reason: 'gone' });

test(`${CLIENTS} clients with tokens return at once`, async (t) => {
  const guests = await Guests.start(t, ['--ping-ms', '120000']); // the crowd answers none
  const { gateway } = guests;
  const grant = { sub: [TOPIC] };
  const stay = [];
  for (let at = 0; at < STAY; at++) {
    stay.push(await guests.connect(t, guests.costly(`stays-${at}`, grant), { query: `?topic=${TOPIC}` }));
    await stay[at].next('subscribed');
  }
  const shown = Array.from({ length: CLIENTS }, (_, at) => guests.costly(`returns-${at}`, grant));
  const crowd = await Crowd.open(t, gateway.port, CLIENTS, `/v1/ws?topic=${TOPIC}`, { tokens: shown });
  await gateway.counted((metrics) => metrics.sum('spillway_subscriptions') === CLIENTS + STAY, 'everybody subscribed', 20000);

  await gateway.publish(TOPIC, { n: 1 });
  assert.deepEqual(await crowd.heard(message(1)), { whole: CLIENTS, other: 0 });

  await Promise.all([crowd.comeBack(), gateway.publish(TOPIC, { n: 2 })]);
  const metrics = await gateway.counted(
    (now) => gone(now) === CLIENTS && now.sum('spillway_subscriptions') === CLIENTS + STAY,
    'all have gone once and are back once',
    20000,
  );
  assert.equal(tokens(metrics, 'good'), 2 * CLIENTS + STAY);
  assert.equal(metrics.sum('spillway_tokens_total'), 2 * CLIENTS + STAY, 'no token is refused');
  assert.equal(metrics.sum('spillway_refused_total'), 0);
  assert.equal(metrics.sum('spillway_connections'), CLIENTS + STAY);

  await gateway.publish(TOPIC, { n: 3 });
  assert.deepEqual(await crowd.heard(message(3), message(2)), { whole: CLIENTS, other: 0 });
  for (const client of stay) {
    for (const n of [1, 2, 3]) assert.deepEqual((await client.next('msg')).data, { n });
  }
  t.diagnostic(`${metrics.sum('spillway_tokens_aside_total')} of ${2 * CLIENTS + STAY} tokens verified beside the loops`);
  await crowd.close();
});

// SPDX-License-Identifier: Apache-2.0
//
// Everything at once: clients of any speed, in every mode and pace, on topics and patterns that overlap, who come, go, change their
// mind and break the rules, while messages with and without keys are published. Each subscription is checked message by message
// (harness/storm_stream.mjs), and in the end the gateway owes nothing and holds nothing.
//
// SPILLWAY_STORM_SEED repeats a storm as far as time lets it, SPILLWAY_STORM_SECONDS makes it longer or shorter.

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { Gateway } from '../harness/gateway.mjs';
import { Redis } from '../harness/redis.mjs';
import { atEnd } from '../harness/scope.mjs';
import { LONG, PRESET, size } from '../harness/setting.mjs';
import { Storm } from '../harness/storm.mjs';
import { RULES } from '../harness/storm_names.mjs';

// The full length is as long under a sanitizer.
const CLIENTS = LONG ? 1000 : size({ short: 150, sanitized: PRESET === 'asan' ? 80 : 50 });
const SECONDS = Number(process.env.SPILLWAY_STORM_SECONDS ?? (LONG ? 300 : 1));
const PER_SECOND = size({ long: 30e6, short: 20e6, sanitized: PRESET === 'asan' ? 8e6 : 5e6 });
const SEED = Number(process.env.SPILLWAY_STORM_SEED ?? Math.floor(Math.random() * 2 ** 31));

const overHttp = (t, gateway) => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  atEnd(t, () => agent.destroy());
  return async (messages) => {
    const answer = await gateway.post('/v1/publish', messages, { agent });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.json.results, new Array(messages.length).fill({}));
  };
};

// As a backend does that publishes to Redis itself: plain, or with a key in an envelope.
const overRedis = (redis) => (messages) =>
  redis.publishAll(
    messages.map(({ topic, data, key }) => [topic, `${key ? `\x1e1;;k=${key}\x1e` : ''}${JSON.stringify(data)}`]),
  );

async function storm(t, gateway, workers, publish) {
  t.diagnostic(`SPILLWAY_STORM_SEED=${SEED}`);
  const began = performance.now();
  const all = new Storm(t, {
    url: gateway.url,
    port: gateway.port,
    clients: CLIENTS,
    seed: SEED,
    restlessMs: LONG ? 4000 : 400,
    oneTape: workers === 1,
    publish,
    perSecond: PER_SECOND,
  });
  const report = await all.run(SECONDS * 1000);
  t.diagnostic(
    `${CLIENTS} clients, ${workers} workers: ${all.serial} messages, ${report.received} deliveries, told ${JSON.stringify(report.told)}, ` +
      `${report.sessions} sessions, ${report.actions} changes, ${report.abuses} abuses, closed ${JSON.stringify(report.closes)}, ` +
      `${report.streams} subscriptions at the end, ${((performance.now() - began) / 1000).toFixed(1)} s`,
  );
  assert.deepEqual(report.faults, []);
  for (const reason of ['slow', 'conflated', 'paced']) assert.ok(report.told[reason] > 0, `nobody was told ${reason}`);

  const atRest = (now) =>
    now.law.holds && ['behind', 'queued_bytes', 'pressured_sessions', 'block_bytes'].every((name) => now.sum(`spillway_${name}`) === 0);
  const metrics = await gateway.counted(atRest, 'the law at rest, and nothing is held', 10000);
  for (const [reason, count] of Object.entries(report.told))
    assert.ok(metrics.sum('spillway_shed_total', { reason }) >= count, `more told as ${reason} than shed`);
  assert.equal(metrics.sum('spillway_subscriptions'), report.streams);
  const late = await all.report();
  assert.equal(late.lack, undefined, 'nothing came later');
  assert.deepEqual(late.faults, []);
}

test('a storm on one worker, published over HTTP', async (t) => {
  const gateway = await Gateway.start(t, ['--workers', '1'], { config: { topics: RULES } });
  await storm(t, gateway, 1, overHttp(t, gateway));
});

test('a storm on several workers, published to Redis and over HTTP', async (t) => {
  const server = await Redis.start(t, ['--client-output-buffer-limit', 'pubsub 0 0 0']);
  const workers = 2 + (SEED % 2);
  const gateway = await Gateway.start(t, ['--bus', server.url, '--workers', String(workers)], { config: { topics: RULES } });
  await gateway.busUp();
  const doors = [overRedis(await server.client(t)), overHttp(t, gateway)];
  let turn = 0;
  // One after the other, since between two doors there is no order.
  await storm(t, gateway, workers, (messages) => doors[turn++ % 4 === 3 ? 1 : 0](messages));
});

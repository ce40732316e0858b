// SPDX-License-Identifier: Apache-2.0
//
// A node dies under load behind HAProxy: its clients come back through it, bring their positions, and go on at another node as if
// nothing had been.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Haproxy } from '../harness/balancer.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { History, Keepers } from '../harness/keepers.mjs';
import { freePort, Redis } from '../harness/redis.mjs';
import { LONG, size } from '../harness/setting.mjs';
import { pause, until } from '../harness/until.mjs';

const CLIENTS = size({ long: 2000, short: 300, sanitized: 60 });
const TOPICS = Array.from({ length: 10 }, (_, at) => `h.${at}`);
const LOAD_MS = LONG ? 5000 : 1000;
const PUBLISH_EVERY_MS = LONG ? 100 : 20;
const config = { topics: [{ match: 'h.>', history: { size: 20000, ttl_ms: 600000 } }] };

test('kill -9 of one of two nodes: every client goes on at the other, nothing lost, twice or merely told', async (t) => {
  const redis = await Redis.start(t);
  const start = () => Gateway.start(t, ['--bus', redis.url, ...Haproxy.listen()], { config });
  const nodes = [await start(), await start()];
  const balancer = await Haproxy.start(t, [...nodes, { port: await freePort(), adminPort: await freePort() }]);
  await balancer.checked(true, true, false);
  const history = new History(await redis.client(t), TOPICS);
  await until(() => history.publish(TOPICS[0]), 10000, 'the function loaded by a node');
  const keepers = await Keepers.start(t, { urls: [balancer.url()], ca: balancer.ca, topics: TOPICS, count: CLIENTS });

  history.begin(PUBLISH_EVERY_MS);
  await pause(LOAD_MS);
  const before = (await nodes[0].metrics()).sum('spillway_connections', { transport: 'ws', state: 'open' });
  assert.ok(before >= CLIENTS / 4, `${before} clients were on the node`);
  nodes[0].exitCode = null;
  nodes[0].signal('SIGKILL');
  const killed = performance.now();
  await nodes[0].exited;
  await pause(LOAD_MS);
  await history.stop();
  const truth = await history.truth();
  await keepers.caughtUp(truth);
  const backMs = performance.now() - killed - LOAD_MS;

  const result = await keepers.compare(truth);
  const said = await keepers.said();
  assert.deepEqual(said.faults, []);
  assert.deepEqual(said.refusals, []);
  assert.deepEqual(said.resets, []);
  assert.equal(history.refused, 0);
  assert.equal(said.connects - CLIENTS >= before, true, 'those of the killed node came back');
  const { received, ...bad } = result;
  assert.deepEqual(bad, { clients: CLIENTS, told: 0, doubles: 0, wrong: 0, lost: 0 });
  const metrics = await nodes[1].counted(({ law }) => law.holds && law.behind === 0, 'the law at rest');
  assert.equal(metrics.sum('spillway_connections', { transport: 'ws', state: 'open' }), CLIENTS);
  t.diagnostic(`${CLIENTS} clients, ${before} of them moved, ${received} received, all at the end ${Math.round(backMs)} ms after the load`);
  await keepers.end();
});

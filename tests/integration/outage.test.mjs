// SPDX-License-Identifier: Apache-2.0
//
// Redis stops under load and comes back: every client stays, and hears again within two seconds.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Redis, Resp } from '../harness/redis.mjs';
import { atEnd } from '../harness/scope.mjs';
import { patience, SANITIZED, size } from '../harness/setting.mjs';
import { pause, until } from '../harness/until.mjs';

const AWAY_MS = size({ long: 5000, short: 2000 });
const PER_NODE = size({ long: 100, short: 20, sanitized: 10 });
const NAMES = ['load.a', 'load.>'];
const RESUMES_WITHIN_MS = 2000;

// Publishes 1, 2, 3, ... for ever, whatever becomes of Redis; `acknowledged` is the newest that Redis took.
class Publisher {
  issued = 0;
  acknowledged = 0;

  constructor(port) {
    this.running = this.#run(port);
  }

  async #run(port) {
    while (!this.stopped) {
      try {
        const redis = await Resp.connect(port);
        try {
          while (!this.stopped) {
            const n = ++this.issued;
            await redis.publish('load.a', `{"n":${n}}`);
            this.acknowledged = n;
            await pause(1);
          }
        } finally {
          redis.close();
        }
      } catch {
        await pause(20);
      }
    }
  }

  stop() {
    this.stopped = true;
    return this.running;
  }
}

test(`Redis away for ${AWAY_MS / 1000} s under load: nobody is closed, delivery resumes within 2 s, nothing leaks`, async (t) => {
  const server = await Redis.start(t);
  const nodes = [];
  for (let count = 0; count < 2; count++) nodes.push(await Gateway.start(t, ['--bus', server.url, '--workers', '2']));
  const clients = [];
  for (const node of nodes) {
    for (let count = 0; count < PER_NODE; count++) {
      const client = await Client.connect(t, node.url);
      await client.subscribe(...NAMES);
      clients.push(client);
    }
  }
  const publisher = new Publisher(server.port);
  atEnd(t, () => publisher.stop());
  const last = (client, name) => client.messages(name).at(-1)?.data.n ?? 0;
  const allReached = (n) => clients.every((client) => NAMES.every((name) => last(client, name) >= n));
  await until(() => allReached(200), 10000, 'the load everywhere');
  const rss = nodes.map((node) => node.rss());

  await server.stop();
  for (const node of nodes) await node.counted((metrics) => metrics.sum('spillway_bus_up') === 0, 'the loss seen');
  await pause(AWAY_MS);
  await server.start();
  const returned = performance.now();
  const issuedThen = publisher.issued;
  await until(() => allReached(issuedThen + 1), 10000, 'delivery to everybody');
  const resumed = performance.now() - returned;
  assert.ok(resumed < patience(RESUMES_WITHIN_MS), `resumed after ${resumed.toFixed(0)} ms`);

  // From here on it is an ordinary day again.
  const target = publisher.acknowledged + 300;
  await until(() => allReached(target), 10000, 'the load after the outage');
  await publisher.stop();
  await until(() => allReached(publisher.acknowledged), 10000, 'the last message');

  for (const client of clients) {
    assert.equal(client.code, undefined, 'a client was closed');
    for (const name of NAMES) {
      const numbers = client.messages(name).map(({ data }) => data.n);
      const jumps = numbers.filter((n, at) => at > 0 && n !== numbers[at - 1] + 1).map((n) => n);
      assert.ok(
        numbers.every((n, at) => at === 0 || n > numbers[at - 1]),
        `${name}: none twice, none out of order`,
      );
      assert.ok(jumps.length <= 1, `${name}: one gap at most, found before ${jumps}`);
      for (const { count } of client.of(name).filter(({ type }) => type === 'dropped'))
        assert.equal(count, undefined, 'the count of an outage is unknown');
    }
  }
  for (const [index, node] of nodes.entries()) {
    const metrics = await node.counted(({ law }) => law.holds && law.behind === 0, 'the law at rest');
    assert.equal(metrics.sum('spillway_connections', { transport: 'ws' }), PER_NODE);
    assert.equal(metrics.sum('spillway_subscriptions'), PER_NODE * NAMES.length);
    assert.equal(metrics.sum('spillway_bus_up'), 1);
    if (!SANITIZED) assert.ok(node.rss() - rss[index] < 8 << 20, `RSS grew from ${rss[index]} to ${node.rss()}`);
  }
  t.diagnostic(
    `resumed ${resumed.toFixed(0)} ms after Redis was back, ${clients.length} clients, ${publisher.acknowledged} messages`,
  );
});

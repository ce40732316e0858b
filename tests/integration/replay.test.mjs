// SPDX-License-Identifier: Apache-2.0
//
// What history costs while many need it: very many clients that return at once with positions of their own, and one that is slow for
// a long time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { History } from '../harness/keepers.mjs';
import { Redis } from '../harness/redis.mjs';
import { atEnd } from '../harness/scope.mjs';
import { LONG, SANITIZED, patience, size } from '../harness/setting.mjs';
import { Stuck } from '../harness/stuck.mjs';
import { pause, until } from '../harness/until.mjs';

const RETURNING = size({ long: 10_000, short: 1000, sanitized: 300 });
const PAUSE_MS = LONG ? 30_000 : 3000;
const TOPIC = 'h.replay';
const config = { topics: [{ match: 'h.>', history: { size: 20_000, ttl_ms: 600_000 } }] };

async function readsOf(redis) {
  const stats = String(await redis.command('INFO', 'commandstats'));
  return Number(/cmdstat_xrange:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

// Publishes in batches, each acknowledged. No node has joined the topic yet, so the publisher says how much is kept.
async function fill(history, count) {
  const { size, ttl_ms: ttl } = config.topics[0].history;
  const one = () => history.publish(TOPIC, 'SIZE', size, 'TTL', ttl);
  for (let done = 0; done < count; done += 500) await Promise.all(Array.from({ length: Math.min(500, count - done) }, one));
}

// Round trips through the bus while something else goes on: the times of delivery, in ms.
class Live {
  times = [];

  static async start(t, gateway) {
    const live = new Live();
    live.client = await Client.connect(t, gateway.url);
    await live.client.subscribe('live.a');
    live.running = live.#run(gateway);
    return live;
  }
  async #run(gateway) {
    for (let n = 1; !this.stopped; n++) {
      const began = performance.now();
      await gateway.publish('live.a', { n });
      await this.client.next((frame) => frame.type === 'msg' && frame.data.n === n, 20000);
      this.times.push(performance.now() - began);
      await pause(5);
    }
  }
  async stop() {
    this.stopped = true;
    await this.running;
    this.times.sort((a, b) => a - b);
    return { p50: this.#quantile(0.5), p99: this.#quantile(0.99), count: this.times.length };
  }
  #quantile(q) {
    return this.times[Math.min(this.times.length - 1, Math.floor(this.times.length * q))].toFixed(1);
  }
}

test(`${RETURNING} clients return at once with as many positions: the stream is read once, and each gets exactly what it lacks`, async (t) => {
  const redis = await Redis.start(t);
  const backend = await redis.client(t);
  const history = new History(backend, [TOPIC]);
  const loader = await Gateway.start(t, ['--bus', redis.url], { config });
  await until(() => history.publish(TOPIC), 10000, 'the function loaded by a node');
  await loader.stop();
  await fill(history, RETURNING);
  const { epoch, offset: top } = history.acknowledged.at(-1);
  assert.equal(top, RETURNING + 1);

  // A node that has never heard of the topic.
  const gateway = await Gateway.start(t, ['--bus', redis.url, '--ping-ms', '300000'], { config });
  await gateway.busUp();
  const live = await Live.start(t, gateway);
  const before = await readsOf(backend);
  const began = performance.now();
  const returning = await Stuck.open(t, gateway.port, RETURNING, `/v1/ws?topic=${TOPIC}&from=${TOPIC}@${epoch}:%`);
  returning.read();
  // Client number i has seen everything up to offset i.
  const owed = (RETURNING * (2 * top - (RETURNING - 1))) / 2;
  const report = await returning.reported(({ messages, told }) => messages + told >= owed, `${owed} messages`, LONG ? 300_000 : 60_000);
  const seconds = (performance.now() - began) / 1000;
  const calls = (await readsOf(backend)) - before;
  const times = await live.stop();
  assert.deepEqual(report, { messages: owed, told: 0, open: RETURNING, closes: {} });
  assert.ok(calls <= top / 500 + 2, `${calls} reads of ${top} entries`);
  const metrics = await gateway.counted(({ law }) => law.holds && law.behind === 0, 'the law at rest', patience(5000));
  assert.equal(metrics.sum('spillway_shed_total'), 0);
  t.diagnostic(
    `${calls} XRANGE for ${top} entries, ${owed} messages in ${seconds.toFixed(1)} s; live p50 ${times.p50} p99 ${times.p99} ms of ${times.count}`,
  );
  await returning.leave();
});

test(`a reader of a topic with history stands still for ${PAUSE_MS / 1000} s: nothing is shed, memory stays flat, and it goes on without a hole`, async (t) => {
  const redis = await Redis.start(t);
  const backend = await redis.client(t);
  const history = new History(backend, [TOPIC]);
  const gateway = await Gateway.start(t, ['--bus', redis.url, '--ping-ms', '300000'], { config });
  await until(() => history.publish(TOPIC), 10000, 'the function loaded');
  const healthy = await Client.connect(t, gateway.url);
  await healthy.subscribe(TOPIC);
  const slow = await Client.connect(t, gateway.url);
  const { offset: start } = (await slow.subscribe(TOPIC))[TOPIC];
  slow.ws.pause();
  atEnd(t, () => slow.ws.resume());

  const data = 'x'.repeat(2000);
  let published = 0;
  const sizes = [];
  const end = performance.now() + PAUSE_MS;
  while (performance.now() < end || published < 1500) {
    await Promise.all(
      Array.from({ length: 20 }, () => backend.command('FCALL', 'spillway_publish', 1, TOPIC, JSON.stringify({ n: ++published, data }))),
    );
    await pause(LONG ? 60 : 20); // in all fewer than the history keeps
    sizes.push(gateway.rss());
  }
  await healthy.received(TOPIC, published, 20000);
  const then = await gateway.metrics();
  assert.equal(then.sum('spillway_shed_total'), 0, 'nothing is shed');
  assert.ok(then.sum('spillway_queued_bytes') < 300_000, `${then.sum('spillway_queued_bytes')} bytes are held for who stands still`);
  const half = sizes.slice(Math.floor(sizes.length / 2));
  const grown = Math.max(...half) - half[0];
  slow.ws.resume();
  await slow.received(TOPIC, published, 30000);
  assert.deepEqual(slow.of(TOPIC).map(({ offset }) => offset), Array.from({ length: published }, (_, at) => start + 1 + at));
  assert.ok(slow.of(TOPIC).every(({ type, data: message }, at) => type === 'msg' && message.n === at + 1));
  const metrics = await gateway.counted(({ law }) => law.holds && law.behind === 0, 'the law at rest');
  assert.equal(metrics.sum('spillway_shed_total'), 0);
  // Rings keep up to 8 MB of a topic; beyond that, one client must not cost what it does not read.
  // A sanitizer keeps freed memory.
  assert.ok(SANITIZED || grown <= 6 << 20, `${grown} bytes more in the second half`);
  t.diagnostic(`${published} messages of 2 KB, ${(grown / 1024).toFixed(0)} KB grown in the second half`);
});

// SPDX-License-Identifier: Apache-2.0
//
// What a node does when more is owed than it may hold: very many clients that do not read, on one topic and on a topic each. It lives,
// the others get all they are owed, and whoever loses something is told, or is evicted and counted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { monotonicMs } from '../harness/link.mjs';
import { SANITIZED, size } from '../harness/setting.mjs';
import { Stuck } from '../harness/stuck.mjs';
import { pause, until } from '../harness/until.mjs';

const STUCK = size({ long: 10_000, short: 500, sanitized: 100 });
const BUDGET = size({ long: 256 << 20, short: 16 << 20, sanitized: 4 << 20 });
const HEALTHY = 5;
const MAX_MARK = 1 << 20;
const TURN_BYTES = 320 << 10; // of one tape before it is looked at, and the block's rest
const BATCH_BYTES = 500_000;
const RSS_WITHIN = size({ long: 0.1, short: 0.3 });

const start = (t) => Gateway.start(t, ['--workers', '1', '--max-connections', String(STUCK + 50), '--budget', String(BUDGET)]);

// Publishes [{topic, data}] in batches that the listener takes.
async function publishAll(gateway, messages) {
  let batch = [];
  let bytes = 0;
  const post = async () => {
    const answer = await gateway.post('/v1/publish', `[${batch.join()}]`);
    assert.equal(answer.status, 200, answer.text);
    assert.ok(answer.json.results.every(({ error }) => !error), answer.text);
    batch = [];
    bytes = 0;
  };
  for (const message of messages) {
    batch.push(JSON.stringify(message));
    bytes += batch.at(-1).length;
    if (bytes > BATCH_BYTES || batch.length === 1000) await post();
  }
  if (batch.length) await post();
}

// Clients that read all at once: told how old each message is when it comes.
class Healthy {
  lags = [];
  published = 0;

  static async join(t, gateway) {
    const healthy = new Healthy();
    healthy.gateway = gateway;
    healthy.clients = [];
    for (let count = 0; count < HEALTHY; count++) {
      const client = await Client.connect(t, `${gateway.url}?topic=healthy`);
      await client.next('subscribed');
      client.ws.on('message', () => {
        const frame = client.frames.at(-1);
        if (frame.type === 'msg') healthy.lags.push(monotonicMs() - frame.data.at);
      });
      healthy.clients.push(client);
    }
    return healthy;
  }

  async publish() {
    await publishAll(this.gateway, [{ topic: 'healthy', data: { n: this.published++, at: monotonicMs() } }]);
  }

  // For a while, one each 10 ms.
  async chat(count) {
    for (let n = 0; n < count; n++) {
      await this.publish();
      await pause(10);
    }
  }

  // All have all, in order, and lost nothing; gives the lags since the last time, in words.
  async check() {
    for (const client of this.clients) {
      const frames = await client.received('healthy', this.published);
      assert.deepEqual(
        frames.map(({ data }) => data?.n),
        Array.from({ length: this.published }, (_, n) => n),
      );
      assert.equal(client.code, undefined);
    }
    const sorted = this.lags.splice(0).sort((a, b) => a - b);
    const at = (part) => sorted[Math.floor((sorted.length - 1) * part)].toFixed(1);
    return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
  }
}

// The steps as the log tells them, from the first: each once it was found.
const steps = ({ stderr }) => [...stderr.matchAll(/"event":"budget_step".*?"step":"?(\d)/g)].map(([, step]) => Number(step));

// What is the node's own; the kernel's share is no part of its resident memory.
const used = (metrics) => metrics.sum('spillway_budget_used_bytes') - metrics.sum('spillway_budget_used_bytes', { part: 'kernel' });

test(`${STUCK} clients stuck on one topic hold one chain of blocks`, async (t) => {
  const gateway = await start(t);
  const healthy = await Healthy.join(t, gateway);
  await healthy.chat(50);
  const alone = await healthy.check();
  const stuck = await Stuck.open(t, gateway.port, STUCK, '/v1/ws?topic=one');
  const rss = gateway.rss();
  const message = { topic: 'one', data: { pad: 'x'.repeat(1000) } };
  let published = 0;
  let most = 0;
  // Until their sockets are full they are readers like others, and cost what ten thousand readers cost.
  while ((await gateway.metrics()).sum('spillway_pressured_sessions') < STUCK) {
    await publishAll(gateway, new Array(10).fill(message));
    published += 10;
    await healthy.chat(2);
  }
  await healthy.check();
  for (let round = 0; round < 40; round++) {
    await publishAll(gateway, new Array(100).fill(message));
    published += 100;
    await healthy.chat(2);
    most = Math.max(most, (await gateway.metrics()).sum('spillway_block_bytes'));
  }
  const beside = await healthy.check();
  const metrics = await gateway.counted(({ law }) => law.holds && law.due === published * STUCK + healthy.published * HEALTHY, 'all owed');
  t.diagnostic(`healthy alone: ${alone}; beside: ${beside}`);
  t.diagnostic(`blocks: ${most} bytes at most for ${STUCK} stuck; RSS grew by ${gateway.rss() - rss}, ${used(metrics)} accounted`);
  assert.ok(metrics.law.behind > 0, 'they are stuck');
  assert.ok(most <= MAX_MARK + TURN_BYTES, `${most} bytes of blocks`);
  assert.equal(metrics.sum('spillway_closed_total'), 0);

  stuck.read();
  const all = await stuck.reported(({ messages, told }) => messages + told === published * STUCK, 'received + told = published', 60000);
  assert.equal(all.open, STUCK);
  const rest = await gateway.counted(({ law }) => law.holds && law.behind === 0, 'nobody behind');
  assert.equal(rest.sum('spillway_shed_total', { reason: 'slow' }), all.told);
  assert.equal(rest.sum('spillway_shed_total'), all.told);
});

test(`${STUCK} clients stuck on a topic each: the ladder's steps in order, and all is told or counted`, async (t) => {
  const gateway = await start(t);
  const healthy = await Healthy.join(t, gateway);
  await healthy.chat(50);
  const alone = await healthy.check();
  const stuck = await Stuck.open(t, gateway.port, STUCK, '/v1/ws?topic=each.%');
  const before = { rss: gateway.rss(), used: used(await gateway.metrics()) };
  const pad = 'x'.repeat(1000);
  const round = () => Array.from({ length: STUCK }, (_, at) => ({ topic: `each.${at}`, data: { pad } }));
  let rounds = 0;
  let peak = before; // when most is accounted and nothing was given up: what is, may stay with the allocator for a while
  const begun = monotonicMs();
  const when = {};
  const seen = async () => {
    const metrics = await gateway.metrics();
    const step = metrics.sum('spillway_budget_step');
    when[step] ??= `step ${step} after ${(monotonicMs() - begun).toFixed(0)} ms`;
    if (metrics.law.shed === 0 && used(metrics) > peak.used) peak = { rss: gateway.rss(), used: used(metrics) };
    return step;
  };
  // Until the third step has been there, and some more.
  for (let more = 0; more < 10; more += (await seen()) >= 2 || steps(gateway).includes(2) ? 1 : 0) {
    assert.ok(rounds < 1000, 'the budget is never used up');
    await publishAll(gateway, round());
    rounds++;
    await healthy.publish();
  }
  const beside = await healthy.check();
  t.diagnostic(`healthy alone: ${alone}; beside: ${beside}`);
  t.diagnostic(`${Object.values(when).join(', ')}; ${rounds} rounds`);
  await gateway.counted(({ law }) => law.holds, 'the law');
  const grown = peak.rss - before.rss;
  const accounted = peak.used - before.used;
  t.diagnostic(`RSS grew by ${grown}, accounted ${accounted}: ${(grown / accounted).toFixed(3)}; a stuck client: ${Math.round(grown / STUCK)}`);
  if (!SANITIZED) assert.ok(Math.abs(grown / accounted - 1) <= RSS_WITHIN, `RSS grew by ${grown}, ${accounted} are accounted`);
  await until(async () => (await seen()) <= 1, 5000, 'what was too much is given up');
  assert.ok(used(await gateway.metrics()) <= BUDGET * 0.85, 'within the budget');

  stuck.read();
  const evicted = () => gateway.metrics().then((now) => now.sum('spillway_closed_total', { reason: 'evicted' }));
  await gateway.counted(({ law }) => law.holds && law.behind === 0, 'nobody behind', 60000);
  await until(async () => (await seen()) === 0, 10000, 'the first step again');
  const gone = await evicted();
  const rest = await gateway.metrics();
  const all = await stuck.reported(({ open, messages, told }) => open === STUCK - gone && messages + told >= rounds * (STUCK - gone), 'all told');
  t.diagnostic(`${gone} evicted; steps ${steps(gateway).join(' ')}; ${all.messages} received, ${all.told} told`);
  if (gone === 0) assert.equal(all.messages + all.told, rounds * STUCK);
  assert.equal(rest.sum('spillway_closed_total'), gone);
  const order = steps(gateway);
  // A round that comes as one batch may take a step at once: each topic gets a block, and together they are more than lies between two.
  assert.equal(order[0], 1);
  assert.ok(order.includes(2), `steps ${order}`);
  const batches = (STUCK * pad.length) / BATCH_BYTES;
  if (batches > 10) assert.ok(!order.includes(3) || order.indexOf(3) > order.indexOf(2), `steps ${order}`);
  assert.equal(order.at(-1), 0);
  const lost = rest.sum('spillway_shed_total', { reason: 'slow' }) + rest.sum('spillway_shed_total', { reason: 'closed' });
  assert.equal(rest.sum('spillway_shed_total'), lost);
  await healthy.publish();
  await healthy.check();
});

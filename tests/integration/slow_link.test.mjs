// SPDX-License-Identifier: Apache-2.0
//
// A client behind 256 kbit/s, half of what it asks for: what it gets is new, or a whole story with exact gaps, and the server's kernel
// is no queue for it. And a healthy reader, to whom a burst is no reason to lose anything.

import assert from 'node:assert/strict';
import os from 'node:os';
import { describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Link, monotonicMs, noLink } from '../harness/link.mjs';
import { RawSocket } from '../harness/raw.mjs';
import { atEnd } from '../harness/scope.mjs';
import { size } from '../harness/setting.mjs';
import { until } from '../harness/until.mjs';

const KBIT = 256;
const BYTES_PER_S = (KBIT * 1000) / 8;
const EPISODE_MS = size({ long: 30_000, short: 6_000 });
const SETTLE_MS = 2_000;
const READERS = size({ long: 50, short: 50, sanitized: 10 });
const ATTEMPTS = 10;
const SHED_AGE_MS = 100;
const KERNEL_BYTES = 64 << 10;
const LAG_MS = 1_000;
const BURST_BYTES = 16_000; // in one turn: a test that is late catches up in steps

const addressOf = (link, gateway) => `ws://${link.server}:${gateway.port}/v1/ws`;

// A gateway on the slow link's server side, and one client on the other.
async function behindLink(t, query) {
  const link = await Link.make(t, { kbit: KBIT });
  const options = { words: link.on('server'), agent: link.agent(t, 'server') };
  const gateway = await Gateway.start(t, ['--workers', '1', '--auth', 'none', '--listen', `${link.server}:0`], options);
  const socket = await link.connect('client', gateway.port);
  atEnd(t, () => socket.destroy());
  const client = await Client.connect(t, `${addressOf(link, gateway)}?${query}`, { createConnection: () => socket });
  client.arrivals = []; // of messages: when, and how old
  client.ws.on('message', () => {
    const frame = client.frames.at(-1);
    if (frame.type === 'msg') client.arrivals.push({ at: monotonicMs(), lag: monotonicMs() - frame.data.at });
  });
  await client.next('subscribed');
  await link.watch();
  return { link, gateway, client };
}

// Publishes for `ms` at so many times the link's rate, in steps of 20 ms; `message(n)` gives {key?, pad}. Returns how many there were.
async function publish(gateway, { ms, times, bytes, message }) {
  const start = monotonicMs();
  let n = 0;
  await until(
    async () => {
      const due = Math.floor((((Math.min(monotonicMs() - start, ms) / 1000) * BYTES_PER_S) * times) / bytes);
      const batch = [];
      while (n < due && batch.length * bytes < BURST_BYTES) {
        const { topic = 'feed', key } = message(n);
        batch.push({ topic, key, data: { n, at: monotonicMs(), pad: 'x'.repeat(bytes - 110) } });
        n++;
      }
      if (batch.length) assert.equal((await gateway.post('/v1/publish', batch)).status, 200);
      return monotonicMs() - start >= ms;
    },
    ms + 10000,
    'all published',
  );
  return { n, start };
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const most = (numbers) => Math.max(0, ...numbers);

function checkKernel(t, looks, start) {
  const late = looks.filter(({ at }) => at - start > SETTLE_MS);
  const bytes = most(looks.map((look) => look.bytes));
  const memory = most(looks.map((look) => look.memory));
  t.diagnostic(`kernel: ${bytes} bytes at most, ${memory} of memory; after ${SETTLE_MS} ms ${most(late.map((look) => look.bytes))} bytes`);
  assert.ok(looks.length > EPISODE_MS / 200, `only ${looks.length} looks`);
  assert.ok(bytes > 0, 'the queue was seen');
  assert.ok(memory <= KERNEL_BYTES, `${memory} bytes in the server's kernel`);
}

const skip = noLink();

const STREAMS = [
  { bytes: 250, keys: 8, times: 2 },
  { bytes: 1500, keys: 4, times: 2 },
  { bytes: 2000, keys: 4, times: 10 },
];

// What came is a story without a hole: each number follows the one before, or a `dropped` of as many stands between.
function follows(frames, expected = 0) {
  for (const frame of frames) {
    if (frame.type === 'dropped') {
      assert.equal(frame.reason, 'slow');
      assert.ok(frame.count > 0);
      expected += frame.count;
    } else {
      assert.equal(frame.data.n, expected++);
    }
  }
  return expected;
}

describe('behind 256 kbit/s', { skip, concurrency: 4 }, () => {
  for (const { bytes, keys, times } of STREAMS) {
    const what = `${keys} keys of ${bytes} bytes at ${times} times the link's rate`;
    test(`latest: ${what} are never more than 1 s old after 2 s`, async (t) => {
      const { link, gateway, client } = await behindLink(t, 'topic=feed&mode=latest');
      const message = (at) => ({ key: `k${at % keys}` });
      const { n, start } = await publish(gateway, { ms: EPISODE_MS, times, bytes, message });
      await until(() => client.messages('feed').at(-1)?.data.n === n - 1, 10000, 'the newest');
      const lags = (late) => client.arrivals.filter(({ at }) => late === at - start > SETTLE_MS).map(({ lag }) => lag);
      const got = client.messages('feed').length;
      const words = `p50 ${median(lags(true)).toFixed(0)} ms, at most ${most(lags(true)).toFixed(0)} ms`;
      t.diagnostic(`lag: ${words}, in the first ${SETTLE_MS} ms ${most(lags(false)).toFixed(0)} ms; ${got} of ${n} messages`);
      checkKernel(t, await link.held(), start);
      assert.ok(most(lags(true)) <= LAG_MS, `${most(lags(true))} ms behind`);
      // The link is used: what was left out was for its sake.
      assert.ok((got * bytes) / (EPISODE_MS / 1000) > BYTES_PER_S * 0.7, `${got} messages of ${bytes} bytes`);
      const told = () => client.of('feed').reduce((sum, { type, count }) => sum + (type === 'dropped' ? count : 0), 0);
      await until(() => client.messages('feed').length + told() === n, 5000, 'received + told = published');
      assert.ok(client.of('feed').every(({ type, reason }) => type === 'msg' || reason === 'conflated'));
      await gateway.counted(({ law }) => law.holds && law.behind === 0, 'the law at rest');
    });
  }

  test("all: at four times the link's rate it is a whole story with exact gaps; beside it a burst is whole", async (t) => {
    const { link, gateway, client } = await behindLink(t, 'topic=feed');
    const near = await link.connect('server', gateway.port, link.server);
    atEnd(t, () => near.destroy());
    const healthy = await Client.connect(t, `${addressOf(link, gateway)}?topic=burst`, { createConnection: () => near });
    await healthy.next('subscribed');
    const publishing = publish(gateway, { ms: EPISODE_MS, times: 4, bytes: 1000, message: () => ({}) });
    await gateway.counted((metrics) => metrics.sum('spillway_pressured_sessions') === 1, 'the slow one pressured', 10000);
    const burst = Array.from({ length: 800 }, (_, n) => ({ topic: 'burst', data: { n, pad: 'x'.repeat(950) } }));
    assert.equal((await gateway.post('/v1/publish', burst)).status, 200);
    assert.equal(follows(await healthy.received('burst', 800)), 800);
    assert.equal(healthy.of('burst').length, 800, 'no gap');

    const { n, start } = await publishing;
    await until(
      () => follows(client.of('feed')) === n,
      10000,
      () => `the end of the story: ${follows(client.of('feed'))} of ${n}`,
    );
    checkKernel(t, await link.held(), start);
    const gaps = client.of('feed').filter(({ type }) => type === 'dropped');
    const told = gaps.reduce((sum, { count }) => sum + count, 0);
    t.diagnostic(`${gaps.length} gaps, ${told} told, ${client.messages('feed').length} of ${n} messages`);
    assert.ok(gaps.length > 0, 'something was shed');
    const metrics = await gateway.counted(({ law }) => law.holds && law.behind === 0, 'the law at rest');
    assert.equal(metrics.sum('spillway_shed_total', { reason: 'slow' }), told);
    assert.equal(metrics.sum('spillway_shed_total'), told);
  });
});

// Reads what a subscription brings, as bytes: many of these are healthy in one process, as many parsers are not.
async function bytesReader(t, gateway, query) {
  const raw = await RawSocket.upgrade(t, gateway.port, `/v1/ws?${query}`);
  assert.equal((await raw.json()).type, 'welcome');
  assert.equal((await raw.json()).type, 'subscribed');
  const reader = { bytes: 0 };
  raw.socket.removeAllListeners('data');
  raw.socket.on('data', (chunk) => (reader.bytes += chunk.length));
  return reader;
}

// Whoever is healthy gets a processor when there is something to read; on a busy machine only root can promise that. What is started
// from here on inherits it.
function hurry(t) {
  const set = (priority) => {
    try {
      os.setPriority(priority);
    } catch {
      // as busy as the machine is
    }
  };
  set(-15);
  atEnd(t, () => set(0));
}

const BURSTS = [
  [800, 1_000],
  [50, 16_000],
];
// One burst after another, to one reader and to many. False: the machine was too busy, and a burst took so long that its readers were
// not healthy: what waits for this long may be shed.
async function burstsAreWhole(t, mode) {
  const gateway = await Gateway.start(t, ['--workers', '1']);
  const readers = [];
  let sent = 0;
  for (const count of [1, READERS]) {
    while (readers.length < count) readers.push(await bytesReader(t, gateway, `topic=burst&mode=${mode}`));
    for (const [messages, bytes] of BURSTS) {
      const pad = 'x'.repeat(bytes - 50);
      const burst = Array.from({ length: messages }, (_, n) => ({ topic: 'burst', data: { n, pad } }));
      const whole = burst.reduce((sum, message) => sum + 4 + JSON.stringify({ type: 'msg', ...message }).length, 0);
      for (const reader of readers) reader.bytes = 0;
      const start = monotonicMs();
      assert.equal((await gateway.post('/v1/publish', burst)).status, 200);
      sent += messages * count;
      const { law } = await gateway.counted((metrics) => metrics.law.due === sent && metrics.law.behind === 0, 'all sent');
      const took = monotonicMs() - start;
      t.diagnostic(`${messages} of ${bytes} bytes to ${count}: ${took.toFixed(0)} ms`);
      if (law.shed && took > SHED_AGE_MS) return false;
      assert.deepEqual(law, { due: sent, sent, shed: 0, behind: 0, holds: true });
      const words = () => `${whole} bytes received: ${readers.map((reader) => reader.bytes)}`;
      await until(() => readers.every((reader) => reader.bytes === whole), 5000, words);
    }
  }
  return true;
}

for (const mode of ['all', 'latest']) {
  test(`a burst of 800 KB to healthy readers in mode ${mode}: nothing is shed`, async (t) => {
    hurry(t);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await burstsAreWhole(t, mode)) return;
    }
    assert.fail(`in ${ATTEMPTS} attempts the readers were never healthy`);
  });
}

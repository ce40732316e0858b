// SPDX-License-Identifier: Apache-2.0
//
// permessage-deflate: what is compressed and how often. What is agreed upon, and what bytes of a stranger come to, is in
// tests/conformance/deflate.test.mjs.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { compressed, inflate, OFFER, RSV1 } from '../harness/deflate.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { RawSocket, text } from '../harness/raw.mjs';
import { size } from '../harness/setting.mjs';
import { until } from '../harness/until.mjs';

const RULES = [
  { match: 'c.h.*', compress: true, history: { size: 100 } },
  { match: 'c.slow.>', compress: true, mode: 'latest' },
  { match: 'c.kept', compress: true, retain: true },
  { match: 'c.>', compress: true },
];

const long = (n = 0) => ({ n, rows: Array.from({ length: 40 }, (_, i) => ({ symbol: `row-${i}`, price: i * 7 + n })) });

const withDeflate = (t, url, options) => Client.connect(t, url, { perMessageDeflate: { threshold: 0 }, ...options });

async function subscribed(t, gateway, topic, headers = OFFER) {
  const raw = await RawSocket.upgrade(t, gateway.port, `/v1/ws?topic=${topic}`, headers);
  assert.equal((await raw.json()).type, 'welcome');
  assert.equal((await raw.json()).type, 'subscribed');
  return raw;
}

test('where no rule compresses nothing is agreed upon, and RSV1 is a protocol error', async (t) => {
  const plain = await Gateway.start(t);
  const raw = await subscribed(t, plain, 'c.a');
  assert.equal(raw.upgraded.headers['sec-websocket-extensions'], undefined);
  raw.write(compressed('{"type":"ping"}'));
  assert.equal((await raw.closeFrame()).code, 1002);
});

describe('deliveries', () => {
  const start = (t, args = []) => Gateway.start(t, ['--workers', '1', ...args], { config: { topics: RULES } });

  test('a message is compressed once, the same bytes for all, and plain for who did not ask', async (t) => {
    const gateway = await start(t);
    const count = size({ long: 1000, short: 1000, sanitized: 100 });
    const clients = [];
    for (let i = 0; i < count; i += 50) {
      clients.push(...(await Promise.all(Array.from({ length: 50 }, () => subscribed(t, gateway, 'c.a')))));
    }
    const plain = await subscribed(t, gateway, 'c.a', {});
    await gateway.publish('c.a', JSON.stringify(long()), { 'Spillway-Key': 'k"1' });
    const expected = (await plain.frame()).payload;
    const frames = await Promise.all(clients.map((client) => client.frame()));
    assert.equal(frames[0].rsv, RSV1);
    assert.equal(inflate(frames[0].payload), expected.toString());
    assert.ok(frames[0].payload.length < expected.length / 3, `${frames[0].payload.length} of ${expected.length} bytes`);
    for (const one of frames) assert.deepEqual(one, frames[0]);
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('spillway_compressed_total'), 1);
    assert.equal(metrics.sum('spillway_compressed_before_bytes_total'), expected.length + 4);
    assert.equal(metrics.sum('spillway_compressed_after_bytes_total'), frames[0].payload.length + 4);
    assert.equal(metrics.sum('spillway_sent_total'), count + 1);
    assert.equal(metrics.sum('spillway_tapes'), 2);
  });

  test('it is compressed once also for all patterns that it comes by', async (t) => {
    const gateway = await start(t);
    const names = ['c.a.b', 'c.a.*', 'c.*.b', 'c.*.*', 'c.a.>', 'c.>'];
    const [on, off] = [await withDeflate(t, gateway.url), await Client.connect(t, gateway.url)];
    for (const client of [on, off]) await client.subscribe(...names);
    for (const key of ['k1', 'k2']) { // the same payload each time
      await gateway.publish('c.a.b', JSON.stringify(long()), { 'Spillway-Key': key });
      await gateway.publish('c.a.c', JSON.stringify(long()));
    }
    for (const name of names) {
      const count = name.endsWith('b') ? 2 : 4;
      const frames = await on.received(name, count);
      assert.deepEqual(frames, await off.received(name, count));
      assert.deepEqual(frames.map(({ key, data }) => [key, data.n]), count === 2 ? [['k1', 0], ['k2', 0]] : [['k1', 0], [undefined, 0], ['k2', 0], [undefined, 0]]);
    }
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('spillway_compressed_total'), 4);
    assert.equal(metrics.sum('spillway_sent_total'), 2 * (12 + 8));
  });

  test('npm ws reads the same with and without it: topics, patterns, history, small and large', async (t) => {
    const gateway = await start(t);
    const on = await withDeflate(t, gateway.url);
    const off = await Client.connect(t, gateway.url);
    assert.equal(on.ws.extensions, 'permessage-deflate');
    const payloads = [1, 'x', long(), 'ü'.repeat(9000), long(7), 'z'.repeat(200_000)];
    for (const client of [on, off]) await client.subscribe('c.a', 'c.*', 'c.h.a', 'plain.a');
    for (const payload of payloads) {
      for (const topic of ['c.a', 'c.h.a', 'plain.a']) await gateway.publish(topic, JSON.stringify(payload));
    }
    const late = await withDeflate(t, gateway.url);
    const { epoch, offset } = (await late.subscribe({ topic: 'c.h.a', last: payloads.length }))['c.h.a'];
    await late.received('c.h.a', payloads.length);
    assert.ok(epoch && offset !== undefined);
    for (const name of ['c.a', 'c.*', 'c.h.a', 'plain.a']) {
      const [left, right] = await Promise.all([on, off].map((client) => client.received(name, payloads.length)));
      assert.deepEqual(left.map(({ raw }) => raw), right.map(({ raw }) => raw));
      assert.deepEqual(left.map(({ data }) => data), payloads);
    }
    assert.deepEqual(late.of('c.h.a').map(({ raw }) => raw), on.of('c.h.a').map(({ raw }) => raw));
    await on.unsubscribe('c.a', 'c.h.a');
    await gateway.publish('c.a', JSON.stringify(long(8)));
    assert.equal((await on.received('c.*', payloads.length + 1)).at(-1).data.n, 8);
    assert.equal(on.of('c.a').length, payloads.length);
  });

  test('the last message that is kept comes compressed, and no further message is compressed for it', async (t) => {
    const gateway = await start(t);
    const first = await subscribed(t, gateway, 'c.kept');
    await gateway.publish('c.kept', JSON.stringify(long(1)));
    const frame = await first.frame();
    assert.equal(frame.rsv, RSV1);
    const late = await subscribed(t, gateway, 'c.kept&last=1');
    assert.deepEqual(await late.frame(), frame);
    assert.equal((await gateway.metrics()).sum('spillway_compressed_total'), 1);
  });

  test('a frame under the threshold, a topic without the rule, and replies are plain', async (t) => {
    const gateway = await start(t, ['--compress-min-bytes', '1000']);
    const raw = await subscribed(t, gateway, 'c.a&topic=plain.a');
    const head = '{"type":"msg","topic":"c.a","data":""}'.length + 4;
    for (const [topic, bytes, rsv] of [
      ['c.a', 999 - head, 0],
      ['c.a', 1000 - head, RSV1],
      ['plain.a', 5000, 0],
    ]) {
      await gateway.publish(topic, JSON.stringify('y'.repeat(bytes)));
      const got = await raw.frame();
      assert.equal(got.rsv, rsv, `${topic}, ${bytes} bytes`);
      assert.equal(JSON.parse(rsv ? inflate(got.payload) : got.payload).data.length, bytes);
    }
    raw.write(text({ type: 'ping', id: 1 }));
    assert.equal((await raw.frame()).rsv, 0);
  });

  test('what would not be smaller stays plain', async (t) => {
    const gateway = await start(t, ['--compress-min-bytes', '0']);
    const raw = await subscribed(t, gateway, 'c.a');
    await gateway.publish('c.a', '1');
    const got = await raw.frame();
    assert.equal(got.rsv, 0);
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('spillway_compressed_total'), 1);
    assert.equal(metrics.sum('spillway_compressed_before_bytes_total'), got.payload.length + 2);
    assert.equal(metrics.sum('spillway_compressed_after_bytes_total'), got.payload.length + 2);
  });

  test('who does not read gets the newest of each key, from a board of compressed frames', async (t) => {
    const gateway = await start(t);
    const slow = await subscribed(t, gateway, 'c.slow.%3E');
    slow.pause();
    const keys = 20;
    const rounds = size({ long: 60, short: 60, sanitized: 40 });
    for (let round = 0; round < rounds; round++) {
      const pad = randomBytes(9000).toString('base64');
      const batch = Array.from({ length: keys }, (_, i) => ({ topic: 'c.slow.a', key: `k${i}`, data: { round, pad } }));
      assert.equal((await gateway.post('/v1/publish', batch)).status, 200);
    }
    slow.resume();
    const newest = new Map();
    let told = 0;
    let count = 0;
    while (count + told < rounds * keys) {
      const { rsv, payload } = await slow.frame();
      const got = JSON.parse(rsv ? inflate(payload) : payload);
      if (got.type === 'dropped') {
        assert.equal(rsv, 0);
        told += got.count;
      } else {
        assert.equal(rsv, RSV1);
        assert.ok(!(newest.get(got.key) >= got.data.round), 'in order');
        newest.set(got.key, got.data.round);
        count++;
      }
    }
    assert.ok(told > 0);
    assert.deepEqual([...newest.values()], Array(keys).fill(rounds - 1));
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('spillway_compressed_total'), rounds * keys);
    assert.equal(metrics.sum('spillway_shed_total', { reason: 'conflated' }), told);
  });
});

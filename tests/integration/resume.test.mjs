// SPDX-License-Identifier: Apache-2.0
//
// Replays that something gets in the way of: a client that does not read, one that changes its mind, a node that leaves, a token that
// grants less, a Redis that says nothing or comes back with less than it had.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Guests } from '../harness/guests.mjs';
import { OPCODE, RawSocket, close, text } from '../harness/raw.mjs';
import { Redis } from '../harness/redis.mjs';
import { until, within } from '../harness/until.mjs';

const RULES = [{ match: 'h.>', history: { size: 1000, ttl_ms: 60000 } }];
const PAD = 'x'.repeat(10000);
const START = { epoch: '0', offset: 0 };

const numbers = (first, last) => Array.from({ length: last + 1 - first }, (_, i) => first + i);

// Publishes {n} for the numbers from `first` to `last`, with so much beside it that no kernel takes them all from a client that does
// not read. Returns the last position.
async function publish(gateway, topic, first, last, pad = '') {
  let position;
  for (let n = first; n <= last; n += 20) {
    const batch = numbers(n, Math.min(last, n + 19)).map((n) => ({ topic, data: { n, pad } }));
    const { status, json } = await gateway.post('/v1/publish', batch);
    assert.equal(status, 200);
    position = json.results.at(-1).position;
  }
  const [epoch, offset] = position.split(':');
  return { epoch, offset: Number(offset) };
}

const start = (t, args = []) => Gateway.start(t, args, { config: { topics: RULES } });

// A client that has subscribed by its URL, was answered, and does not read on.
async function frozen(t, gateway, topic, from) {
  const raw = await RawSocket.upgrade(t, gateway.port, `/v1/ws?topic=${topic}&from=${topic}@${from.epoch}:${from.offset}`);
  assert.equal((await raw.json()).type, 'welcome');
  const { subs } = await raw.json();
  assert.equal(subs[0].resumed, true, JSON.stringify(subs));
  raw.pause();
  return raw;
}

// What it is owed: until nothing more goes out, since the kernels on the way are full.
const stuck = (gateway) => gateway.counted(({ law }) => law.behind > 0, 'a client that is owed something');

// Reads the numbers `first` to `last`, and nothing else.
async function reads(raw, first, last) {
  for (let n = first; n <= last; n++) {
    const frame = await raw.json();
    assert.equal(frame.data?.n, n, JSON.stringify(frame).slice(0, 200));
    assert.equal(frame.offset, n);
  }
}

describe('a client that does not read its replay', () => {
  test('loses nothing, however long it takes and whatever comes meanwhile', async (t) => {
    const gateway = await start(t);
    await publish(gateway, 'h.slow', 1, 400, PAD);
    const raw = await frozen(t, gateway, 'h.slow', START);
    const swift = await Client.connect(t, gateway.url);
    await swift.subscribe('h.slow');
    await stuck(gateway);
    await publish(gateway, 'h.slow', 401, 500, PAD);
    await swift.received('h.slow', 100);
    raw.resume();
    await reads(raw, 1, 500);
    const { law } = await gateway.counted(({ law }) => law.behind === 0 && law.holds, 'the law at rest');
    assert.deepEqual([law.sent, law.shed], [600, 0]);
  });

  test('gets all of it, and then the close of a node that leaves', async (t) => {
    const gateway = await start(t, ['--drain-ms', '8000']);
    await publish(gateway, 'h.drain', 1, 400, PAD);
    const raw = await frozen(t, gateway, 'h.drain', START);
    await stuck(gateway);
    gateway.signal('SIGTERM');
    await gateway.log(({ event }) => event === 'door_closed');
    raw.resume();
    const got = [];
    for (;;) {
      const { opcode, payload } = await raw.frame();
      if (opcode === OPCODE.close) {
        assert.equal(payload.readUInt16BE(0), 1012);
        break;
      }
      const frame = JSON.parse(payload);
      if (frame.type === 'msg') got.push(frame.data.n);
      else assert.equal(frame.type, 'drain');
    }
    assert.deepEqual(got, numbers(1, 400));
    raw.write(close(1012));
    await within(gateway.exited, 15000, 'the end of the drain');
  });

  test('is sent away at once where an operator says so, and what it was owed is counted', async (t) => {
    const gateway = await start(t);
    await publish(gateway, 'h.away', 1, 400, PAD);
    const raw = await frozen(t, gateway, 'h.away', START);
    await stuck(gateway);
    assert.equal((await gateway.post('/v1/disconnect', { topic: 'h.away' })).json.disconnected, 1);
    raw.resume();
    let count = 0;
    let words;
    while (words === undefined) {
      const { opcode, payload } = await raw.frame();
      if (opcode === OPCODE.close) words = payload.subarray(2).toString();
      else count += JSON.parse(payload).type === 'msg';
    }
    assert.ok(count < 400);
    const dropped = Number(/ dropped=(\d+)$/.exec(words)?.[1]);
    assert.ok([400 - count, 401 - count].includes(dropped), `${words}, and ${count} came`); // the frame in flight was owed, too
    const { law } = await gateway.counted(({ law }) => law.behind === 0 && law.holds, 'the law at rest');
    assert.deepEqual([law.sent, law.shed], [count, 400 - count]);
  });

  test('may unsubscribe in the middle of it: what was left is shed, and nothing comes behind `unsubscribed`', async (t) => {
    const gateway = await start(t);
    const last = await publish(gateway, 'h.middle', 1, 400, PAD);
    const raw = await frozen(t, gateway, 'h.middle', START);
    await stuck(gateway);
    raw.write(text({ type: 'unsubscribe', id: 5, topic: 'h.middle' }));
    await gateway.counted(({ law }) => law.shed > 0, 'what was left');
    raw.resume();
    let count = 0;
    let frame;
    while ((frame = await raw.json()).type !== 'unsubscribed') {
      assert.equal(frame.offset, ++count, JSON.stringify(frame).slice(0, 200));
    }
    assert.ok(count < 400);
    raw.write(text({ type: 'subscribe', id: 6, subs: [{ topic: 'h.middle', from: { ...last, offset: count } }] }));
    const { subs } = await raw.json();
    assert.deepEqual(subs, [{ topic: 'h.middle', ...last, resumed: true, replay: 400 - count }]);
    await reads(raw, count + 1, 400);
    const { law } = await gateway.counted(({ law }) => law.behind === 0 && law.holds, 'the law at rest');
    assert.deepEqual([law.sent, law.shed], [400, 400 - count]);
  });

  test('may change its mind to the newest: it is answered where it is, and what it passes is told', async (t) => {
    const gateway = await start(t);
    await publish(gateway, 'h.mind', 1, 400, PAD);
    const raw = await frozen(t, gateway, 'h.mind', START);
    await stuck(gateway);
    raw.write(text({ type: 'subscribe', id: 6, topic: 'h.mind', mode: 'latest' }));
    await gateway.counted((metrics) => metrics.sum('spillway_requests_total') >= 1, 'its request');
    await publish(gateway, 'h.mind', 401, 401, PAD);
    raw.resume();
    let seen = 0;
    let told = 0;
    let answer;
    while (seen + told < 401) {
      const frame = await raw.json();
      if (frame.type === 'subscribed') answer = frame;
      else if (frame.type === 'dropped') told += frame.count;
      else seen++;
    }
    assert.equal(answer?.id, 6);
    const { topic, offset, error } = answer.subs[0];
    assert.deepEqual([topic, error], ['h.mind', undefined]);
    assert.ok(offset > 0 && offset < 401, `${offset}`);
    await gateway.counted(({ law }) => law.behind === 0 && law.holds, 'the law at rest');
  });
});

test('who may not read a topic any more is told so while it waits for its history, or in the middle of it', async (t) => {
  const server = await Redis.start(t);
  const guests = await Guests.start(t, ['--bus', server.url], { config: { topics: RULES } });
  const { gateway } = guests;
  await gateway.busUp();
  await publish(gateway, 'h.pay', 1, 300);
  const reader = await guests.connect(t, guests.token('bob', { sub: ['h.>'] }));
  await reader.subscribe('h.pay'); // the tape is joined
  const client = await guests.connect(t, guests.token('ann', { sub: ['h.>'] }));
  server.freeze();
  const id = 77;
  client.send({ type: 'subscribe', id, subs: [{ topic: 'h.pay', from: { epoch: 'Zz9', offset: 1 } }] });
  const refreshed = await client.request('refresh', { token: guests.token('ann', { sub: ['else'] }) });
  assert.equal(refreshed.type, 'refreshed');
  const answer = await client.next((frame) => frame.id === id);
  assert.equal(answer.subs[0].error.code, 'forbidden');
  assert.equal(answer.done, true);
  server.thaw();
});

describe('a Redis that says nothing', () => {
  test('a position waits for it, may be cancelled, and is told to come back after five seconds', async (t) => {
    const server = await Redis.start(t);
    const gateway = await start(t, ['--bus', server.url]);
    await gateway.busUp();
    const last = await publish(gateway, 'h.mute', 1, 300);
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('h.mute'); // the tape is joined, so only its history is to be asked for
    server.freeze();
    const other = await Client.connect(t, gateway.url);
    const hasty = await Client.connect(t, gateway.url);
    const from = { epoch: 'Zz9', offset: 7 };
    const waiting = other.subscribe({ topic: 'h.mute', from });
    hasty.send({ type: 'subscribe', id: 50, subs: [{ topic: 'h.mute', from }] });
    assert.deepEqual((await hasty.request('unsubscribe', { topics: ['h.mute'] })).topics, ['h.mute']);
    const cancelled = hasty.frames.find((frame) => frame.id === 50);
    assert.equal(cancelled.subs[0].error.code, 'cancelled');
    const { error } = (await waiting)['h.mute'];
    assert.deepEqual([error.code, error.retry], ['bus_unavailable', true]);
    assert.ok(error.retry_ms >= 1000 && error.retry_ms < 2000, `${error.retry_ms}`);
    server.thaw();
    const entry = (await other.subscribe({ topic: 'h.mute', from: { ...last, offset: 298 } }))['h.mute'];
    assert.deepEqual(entry, { topic: 'h.mute', ...last, resumed: true, replay: 2 });
    await other.received('h.mute', 2);
  });
});

describe('a Redis that comes back', () => {
  test('with nothing: who was there is reset, and who comes with an old position hears that it is of another epoch', async (t) => {
    const server = await Redis.start(t);
    const gateway = await start(t, ['--bus', server.url]);
    await gateway.busUp();
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('h.empty');
    const before = await publish(gateway, 'h.empty', 1, 40);
    await client.received('h.empty', 40);
    await server.kill();
    await server.start();
    await gateway.busUp();
    const reset = await client.next('reset');
    assert.equal(reset.offset, 0);
    const after = await publish(gateway, 'h.empty', 1, 1);
    assert.notEqual(after.epoch, before.epoch);
    await until(() => client.messages('h.empty').length === 41, 5000, 'the first of the new life');
    const other = await Client.connect(t, gateway.url);
    const { 'h.empty': entry } = await other.subscribe({ topic: 'h.empty', from: before });
    assert.deepEqual(entry, { topic: 'h.empty', ...after, resumed: false, why: 'epoch' });
  });

  test('with all it had: who was there hears the new name, misses nothing, and old positions are good', async (t) => {
    const server = await Redis.start(t, ['--appendonly', 'yes', '--appendfsync', 'always']);
    const gateway = await start(t, ['--bus', server.url]);
    await gateway.busUp();
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('h.kept');
    const before = await publish(gateway, 'h.kept', 1, 40);
    await client.received('h.kept', 40);
    await server.kill();
    await server.start();
    await gateway.busUp();
    const after = await publish(gateway, 'h.kept', 41, 60);
    assert.notEqual(after.epoch, before.epoch);
    await until(() => client.messages('h.kept').length === 60, 5000, 'what came after');
    assert.deepEqual(
      client.messages('h.kept').map(({ offset }) => offset),
      numbers(1, 60),
    );
    assert.ok(!client.frames.some(({ type }) => type === 'reset'));
    assert.equal(client.frames.filter(({ type }) => type === 'epoch').at(-1).epoch, after.epoch);
    const other = await Client.connect(t, gateway.url);
    const { 'h.kept': entry } = await other.subscribe({ topic: 'h.kept', from: { ...before, offset: 30 } });
    assert.deepEqual(entry, { topic: 'h.kept', ...after, resumed: true, replay: 30 });
    await other.received('h.kept', 30);
  });
});

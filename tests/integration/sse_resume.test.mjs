// SPDX-License-Identifier: Apache-2.0
//
// Streams of topics with history: the cursor that stands behind what it is about, and what becomes of a client that comes back with it.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { EventSource } from 'eventsource';
import { Certificate } from '../harness/certificate.mjs';
import { EventStream } from '../harness/events.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Redis } from '../harness/redis.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { Mailbox, until } from '../harness/until.mjs';

const HISTORY = { size: 2000, ttl_ms: 600_000 };
const RULES = { config: { topics: [{ match: 'h.>', history: HISTORY }] } };

// A stream that has its subscriptions: the entries, by topic.
async function stream(t, gateway, query, options) {
  const opened = await EventStream.open(t, gateway.port, query, options);
  assert.equal(opened.status, 200);
  opened.entries = {};
  for (let frame = {}; !frame.done; ) {
    frame = await opened.next('subscribed');
    for (const { topic, ...entry } of frame.subs) opened.entries[topic] = entry;
  }
  return opened;
}

const back = (id) => ({ headers: { 'Last-Event-ID': id } });
const offsets = (events, topic) => events.frames.filter((frame) => frame.type === 'msg' && frame.topic === topic).map(({ offset }) => offset);
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => from + at);
const caughtUp = (events, topic, offset) =>
  until(
    () => offsets(events, topic).at(-1) === offset,
    10000,
    () => `${topic} up to ${offset}: ${events.text.slice(-300)}`,
  );
const lastId = (events, id) => until(() => events.ids.at(-1) === id, 5000, () => `the id ${id}, not ${events.ids.at(-1)}`);

async function publish(gateway, topic, count, pad = 0) {
  const data = 'x'.repeat(pad);
  let position;
  for (let left = count; left > 0; left -= 100) {
    const batch = Array.from({ length: Math.min(100, left) }, () => ({ topic, data }));
    const { results } = (await gateway.post('/v1/publish', batch)).json;
    ({ position } = results.at(-1));
    assert.ok(position, JSON.stringify(results));
  }
  const [epoch, offset] = position.split(':');
  return { position, epoch, offset: Number(offset) };
}

// Each cursor says of a stream of one topic what had come of it by then; returns how many there were.
function checkCursors(events, topic) {
  let offset = events.entries[topic].offset - (events.entries[topic].replay ?? 0);
  let count = 0;
  for (const block of events.text.split('\n\n').slice(0, -1)) {
    const frame = JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? '{}');
    if (frame.type === 'msg') {
      assert.equal(frame.offset, offset + 1);
      offset = frame.offset;
    } else if (frame.type === 'cursor') {
      assert.equal(Number(/^id: \w+:(\d+)$/m.exec(block)[1]), offset);
      count++;
    }
  }
  return count;
}

describe('the cursor', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--workers', '1'], RULES);
  });

  test('comes behind `subscribed` and behind each message, in one system call with it', async (t) => {
    const { epoch } = await publish(gateway, 'h.one', 3);
    const events = await stream(t, gateway, 'topic=h.one&topic=plain&topic=h.two');
    await lastId(events, `${epoch}:3,-,0:0`);
    const before = (await gateway.metrics()).sum('spillway_writes_total');
    for (const offset of [4, 5, 6]) {
      await publish(gateway, 'h.one', 1);
      await lastId(events, `${epoch}:${offset},-,0:0`);
    }
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('spillway_writes_total') - before, 3);
    const shown = events.text.slice(events.text.indexOf('"offset":6'));
    assert.match(shown, /^"offset":6,.*\n\nid: \w+:6,-,0:0\ndata: \{"type":"cursor"\}\n\n$/);
    const ids = events.ids.length;
    await gateway.publish('plain', '1');
    await events.next('msg');
    await until(() => events.frames.some(({ topic }) => topic === 'plain'), 5000, 'the plain message');
    const other = await publish(gateway, 'h.two', 1);
    await lastId(events, `${epoch}:6,-,${other.position}`);
    assert.equal(events.ids.length, ids + 1, 'what has no position moves none');
  });

  test('is not there where nothing can be resumed', async (t) => {
    const events = await stream(t, gateway, 'topic=h.three&topic=plain&mode=latest');
    await publish(gateway, 'h.three', 2);
    await until(() => offsets(events, 'h.three').length === 2, 5000, 'both');
    assert.deepEqual(events.ids, []);
    assert.ok(!events.frames.some(({ type }) => type === 'cursor'));
  });

  test('brings a client back exactly where it was, by header or by URL, and the header wins', async (t) => {
    const { epoch, offset } = await publish(gateway, 'h.back', 10);
    for (const [query, options, from] of [
      ['', back(`${epoch}:4,-`), 4],
      [`&from=${epoch}:7,-`, {}, 7],
      [`&from=${epoch}:2,-`, back(`${epoch}:9,-`), 9],
      ['&from=0:0,-', {}, 0],
      [`&last=5&from=${epoch}:8,-`, {}, 8],
    ]) {
      const events = await stream(t, gateway, `topic=h.back&topic=plain${query}`, options);
      assert.deepEqual(events.entries['h.back'], { epoch, offset, resumed: true, replay: offset - from });
      await caughtUp(events, 'h.back', offset);
      assert.deepEqual(offsets(events, 'h.back'), range(from + 1, offset));
      await lastId(events, `${epoch}:${offset},-`);
      events.leave();
    }
  });

  test('of another URL, or none at all, is told as a gap and is no end', async (t) => {
    const { epoch, offset } = await publish(gateway, 'h.foreign', 5);
    for (const id of [`${epoch}:4,-`, 'garbage', `${epoch}:99`, 'Zz9:2']) {
      const events = await stream(t, gateway, 'topic=h.foreign', back(id));
      assert.deepEqual(events.entries['h.foreign'], { epoch, offset, resumed: false, why: 'epoch' });
      await lastId(events, `${epoch}:${offset}`);
      assert.deepEqual(offsets(events, 'h.foreign'), []);
      events.leave();
    }
  });

  test('keeps what the client brought of a topic that is not subscribed', async (t) => {
    const { epoch, offset } = await publish(gateway, 'h.kept', 2);
    const events = await stream(t, gateway, 'topic=h.kept&topic=a..b&topic=h.%3E', back(`${epoch}:1,Qx7:5,-`));
    assert.equal(events.entries['a..b'].error.code, 'bad_topic');
    await lastId(events, `${epoch}:${offset},Qx7:5,-`);
  });
});

describe('nothing is lost and nothing comes twice', () => {
  test('for an EventSource that is cut off again and again', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1'], RULES);
    const source = new EventSource(`http://127.0.0.1:${gateway.port}/v1/sse?topic=h.cut`);
    atEnd(t, () => source.close());
    const inbox = new Mailbox();
    const got = [];
    source.onmessage = ({ data, lastEventId }) => {
      const frame = JSON.parse(data);
      if (frame.type === 'msg') got.push(frame.offset);
      inbox.put({ ...frame, lastEventId });
    };
    const next = (type) => inbox.take((frame) => frame.type === type, 15000, type);
    for (let round = 0; round < 3; round++) {
      const { session } = await next('welcome');
      const { subs } = await next('subscribed');
      assert.equal(subs[0].resumed, round ? true : undefined);
      const { offset } = await publish(gateway, 'h.cut', 20);
      await until(() => got.at(-1) === offset, 10000, `up to ${offset}`);
      await publish(gateway, 'h.cut', 50);
      await gateway.post('/v1/disconnect', { session });
      await publish(gateway, 'h.cut', 30);
    }
    await next('welcome');
    await until(() => got.at(-1) === 300, 10000, 'all of it');
    assert.deepEqual(got, range(1, 300));
  });

  for (const secure of [false, true]) {
    test(`for a reader that stalls${secure ? ', over TLS' : ''}, wherever it is cut`, async (t) => {
      const certificate = secure ? new Certificate(t) : undefined;
      const gateway = await Gateway.start(t, ['--workers', '1', ...(certificate?.flags ?? [])], RULES);
      const options = { ca: certificate?.ca };
      let events = await stream(t, gateway, 'topic=h.stall', options);
      const got = [];
      for (let round = 1; round <= 3; round++) {
        const reader = events;
        reader.response.pause();
        await publish(gateway, 'h.stall', 500, 2000);
        reader.response.on('data', () => offsets(reader, 'h.stall').length > 150 && reader.leave());
        reader.response.resume();
        await reader.end();
        assert.ok(checkCursors(events, 'h.stall') > 1);
        assert.ok(offsets(events, 'h.stall').length < 300, 'it was cut on the way');
        const seen = Number(events.ids.at(-1).split(':')[1]);
        got.push(...offsets(events, 'h.stall').filter((offset) => offset <= seen));
        events = await stream(t, gateway, 'topic=h.stall', { ...options, ...back(events.ids.at(-1)) });
        assert.equal(events.entries['h.stall'].resumed, true);
      }
      await until(() => /:1500$/.test(events.ids.at(-1)), 5000, 'the last cursor');
      checkCursors(events, 'h.stall');
      assert.deepEqual([...got, ...offsets(events, 'h.stall')], range(1, 1500));
    });
  }

  test('for who goes from a node that leaves to another on the same Redis', async (t) => {
    const redis = await Redis.start(t);
    const start = () => Gateway.start(t, ['--bus', redis.url, '--workers', '1', '--drain-ms', '1000'], RULES);
    const nodes = await Promise.all([start(), start()]);
    for (const node of nodes) await node.busUp();
    const first = await stream(t, nodes[0], 'topic=h.move');
    const { epoch } = await publish(nodes[1], 'h.move', 10);
    await caughtUp(first, 'h.move', 10);
    nodes[0].signal('SIGTERM');
    await first.next('drain');
    await publish(nodes[1], 'h.move', 10);
    assert.equal((await first.next('closed')).code, 1012);
    await first.end();
    checkCursors(first, 'h.move');
    assert.deepEqual(first.ids.at(-1), `${epoch}:${offsets(first, 'h.move').at(-1)}`, 'the cursor is that of all that came');
    await publish(nodes[1], 'h.move', 10);
    const second = await stream(t, nodes[1], 'topic=h.move', back(first.ids.at(-1)));
    assert.equal(second.entries['h.move'].resumed, true);
    await caughtUp(second, 'h.move', 30);
    assert.deepEqual([...offsets(first, 'h.move'), ...offsets(second, 'h.move')], range(1, 30));
  });
});

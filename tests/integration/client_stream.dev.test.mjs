// SPDX-License-Identifier: Apache-2.0
//
// The JavaScript client where no WebSocket gets through: Server-Sent Events by fetch, played by a server of the test's own.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Page, SOURCE } from '../harness/page.mjs';
import { Scripted, message, plain } from '../harness/scripted.mjs';
import { stays, until } from '../harness/until.mjs';

const { Spillway } = await import(SOURCE);
const open = (t, server, options) => new Page(t, Spillway, server.url, { random: () => 0.001, ...options });
const alone = { WebSocket: null }; // nothing but streams
const subscribed = (...subs) => ({ type: 'subscribed', done: true, subs });
const query = ({ query }) => query.toString().replaceAll('%3A', ':').replaceAll('%2C', ',');

describe('which transport', () => {
  test('a stream where the WebSocket is refused, and then the stream first, for it has worked', async (t) => {
    const server = await Scripted.start(t, { sockets: 403 });
    const page = open(t, server);
    page.subscribe('a');
    const stream = await server.stream(0);
    stream.say(subscribed({ topic: 'a', recoverable: false }), plain('a', 1));
    await page.received('a', [1]);
    assert.equal((await page.state('open')).transport, 'sse');
    assert.equal(server.refused, 1);
    stream.end();
    (await server.stream(1)).say(subscribed({ topic: 'a', recoverable: false }));
    await page.gap({ topic: 'a', reason: 'reconnect' });
    assert.equal(server.refused, 1);
  });

  test('the WebSocket again, where it has worked, though a stream came between', async (t) => {
    const server = await Scripted.start(t);
    const page = open(t, server);
    page.subscribe('a');
    const first = await server.socket(0);
    await first.serve();
    server.allows.sockets = 502;
    first.close(1012);
    const stream = await server.stream(0);
    assert.equal(server.refused, 2);
    server.allows.sockets = true;
    stream.end();
    await (await server.socket(1)).serve();
    assert.equal(server.streams.length, 1);
  });

  test('the WebSocket alone, without a topic or with too many for a stream', async (t) => {
    const server = await Scripted.start(t, { sockets: 403 });
    const page = open(t, server);
    await until(() => server.refused > 5, 5000, 'tries');
    for (let i = 0; i < 33; i++) page.subscribe(`t.${i}`);
    const { refused } = server;
    await until(() => server.refused > refused + 5, 10000, 'more tries');
    assert.equal(server.streams.length, 0);
  });

  test('a server without streams is asked for a WebSocket again', async (t) => {
    const server = await Scripted.start(t, { sockets: 503, streams: 404 });
    const page = open(t, server);
    page.subscribe('a');
    await until(() => server.refused > 3, 5000, 'tries');
    server.allows.sockets = true;
    await (await server.socket(0)).serve();
    assert.equal((await page.state('open')).transport, 'ws');
  });
});

describe('a stream', () => {
  test('goes on where it was, place by place', async (t) => {
    const server = await Scripted.start(t);
    const page = open(t, server, alone);
    const a = page.subscribe('a');
    page.subscribe('logs');
    const c = page.subscribe('c', { from: { epoch: 'C1', offset: 5 } });
    const stream = await server.stream(0);
    assert.equal(query(stream), 'topic=a&topic=logs&topic=c&from=-,-,C1:5');
    stream.say(
      subscribed({ topic: 'a', epoch: 'E1', offset: 1 }, { topic: 'logs', recoverable: false }, { topic: 'c', epoch: 'C1', offset: 6, resumed: true, replay: 1 }),
      message('c', 6),
      message('a', 2),
    );
    stream.cursor('E1:2,-,C1:6');
    stream.raw(': hb\n\n');
    await page.received('a', [2]);
    await page.received('c', [6]);
    stream.end();
    const next = await server.stream(1);
    assert.equal(query(next), 'topic=a&topic=logs&topic=c&from=E1:2,-,C1:6');
    next.say(subscribed({ topic: 'a', epoch: 'E1', offset: 3, resumed: true, replay: 1 }, { topic: 'logs' }, { topic: 'c', epoch: 'C1', offset: 6, resumed: true }));
    next.say(message('a', 3));
    await page.received('a', [2, 3]);
    assert.deepEqual(page.gaps.map(({ topic, reason }) => [topic, reason]), [['logs', 'reconnect']]);
    assert.deepEqual([a.position, c.position], [{ epoch: 'E1', offset: 3 }, { epoch: 'C1', offset: 6 }]);
  });

  test('cut anywhere, also inside a character, is read whole', async (t) => {
    const server = await Scripted.start(t);
    const page = open(t, server, alone);
    page.subscribe('a');
    const stream = await server.stream(0);
    stream.say(subscribed({ topic: 'a' }));
    const bytes = Buffer.from(`data: ${JSON.stringify(plain('a', 'grün ☃ 😀'))}\r\n\r\n`);
    for (const byte of bytes) {
      stream.response.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await page.received('a', ['grün ☃ 😀']);
  });

  // In JSON they may stand as they are, and JavaScript takes them for ends of lines.
  test('with line and paragraph separators in a payload is read whole', async (t) => {
    const server = await Scripted.start(t);
    const page = open(t, server, alone);
    page.subscribe('a');
    const stream = await server.stream(0);
    stream.say(subscribed({ topic: 'a', recoverable: false }), plain('a', 'x\u2028y\u2029z'), plain('a', 2));
    await page.received('a', ['x\u2028y\u2029z', 2]);
    assert.equal(server.streams.length, 1);
  });

  test('other topics are another stream: the changes of one tick are one, and the old one is left when it serves', async (t) => {
    const server = await Scripted.start(t);
    const page = open(t, server, alone);
    const a = page.subscribe('a');
    const first = await server.stream(0);
    first.say(subscribed({ topic: 'a', epoch: 'E1', offset: 1 }));
    await a.ready;
    page.subscribe('b', { mode: 'latest' });
    page.subscribe('c');
    const second = await server.stream(1);
    assert.equal(query(second), 'topic=a&topic=b&topic=c&from=E1:1,-,-');
    first.say(message('a', 2));
    await page.received('a', [2]);
    second.say(subscribed({ topic: 'a', epoch: 'E1', offset: 2, resumed: true, replay: 1 }, { topic: 'b' }, { topic: 'c' }));
    second.say(message('a', 2), message('a', 3));
    await until(() => first.left, 5000, 'the first to be left');
    await page.received('a', [2, 3]);
    assert.deepEqual(page.gaps, []);
    a.unsubscribe();
    assert.equal(query(await server.stream(2)), 'topic=b&topic=c');
    assert.equal(server.streams.length, 3);
  });

  test('what all topics share stands in the URL; a topic too many is refused in words', async (t) => {
    const server = await Scripted.start(t);
    const page = open(t, server, alone);
    for (let i = 0; i < 32; i++) page.subscribe(`t.${i}`, { mode: 'latest', maxHz: 5, last: i ? undefined : 1 });
    const over = page.subscribe('t.32', { mode: 'latest', maxHz: 5 });
    const stream = await server.stream(0);
    assert.equal(stream.query.getAll('topic').length, 32);
    assert.deepEqual([stream.query.get('mode'), stream.query.get('max_hz'), stream.query.get('last')], ['latest', '5', null]);
    await assert.rejects(over.ready, { code: 'too_many_topics', topic: 't.32' });
    assert.equal(page.errors.length, 1);
  });

  test('the newest is asked for by those that go on from nowhere', async (t) => {
    const server = await Scripted.start(t);
    const page = open(t, server, alone);
    page.subscribe('a', { from: { epoch: 'E1', offset: 1 } });
    page.subscribe('b', { last: 2 });
    page.subscribe('c', { last: 2 });
    assert.equal(query(await server.stream(0)), 'topic=a&topic=b&topic=c&from=E1:1,-,-&last=2');
  });

  test('an entry that is refused: with `retry` a stream with it later, without it never', async (t) => {
    const server = await Scripted.start(t);
    const page = open(t, server, alone);
    page.subscribe('good');
    page.subscribe('late');
    const bad = page.subscribe('bad');
    (await server.stream(0)).say(
      subscribed(
        { topic: 'good' },
        { topic: 'late', error: { code: 'bus_unavailable', message: 'away', retry: true, retry_ms: 20 } },
        { topic: 'bad', error: { code: 'forbidden', message: 'no', retry: false } },
      ),
    );
    await assert.rejects(bad.ready, { code: 'forbidden' });
    assert.equal(query(await server.stream(1)), 'topic=good&topic=late');
    assert.deepEqual(page.errors.map(({ code }) => code), ['bus_unavailable', 'forbidden']);
  });

  test('shows its token, and a new one each time; a bad one is the end', async (t) => {
    const server = await Scripted.start(t);
    let n = 0;
    const page = open(t, server, { ...alone, getToken: () => `t${++n}` });
    page.subscribe('a');
    const first = await server.stream(0);
    assert.equal(first.headers.authorization, 'Bearer t1');
    first.say(subscribed({ topic: 'a', epoch: 'E1', offset: 1 }));
    await page.state('open');
    first.say({ type: 'expiring', in_ms: 1000 });
    const second = await server.stream(1);
    assert.notEqual(second.headers.authorization, 'Bearer t1');
    second.say(subscribed({ topic: 'a', epoch: 'E1', offset: 1, resumed: true }));
    await until(() => first.left, 5000, 'the first to be left');
    server.allows.streams = 401;
    second.end();
    assert.deepEqual(await page.state('closed'), { state: 'closed', code: 4501, reason: 'status 401' });
    assert.deepEqual(page.gaps, []);
  });

  test('is not there under overload: `retry` says when, and it is no welcome', async (t) => {
    const server = await Scripted.start(t, { welcome: false });
    const page = open(t, server, alone);
    page.subscribe('a');
    const stream = await server.stream(0);
    stream.raw('retry: 345\n\n');
    stream.say({ type: 'closed', code: 1013, reason: 'full', retry: true });
    stream.end();
    const { ms, code, reason } = await page.state('waiting');
    assert.ok(Math.abs(ms - 345) < 5, `${ms}`);
    assert.deepEqual([code, reason], [1013, 'full']);
    await server.stream(1);
    assert.ok(!page.states.some(({ state }) => state === 'open'));
  });

  test('says at its end what a close frame would', async (t) => {
    const server = await Scripted.start(t);
    const page = open(t, server, alone);
    page.subscribe('a');
    const first = await server.stream(0);
    first.say({ type: 'closed', code: 4001, reason: 'token_expired', retry: true });
    first.end();
    const last = await server.stream(1);
    assert.equal((await page.state('waiting')).code, 4001);
    last.say({ type: 'closed', code: 4700, reason: 'bye', retry: false });
    last.end();
    assert.deepEqual(await page.state('closed'), { state: 'closed', code: 4700, reason: 'bye' });
  });

  test('publishes by a request of its own', async (t) => {
    const server = await Scripted.start(t);
    const page = open(t, server, { ...alone, token: 'x.y.z' });
    assert.deepEqual(await page.client.publish('chat', { a: 1 }, { key: 'k' }), { epoch: 'E1', offset: 7 });
    assert.equal(server.posts[0].body, '{"topic":"chat","data":{"a":1},"key":"k"}');
    assert.equal(server.posts[0].headers.authorization, 'Bearer x.y.z');
    server.answer = '{"results":[{}]}';
    assert.deepEqual(await page.client.publish('chat', 1), {});
    server.answer = '{"error":{"code":"forbidden","message":"no","retry":false}}';
    await assert.rejects(page.client.publish('chat', 1), { code: 'forbidden', message: 'no' });
    server.answer = 'no JSON';
    await assert.rejects(page.client.publish('chat', 1), { code: 'disconnected', outcome: 'unknown' });
    await assert.rejects(page.client.ping(), { code: 'unsupported' });
    await stays(() => server.streams.length === 0, 100, 'no stream without a topic');
  });
});

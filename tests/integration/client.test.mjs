// SPDX-License-Identifier: Apache-2.0
//
// The JavaScript client as a gateway serves it, against gateways: that it is small, whole and readable from everywhere, and that it
// keeps a page served while nodes die, freeze and leave. What gateways do rarely is in client_frames and client_stream.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { Gateway } from '../harness/gateway.mjs';
import { Guests } from '../harness/guests.mjs';
import { seconds } from '../harness/jwt.mjs';
import { Page, SOURCE, fromModule, hastyClock } from '../harness/page.mjs';
import { Redis } from '../harness/redis.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { until } from '../harness/until.mjs';

const scope = suiteScope();
let gateway;
let Spillway;
before(async () => {
  gateway = await Gateway.start(scope, ['--client-publish']);
  Spillway = await fromModule((await gateway.public('GET', '/client.mjs')).text);
});
// The states of a gateway's threads, as the kernel has them.
const threads = ({ pid }) =>
  readdirSync(`/proc/${pid}/task`).map((id) => readFileSync(`/proc/${pid}/task/${id}/stat`, 'utf8').replace(/.*\) /s, '')[0]);
const base = ({ port }) => `http://127.0.0.1:${port}`;
const open = (t, node, options) => new Page(t, Spillway, base(node), options);

describe('as it is served', () => {
  for (const path of ['/client.js', '/client.mjs']) {
    test(`${path} is small, can be read from any page, and is asked for again by its tag`, async () => {
      const answer = await gateway.public('GET', path);
      const size = gzipSync(answer.bytes).length;
      assert.ok(size < 6144, `${size} bytes`);
      assert.match(answer.headers['content-type'], /^text\/javascript/);
      assert.equal(answer.headers['access-control-allow-origin'], '*');
      assert.match(answer.headers['cross-origin-resource-policy'], /^cross-origin$/);
      const again = await gateway.public('GET', path, { headers: { 'If-None-Match': answer.headers.etag } });
      assert.equal(again.status, 304);
      assert.equal(again.bytes.length, 0);
    });
  }

  test('it is the source less its comments, and no more', async () => {
    const lines = readFileSync(SOURCE, 'utf8').split('\n').map((line) => line.trim());
    const [first, ...code] = lines.filter((line, index) => index === 0 || (line && !line.startsWith('//')));
    const module = [first, ...code, ''].join('\n');
    assert.equal((await gateway.public('GET', '/client.mjs')).text, module);
    const script = `'use strict';\n{\n${module.replace('\nexport class Spillway {', '\nglobalThis.Spillway = class Spillway {')}}\n`;
    assert.equal((await gateway.public('GET', '/client.js')).text, script);
  });

  test('/client.js leaves one global behind', async () => {
    const page = vm.createContext({});
    vm.runInContext((await gateway.public('GET', '/client.js')).text, page);
    assert.deepEqual(Object.keys(page), ['Spillway']);
    assert.throws(() => vm.runInContext('PATIENCE_MS', page), /not defined/);
  });
});

describe('on a gateway', () => {
  test('without a scheme there is none to come to: it is told at once', () => {
    for (const url of ['localhost:8000', 'file:///v1/ws']) assert.throws(() => new Spillway(url), { message: /http\(s\):\/\/ or ws\(s\):\/\// });
  });

  test('subscribes, publishes and hears: topics, patterns, text, bytes; and says what is refused', async (t) => {
    const page = open(t, gateway);
    const frames = [];
    const all = page.client.subscribe('room.>', (frame) => frames.push(frame));
    await all.ready;
    assert.equal(all.position ?? null, null);
    assert.deepEqual(await page.client.publish('room.1', { text: 'hello' }, { key: 'k' }), {});
    await page.client.publish('room.2', '1.50', { raw: true });
    await gateway.publish('room.3', 'plain words');
    await gateway.publish('room.3', Buffer.from([0xff]));
    await until(() => frames.length === 4, 5000, 'four messages');
    assert.deepEqual(frames.map(({ topic, sub, data, text, b64 }) => [topic, sub, data, text, b64]), [
      ['room.1', 'room.>', { text: 'hello' }, undefined, undefined],
      ['room.2', 'room.>', 1.5, undefined, undefined],
      ['room.3', 'room.>', undefined, 'plain words', undefined],
      ['room.3', 'room.>', undefined, undefined, '/w=='],
    ]);
    await assert.rejects(page.subscribe('a..b').ready, { code: 'bad_topic', topic: 'a..b' });
    await assert.rejects(page.client.publish('a..b', 1), { code: 'bad_topic' });
    assert.equal(page.errors.length, 1);
    assert.ok((await page.client.ping()) >= 0);
    all.unsubscribe();
    await gateway.counted((metrics) => metrics.sum('spillway_subscriptions') === 0, 'no subscription');
    const { session, node, transport } = await page.state('open');
    assert.ok(session && node && transport === 'ws');
  });

  test('a paced subscription says what it left out', async (t) => {
    const page = open(t, gateway);
    await page.subscribe('fast', { mode: 'latest', maxHz: 1 }).ready;
    for (let i = 0; i < 5; i++) await gateway.publish('fast', String(i));
    const told = () => page.gaps.reduce((sum, { topic, reason, count }) => sum + (topic === 'fast' && reason === 'paced' ? count : 0), 0);
    await until(() => page.data('fast').length + told() === 5, 5000, () => `all five: ${JSON.stringify([page.messages, page.gaps])}`);
    assert.equal(page.data('fast').at(-1), 4);
    assert.ok(told() > 0);
  });

  test('comes back when it was killed and started again, and says that there is a gap', async (t) => {
    const first = new Gateway();
    atEnd(t, () => first.child.kill('SIGKILL'));
    await first.start();
    const page = open(t, first);
    await page.subscribe('a').ready;
    await first.publish('a', '1');
    await page.received('a', [1]);
    first.signal('SIGKILL');
    await page.state('waiting');
    const second = await Gateway.start(t, ['--listen', `127.0.0.1:${first.port}`]);
    await page.gap({ topic: 'a', reason: 'reconnect' });
    await second.publish('a', '2');
    await page.received('a', [1, 2]);
    assert.equal(page.gaps.length, 1);
  });

  test('goes elsewhere before it leaves a node that drains: nothing comes twice, and the gap is told', async (t) => {
    const redis = await Redis.start(t);
    const [one, two] = await Promise.all(
      [1, 2].map(() => Gateway.start(t, ['--bus', redis.url, '--drain-ms', '6000'])),
    );
    let home = one;
    class Balanced extends WebSocket {
      constructor(url, protocols) {
        super(url.replace(/:\d+/, `:${home.port}`), protocols);
      }
    }
    const page = open(t, one, { WebSocket: Balanced });
    await page.subscribe('a').ready;
    let sent = 0;
    const publish = async () => two.publish('a', String(++sent));
    await publish();
    await page.received('a', [1]);
    home = two;
    await one.post('/v1/drain');
    await until(async () => (await publish()) && page.states.some(({ handover }) => handover), 10000, 'the move');
    const seen = page.data('a').length;
    await publish();
    await until(() => page.data('a').at(-1) === sent, 5000, 'the newest');
    const data = page.data('a');
    assert.deepEqual(data, [...new Set(data)].sort((a, b) => a - b), 'in order, none twice');
    assert.ok(data.length > seen);
    assert.deepEqual(page.gaps.map(({ topic, reason }) => [topic, reason]), [['a', 'handover']]);
    assert.equal(page.states.filter(({ state }) => state === 'waiting').length, 0);
    const { left, closed } = await one.log(({ event }) => event === 'drained');
    assert.deepEqual({ left, closed }, { left: 1, closed: 0 });
  });

  test('takes a frozen gateway for dead, and gives up what it has asked', async (t) => {
    const frozen = await Gateway.start(t, ['--client-publish']);
    const page = open(t, frozen, { clock: hastyClock(5) });
    await page.subscribe('a').ready;
    frozen.signal('SIGSTOP');
    try {
      await until(() => threads(frozen).every((thread) => thread === 'T'), 5000, 'the freeze');
      await assert.rejects(page.client.publish('a', 1), { code: 'timeout', outcome: 'unknown' });
      assert.equal(page.client.state, 'open');
      assert.equal((await page.state('waiting')).reason, 'silence');
    } finally {
      frozen.signal('SIGCONT');
    }
    await page.gap({ topic: 'a', reason: 'reconnect' });
  });
});

describe('with tokens', () => {
  test('renews its token on the same connection', async (t) => {
    const guests = await Guests.start(t);
    let lives = 4;
    let asked = 0;
    const getToken = () => {
      asked++;
      return guests.token('ann', { sub: ['a'] }, { exp: seconds(lives) });
    };
    const page = open(t, guests.gateway, { getToken });
    await page.subscribe('a').ready;
    lives = 600;
    const ends = seconds(5);
    await until(() => asked === 2, 5000, 'a second token');
    await until(() => seconds() > ends, 10000, 'the end of the first');
    await page.client.ping();
    assert.deepEqual(page.states.map(({ state }) => state), ['connecting', 'open']);
    assert.equal(asked, 2);
  });

  test('comes back with a new one where the old one ended, and not with a wrong one', async (t) => {
    const guests = await Guests.start(t);
    const tokens = [guests.token('ann', { sub: ['a'] }, { exp: seconds(3) }), guests.token('ann', { sub: ['a'] }), 'a.b.c'];
    let next = 0;
    const page = open(t, guests.gateway, { getToken: () => tokens[next] });
    await page.subscribe('a').ready;
    await page.state('waiting');
    assert.equal(page.states.find(({ state }) => state === 'waiting').code, 4001);
    next = 1;
    await page.gap({ topic: 'a', reason: 'reconnect' });
    next = 2;
    await guests.gateway.post('/v1/disconnect', '{"user":"ann"}');
    const { code, reason } = await page.state('closed');
    assert.deepEqual([code, reason], [4501, 'unauthorized the token is malformed']);
  });

  test('a topic that is not granted is refused in words, and the others are served', async (t) => {
    const guests = await Guests.start(t);
    const page = open(t, guests.gateway, { token: guests.token('ann', { sub: ['a'] }) });
    const bad = page.subscribe('b');
    await page.subscribe('a').ready;
    await assert.rejects(bad.ready, { code: 'forbidden', topic: 'b' });
    assert.equal((await page.error('forbidden')).topic, 'b');
    await assert.rejects(page.client.publish('a', 1), { code: 'forbidden' });
  });
});

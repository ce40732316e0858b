// SPDX-License-Identifier: Apache-2.0
//
// The JavaScript client against a server that plays frames: what a healthy gateway does rarely or never. Each test runs with the
// client's source and with both of its served forms, which must behave the same.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Gateway } from '../harness/gateway.mjs';
import { HandClock, Page, SOURCE, fromModule, fromScript } from '../harness/page.mjs';
import { Scripted, message, plain } from '../harness/scripted.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { stays, until } from '../harness/until.mjs';

const forms = {
  'the source': async () => (await import(SOURCE)).Spillway,
  '/client.mjs': async (served) => fromModule((await served('/client.mjs')).text),
  '/client.js': async (served) => fromScript((await served('/client.js')).text),
};

const QUICK = { random: () => 0.001 }; // back-offs of next to nothing
const left = (peer) => until(() => peer.left, 5000, 'the connection to be left');
const history = (epoch, offset, more) => ({ epoch, offset, ...more });

for (const [form, load] of Object.entries(forms)) {
  describe(form, () => {
    const scope = suiteScope();
    let Spillway;
    before(async () => {
      const gateway = await Gateway.start(scope);
      Spillway = await load((path) => gateway.public('GET', path));
    });
    const open = (t, server, options) => new Page(t, Spillway, server.url, { ...QUICK, ...options });

    // A page with one topic of history, served up to offset 41 of epoch E1.
    async function served(t, options) {
      const server = await Scripted.start(t);
      const page = open(t, server, options);
      const sub = page.subscribe('a');
      const peer = await server.socket(0);
      assert.deepEqual(await peer.serve({ a: history('E1', 41) }), { a: {} });
      await sub.ready;
      return { server, page, sub, peer };
    }

    describe('positions', () => {
      test('a reconnect goes on where it was, though no message had come', async (t) => {
        const { server, page, sub, peer } = await served(t);
        assert.deepEqual(sub.position, { epoch: 'E1', offset: 41 });
        peer.close(1012, 'drain retry_ms=1-2');
        const next = await server.socket(1);
        assert.deepEqual(await next.serve({ a: history('E1', 43, { resumed: true, replay: 2 }) }), {
          a: { from: { epoch: 'E1', offset: 41 } },
        });
        next.say(message('a', 42), message('a', 43), message('a', 44));
        await page.received('a', [42, 43, 44]);
        assert.deepEqual(sub.position, { epoch: 'E1', offset: 44 });
        assert.deepEqual(page.gaps, []);
      });

      test('doubles are dropped, a jump is told, messages without a position pass', async (t) => {
        const { page, peer } = await served(t);
        peer.say(message('a', 42), message('a', 42), message('a', 41), plain('a', 'x'), message('a', 45), message('a', 46));
        await page.received('a', [42, 'x', 45, 46]);
        assert.deepEqual(page.gaps, [{ topic: 'a', reason: 'jump', count: 2, epoch: 'E1', from: 43, to: 44 }]);
      });

      test('`dropped` moves the position, and is told once', async (t) => {
        const { page, sub, peer } = await served(t);
        const dropped = { type: 'dropped', topic: 'a', epoch: 'E2', from: 42, to: 45, count: 4, reason: 'slow' };
        peer.say(dropped, dropped, message('a', 46));
        await page.received('a', [46]);
        assert.deepEqual(page.gaps, [{ topic: 'a', reason: 'slow', count: 4, epoch: 'E2', from: 42, to: 45 }]);
        assert.deepEqual(sub.position, { epoch: 'E2', offset: 46 });
      });

      test('`epoch` renames the place, early and twice, and loses nothing', async (t) => {
        const { server, page, sub, peer } = await served(t);
        const epoch = { type: 'epoch', topic: 'a', epoch: 'E2', offset: 43 };
        peer.say(epoch, message('a', 42), message('a', 43), epoch, message('a', 44));
        await page.received('a', [42, 43, 44]);
        assert.deepEqual(page.gaps, []);
        peer.close(1001);
        const wish = await (await server.socket(1)).serve({ a: history('E2', 44, { resumed: true }) });
        assert.deepEqual(wish, { a: { from: { epoch: 'E2', offset: 44 } } });
        assert.deepEqual(sub.position, { epoch: 'E2', offset: 44 });
      });

      test('`reset` goes back, and what comes behind it is new', async (t) => {
        const { page, sub, peer } = await served(t);
        peer.say(message('a', 42), { type: 'reset', topic: 'a', epoch: 'Z1', offset: 0 }, message('a', 1), message('a', 2));
        await page.received('a', [42, 1, 2]);
        assert.deepEqual(page.gaps, [{ topic: 'a', reason: 'reset', epoch: 'Z1', offset: 0 }]);
        assert.deepEqual(sub.position, { epoch: 'Z1', offset: 2 });
      });

      test('a position that the server does not hold is a gap, and the new one counts', async (t) => {
        const { server, page, sub, peer } = await served(t);
        peer.close(1006 + 5);
        const next = await server.socket(1);
        await next.serve({ a: history('E3', 90, { resumed: false, why: 'epoch' }) });
        assert.deepEqual(await page.gap({}), { topic: 'a', reason: 'reconnect', why: 'epoch', epoch: 'E3', offset: 90 });
        next.say(message('a', 91));
        await page.received('a', [91]);
        assert.deepEqual(sub.position, { epoch: 'E3', offset: 91 });
      });

      test('an epoch that is not drawn yet is a position, too', async (t) => {
        const server = await Scripted.start(t);
        const page = open(t, server);
        const sub = page.subscribe('a');
        const peer = await server.socket(0);
        await peer.serve({ a: history('0', 0) });
        await sub.ready;
        peer.close(1012);
        const next = await server.socket(1);
        assert.deepEqual((await next.serve({ a: history('E1', 1, { resumed: true, replay: 1 }) })).a.from, { epoch: '0', offset: 0 });
        next.say({ type: 'epoch', topic: 'a', epoch: 'E1', offset: 0 }, message('a', 1));
        await page.received('a', [1]);
        assert.deepEqual(page.gaps, []);
      });

      test('`from` and `last` of the page are asked for; `last` is a position from then on', async (t) => {
        const server = await Scripted.start(t);
        const page = open(t, server);
        page.subscribe('a', { from: { epoch: 'E1', offset: 5 } });
        page.subscribe('b', { last: 2 });
        page.subscribe('c', { mode: 'latest', maxHz: 5, last: 1 });
        const peer = await server.socket(0);
        const wishes = await peer.serve({
          a: history('E1', 9, { resumed: false, why: 'trimmed' }),
          b: history('E2', 9, { replay: 2 }),
          c: history('E3', 9, { replay: 1 }),
        });
        assert.deepEqual(wishes, {
          a: { from: { epoch: 'E1', offset: 5 } },
          b: { last: 2 },
          c: { mode: 'latest', max_hz: 5, last: 1 },
        });
        peer.say(message('b', 8), message('b', 9), message('c', 9), message('c', 12), message('c', 11));
        await page.received('b', [8, 9]);
        await page.received('c', [9, 12, 11]);
        assert.deepEqual(page.gaps, [{ topic: 'a', reason: 'resume', why: 'trimmed', epoch: 'E1', offset: 9 }]);

        // What was asked for as the newest comes again only where it is newer.
        peer.close(1012);
        const next = await server.socket(1);
        const again = await next.serve({
          a: history('E1', 9, { resumed: true }),
          b: history('E2', 9, { resumed: true }),
          c: history('E3', 12, { replay: 1 }),
        });
        assert.deepEqual(again, {
          a: { from: { epoch: 'E1', offset: 9 } },
          b: { from: { epoch: 'E2', offset: 9 } },
          c: { mode: 'latest', max_hz: 5, last: 1 },
        });
        next.say(message('c', 12), message('c', 13));
        await page.received('c', [9, 12, 11, 13]);
        await page.gap({ topic: 'c', reason: 'reconnect' });
      });

      test('a topic without history: a reconnect is a gap', async (t) => {
        const server = await Scripted.start(t);
        const page = open(t, server);
        page.subscribe('logs');
        const peer = await server.socket(0);
        await peer.serve();
        peer.say(plain('logs', 1), { type: 'dropped', topic: 'logs', count: 37, reason: 'slow' });
        await page.gap({ topic: 'logs', reason: 'slow', count: 37 });
        peer.close(1012);
        const next = await server.socket(1);
        assert.deepEqual(await next.serve(), { logs: {} });
        next.say(plain('logs', 2));
        await page.received('logs', [1, 2]);
        assert.deepEqual(page.gaps.map(({ reason }) => reason), ['slow', 'reconnect']);
      });
    });

    describe('subscriptions', () => {
      test('the changes of one tick are one request, and thousands are several', async (t) => {
        const server = await Scripted.start(t);
        const page = open(t, server);
        const peer = await server.socket(0);
        await page.state('open');
        for (let i = 0; i < 250; i++) page.subscribe(`t.${i}`);
        const parts = [await peer.asked('subscribe'), await peer.asked('subscribe'), await peer.asked('subscribe')];
        assert.deepEqual(parts.map(({ subs }) => subs.length), [100, 100, 50]);
        const short = page.subscribe('short');
        short.unsubscribe();
        await assert.rejects(short.ready, { code: 'cancelled' });
        page.subscribe('b');
        assert.deepEqual((await peer.asked('subscribe')).subs, [{ topic: 'b' }]);
      });

      test('several `subscribed` for one request; a frame before its own entry is not heard', async (t) => {
        const server = await Scripted.start(t);
        const page = open(t, server);
        const [a, b] = [page.subscribe('a'), page.subscribe('b')];
        const peer = await server.socket(0);
        const { id } = await peer.asked('subscribe');
        peer.say({ type: 'subscribed', id, subs: [{ topic: 'b', recoverable: false }] }, plain('a', 0), plain('b', 1));
        await b.ready;
        peer.say({ type: 'subscribed', id, done: true, subs: [{ topic: 'a', ...history('E1', 3) }] }, message('a', 4));
        await a.ready;
        await page.received('a', [4]);
        await page.received('b', [1]);
        assert.deepEqual(Object.keys(b).sort(), ['position', 'ready', 'topic', 'unsubscribe']);
        assert.equal(b.position ?? null, null);
      });

      test('left and asked for anew: what was meant for the former one is not heard', async (t) => {
        const { page, sub, peer } = await served(t);
        sub.unsubscribe();
        const again = page.subscribe('a');
        const order = [await peer.asked('unsubscribe'), await peer.asked('subscribe')];
        peer.say(message('a', 42));
        peer.say({ type: 'unsubscribed', id: order[0].id, topics: ['a'] });
        peer.say({ type: 'subscribed', id: order[1].id, done: true, subs: [{ topic: 'a', ...history('E1', 42) }] }, message('a', 43));
        await again.ready;
        await page.received('a', [43]);
        assert.throws(() => page.subscribe('a'), /already subscribed to a/);
      });

      test('an entry that is refused is told; with `retry` it is asked for again, at its time', async (t) => {
        const server = await Scripted.start(t);
        const clock = new HandClock();
        const page = open(t, server, { clock });
        const good = page.subscribe('good');
        const bad = page.subscribe('bad');
        await clock.advance(0);
        const peer = await server.socket(0);
        const later = { code: 'rate_limited', message: 'later', retry: true, retry_ms: 700 };
        const never = { code: 'forbidden', message: 'no grant', retry: false };
        await peer.serve({ good: { error: later }, bad: { error: never } });
        await assert.rejects(bad.ready, { code: 'forbidden', message: 'no grant', topic: 'bad', retry: false });
        assert.deepEqual(page.errors.map(({ code, topic, retry }) => [code, topic, retry]), [
          ['rate_limited', 'good', true],
          ['forbidden', 'bad', false],
        ]);
        await clock.advance(699);
        await stays(() => peer.heard.length === 1, 100, 'patience');
        await clock.advance(1);
        assert.deepEqual(await peer.serve(), { good: {} });
        await good.ready;
      });

      test('a request that is refused as a whole is told for each of its topics', async (t) => {
        const server = await Scripted.start(t);
        const page = open(t, server);
        const subs = [page.subscribe('a'), page.subscribe('b')];
        const peer = await server.socket(0);
        const { id } = await peer.asked('subscribe');
        peer.say({ type: 'error', id, error: { code: 'too_many_topics', message: 'too many', retry: false } });
        for (const { ready } of subs) await assert.rejects(ready, { code: 'too_many_topics' });
        assert.deepEqual(page.errors.map(({ topic }) => topic), ['a', 'b']);
      });

      test('what the server ends is told; nobody listening, it is on the console', async (t) => {
        const { page, peer } = await served(t);
        peer.say({ type: 'unsubscribed', topics: ['a'], reason: 'revoked', retry: false }, message('a', 42));
        assert.deepEqual({ ...(await page.error('revoked')) }, { code: 'revoked', topic: 'a', retry: false, retryMs: undefined, outcome: undefined });
        page.subscribe('a');
        await peer.serve({ a: history('E1', 42) });
        assert.deepEqual(page.messages, []);

        const silent = new Spillway('http://127.0.0.1:9');
        const said = t.mock.method(console, 'error', () => {});
        silent.close();
        silent.subscribe('a');
        assert.match(String(said.mock.calls[0].arguments[1]), /closed/);
      });

      test('topics that the server subscribed by itself need no answer', async (t) => {
        const server = await Scripted.start(t, { welcome: false });
        const page = open(t, server);
        const sub = page.subscribe('news');
        const peer = await server.socket(0);
        peer.say({ type: 'welcome', heartbeat_ms: 1000 }, { type: 'subscribed', done: true, subs: [{ topic: 'news', recoverable: false }] });
        const { id } = await peer.asked('subscribe');
        peer.say({ type: 'subscribed', id, done: true, subs: [{ topic: 'news', error: { code: 'bad_request', retry: false } }] });
        peer.say(plain('news', 1), plain('other', 2));
        await sub.ready;
        await page.received('news', [1]);
        assert.deepEqual([page.errors, page.gaps], [[], []]);
      });
    });

    describe('a node that leaves', () => {
      const drain = { type: 'drain', reason: 'shutdown', reconnect_ms: [1, 3], close_ms: 60000 };

      test('is left when the next one serves: nothing is lost or comes twice', async (t) => {
        const { server, page, sub, peer } = await served(t);
        page.subscribe('logs');
        await peer.serve();
        peer.say(drain);
        const next = await server.socket(1);
        const { id, subs } = await next.asked('subscribe');
        assert.deepEqual(subs, [{ topic: 'a', from: { epoch: 'E1', offset: 41 } }, { topic: 'logs' }]);
        peer.say(message('a', 42), plain('logs', 'old'));
        await page.received('logs', ['old']);
        // One topic moves before the other: from then on the old node's word on it does not count. What both bring comes once,
        // though no position tells.
        next.say({ type: 'subscribed', id, subs: [{ topic: 'logs', recoverable: false }] }, plain('logs', 'old'), plain('logs', 'new'));
        await page.gap({ topic: 'logs', reason: 'handover' });
        peer.say(plain('logs', 'new'), message('a', 43));
        await page.received('a', [42, 43]);
        assert.equal(peer.left, false);
        next.say({ type: 'subscribed', id, done: true, subs: [{ topic: 'a', ...history('E1', 43, { resumed: true, replay: 2 }) }] });
        next.say(message('a', 42), message('a', 43), message('a', 44), plain('logs', 'new'), plain('logs', 'old'));
        await left(peer);
        await page.received('a', [42, 43, 44]);
        await page.received('logs', ['old', 'new', 'new', 'old']);
        assert.equal(page.gaps.length, 1);
        assert.deepEqual(sub.position, { epoch: 'E1', offset: 44 });
        assert.deepEqual(page.drains, [{ reason: 'shutdown', ms: page.drains[0].ms, closeMs: 60000 }]);
        assert.deepEqual(page.states.map(({ state, handover }) => [state, handover]), [
          ['connecting', undefined],
          ['open', false],
          ['open', true],
        ]);
        assert.equal(server.sockets.length, 2);
      });

      test('however much it says meanwhile: the newest 1,000 are known again', async (t) => {
        const { server, page, peer } = await served(t);
        page.subscribe('logs');
        await peer.serve();
        peer.say(drain);
        const next = await server.socket(1);
        const { id } = await next.asked('subscribe');
        const all = Array.from({ length: 1001 }, (_, n) => n);
        peer.say(...all.map((n) => plain('logs', n)));
        await page.received('logs', all);
        next.say({ type: 'subscribed', id, subs: [{ topic: 'logs', recoverable: false }] });
        next.say(plain('logs', 1), plain('logs', 1000), plain('logs', 0), plain('logs', 'new'));
        await page.received('logs', [...all, 0, 'new']);
      });

      test('is not left while it owes an answer', async (t) => {
        const { server, page, peer } = await served(t);
        const published = page.client.publish('chat', 1);
        const { id } = await peer.asked('publish');
        peer.say(drain);
        const next = await server.socket(1);
        await next.serve({ a: history('E1', 41, { resumed: true }) });
        await page.state('open', 2);
        await stays(() => !peer.left, 100, 'not left');
        peer.say({ type: 'published', id, epoch: 'E9', offset: 3 });
        assert.deepEqual(await published, { epoch: 'E9', offset: 3 });
        await left(peer);
      });

      test('where the next one fails or refuses, the first goes on serving', async (t) => {
        const { server, page, peer } = await served(t);
        peer.say(drain);
        (await server.socket(1)).close(1013);
        const third = await server.socket(2);
        third.close(4504, 'too many');
        await left(third);
        peer.say(message('a', 42));
        await page.received('a', [42]);
        peer.close(1012, 'drain retry_ms=1-2');
        await (await server.socket(3)).serve({ a: history('E1', 42, { resumed: true }) });
        await page.state('open', 2);
        assert.deepEqual(page.gaps, []);
      });

      test('closes before the next one serves: that one goes on', async (t) => {
        const { server, page, peer } = await served(t);
        peer.say(drain);
        const next = await server.socket(1);
        peer.close(1012, 'drain retry_ms=1-2');
        await page.state('open', 2);
        await next.serve({ a: history('E1', 42, { resumed: true, replay: 1 }) });
        next.say(message('a', 42), drain);
        await page.received('a', [42]);
        await (await server.socket(2)).serve({ a: history('E1', 42, { resumed: true }) });
        await left(next);
      });
    });

    describe('coming back', () => {
      // A WebSocket that fails at once, or says what a test makes it say.
      const sockets = (made, open) =>
        class {
          constructor(url, protocols) {
            made.push(Object.assign(this, { url, protocols }));
            this.send = () => {};
            this.close = () => (this.closed = true);
            queueMicrotask(() => open?.(this));
          }
        };
      const failing = (socket) => socket.onclose({ code: 1006, reason: '' });

      test('full jitter: 0.5 s doubled up to 20 s, and all of it is drawn from', async (t) => {
        for (const share of [0.25, 0.5, 1]) {
          const clock = new HandClock();
          const page = new Page(t, Spillway, 'http://host', { WebSocket: sockets([], failing), fetch: null, clock, random: () => share });
          await clock.advance(100000);
          const waits = page.states.filter(({ state }) => state === 'waiting').map(({ ms }) => Math.round(ms / share));
          assert.deepEqual(waits.slice(0, 8), [500, 1000, 2000, 4000, 8000, 16000, 20000, 20000]);
          page.client.close();
        }
      });

      test('only `welcome` resets it', async (t) => {
        const clock = new HandClock();
        const made = [];
        const page = new Page(t, Spillway, 'ws://host/v1/ws', { WebSocket: sockets(made), fetch: null, clock, random: () => 1 });
        await clock.advance(0);
        assert.equal(made[0].url, 'ws://host/v1/ws');
        const next = async (...frames) => {
          for (const frame of frames) made.at(-1).onmessage({ data: JSON.stringify(frame) });
          made.at(-1).onclose({ code: 1013, reason: '' });
          const { ms } = page.states.at(-1);
          await clock.advance(ms);
          return ms;
        };
        assert.deepEqual([await next(), await next({ type: 'hb' }), await next()], [500, 1000, 2000]);
        assert.deepEqual([await next({ type: 'welcome', heartbeat_ms: 1000 }), await next()], [500, 1000]);
      });

      test('silence is death: heartbeat and ten seconds, and ten for a welcome', async (t) => {
        const clock = new HandClock();
        const made = [];
        const page = new Page(t, Spillway, 'https://host', { WebSocket: sockets(made), fetch: null, clock, random: () => 0 });
        await clock.advance(0);
        assert.equal(made[0].url, 'wss://host/v1/ws');
        await clock.advance(10000);
        assert.equal(made.length, 1);
        await clock.advance(2000);
        assert.equal(made.length, 2);
        const say = (frame) => made[1].onmessage({ data: JSON.stringify(frame) });
        say({ type: 'welcome', heartbeat_ms: 30000 });
        await clock.advance(39000);
        say({ type: 'hb' });
        await clock.advance(40000);
        assert.equal(made.length, 2);
        await clock.advance(2000);
        assert.equal(made.length, 3);
        assert.ok(made[0].closed && made[1].closed);
        assert.equal(page.states.filter(({ reason }) => reason === 'silence').length, 2);
      });

      for (const code of [1002, 1003, 1007, 1008, 1009, 4500, 4501, 4504, 4999]) {
        test(`not after ${code}`, async (t) => {
          const { server, page, sub, peer } = await served(t);
          const asked = assert.rejects(page.client.publish('a', 1), { code: 'disconnected', outcome: 'unknown' });
          peer.close(code, 'no');
          const { reason } = await page.state('closed');
          assert.equal(reason, 'no');
          assert.equal((await page.error('closed')).message, `no (${code})`);
          await asked;
          await assert.rejects(page.client.publish('a', 1), { code: 'closed' });
          await assert.rejects(page.subscribe('b').ready, { code: 'closed' });
          assert.deepEqual(await sub.ready, { epoch: 'E1', offset: 41 });
          await stays(() => server.sockets.length === 1, 100, 'away');
        });
      }

      for (const code of [1000, 1001, 1011, 1012, 1013, 4000, 4001, 4008, 4029, 4499]) {
        test(`after ${code}`, async (t) => {
          const { server, page, peer } = await served(t);
          peer.close(code, 'for now');
          const waiting = await page.state('waiting');
          assert.deepEqual([waiting.code, waiting.reason], [code, 'for now']);
          await server.socket(1);
        });
      }

      test('each time with a token of its own; where there is none it tries again', async (t) => {
        const server = await Scripted.start(t);
        let asked = 0;
        const getToken = async () => {
          if (++asked === 2) throw new Error('the issuer is away');
          return `t${asked}`;
        };
        const page = open(t, server, { getToken });
        const peer = await server.socket(0);
        assert.deepEqual(peer.protocols, ['spillway.v1.json', 'bearer.t1']);
        peer.close(4001, 'token_expired');
        assert.deepEqual((await server.socket(1)).protocols, ['spillway.v1.json', 'bearer.t3']);
        assert.equal((await page.error('connect')).message, 'the issuer is away');
      });

      test('a token that ends is renewed on the way; a refusal is told', async (t) => {
        const { page, peer } = await served(t, { getToken: async () => 'fresh' });
        peer.say({ type: 'expiring', in_ms: 60000 });
        const { id, token } = await peer.asked('refresh');
        assert.equal(token, 'fresh');
        peer.say({ type: 'error', id, error: { code: 'unauthorized', message: 'no', retry: false } });
        await page.error('unauthorized');
        const renewed = page.client.refresh();
        peer.say({ type: 'refreshed', id: (await peer.asked('refresh')).id, expires_in: 60 });
        await renewed;
      });
    });

    describe('requests', () => {
      test('a publish waits for a connection, carries a key, and may be JSON text', async (t) => {
        const server = await Scripted.start(t);
        const page = open(t, server);
        const first = page.client.publish('a', { n: 1 }, { key: 'k' });
        const refusal = { code: 'rate_limited', message: '20/s', retry: true, retryMs: 500 };
        const second = assert.rejects(page.client.publish('a', '1.50', { raw: true }), refusal);
        const peer = await server.socket(0);
        const one = await peer.asked('publish');
        const two = await peer.asked('publish');
        assert.deepEqual([one.topic, one.data, one.key, two.data], ['a', { n: 1 }, 'k', 1.5]);
        peer.say({ type: 'published', id: one.id });
        peer.say({ type: 'error', id: two.id, error: { code: 'rate_limited', message: '20/s', retry: true, retry_ms: 500 } });
        assert.deepEqual(await first, {});
        await second;
        assert.match(peer.bytes.at(-1), /"data":1\.50}$/);
      });

      test('have a deadline, sent or not; a subscribe without an answer is the end of a connection', async (t) => {
        const clock = new HandClock();
        const server = await Scripted.start(t, { welcome: false });
        const page = open(t, server, { clock });
        await clock.advance(0);
        const unsent = assert.rejects(page.client.publish('a', 1), { code: 'timeout', outcome: 'unknown' });
        const peer = await server.socket(0);
        await clock.advance(8000);
        peer.say({ type: 'welcome', heartbeat_ms: 60000 });
        const { id } = await peer.asked('publish');
        assert.ok(id);
        await clock.advance(4000);
        await unsent;
        page.subscribe('a');
        await clock.advance(0);
        await peer.asked('subscribe');
        await clock.advance(12000);
        await page.error('timeout');
        await page.state('waiting');
        const never = assert.rejects(page.client.publish('a', 2), { code: 'timeout', outcome: undefined });
        await clock.advance(20000);
        await never;
      });
    });

    describe('the rest', () => {
      test('what it does not know it ignores; `feed` is told, and over with its node', async (t) => {
        const { server, page, peer } = await served(t);
        peer.say({ type: 'something_new', id: 99, subs: [1] }, { type: 'hb', more: true }, { type: 'msg', topic: 'nobody', data: 1 });
        peer.say({ type: 'feed', state: 'stale', since_ms: 1200 }, { type: 'feed', state: 'live', gap: true });
        peer.say({ type: 'feed', state: 'stale', since_ms: 5 });
        await until(() => page.feeds.length === 3, 5000, 'three words of the feed');
        peer.close(1012);
        await server.socket(1);
        await until(() => page.feeds.length === 4, 5000, 'the end of it');
        assert.deepEqual(page.feeds.map(({ state, sinceMs, gap }) => [state, sinceMs, gap]), [
          ['stale', 1200, undefined],
          ['live', undefined, true],
          ['stale', 5, undefined],
          ['live', undefined, false],
        ]);
        assert.deepEqual(page.errors, []);
      });

      test('bytes that are no JSON end the connection, and it comes back', async (t) => {
        const { server, page, peer } = await served(t);
        peer.socket.send('{"type"');
        await page.state('waiting');
        await server.socket(1);
      });

      test('so does JSON that is no frame, without a fault that nobody catches', async (t) => {
        const { server, page, peer } = await served(t);
        const odd = ['null', '{"type":"subscribed","subs":[null]}', '{"type":"subscribed","subs":5}', '{"type":"drain","reconnect_ms":1}'];
        peer.socket.send(odd[0]);
        for (let i = 1; i <= odd.length; i++) {
          const next = await server.socket(i);
          await next.serve();
          if (odd[i]) next.socket.send(odd[i]);
        }
        assert.equal(page.states.filter(({ state }) => state === 'waiting').length, odd.length);
      });
    });
  });
}

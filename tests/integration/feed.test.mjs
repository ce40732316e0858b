// SPDX-License-Identifier: Apache-2.0
//
// Feed health: clients hear when what they see may be old, and whether they lost something; probes hear of loops that hang. Redis is
// stopped, killed, cut off and misrouted, for a node whose bus shares the worker's loop (one worker) and one whose bus has its own.

import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Redis } from '../harness/redis.mjs';
import { atEnd } from '../harness/scope.mjs';
import { patience, SANITIZED } from '../harness/setting.mjs';
import { pause, until } from '../harness/until.mjs';

const TOLD_WITHIN_MS = 3000;
const RED_WITHIN_MS = 10000;

const stale = ({ type, state }) => type === 'feed' && state === 'stale';
const live = ({ type, state }) => type === 'feed' && state === 'live';
const feeds = (client) => client.frames.filter(({ type }) => type === 'feed').map(({ state, gap }) => (state === 'live' ? `live ${gap}` : state));

// A node whose feed has proved itself, and a client for each kind of subscription.
async function begin(t, { server, url = server.url, workers, args = [] }) {
  const gateway = await Gateway.start(t, ['--bus', url, '--workers', String(workers), ...args]);
  await gateway.counted((metrics) => metrics.get('spillway_bus_lag_seconds') > 0, 'the first pong');
  const clients = {};
  for (const [kind, names] of [
    ['plain', ['feed.a']],
    ['pattern', ['feed.>']],
    ['idle', []],
  ]) {
    clients[kind] = await Client.connect(t, gateway.url);
    if (names.length) await clients[kind].subscribe(...names);
  }
  return { gateway, clients, all: Object.values(clients) };
}

// Everybody hears it, once each, and is still there.
async function heard({ all, clients }, outages) {
  const lost = Array(outages).fill(['stale', 'live true']).flat();
  const kept = Array(outages).fill(['stale', 'live false']).flat();
  await until(() => all.every((client) => feeds(client).length >= 2 * outages), 10000, () => JSON.stringify(all.map(feeds)));
  assert.deepEqual(feeds(clients.plain), lost);
  assert.deepEqual(feeds(clients.pattern), lost);
  assert.deepEqual(feeds(clients.idle), kept, 'who reads nothing lost nothing');
  for (const client of all) assert.equal(client.code, undefined, 'nobody is disconnected');
}

// The next message is told as the first behind a gap of unknown size.
async function goesOn({ gateway, clients }, number) {
  await gateway.publish('feed.a', String(number));
  for (const [client, name] of [
    [clients.plain, 'feed.a'],
    [clients.pattern, 'feed.>'],
  ]) {
    await client.received(name, 2 * number);
    const [dropped, message] = client.of(name).slice(-2);
    assert.equal(dropped.type, 'dropped');
    assert.equal(dropped.reason, 'feed');
    assert.equal(dropped.count, undefined);
    assert.equal(message.data, number);
  }
}

const since = (from) => performance.now() - from;

// Under a sanitizer the two threads are what matters.
for (const workers of SANITIZED ? [2] : [1, 2]) {
  describe(`${workers} worker${workers > 1 ? 's' : ''}`, () => {
    test('Redis stands still for 5 s: stale within 3 s, then live with a gap, and nobody is disconnected', async (t) => {
      const server = await Redis.start(t);
      const node = await begin(t, { server, workers });
      const { gateway, clients } = node;
      const frozen = performance.now();
      server.freeze();
      try {
        const first = gateway.post('/v1/topics/feed.a', '0');
        const told = await clients.plain.next(stale);
        const toldMs = since(frozen);
        assert.ok(toldMs < patience(TOLD_WITHIN_MS), `told after ${toldMs.toFixed(0)} ms`);
        assert.ok(told.since_ms >= 2000 && told.since_ms < toldMs + 1500, `since_ms ${told.since_ms} after ${toldMs}`);
        const metrics = await gateway.counted((seen) => seen.get('spillway_bus_lag_seconds') >= 1, 'the ping waits');
        assert.equal(metrics.get('spillway_feed_stale'), 1);
        assert.equal((await gateway.get('/live')).status, 200);
        const late = await Client.connect(t, gateway.url);
        assert.ok((await late.next(stale)).since_ms > told.since_ms, 'who comes meanwhile hears it behind the welcome');
        assert.equal(late.frames[0].type, 'welcome');

        // What was sent may have been done; what comes after the link was given up was certainly not.
        const unknown = await first;
        const givenUpMs = since(frozen);
        assert.equal(unknown.status, 503);
        assert.equal(unknown.json.error.code, 'bus_unavailable');
        assert.equal(unknown.json.error.outcome, 'unknown');
        const refused = await gateway.post('/v1/topics/feed.a', '0');
        assert.equal(refused.status, 503);
        assert.equal(refused.json.error.outcome, undefined);
        assert.ok(refused.json.error.retry_ms >= 500);
        assert.ok(Number(refused.headers['retry-after']) >= 1);
        const { error } = await clients.idle.request('publish', { topic: 'feed.a', data: 0 });
        assert.deepEqual([error.code, error.retry, error.outcome], ['bus_unavailable', true, undefined]);
        assert.ok(error.retry_ms >= 500);
        await pause(5000 - since(frozen));
        t.diagnostic(`stale told after ${toldMs.toFixed(0)} ms (since_ms ${told.since_ms}), link given up after ${givenUpMs.toFixed(0)} ms`);
      } finally {
        server.thaw();
      }
      const thawed = performance.now();
      await clients.plain.next(live);
      t.diagnostic(`live told ${since(thawed).toFixed(0)} ms after Redis went on`);
      await heard(node, 1);
      await goesOn(node, 1);
      const metrics = await gateway.metrics();
      assert.equal(metrics.get('spillway_feed_stale'), 0);
      assert.ok(metrics.get('spillway_feed_stale_seconds_total') >= 4.9);
      assert.equal(metrics.get('spillway_canaries_lost_total'), 0);
      assert.equal((await gateway.log(({ event, state }) => event === 'feed' && state === 'stale')).level, 'warn');
    });

    test('Redis is killed and started again: stale at once', async (t) => {
      const server = await Redis.start(t);
      const node = await begin(t, { server, workers });
      const killed = performance.now();
      await server.kill();
      const told = await node.clients.plain.next(stale);
      assert.ok(told.since_ms < patience(2500), `since_ms ${told.since_ms}`);
      t.diagnostic(`stale told ${since(killed).toFixed(0)} ms after the kill (since_ms ${told.since_ms})`);
      await server.start();
      const started = performance.now();
      await node.clients.plain.next(live);
      t.diagnostic(`live told ${since(started).toFixed(0)} ms after Redis was back`);
      await heard(node, 1);
      await goesOn(node, 1);
    });

    test('a link that is away for an instant is told, too, every time', async (t) => {
      const server = await Redis.start(t);
      const node = await begin(t, { server, workers });
      const redis = await server.client(t);
      for (let outage = 1; outage <= 3; outage++) {
        const killed = performance.now();
        assert.equal(await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub'), 1);
        const { gap } = await node.clients.plain.next(live);
        assert.equal(gap, true);
        t.diagnostic(`live with a gap ${since(killed).toFixed(0)} ms after the link was cut`);
        await heard(node, outage);
        await goesOn(node, outage);
      }
    });

    test('a topic with history loses nothing, and its readers hear so', async (t) => {
      const server = await Redis.start(t);
      const config = { topics: [{ match: 'kept.>', history: { size: 100 } }] };
      const gateway = await Gateway.start(t, ['--bus', server.url, '--workers', String(workers)], { config });
      const redis = await server.client(t);
      await until(async () => (await gateway.get('/ready')).status === 200, 5000, 'ready');
      const kept = await Client.connect(t, gateway.url);
      const both = await Client.connect(t, gateway.url);
      await kept.subscribe('kept.a');
      await both.subscribe('kept.a', 'feed.a');
      const publish = (n) => redis.command('FCALL', 'spillway_publish', 1, 'kept.a', String(n));
      await publish(1);
      await kept.received('kept.a', 1);
      const killed = redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await Promise.all([killed, publish(2), publish(3)]); /* nobody is subscribed in between */
      assert.deepEqual(await kept.next(live), { type: 'feed', state: 'live', gap: false });
      assert.deepEqual(await both.next(live), { type: 'feed', state: 'live', gap: true });
      for (const client of [kept, both]) {
        const frames = await client.received('kept.a', 3);
        assert.deepEqual(
          frames.map(({ type, data }) => [type, data]),
          [1, 2, 3].map((n) => ['msg', n]),
        );
      }
    });

    test('Redis cuts a node off that does not read: the gap is told', async (t) => {
      const server = await Redis.start(t);
      const node = await begin(t, { server, workers });
      const redis = await server.client(t);
      await redis.command('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1mb 0 0');
      const bus = workers > 1 ? workers : 0; /* the loop behind the last worker's is the bus's */
      assert.equal((await node.gateway.post('/v1/faults/hold', { worker: bus, ms: 3000 })).status, 200);
      const payload = `"${'x'.repeat(200000)}"`;
      const links = async () => (await redis.command('CLIENT', 'LIST', 'TYPE', 'pubsub')).toString().split('\n').filter(Boolean).length;
      await until(
        async () => {
          await redis.publishAll(Array(10).fill(['feed.a', payload]));
          return (await links()) === 0;
        },
        2500,
        'Redis gives the link up',
      );
      await node.clients.plain.next(stale);
      assert.equal((await node.clients.plain.next(live)).gap, true);
      await heard(node, 1);
      await redis.publish('feed.a', '"on"');
      await until(() => node.clients.plain.messages('feed.a').at(-1)?.data === 'on', 10000, 'messages again');
      assert.ok(node.clients.plain.of('feed.a').some(({ type, reason, count }) => type === 'dropped' && reason === 'feed' && count === undefined));
    });

    test('a route that lets pings through and no messages is found by the canary', async (t) => {
      const server = await Redis.start(t);
      const route = await Route.open(t, server.port);
      const node = await begin(t, { server, url: `redis://127.0.0.1:${route.port}`, workers });
      await node.gateway.publish('feed.a', '0');
      await node.clients.plain.received('feed.a', 1);
      const broken = performance.now();
      route.swallows = true;
      const told = await node.clients.plain.next(stale);
      const toldMs = since(broken);
      assert.ok(toldMs < patience(TOLD_WITHIN_MS), `told after ${toldMs.toFixed(0)} ms`);
      assert.ok(told.since_ms >= 2000);
      const { why } = await node.gateway.log(({ event, state }) => event === 'redis_link' && state === 'down');
      assert.match(why, /what is published does not come/);
      const droppedMs = since(broken);
      // Made anew over the same route, the link is no better, and is not taken for better.
      await node.gateway.counted((metrics) => metrics.get('spillway_canaries_lost_total') >= 2, 'given up again', 10000);
      assert.deepEqual(feeds(node.clients.plain), ['stale']);
      route.swallows = false;
      await node.clients.plain.next(live);
      await heard(node, 1);
      t.diagnostic(`stale told after ${toldMs.toFixed(0)} ms, link given up after ${droppedMs.toFixed(0)} ms`);
    });

    test('a loop that hangs turns /live red within 10 s, and no other', async (t) => {
      const gateway = await Gateway.start(t, ['--workers', String(workers)]);
      const role = workers > 1 ? 'bus' : 'worker-0';
      assert.deepEqual((await gateway.get('/live')).json, { status: 'live' });
      const held = performance.now();
      await gateway.post('/v1/faults/hold', { worker: workers > 1 ? workers : 0, ms: 8500 });
      const red = await until(
        async () => {
          const answer = await gateway.get('/live');
          return answer.status === 503 && answer;
        },
        RED_WITHIN_MS,
        'red',
      );
      const redMs = since(held);
      assert.ok(redMs > 4000 && redMs < patience(RED_WITHIN_MS), `red after ${redMs.toFixed(0)} ms`);
      assert.equal(red.json.status, 'stalled');
      assert.deepEqual(
        red.json.loops.map((loop) => loop.role),
        [role],
      );
      assert.ok(red.json.loops[0].since_ms > 4000);
      assert.equal((await gateway.metrics()).get('spillway_loops_stalled'), 1);
      assert.equal((await gateway.log(({ event }) => event === 'loop_stalled')).role, role);
      await until(async () => (await gateway.get('/live')).status === 200, 10000, 'green again');
      assert.equal((await gateway.log(({ event }) => event === 'loop_turns')).role, role);
      assert.equal((await gateway.metrics()).get('spillway_loops_stalled'), 0);
      t.diagnostic(`red after ${redMs.toFixed(0)} ms`);
    });
  });
}

test('with --ready-bus a bus that stays away makes the node unready, and one that has come back waits a little', { skip: SANITIZED && 'takes 17 s' }, async (t) => {
  const server = await Redis.start(t);
  const gateway = await Gateway.start(t, ['--bus', server.url, '--ready-bus', '--workers', '1']);
  await until(async () => (await gateway.get('/ready')).status === 200, 5000, 'ready');
  const killed = performance.now();
  await server.kill();
  await gateway.counted((metrics) => metrics.get('spillway_bus_up') === 0, 'the loss seen');
  assert.deepEqual((await gateway.get('/ready')).json, { status: 'ready', bus: 'down' }, 'not at once');
  const unready = await until(
    async () => {
      const answer = await gateway.get('/ready');
      return answer.status === 503 && answer;
    },
    15000,
    'unready',
  );
  assert.ok(since(killed) >= 9000);
  assert.deepEqual(unready.json, { status: 'stale', bus: 'down' });
  assert.equal((await gateway.get('/live')).status, 200);
  await server.start();
  await gateway.counted((metrics) => metrics.get('spillway_bus_up') === 1, 'the bus back');
  assert.deepEqual((await gateway.get('/ready')).json, { status: 'stale', bus: 'up' }, 'not at once either');
  await until(async () => (await gateway.get('/ready')).status === 200, 10000, 'ready again');
});

// A way to Redis that, when it is told to, loses every `message` and nothing else.
class Route {
  swallows = false;

  static open(t, to) {
    const route = new Route();
    const server = net.createServer((near) => {
      const far = net.connect(to, '127.0.0.1');
      near.pipe(far);
      far.on('data', (chunk) => near.write(route.swallows ? withoutMessages(chunk) : chunk));
      for (const [one, other] of [
        [near, far],
        [far, near],
      ]) {
        one.on('error', () => other.destroy());
        one.on('close', () => other.destroy());
      }
    });
    atEnd(t, () => server.close());
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        route.port = server.address().port;
        resolve(route);
      });
    });
  }
}

const withoutMessages = (chunk) =>
  Buffer.from(chunk.toString('latin1').replace(/\*3\r\n\$7\r\nmessage\r\n\$\d+\r\n[^\r]*\r\n\$\d+\r\n[^\r]*\r\n/g, ''), 'latin1');

// SPDX-License-Identifier: Apache-2.0
//
// Truth when Redis is away: whatever becomes of the server and its data, a client goes on exactly where it was, or hears that it
// cannot. Two nodes, clients on both; what each holds in the end is compared with what Redis holds.

import assert from 'node:assert/strict';
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { History, Keepers } from '../harness/keepers.mjs';
import { Redis, Resp } from '../harness/redis.mjs';
import { atEnd } from '../harness/scope.mjs';
import { size } from '../harness/setting.mjs';
import { pause, until } from '../harness/until.mjs';

const CLIENTS = size({ long: 500, short: 60, sanitized: 20 });
const TOPICS = ['h.0', 'h.1', 'h.2'];
const config = { topics: [{ match: 'h.>', history: { size: 20000, ttl_ms: 600000 } }] };
const ALWAYS = ['--appendonly', 'yes', '--appendfsync', 'always'];
const EVERYSEC = ['--appendonly', 'yes', '--appendfsync', 'everysec'];

async function site(t, redisArgs, { nodes: count = 2 } = {}) {
  const redis = await Redis.start(t, redisArgs);
  const nodes = [];
  for (let at = 0; at < count; at++) nodes.push(await Gateway.start(t, ['--bus', redis.url, '--workers', at ? '2' : '1'], { config }));
  const history = new History(await redis.client(t), TOPICS);
  await until(() => history.publish(TOPICS[0]), 10000, 'the function loaded by a node');
  const keepers = await Keepers.start(t, { urls: nodes.map(({ url }) => url), topics: TOPICS, count: CLIENTS, threads: 1 });
  const here = { redis, nodes, history, keepers };
  await rounds(here, 20);
  await level(here);
  return here;
}

async function rounds({ history }, count) {
  for (let at = 0; at < count; at++) await history.round();
}

// Everybody has all that there is.
async function level({ history, keepers }) {
  const truth = await history.truth();
  await keepers.caughtUp(truth);
  return truth;
}

async function again(t, { redis, history }) {
  await redis.start();
  history.client = await redis.client(t);
}

const up = (nodes) => Promise.all(nodes.map((node) => node.busUp()));
const down = (nodes) => Promise.all(nodes.map((node) => node.counted((metrics) => metrics.sum('spillway_bus_up') === 0, 'the loss seen')));

async function assertExact({ history, keepers }, truth) {
  const { received, ...bad } = await keepers.compare(truth);
  const said = await keepers.said();
  assert.deepEqual(said.faults, []);
  assert.deepEqual({ ...bad, resets: said.resets, refusals: said.refusals }, {
    ...{ clients: CLIENTS, told: 0, doubles: 0, wrong: 0, lost: 0 },
    ...{ resets: [], refusals: [] },
  });
  assert.ok(received >= CLIENTS, String(history.refused));
  return said;
}

async function feedsTold(keepers, since) {
  const { feeds } = await keepers.said();
  return feeds.filter(({ at }) => at >= since);
}

for (const [words, args] of [
  ['always', ALWAYS],
  ['everysec', EVERYSEC],
]) {
  test(`redis-server killed and restarted with its data (${words}): nobody is reset, also not by the death of a node after it`, async (t) => {
    const here = await site(t, args);
    const { redis, nodes, history, keepers } = here;
    const began = Date.now();
    await redis.kill();
    await down(nodes);
    await again(t, here);
    const returned = performance.now();
    await up(nodes);
    await rounds(here, 20);
    const truth = await level(here);
    const healedMs = performance.now() - returned;
    const said = await assertExact(here, truth);
    assert.deepEqual(Object.keys(said.closes), [], 'nobody was disconnected');
    assert.equal(said.connects, CLIENTS);
    const feeds = await feedsTold(keepers, began);
    assert.equal(feeds.filter(({ state }) => state === 'live').length, CLIENTS);
    assert.ok(feeds.every(({ state, gap }) => state !== 'live' || gap === false), 'history healed, nothing else was subscribed');

    nodes[0].exitCode = null;
    nodes[0].signal('SIGKILL');
    await nodes[0].exited;
    await rounds(here, 5);
    await assertExact(here, await level(here));
    assert.equal(history.refused, 0);
    t.diagnostic(`healed ${Math.round(healedMs)} ms after the server was back`);
    await keepers.end();
  });
}

test('redis-server restarted without its data: an exact reset, and the stream goes on', async (t) => {
  const here = await site(t, []);
  const { redis, nodes, history, keepers } = here;
  await redis.kill();
  await down(nodes);
  await again(t, here);
  await up(nodes);
  const back = await until(() => history.publish(TOPICS[0]), 10000, 'the function loaded again');
  await rounds(here, 30); // beyond the offsets that everybody had
  await keepers.caughtUp(await history.truth());
  const said = await keepers.said();
  assert.deepEqual(said.faults, []);
  assert.equal(said.resets.length + said.refusals.length, CLIENTS * 2, 'each subscription was reset, once');
  assert.ok(said.resets.every(({ to, at }) => to <= 1 && at >= 20), JSON.stringify(said.resets[0]));
  assert.equal(back.offset, 1);
  const { wrong, lost, doubles } = await keepers.compare(await history.truth());
  assert.deepEqual({ wrong, lost, doubles }, { wrong: 0, lost: 0, doubles: 0 });
  await keepers.end();
});

// The newest file that grows with each write.
function appendFile(redis) {
  const folder = join(redis.directory, 'appendonlydir');
  const name = readdirSync(folder).find((file) => file.endsWith('incr.aof'));
  return join(folder, name);
}

test('acknowledged writes lost by a power failure: only who had seen them is reset, also when the offsets have been passed', async (t) => {
  const here = await site(t, EVERYSEC);
  const { redis, nodes, history, keepers } = here;
  const common = await history.truth();
  const kept = statSync(appendFile(redis)).size;
  const topic = TOPICS[0];
  const { epoch } = history.acknowledged.findLast((one) => one.topic === topic);
  const topOf = (truth, name) => truth[name].base + truth[name].numbers.length - 1;
  const offset = topOf(common, topic);
  await rounds(here, 5);
  await level(here);
  await redis.kill();
  truncateSync(appendFile(redis), kept);
  await again(t, here);
  await up(nodes);
  await rounds(here, 12); // 5 offsets are handed out again, and passed
  const truth = await history.truth();
  await keepers.caughtUp(truth);
  const said = await keepers.said();
  assert.deepEqual(said.faults, []);
  assert.equal(said.resets.length, CLIENTS * 2, 'everybody had seen what was lost');
  const exact = ({ topic: name, at, to }) => at === topOf(common, name) + 5 && to >= topOf(common, name) && to < at;
  assert.ok(said.resets.every(exact), JSON.stringify(said.resets.find((one) => !exact(one))));
  const { wrong, lost, doubles } = await keepers.compare(truth);
  assert.deepEqual({ wrong, lost, doubles }, { wrong: 0, lost: 0, doubles: 0 });

  const returning = await Client.connect(t, nodes[1].url);
  const entries = await returning.subscribe({ topic, from: { epoch, offset } });
  assert.equal(entries[topic].resumed, true, 'who had seen only what survived goes on');
  assert.equal(entries[topic].replay, topOf(truth, topic) - offset);
  const ahead = await Client.connect(t, nodes[1].url);
  const refused = await ahead.subscribe({ topic, from: { epoch, offset: offset + 5 } });
  assert.deepEqual([refused[topic].resumed, refused[topic].why], [false, 'epoch'], 'who had seen what was lost does not');
  await keepers.end();
});

test('a replica that lags is promoted: only who had seen what it lacks is reset', async (t) => {
  const here = await site(t, []);
  const { redis, nodes, history, keepers } = here;
  const replica = await Redis.start(t, ['--replicaof', '127.0.0.1', String(redis.port)]);
  const second = await replica.client(t);
  const synced = async () => /master_link_status:up/.test(String(await second.command('INFO', 'replication')));
  await until(synced, 10000, 'the replica in step');
  await until(async () => (await second.command('XLEN', `{${TOPICS[0]}}:h`)) >= 20, 5000, 'the data there');
  const common = await history.truth();
  await second.command('REPLICAOF', 'NO', 'ONE'); // from now on it lacks what follows
  await rounds(here, 5);
  await level(here);

  // The address now leads to the other: the old master is gone, a new one with the other's data listens there.
  await redis.kill();
  await second.command('SAVE');
  await replica.stop();
  redis.directory = replica.directory;
  replica.directory = undefined;
  await again(t, here);
  await up(nodes);
  await rounds(here, 10);
  const truth = await history.truth();
  await keepers.caughtUp(truth);
  const said = await keepers.said();
  assert.deepEqual(said.faults, []);
  assert.equal(said.resets.length, CLIENTS * 2);
  assert.ok(said.resets.every(({ topic, at }) => at === common[topic].base + common[topic].numbers.length - 1 + 5));
  const { wrong, lost, doubles } = await keepers.compare(truth);
  assert.deepEqual({ wrong, lost, doubles }, { wrong: 0, lost: 0, doubles: 0 });
  await keepers.end();
});

test('Redis stands still for 5 s: stale is told within 3 s, then live, and nothing is lost or closed', async (t) => {
  const here = await site(t, []);
  const { redis, nodes, keepers } = here;
  const plain = await Client.connect(t, nodes[0].url);
  await plain.subscribe('plain.a', 'plain.>');
  const began = Date.now();
  redis.freeze();
  atEnd(t, () => redis.thaw());
  const stale = await plain.next('feed', 5000);
  const staleMs = Date.now() - began;
  assert.equal(stale.state, 'stale');
  assert.ok(Number.isInteger(stale.since_ms) && stale.since_ms <= staleMs + 500, JSON.stringify(stale));
  assert.ok(staleMs <= 3000 + 500, `told after ${staleMs} ms`);
  await pause(Math.max(0, 5000 - staleMs));
  redis.thaw();
  const live = await plain.next('feed', 15000);
  assert.deepEqual([live.state, live.gap], ['live', true]);
  const liveMs = Date.now() - began;
  await rounds(here, 10);
  const said = await assertExact(here, await level(here));
  assert.deepEqual(Object.keys(said.closes), []);
  const feeds = await feedsTold(keepers, began);
  assert.equal(feeds.filter(({ state }) => state === 'stale').length, CLIENTS);
  assert.ok(feeds.filter(({ state }) => state === 'live').every(({ gap }) => gap === false));
  assert.equal(plain.code, undefined);
  t.diagnostic(`stale after ${staleMs} ms, live after ${liveMs} ms`);
  await keepers.end();
});

test('the subscriber link is killed: it heals at once, history whole, plain topics say that something may be missing', async (t) => {
  const here = await site(t, []);
  const { redis, nodes, history, keepers } = here;
  const plain = await Client.connect(t, nodes[0].url);
  await plain.subscribe('plain.a', 'plain.>');
  const admin = await Resp.connect(redis.port);
  atEnd(t, () => admin.close());
  history.begin(5);
  await pause(200);
  const began = performance.now();
  await admin.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
  const live = await plain.next((frame) => frame.type === 'feed' && frame.state === 'live', 5000);
  const healedMs = performance.now() - began;
  assert.equal(live.gap, true);
  await pause(200);
  await history.stop();
  const said = await assertExact(here, await level(here));
  assert.deepEqual(Object.keys(said.closes), []);
  await redis.client(t).then((client) => client.publish('plain.a', '1'));
  const [gap, message] = await plain.received('plain.a', 2);
  assert.deepEqual([gap.type, gap.count, gap.reason], ['dropped', undefined, 'feed'], 'told exactly where it may be');
  assert.equal(message.data, 1);
  t.diagnostic(`healed after ${Math.round(healedMs)} ms`);
  await keepers.end();
});

test('Redis ends the subscriber for its output buffer: history heals, plain topics hear of it', async (t) => {
  const here = await site(t, ['--client-output-buffer-limit', 'pubsub 4mb 2mb 1'], { nodes: 2 });
  const { redis, nodes, history, keepers } = here;
  const plain = await Client.connect(t, nodes[0].url);
  await plain.subscribe('plain.a');
  const admin = await redis.client(t);
  const subscribers = async () => (String(await admin.command('CLIENT', 'LIST', 'TYPE', 'pubsub')).match(/^id=/gm) ?? []).length;
  const before = await subscribers();
  nodes[0].signal('SIGSTOP');
  atEnd(t, () => nodes[0].exit || nodes[0].signal('SIGCONT'));
  const block = Buffer.alloc(100_000, 0x61);
  await until(
    async () => {
      for (let at = 0; at < 20; at++) await admin.publish('plain.a', block);
      await rounds(here, 1);
      return (await subscribers()) < before;
    },
    20000,
    'the subscriber ended by Redis',
  );
  nodes[0].signal('SIGCONT');
  const live = await plain.next((frame) => frame.type === 'feed' && frame.state === 'live', 10000);
  assert.equal(live.gap, true);
  await rounds(here, 5);
  const said = await assertExact(here, await level(here));
  assert.deepEqual(Object.keys(said.closes), []);
  assert.equal(history.refused, 0);
  await keepers.end();
});

// SPDX-License-Identifier: Apache-2.0
//
// Two releases side by side on one Redis, as deploy/UPGRADING.md says. The later one is the same tree under another version and with
// a later function library (`spillway_next` in CMakeLists.txt): what a release brings is tested in its own place, here is what comes
// of there being two.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { before, describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway, run } from '../harness/gateway.mjs';
import { Page, SOURCE } from '../harness/page.mjs';
import { Redis } from '../harness/redis.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { BINARY, ROOT } from '../harness/setting.mjs';
import { until, within } from '../harness/until.mjs';

const { Spillway } = await import(SOURCE);
const NEXT = join(dirname(BINARY), 'spillway_next');
const VERSION = /project\(spillway VERSION (\S+)/.exec(readFileSync(`${ROOT}CMakeLists.txt`, 'utf8'))[1];
const LIBRARY = Number(/^local VERSION = (\d+)/m.exec(readFileSync(`${ROOT}deploy/redis/spillway.lua`, 'utf8'))[1]);
const config = {
  topics: [
    { match: 'h.>', history: { size: 1000, ttl_ms: 60000 } },
    { match: 'r.>', retain: true, retain_key: 'last:{topic}' },
  ],
};

before(async () => {
  const child = spawn('cmake', ['--build', dirname(BINARY), '--target', 'spillway_next'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const ended = new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  assert.equal(await within(ended, 120000, () => said), 0, said);
});

const start = async (owner, url, binary) => {
  const node = await Gateway.start(owner, ['--bus', url, '--drain-ms', '6000', '--workers', '2'], { config, binary });
  await node.busUp();
  return node;
};
const startOld = (owner, url) => start(owner, url, BINARY);
const startNext = (owner, url) => start(owner, url, NEXT);

// Waits until a node has said that it found or loaded this one.
const libraryIs = (node, version) =>
  node.log(({ event, why }) => event === 'redis_library' && why === `version ${version} is loaded`, `library ${version}`);

const position = ({ position }) => {
  const [epoch, offset] = position.split(':');
  return { epoch, offset: Number(offset) };
};

const numbers = (last) => Array.from({ length: last }, (_, at) => at + 1);

// The nodes' strings are subscribed: what one says reaches the other.
const disconnect = async (node, body) => (await node.post('/v1/disconnect', body)).json;
const hearing = (nodes) =>
  Promise.all(
    nodes.map((node) => until(async () => (await disconnect(node, { session: 'nobody' })).answered === nodes.length, 10000, 'the other node')),
  );

describe('side by side', () => {
  const scope = suiteScope();
  let redis;
  let nodes;
  let pairs;
  before(async () => {
    redis = await Redis.start(scope);
    const old = await startOld(scope, redis.url);
    const next = await startNext(scope, redis.url);
    nodes = { old, next };
    pairs = { 'old to next': [old, next], 'next to old': [next, old] };
    await hearing([old, next]);
  });

  test('each says which it is', async () => {
    for (const [name, version] of [['old', VERSION], ['next', `${VERSION}-next`]]) {
      const node = nodes[name];
      assert.equal((await node.metrics()).sum('spillway_build_info', { version }), 1);
      assert.equal((await node.log(({ event }) => event === 'starting')).version, version);
    }
  });

  for (const pair of ['old to next', 'next to old']) {
    const topic = (kind) => `${kind}.${pair.replaceAll(' ', '-')}`;

    test(`messages, from ${pair}`, async (t) => {
      const [from, to] = pairs[pair];
      const client = await Client.connect(t, to.url);
      for (const kind of ['plain', 'r', 'h']) {
        await client.subscribe(topic(kind));
        await from.publish(topic(kind), '{"n": 1}', { 'spillway-key': 'k' });
        const [message] = await client.received(topic(kind), 1);
        assert.match(message.raw, /"data":\{"n": 1\}/);
        assert.equal(message.key, 'k');
      }
    });

    test(`what is retained, from ${pair}`, async (t) => {
      const [from, to] = pairs[pair];
      const last = async (kind) => (await Client.connect(t, to.url)).subscribe({ topic: topic(kind), last: 1 });
      const reader = await Client.connect(t, to.url);
      await reader.subscribe(topic('r.read'));
      for (const kind of ['r.read', 'r.unread']) await from.publish(topic(kind), '7');
      await reader.received(topic('r.read'), 1);
      assert.equal((await last('r.read'))[topic('r.read')].replay, 1);
      assert.equal((await last('r.unread'))[topic('r.unread')].replay, 0, 'it was not read there, and the publisher set no key');
      await (await redis.client(t)).command('SET', `last:${topic('r.keyed')}`, '7');
      assert.equal((await last('r.keyed'))[topic('r.keyed')].replay, 1);
    });

    test(`a history and its positions, from ${pair}`, async (t) => {
      const [from, to] = pairs[pair];
      const name = topic('h.kept');
      const [first] = [position(await from.publish(name, '1')), await from.publish(name, '2'), await to.publish(name, '3')];
      const client = await Client.connect(t, to.url);
      const { [name]: entry } = await client.subscribe({ topic: name, from: first });
      assert.deepEqual(entry, { topic: name, epoch: first.epoch, offset: 3, resumed: true, replay: 2 });
      await client.received(name, 2);
      await from.publish(name, '4');
      assert.deepEqual((await client.received(name, 3)).map(({ data }) => data), [2, 3, 4]);
      const kept = async (node) => (await node.get(`/v1/topics/${name}/history`)).json;
      assert.deepEqual(await kept(from), await kept(to));
    });

    test(`a publish that is sent again to the other is published once, ${pair}`, async (t) => {
      const [from, to] = pairs[pair];
      const headers = { 'idempotency-key': 'once' };
      const client = await Client.connect(t, to.url);
      await client.subscribe(topic('h.once'));
      const { position } = await from.publish(topic('h.once'), '1', headers);
      assert.equal((await to.publish(topic('h.once'), '1', headers)).position, position);
      await to.publish(topic('h.once'), '2');
      assert.deepEqual((await client.received(topic('h.once'), 2)).map(({ data }) => data), [1, 2]);
    });

    test(`an order of an operator, from ${pair}`, async (t) => {
      const [from, to] = pairs[pair];
      const clients = [await Client.connect(t, from.url), await Client.connect(t, to.url)];
      for (const client of clients) await client.subscribe(topic('orders'));
      assert.deepEqual(await disconnect(from, { topic: topic('orders') }), { disconnected: 2, nodes: 2, answered: 2 });
      for (const client of clients) assert.equal((await within(client.closed, 10000, 'the close')).code, 4000);
    });
  }
});

describe('the function library', () => {
  const loaded = async (redis, t) => (await redis.client(t)).command('FCALL', 'spillway_version', 0);

  test('of a later release replaces that of an earlier, under clients that miss nothing; and is never replaced by it', async (t) => {
    const redis = await Redis.start(t);
    const old = await startOld(t, redis.url);
    const client = await Client.connect(t, old.url);
    await client.subscribe('h.a');
    const first = position(await old.publish('h.a', '1'));
    await libraryIs(old, LIBRARY);
    assert.equal(await loaded(redis, t), LIBRARY);

    const next = await startNext(t, redis.url);
    await libraryIs(next, LIBRARY + 1);
    assert.equal(await loaded(redis, t), LIBRARY + 1);
    await old.publish('h.a', '2');
    const third = position(await next.publish('h.a', '3'));
    assert.notEqual(third.epoch, first.epoch, 'a library that is loaded anew draws new names');
    assert.deepEqual((await client.received('h.a', 3)).map(({ data, type }) => data ?? type), [1, 2, 3]);
    assert.deepEqual(client.frames.filter(({ type }) => type === 'reset' || type === 'dropped'), []);

    // One that comes later, as in a rollout that is taken back.
    const late = await startOld(t, redis.url);
    await libraryIs(late, LIBRARY + 1);
    await late.publish('h.a', '4');
    assert.equal(await loaded(redis, t), LIBRARY + 1);
    for (const node of [old, next, late]) {
      const back = await Client.connect(t, node.url);
      const { 'h.a': entry } = await back.subscribe({ topic: 'h.a', from: first });
      assert.deepEqual(entry, { topic: 'h.a', epoch: third.epoch, offset: 4, resumed: true, replay: 3 });
    }
  });

  test('of an earlier release serves a later one whose user may not load its own, and the log names the right', async (t) => {
    const redis = await Redis.start(t);
    const old = await startOld(t, redis.url);
    await old.publish('h.a', '1');
    await (await redis.client(t)).command('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all', '-function|load');
    const next = await startNext(t, redis.url.replace('//', '//app:secret@'));
    const refused = await next.log(({ event, state }) => event === 'redis_library' && state === 'refused', 'a refusal');
    assert.equal(refused.fix, 'an older version serves; to replace it: the right +function|load');
    assert.equal(position(await next.publish('h.a', '2')).offset, 2);
    assert.equal(await loaded(redis, t), LIBRARY);
  });

  test('is put back by whoever publishes first where it was deleted', async (t) => {
    const redis = await Redis.start(t);
    const next = await startNext(t, redis.url);
    await next.publish('h.a', '1');
    await next.stop();
    await (await redis.client(t)).command('FUNCTION', 'DELETE', 'spillway');
    const old = await startOld(t, redis.url);
    const { offset } = position(await old.publish('h.a', '2'));
    assert.equal(offset, 2);
    assert.equal(await loaded(redis, t), LIBRARY);
  });
});

test('a setting of a later release keeps an earlier one from starting, and is named', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-versions-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'config.json');
  writeFileSync(file, '{"of_tomorrow": 1}');
  for (const [args, name] of [
    [['--of-tomorrow', '1'], /--of-tomorrow/],
    [['--config', file], /"of_tomorrow"/],
  ]) {
    const { code, stderr } = await run(['serve', ...args]);
    assert.equal(code, 2);
    assert.match(stderr, name);
  }
});

for (const transport of ['ws', 'sse']) {
  test(`an upgrade and the way back under a client over ${transport}`, async (t) => {
    const redis = await Redis.start(t);
    const balancer = { home: await startOld(t, redis.url) };
    const page = Page.behind(t, Spillway, balancer, transport);
    await Promise.all(['h.a', 'plain'].map((topic) => page.subscribe(topic).ready));
    let sent = 0;
    const publish = async (node) => {
      sent++;
      for (const topic of ['h.a', 'plain']) await node.publish(topic, `${sent}`);
    };
    const moves = () => page.states.filter(({ handover }) => handover).length;
    for (const startOne of [startNext, startOld]) {
      const leaving = balancer.home;
      const coming = await startOne(t, redis.url);
      await publish(leaving);
      balancer.home = coming;
      const moved = moves();
      await leaving.post('/v1/drain');
      await until(async () => (await publish(coming)) ?? moves() > moved, 15000, 'the move');
      await publish(coming);
      await until(() => ['h.a', 'plain'].every((topic) => page.data(topic).at(-1) === sent), 10000, 'the newest');
      assert.equal((await within(leaving.exited, 15000, 'the end of the drain')).code, 0);
    }
    assert.deepEqual(page.data('h.a'), numbers(sent));
    assert.deepEqual(page.gaps.filter(({ topic }) => topic === 'h.a'), []);
    const plain = page.data('plain');
    assert.deepEqual(plain, [...new Set(plain)].sort((a, b) => a - b), 'in order, none twice');
    assert.equal(page.gaps.filter(({ reason }) => reason === 'handover').length, 2, 'what may be missing on a plain topic is told');
  });
}

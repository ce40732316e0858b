// SPDX-License-Identifier: Apache-2.0
//
// One of three workers stands still: the others and the bus go on, and its own clients miss nothing that they are not told of.
// The standstill is a fault that test builds offer on the admin listener.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Redis } from '../harness/redis.mjs';
import { size } from '../harness/setting.mjs';
import { pause, until } from '../harness/until.mjs';

const CLIENTS = 24;
const HOLD_MS = size({ long: 5000, short: 3000, sanitized: 5000 });
const INBOX_BYTES = 16 << 20;
const ROOM_BYTES = 64 << 20;
const WORKER = 1;

const hold = (gateway, ms) => gateway.post('/v1/faults/hold', { worker: WORKER, ms });

// Who is on the held worker: those who do not answer while it stands still.
async function split(gateway, clients) {
  const ms = size({ long: 1000, short: 1000, sanitized: 3000 });
  await hold(gateway, ms);
  const quick = new Set();
  const pings = clients.map((client) => client.flushed().then(() => quick.add(client)));
  await pause(ms / 2);
  const free = clients.filter((client) => quick.has(client));
  const held = clients.filter((client) => !quick.has(client));
  await Promise.all(pings);
  assert.ok(held.length > 0 && free.length > 0, `${held.length} held, ${free.length} free`);
  return { held, free };
}

async function start(t) {
  const server = await Redis.start(t);
  // Nobody is slow here, whatever waited meanwhile.
  const marks = { queue_low_bytes: ROOM_BYTES, queue_high_bytes: ROOM_BYTES, max_queued_bytes: ROOM_BYTES, queue_high_messages: 1_000_000 };
  const gateway = await Gateway.start(t, ['--bus', server.url, '--workers', '3'], { config: marks });
  if ((await hold(gateway, 0)).status === 404) {
    t.skip('this build has no faults');
    return undefined;
  }
  const clients = [];
  for (let count = 0; count < CLIENTS; count++) {
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('held.a', 'held.>');
    clients.push(client);
  }
  return { gateway, redis: await server.client(t), ...(await split(gateway, clients)) };
}

test('a held worker stops neither the others nor the reading of Redis, and its clients get everything afterwards', async (t) => {
  const scene = await start(t);
  if (!scene) return;
  const { gateway, redis, held, free } = scene;
  const taken = async () => (await gateway.metrics()).sum('spillway_messages_total', { bus: 'redis' });
  const before = await taken();

  const released = performance.now() + HOLD_MS;
  await hold(gateway, HOLD_MS);
  const count = 500;
  await redis.publishAll(Array.from({ length: count }, (_, n) => ['held.a', `{"n":${n}}`]));
  await Promise.all(free.flatMap((client) => ['held.a', 'held.>'].map((name) => client.received(name, count))));
  assert.ok(performance.now() < released, 'the free got everything while the other worker was held');
  assert.ok(
    held.every((client) => client.of('held.a').length < count),
    'the held are held',
  );
  // A channel and a pattern bring each message twice.
  assert.equal((await taken()) - before, 2 * count, 'Redis was read to the end');
  assert.equal((await gateway.get('/ready')).status, 200);

  await Promise.all(held.flatMap((client) => ['held.a', 'held.>'].map((name) => client.received(name, count, HOLD_MS + 10000))));
  for (const client of [...held, ...free]) {
    for (const name of ['held.a', 'held.>']) {
      assert.deepEqual(
        client.of(name).map(({ data }) => data?.n),
        Array.from({ length: count }, (_, n) => n),
      );
    }
  }
});

test('what does not fit into the inbox of a held worker is told to its clients as node, in place', async (t) => {
  const scene = await start(t);
  if (!scene) return;
  const { gateway, redis, held, free } = scene;
  // One held client reads a topic of large messages, so that they fill its worker's inbox; nobody else has to carry them.
  const glutton = held[0];
  await glutton.subscribe('glut');
  await hold(gateway, HOLD_MS);

  const total = 300;
  // Together larger than the room that one large message leaves in a full inbox.
  const pad = 'x'.repeat(4000);
  const numbers = (from, to) => Array.from({ length: to - from }, (_, at) => ['held.a', `{"n":${from + at},"pad":"${pad}"}`]);
  await redis.publishAll(numbers(0, 100));
  const payload = `"${'x'.repeat(200_000)}"`;
  for (let sent = 0; sent < 1.5 * INBOX_BYTES; sent += 10 * payload.length)
    await redis.publishAll(new Array(10).fill(['glut', payload]));
  await redis.publishAll(numbers(100, 200));
  await Promise.all(free.map((client) => client.received('held.a', 200)));
  assert.ok(
    held.every((client) => client.of('held.a').length === 0),
    'the held were held all the time',
  );
  await until(async () => (await gateway.metrics()).sum('spillway_overflow_total') > 0, 5000, 'an overflow counted');
  const probe = held[1] ?? glutton;
  await probe.received('held.a', 1, HOLD_MS + 10000);
  await redis.publishAll(numbers(200, total));

  for (const client of free) {
    await client.received('held.a', total);
    assert.deepEqual(
      client.of('held.a').map(({ data }) => data.n),
      Array.from({ length: total }, (_, n) => n),
    );
  }
  for (const client of held) {
    if (client === glutton) continue;
    await until(() => client.messages('held.a').at(-1)?.data.n === total - 1, 10000, 'the last message');
    let next = 0;
    let told = 0;
    for (const frame of client.of('held.a')) {
      if (frame.type === 'dropped') {
        assert.equal(frame.reason, 'node');
        told += frame.count;
        next += frame.count;
      } else {
        assert.equal(frame.data.n, next++, 'the gap stands exactly where it happened');
      }
    }
    assert.equal(next, total);
    assert.ok(told > 0, 'something was told');
  }
  // The glutton was owed 24 MB at once: it got them, was told, or was closed as slow, but never left in the dark.
  if (glutton.code === undefined) {
    const told = () => glutton.of('glut').reduce((sum, { type, count }) => sum + (type === 'msg' ? 1 : count), 0);
    await until(
      () => glutton.code !== undefined || told() === Math.ceil((1.5 * INBOX_BYTES) / (10 * payload.length)) * 10,
      10000,
      'the glutton served',
    );
  }
  assert.ok(glutton.code === undefined || glutton.code === 4030, `closed by ${glutton.code}`);
  const metrics = await gateway.counted(({ law }) => law.holds, 'the law');
  assert.ok(metrics.sum('spillway_shed_total', { reason: 'node' }) > 0);
});

// SPDX-License-Identifier: Apache-2.0
//
// Two nodes and one real Redis: what backends publish, what stands on the channels, and what happens when Redis is away.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { RawSocket } from '../harness/raw.mjs';
import { Redis, freePort } from '../harness/redis.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { stays, until, within } from '../harness/until.mjs';

const RS = '\x1e';

const numsub = async (redis, channel) => (await redis.command('PUBSUB', 'NUMSUB', channel))[1];

describe('two nodes on one Redis', () => {
  const scope = suiteScope();
  let server;
  let redis;
  let nodes;
  before(async () => {
    server = await Redis.start(scope);
    redis = await server.client(scope);
    nodes = await Promise.all(
      [0, 1].map(() => Gateway.start(scope, ['--bus', server.url, '--workers', '2', '--unsubscribe-delay-ms', '200'])),
    );
    for (const node of nodes) await node.busUp();
  });

  // One client on each node, subscribed alike.
  const pair = async (t, ...subs) => {
    const clients = await Promise.all(nodes.map((node) => Client.connect(t, node.url)));
    for (const client of clients) {
      for (const [name, { error }] of Object.entries(await client.subscribe(...subs))) assert.equal(error, undefined, name);
    }
    return clients;
  };
  // What Redis itself carries on a channel.
  const tap = async (t, channel) => {
    const seen = [];
    const connection = await server.client(t);
    await connection.subscribe('SUBSCRIBE', channel, ({ payload }) => seen.push(payload));
    return seen;
  };

  test('a plain PUBLISH reaches the clients of both nodes, byte for byte and in order', async (t) => {
    const clients = await pair(t, 'r.orders');
    const payloads = Array.from({ length: 500 }, (_, n) => `{"n":${n}, "e":"\\u00e9"}`);
    await redis.publishAll(payloads.map((payload) => ['r.orders', payload]));
    for (const client of clients) {
      await client.received('r.orders', 500);
      assert.deepEqual(
        client.of('r.orders').map(({ raw }) => raw),
        payloads.map((payload) => `{"type":"msg","topic":"r.orders","data":${payload}}`),
      );
    }
    for (const node of nodes) assert.ok((await node.metrics()).sum('spillway_messages_total', { bus: 'redis' }) >= 500);
  });

  test('what one node publishes goes through Redis, raw, and comes back to both', async (t) => {
    const clients = await pair(t, 'r.raw');
    const seen = await tap(t, 'r.raw');
    assert.deepEqual(await nodes[0].publish('r.raw', '{"a": 1.0}'), { topic: 'r.raw' });
    assert.equal((await clients[1].request('publish', { topic: 'r.raw', data: { b: 2 } })).type, 'published');
    for (const client of clients) {
      await client.received('r.raw', 2);
      assert.deepEqual(
        client.of('r.raw').map(({ raw }) => raw),
        ['{"type":"msg","topic":"r.raw","data":{"a": 1.0}}', '{"type":"msg","topic":"r.raw","data":{"b":2}}'],
      );
    }
    await until(() => seen.length === 2, 5000, 'both on the channel');
    assert.deepEqual(seen.map(String), ['{"a": 1.0}', '{"b":2}']);
  });

  test('a batch over HTTP keeps its order through Redis', async (t) => {
    const [client] = await pair(t, 'r.batch');
    const answer = await nodes[1].post(
      '/v1/publish',
      Array.from({ length: 1000 }, (_, n) => ({ topic: 'r.batch', data: n })),
    );
    assert.ok(answer.json.results.every(({ error }) => !error));
    await client.received('r.batch', 1000);
    assert.deepEqual(
      client.of('r.batch').map(({ data }) => data),
      Array.from({ length: 1000 }, (_, n) => n),
    );
  });

  test('subscribed comes only after Redis knows the channel', async (t) => {
    const client = await Client.connect(t, nodes[0].url);
    for (let n = 0; n < 20; n++) {
      await client.subscribe(`r.known.${n}`);
      assert.equal(await numsub(redis, `r.known.${n}`), 1);
    }
    const patterns = await redis.command('PUBSUB', 'NUMPAT');
    await client.subscribe('r.known.>');
    assert.equal(await redis.command('PUBSUB', 'NUMPAT'), patterns + 1);
  });

  test('while Redis is silent, subscribed waits, and unsubscribing cancels it', async (t) => {
    const client = await Client.connect(t, nodes[0].url);
    server.freeze();
    try {
      client.send('{"type":"subscribe","id":901,"subs":[{"topic":"r.waits"}]}');
      client.send('{"type":"subscribe","id":902,"subs":[{"topic":"r.cancelled"}]}');
      client.send('{"type":"unsubscribe","id":903,"topics":["r.cancelled"]}');
      const cancelled = await client.next((frame) => frame.id === 902);
      assert.equal(cancelled.subs[0].error.code, 'cancelled');
      assert.equal((await client.next((frame) => frame.id === 903)).type, 'unsubscribed');
      await stays(() => !client.frames.some(({ id }) => id === 901), 500, 'no subscribed while Redis says nothing');
    } finally {
      server.thaw();
    }
    assert.equal((await client.next((frame) => frame.id === 901)).subs[0].error, undefined);
    await redis.publish('r.waits', '1');
    await client.received('r.waits', 1);
  });

  test('a publisher that ends its side behind its requests hears their replies, however late', async (t) => {
    const one = (n) => `POST /v1/topics/r.half HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\n${n}`;
    const [client] = await pair(t, 'r.half');
    server.freeze();
    let raw;
    try {
      raw = await RawSocket.connect(t, nodes[0].adminPort);
      raw.socket.end(one(1) + one(2));
      // Two turns of the admin listener's loop: the end has been read by then, and no reply can have come.
      for (let n = 0; n < 2; n++) assert.equal((await nodes[0].get('/live')).status, 200);
    } finally {
      server.thaw();
    }
    for (let n = 1; n <= 2; n++) {
      assert.equal((await raw.response()).status, 200);
      assert.equal((await client.next('msg')).data, n);
    }
    assert.equal(await within(raw.ended, 5000, 'the end of the connection'), 'end');
  });

  test('one SUBSCRIBE stands for all clients of a node, and ends with the last of them', async (t) => {
    const calls = async () =>
      Number(/cmdstat_subscribe:calls=(\d+)/.exec((await redis.command('INFO', 'commandstats')).toString())?.[1] ?? 0);
    const before = await calls();
    const clients = await Promise.all(Array.from({ length: 10 }, () => Client.connect(t, nodes[0].url)));
    for (const client of clients) await client.subscribe('r.shared');
    assert.equal(await numsub(redis, 'r.shared'), 1);
    assert.equal((await calls()) - before, 1);
    const other = await Client.connect(t, nodes[1].url);
    await other.subscribe('r.shared');
    assert.equal(await numsub(redis, 'r.shared'), 2);
    for (const client of clients.slice(1)) await client.unsubscribe('r.shared');
    await redis.publish('r.shared', '1');
    await clients[0].received('r.shared', 1);
    await clients[0].close(1000);
    await other.unsubscribe('r.shared');
    await until(async () => (await numsub(redis, 'r.shared')) === 0, 5000, 'the channel unsubscribed');
  });

  test('a topic that is left and taken again misses nothing from the second subscribed on', async (t) => {
    const client = await Client.connect(t, nodes[0].url);
    for (let round = 1; round <= 30; round++) {
      await client.subscribe('r.again');
      await redis.publish('r.again', String(round));
      await client.received('r.again', round);
      await client.unsubscribe('r.again');
    }
    assert.deepEqual(
      client.of('r.again').map(({ data }) => data),
      Array.from({ length: 30 }, (_, at) => at + 1),
    );
  });

  test("a pattern gets what our grammar covers, though Redis' glob matches more", async (t) => {
    const [client] = await pair(t, 'g.*.eu', 'g.>');
    for (const topic of ['g.a.eu', 'g.a.b.eu', 'g..eu', 'g.x y.eu', 'g.eu']) await redis.publish(topic, '1');
    await redis.publish('g.end', '1');
    await until(() => client.of('g.>').at(-1)?.topic === 'g.end', 5000, 'the last message');
    assert.deepEqual(
      client.of('g.*.eu').map(({ topic }) => topic),
      ['g.a.eu'],
    );
    assert.deepEqual(
      client.of('g.>').map(({ topic }) => topic),
      ['g.a.eu', 'g.a.b.eu', 'g.eu', 'g.end'],
    );
  });

  test("Redis' own glob characters are literal, in topics and in patterns", async (t) => {
    const [client] = await pair(t, 'l.a[b]?', 'l[x].*', 'l\\z.>', 'l^-.?.*');
    for (const topic of ['l.a[b]?', 'l.ab1', 'lx.1', 'l[x].1', 'lz.1', 'l\\z.1', 'l^-.?.1', 'l^-.q.1'])
      await redis.publish(topic, '1');
    await Promise.all(['l.a[b]?', 'l[x].*', 'l\\z.>', 'l^-.?.*'].map((name) => client.received(name, 1)));
    await client.flushed();
    const messages = client.frames.filter(({ type }) => type === 'msg').map(({ topic, sub }) => [topic, sub]);
    assert.deepEqual(
      messages.sort(),
      [
        ['l.a[b]?', undefined],
        ['l[x].1', 'l[x].*'],
        ['l\\z.1', 'l\\z.>'],
        ['l^-.?.1', 'l^-.?.*'],
      ].sort(),
    );
  });

  test('a topic and overlapping patterns bring a message once each, on both nodes', async (t) => {
    const names = ['o.a.eu', 'o.a.*', 'o.*.eu', 'o.>'];
    const clients = await pair(t, ...names);
    await redis.publishAll(Array.from({ length: 100 }, (_, n) => ['o.a.eu', String(n)]));
    for (const client of clients) {
      for (const name of names) {
        await client.received(name, 100);
        assert.deepEqual(
          client.of(name).map(({ data }) => data),
          Array.from({ length: 100 }, (_, n) => n),
          name,
        );
      }
    }
  });

  test('an envelope is unwrapped: key and payload reach the client, a position on a plain topic does not', async (t) => {
    const [client] = await pair(t, 'e.wrap');
    await redis.publish('e.wrap', `${RS}1;;t=1700000000000;k=c-19${RS}{"a":1.0}`);
    const wrapped = await client.next('msg');
    assert.equal(wrapped.key, 'c-19');
    assert.match(wrapped.raw, /"data":\{"a":1\.0\}/);
    await redis.publish('e.wrap', `${RS}1;Qx7:5;t=1;z=later${RS}plain`);
    const positioned = await client.next('msg');
    assert.equal(positioned.text, 'plain');
    assert.equal(positioned.offset, undefined);
    assert.equal(positioned.key, undefined);
  });

  test('what only looks like an envelope is payload', async (t) => {
    const [client] = await pair(t, 'e.raw');
    for (const payload of [`${RS}hello`, `${RS}2;;k=a${RS}x`, `${RS}1;no position${RS}x`, `${RS}1;;k=a`, RS]) {
      await redis.publish('e.raw', payload);
      assert.equal((await client.next('msg')).text, payload);
    }
  });

  test('a gateway wraps a payload that begins like an envelope, and one with a key', async (t) => {
    const [client] = await pair(t, 'e.out');
    const seen = await tap(t, 'e.out');
    const payload = `${RS}1;;k=forged${RS}x`;
    await nodes[0].publish('e.out', payload);
    const message = await client.next('msg');
    assert.equal(message.text, payload);
    assert.equal(message.key, undefined);
    await nodes[0].publish('e.out', '{"a":1}', { 'Spillway-Key': 'c-19' });
    assert.equal((await client.next('msg')).key, 'c-19');
    assert.match(seen[0].toString(), /^\x1e1;[^\x1e]*\x1e/);
    assert.ok(seen[0].toString().endsWith(payload));
    assert.match(seen[1].toString(), /^\x1e1;[^\x1e]*;k=c-19[^\x1e]*\x1e\{"a":1\}$/);
  });

  test('a PUBLISH of 2 MB is told as one too_large, the next message arrives, nobody is closed', async (t) => {
    const clients = await pair(t, 'big.eu', 'big.>');
    await redis.publish('big.eu', '{"n":1}');
    await redis.publish('big.eu', `"${'x'.repeat(2 << 20)}"`);
    await redis.publish('big.eu', '{"n":2}');
    for (const client of clients) {
      await Promise.all(['big.eu', 'big.>'].map((name) => client.received(name, 3)));
      assert.deepEqual(
        client.of('big.eu').map(({ raw }) => raw),
        [
          '{"type":"msg","topic":"big.eu","data":{"n":1}}',
          '{"type":"dropped","topic":"big.eu","count":1,"reason":"too_large"}',
          '{"type":"msg","topic":"big.eu","data":{"n":2}}',
        ],
      );
      assert.deepEqual(client.of('big.>')[1], { type: 'dropped', sub: 'big.>', count: 1, reason: 'too_large' });
      assert.equal(client.code, undefined);
    }
    for (const node of nodes) {
      const told = (metrics) => metrics.sum('spillway_shed_total', { reason: 'too_large' });
      const metrics = await node.counted((now) => told(now) === 2 && now.law.holds, 'both told, and the law');
      assert.equal(told(metrics), 2);
    }
  });

  test('a PUBLISH of exactly max_message_bytes arrives', async (t) => {
    const [client] = await pair(t, 'big.fits');
    await redis.publish('big.fits', 'x'.repeat(262144));
    assert.equal((await client.next('msg')).text.length, 262144);
    await redis.publish('big.fits', 'x'.repeat(262145));
    assert.equal((await client.next('dropped')).reason, 'too_large');
  });
});

describe('how a node introduces itself to Redis', () => {
  test('user, password and database of the URL, and a client name', async (t) => {
    const server = await Redis.start(t);
    const redis = await server.client(t);
    await redis.command('ACL', 'SETUSER', 'gate', 'on', '>secret', '~*', '&*', '+@all');
    const gateway = await Gateway.start(t, ['--bus', `redis://gate:secret@127.0.0.1:${server.port}/2`]);
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('auth.a');
    await gateway.publish('auth.a', '1');
    await client.received('auth.a', 1);
    const list = (await redis.command('CLIENT', 'LIST'))
      .toString()
      .split('\n')
      .filter((line) => line.includes('user=gate'));
    assert.ok(list.length >= 2, 'a subscriber link and a command link');
    for (const line of list) {
      assert.match(line, /\bdb=2\b/);
      assert.match(line, /\bname=\S*spillway/i);
    }
  });

  test('with a wrong password it serves, stays at starting, says why, and heals when the password is right', async (t) => {
    const server = await Redis.start(t);
    const redis = await server.client(t);
    await redis.command('ACL', 'SETUSER', 'gate', 'on', '>other', '~*', '&*', '+@all');
    const gateway = await Gateway.start(t, ['--bus', `redis://gate:secret@127.0.0.1:${server.port}`]);
    await gateway.log(
      (entry) => /WRONGPASS|invalid username-password/i.test(JSON.stringify(entry)),
      'a line with the answer of Redis',
    );
    assert.equal((await gateway.get('/ready')).json.status, 'starting');
    assert.doesNotMatch(gateway.stderr, /secret/, 'no password in the log');
    await redis.command('ACL', 'SETUSER', 'gate', '>secret');
    await until(async () => (await gateway.get('/ready')).status === 200, 10000, 'ready');
  });

  test('--prefix stands before every channel, and clients never see it', async (t) => {
    const server = await Redis.start(t);
    const redis = await server.client(t);
    const gateway = await Gateway.start(t, ['--bus', server.url, '--prefix', 'app[1]:']);
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('orders.eu', 'orders.*');
    await redis.publish('orders.eu', '"without"');
    await redis.publish('app1:orders.eu', '"glob"');
    await redis.publish('app[1]:orders.eu', '"with"');
    await client.received('orders.eu', 1);
    await client.received('orders.*', 1);
    const seen = [];
    const tap = await server.client(t);
    await tap.subscribe('SUBSCRIBE', 'app[1]:orders.eu', ({ payload }) => seen.push(payload.toString()));
    await gateway.publish('orders.eu', '"http"');
    await client.received('orders.eu', 2);
    await client.received('orders.*', 2);
    assert.deepEqual(
      client.of('orders.eu').map(({ topic, data }) => [topic, data]),
      [
        ['orders.eu', 'with'],
        ['orders.eu', 'http'],
      ],
    );
    await until(() => seen.length === 1, 5000, 'the publish on the channel');
  });

  test('the demo feed publishes into no Redis unless it is asked to', async (t) => {
    const server = await Redis.start(t);
    const seen = [];
    const tap = await server.client(t);
    await tap.subscribe('PSUBSCRIBE', '*', ({ channel }) => seen.push(channel));
    const quiet = await Gateway.start(t, ['--bus', server.url, '--demo']);
    const client = await Client.connect(t, quiet.url);
    await client.subscribe('demo.ticks.>');
    await stays(() => !seen.some((channel) => channel.startsWith('demo.')), 1500, 'no prices in Redis');
    await Gateway.start(t, ['--bus', server.url, '--demo', '--demo-feed']);
    await client.received('demo.ticks.>', 3);
    assert.ok(seen.some((channel) => /^demo\.ticks\.[^.]+$/.test(channel)));
  });

  test('the demo feed runs on the embedded bus', async (t) => {
    const gateway = await Gateway.start(t, ['--demo']);
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('demo.ticks.>');
    await client.received('demo.ticks.>', 1, 2000);
    assert.match(client.of('demo.ticks.>')[0].topic, /^demo\.ticks\.[A-Z0-9]+$/);
    assert.match((await gateway.public('GET', '/')).headers['content-type'], /text\/html/);
  });
});

describe('what nobody reads any more', () => {
  test('patterns that were left do not pile up on Redis, however many come and go', async (t) => {
    const server = await Redis.start(t);
    const redis = await server.client(t);
    const numpat = () => redis.command('PUBSUB', 'NUMPAT');
    const node = await Gateway.start(t, ['--bus', server.url, '--workers', '1', '--unsubscribe-delay-ms', '60000', '--max-patterns', '256']);
    const neighbour = await Client.connect(t, node.url);
    await neighbour.subscribe('r.calm.*');
    for (let n = 0; n < 4; n++) {
      const stranger = await Client.connect(t, node.url);
      const names = Array.from({ length: 200 }, (_, at) => `r.pile${n}.${at}.*`);
      for (const { error } of Object.values(await stranger.subscribe(...names))) assert.equal(error, undefined);
      await stranger.close(1000);
    }
    await node.counted(
      (metrics) => metrics.sum('spillway_interests_lingering') === 256 && metrics.sum('spillway_interests') === 257,
      'the latest 256 kept',
    );
    await until(async () => (await numpat()) === 257, 5000, 'the others gone from Redis');
    await redis.publish('r.calm.a', '1');
    await neighbour.received('r.calm.*', 1);
  });
});

describe('Redis away', () => {
  test('a node that starts without Redis serves, is starting, and heals when Redis appears', async (t) => {
    const server = new Redis();
    server.port = await freePort();
    atEnd(t, () => server.end());
    const gateway = await Gateway.start(t, ['--bus', `redis://127.0.0.1:${server.port}`]);
    const answer = await gateway.get('/ready');
    assert.equal(answer.status, 503);
    assert.deepEqual(answer.json, { status: 'starting', bus: 'down' });
    assert.equal((await gateway.get('/live')).status, 200);
    assert.equal((await gateway.metrics()).sum('spillway_bus_up'), 0);
    const client = await Client.connect(t, gateway.url);
    const publish = await gateway.post('/v1/topics/away.a', '1');
    assert.equal(publish.status, 503);
    await server.start();
    await until(async () => (await gateway.get('/ready')).status === 200, 5000, 'ready');
    assert.deepEqual((await gateway.get('/ready')).json, { status: 'ready', bus: 'up' });
    assert.equal((await client.subscribe('away.a'))['away.a'].error, undefined);
    await gateway.publish('away.a', '2');
    await client.received('away.a', 1);
  });

  test('a later loss leaves the node ready; clients stay, publishes hear bus_unavailable, and all heals by itself', async (t) => {
    const server = await Redis.start(t);
    const gateway = await Gateway.start(t, ['--bus', server.url, '--workers', '2']);
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('away.b', 'away.>');
    await server.kill();
    await gateway.counted((metrics) => metrics.sum('spillway_bus_up') === 0, 'the loss seen');

    const ready = await gateway.get('/ready');
    assert.equal(ready.status, 200);
    assert.deepEqual(ready.json, { status: 'ready', bus: 'down' });

    const http = await gateway.post('/v1/topics/away.b', '1');
    assert.equal(http.status, 503);
    assert.ok(Number(http.headers['retry-after']) >= 1, 'Retry-After in seconds');
    assert.equal(http.code, 'bus_unavailable');
    assert.equal(http.json.error.retry, true);
    assert.ok(http.json.error.retry_ms > 0);
    const batch = await gateway.post('/v1/publish', [{ topic: 'away.b', data: 1 }]);
    if (batch.status === 200) assert.equal(batch.json.results[0].error.code, 'bus_unavailable');
    else assert.equal(batch.status, 503);
    const error = await client.request('publish', { topic: 'away.b', data: 1 });
    assert.equal(error.type, 'error');
    assert.equal(error.error.code, 'bus_unavailable');
    assert.equal(error.error.retry, true);

    const entry = (await client.subscribe('away.c'))['away.c'];
    assert.equal(entry.error.code, 'bus_unavailable');
    assert.equal(entry.error.retry, true);
    assert.ok(entry.error.retry_ms > 0);
    assert.equal((await client.flushed()).type, 'pong');

    await server.start();
    await gateway.counted((metrics) => metrics.sum('spillway_bus_up') === 1, 'the bus back');
    const redis = await server.client(t);
    await until(
      async () => (await numsub(redis, 'away.b')) === 1 && (await redis.command('PUBSUB', 'NUMPAT')) === 1,
      5000,
      'resubscribed',
    );
    await redis.publish('away.b', '"back"');
    await until(() => client.messages('away.b').length === 1 && client.messages('away.>').length === 1, 5000, 'live again');
    assert.equal(client.messages('away.b')[0].data, 'back');
    assert.equal((await client.subscribe('away.c'))['away.c'].error, undefined);
    assert.equal(client.code, undefined);
  });

  test('a Redis that is silent but connected does not hold up what is local', async (t) => {
    const server = await Redis.start(t);
    const gateway = await Gateway.start(t, ['--bus', server.url, '--workers', '1']);
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('silent.a');
    server.freeze();
    try {
      assert.equal((await client.flushed()).type, 'pong');
      assert.equal((await gateway.get('/live')).status, 200);
      await Client.connect(t, gateway.url);
      assert.equal((await client.subscribe('silent.a'))['silent.a'].error, undefined, 'what is subscribed needs no Redis');
      const entry = (await client.subscribe('silent.b'))['silent.b'];
      assert.equal(entry.error?.code, 'bus_unavailable', 'not acknowledged within 5 s');
    } finally {
      server.thaw();
    }
    await until(async () => !(await client.subscribe('silent.b'))['silent.b'].error, 10000, 'subscribed when Redis speaks again');
    await gateway.publish('silent.b', '1');
    await client.received('silent.b', 1);
  });
});

// SPDX-License-Identifier: Apache-2.0
//
// What a client may send: each limit bites whoever is above it, with its code and its counter, and a neighbour does not feel it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { cut, fragments } from '../harness/conversation.mjs';
import { compressed, OFFER } from '../harness/deflate.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { OPCODE, RawSocket, close, frame, text, upgradeRequest } from '../harness/raw.mjs';
import { Redis } from '../harness/redis.mjs';
import { SANITIZED } from '../harness/setting.mjs';
import { pause, within } from '../harness/until.mjs';

const { continuation, ping, pong } = OPCODE;
const request = (id, pad = '') => text(`{"type":"ping","id":${id},"pad":"${pad}"}`);
const repeat = (count, make) => Buffer.concat(Array.from({ length: count }, (_, at) => make(at + 1)));

// A node with a neighbour on it, whose messages come and whose requests are answered when the test has had its way.
async function node(t, args, misbehave) {
  const gateway = await Gateway.start(t, ['--workers', '1', '--linger-ms', '1000', ...args]);
  const neighbour = await Client.connect(t, gateway.url);
  await neighbour.subscribe('limits.calm');
  await misbehave(gateway, neighbour);
  await gateway.publish('limits.calm', '1');
  assert.equal((await neighbour.received('limits.calm', 1))[0].data, 1);
  assert.equal((await neighbour.flushed()).type, 'pong');
  return gateway;
}

async function stranger(t, gateway) {
  const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws');
  assert.equal((await raw.json()).type, 'welcome');
  return raw;
}

async function closedBy(gateway, reason, count = 1) {
  await gateway.counted((metrics) => metrics.sum('spillway_closed_total', { reason }) === count, `${count} closed: ${reason}`);
}

// The newest pong stands for those before it.
async function answered(raw, id) {
  while ((await raw.json()).id !== id);
}

describe('how much a second', () => {
  for (const [args, count] of [
    [[], 10000],
    [['--client-messages', '20'], 200],
  ]) {
    test(`${count} messages at once are served, one more is 4029`, (t) =>
      node(t, args, async (gateway) => {
        const raw = await stranger(t, gateway);
        raw.write(repeat(count, request));
        await answered(raw, count);
        raw.write(request(count + 1));
        const { code, reason } = await raw.closeFrame();
        assert.deepEqual([code, reason], [4029, 'rate limit client_messages or client_bytes']);
        await closedBy(gateway, 'rate');
      }));
  }

  test('a flood of pings is 4029, and so is one of pongs', (t) =>
    node(t, ['--client-messages', '20'], async (gateway) => {
      for (const opcode of [ping, pong]) {
        const raw = await stranger(t, gateway);
        raw.write(repeat(200, () => frame(opcode, 'flood')));
        raw.write(repeat(300, () => frame(opcode, 'too much')));
        assert.equal((await raw.closeFrame()).code, 4029);
      }
      await closedBy(gateway, 'rate', 2);
    }));

  test('bytes count as they come, with their framing: 4029', (t) =>
    node(t, ['--client-bytes', '20000'], async (gateway) => {
      const raw = await stranger(t, gateway);
      const pad = 'x'.repeat(49000);
      raw.write(repeat(4, (id) => request(id, pad)));
      await answered(raw, 4);
      raw.write(fragments(OPCODE.text, cut('x'.repeat(900), 1)));
      assert.equal((await raw.closeFrame()).code, 4029);
      await closedBy(gateway, 'rate');
    }));

  test('a compressed message counts as long as it was, too: 4029', async (t) => {
    const config = { topics: [{ match: 'c.>', compress: true }] };
    const gateway = await Gateway.start(t, ['--workers', '1', '--client-bytes', '20000'], { config });
    const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws', OFFER);
    assert.equal((await raw.json()).type, 'welcome');
    const bomb = (id) => compressed(JSON.stringify({ type: 'ping', id, pad: 'x'.repeat(65000) }));
    assert.ok(bomb(1).length < 200);
    raw.write(repeat(3, bomb));
    await answered(raw, 3);
    raw.write(bomb(4));
    assert.equal((await raw.closeFrame()).code, 4029);
    await closedBy(gateway, 'rate');
  });

  test('0 is no limit, and the echo path has none', (t) =>
    node(t, ['--client-messages', '0', '--client-bytes', '0', '--echo-path', '/echo'], async (gateway) => {
      const raw = await stranger(t, gateway);
      raw.write(repeat(12000, request));
      await answered(raw, 12000);
      const echo = await RawSocket.upgrade(t, gateway.port, '/echo');
      echo.write(repeat(11000, () => frame(ping, 'x')));
      for (let n = 0; n < 11000; n++) assert.equal((await echo.frame()).opcode, pong);
    }));
});

describe('one message', () => {
  test('of 65,536 bytes is read, and one byte more is 1009, before it has come', (t) =>
    node(t, [], async (gateway) => {
      const raw = await stranger(t, gateway);
      raw.write(text('{"type":"ping","id":1}'.padEnd(65536)));
      await answered(raw, 1);
      raw.write(frame(OPCODE.text, 'x', { length: 65537 }));
      assert.equal((await raw.closeFrame()).code, 1009);
      await closedBy(gateway, 'too_big');
    }));
});

describe('half of a message', () => {
  test('1,024 fragments are a message, one more is 1008', (t) =>
    node(t, [], async (gateway) => {
      const raw = await stranger(t, gateway);
      const pieces = Array.from({ length: 1024 }, (_, at) => ('{"type":"ping","id":7}'[at] ?? ' '));
      raw.write(fragments(OPCODE.text, pieces));
      assert.deepEqual(await raw.json(), { type: 'pong', id: 7 });
      raw.write(fragments(OPCODE.text, [...pieces, '']));
      assert.equal((await raw.closeFrame()).code, 1008);
      await closedBy(gateway, 'fragments');
    }));

  test('has message_ms to become whole, however it drips: 4031', (t) =>
    node(t, ['--message-ms', '400'], async (gateway) => {
      const begun = performance.now();
      const halves = [
        Buffer.of(0x81), // of a head
        request(1).subarray(0, 9),
        frame(OPCODE.text, '{"type":', { fin: false }),
        frame(ping, 'x').subarray(0, 6),
      ];
      const raws = [];
      for (const half of halves) raws.push((await stranger(t, gateway)).write(half));
      const drip = await stranger(t, gateway);
      drip.write(frame(OPCODE.text, '', { fin: false }));
      const dripping = setInterval(() => drip.write(frame(continuation, ' ', { fin: false })), 50);
      try {
        for (const raw of [...raws, drip]) {
          const { code, reason } = await raw.closeFrame();
          assert.deepEqual([code, reason], [4031, 'message not finished in time']);
        }
      } finally {
        clearInterval(dripping);
      }
      assert.ok(performance.now() - begun >= 400);
      await closedBy(gateway, 'unfinished', 5);
      await gateway.counted((metrics) => metrics.sum('spillway_unfinished_messages') === 0, 'none is under way');
    }));

  test('the time of each message begins with its first byte', (t) =>
    node(t, ['--message-ms', '600'], async (gateway) => {
      const raw = await stranger(t, gateway);
      const bytes = repeat(8, request);
      const size = bytes.length / 8;
      const half = Math.floor(size / 2);
      raw.write(bytes.subarray(0, half));
      for (let n = 1; n < 8; n++) {
        await pause(150);
        raw.write(bytes.subarray((n - 1) * size + half, n * size + half)); // an end and the next begin
        await answered(raw, n);
      }
      raw.write(bytes.subarray(7 * size + half));
      await answered(raw, 8);
    }));

  test('above unfinished_messages the oldest makes room: 1013', (t) =>
    node(t, ['--unfinished-messages', '3'], async (gateway) => {
      const raws = [];
      for (let n = 1; n <= 5; n++) {
        const raw = await stranger(t, gateway);
        raw.write(request(n).subarray(0, 9 + n));
        await gateway.counted((metrics) => {
          const closed = metrics.sum('spillway_closed_total', { reason: 'crowded' });
          return metrics.sum('spillway_unfinished_messages') === Math.min(n, 3) && closed <= n;
        }, `${n} have begun`);
        raws.push(raw);
        if (n > 3) assert.equal((await raws[n - 4].closeFrame()).code, 1013);
      }
      await closedBy(gateway, 'crowded', 2);
    }));

  test('is counted in the budget while it stands', (t) =>
    node(t, [], async (gateway) => {
      const clients = { part: 'clients' };
      const raws = [];
      for (let n = 0; n < 8; n++) {
        const raw = await stranger(t, gateway);
        raws.push(raw.write(frame(OPCODE.text, '{"type":"ping","id":1}'.padEnd(50000), { fin: false })));
      }
      const holds = (metrics) => metrics.sum('spillway_budget_used_bytes', clients) >= 8 * 50000;
      await gateway.counted(holds, '400 KB are charged');
      for (const raw of raws) raw.write(frame(continuation, ''));
      for (const raw of raws) await answered(raw, 1);
      await gateway.counted((metrics) => metrics.sum('spillway_budget_used_bytes', clients) === 0, 'all is given back');
    }));

  test('and where the budget is used up the oldest are evicted: 4032', (t) =>
    node(t, ['--budget', '4194304'], async (gateway) => {
      const raws = [];
      for (let n = 0; n < 120; n++) raws.push(await stranger(t, gateway));
      for (const raw of raws) {
        raw.write(frame(OPCODE.text, ' '.repeat(60000), { fin: false }));
        await new Promise(setImmediate);
      }
      assert.equal((await raws[0].closeFrame()).code, 4032);
      const metrics = await gateway.counted(
        (seen) => seen.sum('spillway_closed_total', { reason: 'evicted' }) > 0 && seen.sum('spillway_budget_used_bytes') < 4194304,
        'some are evicted, and what is used stays within the budget',
      );
      assert.equal(metrics.sum('spillway_closed_total'), metrics.sum('spillway_closed_total', { reason: 'evicted' }));
      for (const raw of raws) raw.destroy();
      await gateway.counted((seen) => seen.sum('spillway_budget_used_bytes', { part: 'clients' }) === 0, 'all is given back');
    }));
});

describe('what a client has open', () => {
  test('256 subscriptions, and one more is too_many_topics, however many are asked for', (t) =>
    node(t, [], async (gateway, neighbour) => {
      const client = await Client.connect(t, gateway.url);
      const names = Array.from({ length: 300 }, (_, at) => `limits.t${at}`);
      const entries = await client.subscribe(...names);
      for (const [at, name] of names.entries()) {
        assert.equal(entries[name].error?.code, at < 256 ? undefined : 'too_many_topics', name);
      }
      assert.equal((await gateway.metrics()).sum('spillway_topics_refused_total'), 44);
      await client.unsubscribe(names[0]);
      assert.equal((await client.subscribe(names[299]))[names[299]].error, undefined, 'there is room again');
      assert.equal((await neighbour.subscribe(names[298]))[names[298]].error, undefined);
    }));

  test('32 patterns, and one more is too_many_topics', (t) =>
    node(t, [], async (gateway, neighbour) => {
      const client = await Client.connect(t, gateway.url);
      const names = Array.from({ length: 33 }, (_, at) => `limits.p${at}.>`);
      const entries = await client.subscribe(...names, 'limits.topic');
      for (const name of names.slice(0, 32)) assert.equal(entries[name].error, undefined, name);
      assert.equal(entries[names[32]].error.code, 'too_many_topics');
      assert.match(entries[names[32]].error.message, /max_patterns/);
      assert.equal(entries['limits.topic'].error, undefined, 'a topic is none');
      assert.equal((await gateway.metrics()).sum('spillway_patterns_refused_total'), 1);
      assert.equal((await client.subscribe({ topic: names[0], mode: 'latest' }))[names[0]].error, undefined, 'one that it has');
      await client.unsubscribe(names[0]);
      assert.equal((await client.subscribe(names[32]))[names[32]].error, undefined, 'there is room again');
      assert.equal((await neighbour.subscribe('limits.other.*'))['limits.other.*'].error, undefined);
    }));

  test('pending_replies: who is owed so many is not read, and is served in order when they come', (t) =>
    node(t, ['--pending-replies', '4'], async (gateway) => {
      const client = await Client.connect(t, gateway.url);
      await client.subscribe('limits.published');
      client.together(() => {
        for (let id = 1001; id <= 1200; id++) client.send({ type: 'publish', id, topic: 'limits.published', data: id });
      });
      for (let id = 1001; id <= 1200; id++) assert.equal((await client.next('published')).id, id);
      const seen = await client.received('limits.published', 200);
      assert.deepEqual(
        seen.map(({ data }) => data),
        Array.from({ length: 200 }, (_, at) => 1001 + at),
      );
      assert.ok((await gateway.metrics()).sum('spillway_reply_pauses_total') >= 1);
    }));

  test('while Redis stands still 32 publishes are taken of a client, and no more', async (t) => {
    const server = await Redis.start(t);
    const gateway = await Gateway.start(t, ['--workers', '1', '--bus', server.url]);
    const client = await Client.connect(t, gateway.url);
    const neighbour = await Client.connect(t, gateway.url);
    await gateway.busUp();
    const requests = async () => (await gateway.metrics()).sum('spillway_requests_total');
    const before = await requests();
    server.freeze();
    try {
      for (let id = 101; id <= 200; id++) client.send({ type: 'publish', id, topic: 'limits.stuck', data: id });
      await gateway.counted((metrics) => metrics.sum('spillway_reply_pauses_total') === 1, 'it is paused');
      assert.equal((await neighbour.flushed()).type, 'pong');
      assert.equal(await requests(), before + 32 + 1);
    } finally {
      server.thaw();
    }
    for (let id = 101; id <= 200; id++) assert.equal((await client.next((reply) => reply.id !== undefined)).id, id);
  });
});

// Each takes 10 s of real time: they run together.
describe('ten seconds', { concurrency: true, skip: SANITIZED && 'real time' }, () => {
  test('are the window in which messages are counted, and then all is forgotten', (t) =>
    node(t, ['--client-messages', '20'], async (gateway) => {
      const raw = await stranger(t, gateway);
      raw.write(repeat(200, request));
      await answered(raw, 200);
      await pause(11100); // its seconds are whole ones
      raw.write(repeat(200, request));
      await answered(raw, 200);
      raw.write(request(201));
      assert.equal((await raw.closeFrame()).code, 4029);
    }));

  test('a request that does not become whole in time, in its head or its body: 408, or closed', (t) =>
    node(t, [], async (gateway) => {
      const post = 'POST /v1/publish HTTP/1.1\r\nHost: 127.0.0.1\r\n';
      const starts = {
        silent: '',
        'half of a head': upgradeRequest('/v1/ws').slice(0, 40),
        'half of a body': `${post}Content-Length: 10\r\n\r\n{"to`,
        'half of a chunk': `${post}Transfer-Encoding: chunked\r\n\r\nff\r\n{"to`,
        dripping: 'GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Drip: ',
      };
      const raws = {};
      for (const [name, start] of Object.entries(starts)) raws[name] = (await RawSocket.connect(t, gateway.port)).write(start);
      const drip = setInterval(() => raws.dripping.write('x'), 200);
      try {
        for (const [name, raw] of Object.entries(raws)) {
          if (name !== 'silent') assert.equal((await raw.response({ ms: 15000 })).status, 408, name);
          await within(raw.ended, 15000, `the end of ${name}`);
        }
      } finally {
        clearInterval(drip);
      }
      assert.equal((await gateway.metrics()).sum('spillway_http_timeouts_total'), 5);
    }),
  );
});

test('who says good-bye in the middle of a message leaves nothing behind', (t) =>
  node(t, [], async (gateway) => {
    const raw = await stranger(t, gateway);
    raw.write(Buffer.concat([frame(OPCODE.text, '{', { fin: false }), close(1000)]));
    assert.equal((await raw.closeFrame()).code, 1000);
    const cutOff = await stranger(t, gateway);
    cutOff.write(request(1).subarray(0, 9));
    await gateway.counted((metrics) => metrics.sum('spillway_unfinished_messages') === 1, 'it has begun');
    cutOff.socket.resetAndDestroy();
    await gateway.counted(
      (metrics) =>
        metrics.sum('spillway_unfinished_messages') === 0 && metrics.sum('spillway_budget_used_bytes', { part: 'clients' }) === 0,
      'nothing is left',
    );
  }));

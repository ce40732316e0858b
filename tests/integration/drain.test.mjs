// SPDX-License-Identifier: Apache-2.0
//
// A node leaves: readiness first, then the door, then the clients, each told and each in its time; and nobody is cut off who could have
// been served.

import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway, run } from '../harness/gateway.mjs';
import { OPCODE, RawSocket, close, text, upgradeRequest } from '../harness/raw.mjs';
import { Redis } from '../harness/redis.mjs';
import { until, within } from '../harness/until.mjs';

const draining = ({ event }) => event === 'draining';
const doorClosed = ({ event }) => event === 'door_closed';
const drained = ({ event }) => event === 'drained';

const ended = (gateway) => within(gateway.exited, 15000, () => `the end of the drain\n${gateway.stderr.slice(-2000)}`);

// How a TCP connection to this port begins: 'connected', or the name of the error.
const knock = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve('connected');
    });
    socket.on('error', (error) => resolve(error.code));
  });

const refused = (port) => until(async () => (await knock(port)) === 'ECONNREFUSED', 5000, 'the door closed');

describe('the phases, in their order', () => {
  for (const bus of ['memory', 'redis']) {
    test(`on the ${bus} bus`, async (t) => {
      const url = bus === 'redis' ? (await Redis.start(t)).url : bus;
      const args = ['--bus', url, '--drain-delay-ms', '1500', '--drain-ms', '2000', '--linger-ms', '1000', '--workers', '2'];
      const gateway = await Gateway.start(t, args);
      await until(async () => (await gateway.get('/ready')).status === 200, 5000, 'readiness');
      const client = await Client.connect(t, gateway.url);
      await client.subscribe('leaving');
      assert.equal((await gateway.metrics()).sum('spillway_draining'), 0);

      gateway.signal('SIGTERM');
      const begun = await gateway.log(draining);
      assert.equal(begun.connections, 1);
      assert.equal(begun.delay_ms, 1500);
      assert.equal(begun.deadline_ms, 1500 + 2000 + 1000 + 500);
      const ready = await gateway.get('/ready');
      assert.equal(ready.status, 503);
      assert.equal(ready.json.status, 'draining');
      assert.equal((await gateway.get('/live')).status, 200);

      // Everything goes on, for those who have not heard yet.
      const late = await Client.connect(t, gateway.url);
      await late.subscribe('leaving');
      await gateway.publish('leaving', '1');
      await client.received('leaving', 1);
      assert.equal((await gateway.metrics()).sum('spillway_draining'), 1);
      for (const { frames } of [client, late]) assert.ok(!frames.some(({ type }) => type === 'drain'), 'not told yet');
      assert.ok(!gateway.stderr.includes('door_closed'), 'the delay was long enough for this test');

      const frame = await client.next('drain');
      assert.equal(frame.raw, '{"type":"drain","reason":"shutdown","reconnect_ms":[480,960],"close_ms":1200}');
      assert.equal((await late.next('drain')).raw, frame.raw);
      assert.ok((await gateway.log(doorClosed)).after_ms >= 1500);

      // The server goes on to deliver.
      await gateway.publish('leaving', '2');
      await client.received('leaving', 2);
      assert.ok(client.frames.findIndex(({ data }) => data === 2) > client.frames.indexOf(frame));
      await refused(gateway.port);
      assert.equal((await gateway.get('/live')).status, 200, 'the admin listener is there to the end');

      assert.deepEqual(await within(client.closed, 10000, 'the close'), { code: 1012, reason: 'drain retry_ms=500-8000' });
      assert.equal((await within(late.closed, 10000, 'the close')).code, 1012);
      assert.deepEqual(await ended(gateway), { code: 0, signal: null });
      const end = await gateway.log(drained);
      assert.deepEqual([end.left, end.closed, end.reset, end.other], [0, 2, 0, 0]);
    });
  }
});

describe('who is at the door', () => {
  test('and has not finished its handshake is welcomed, and then told what is left of the time', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1', '--drain-ms', '4000']);
    const half = await RawSocket.connect(t, gateway.port);
    const silent = await RawSocket.connect(t, gateway.port);
    const request = upgradeRequest('/v1/ws?topic=door');
    half.write(request.slice(0, 20));
    await gateway.counted((metrics) => metrics.sum('spillway_connections') === 2, 'both at the door');
    gateway.signal('SIGTERM');
    await refused(gateway.port);
    half.write(request.slice(20));
    silent.write(request);
    for (const raw of [half, silent]) {
      assert.equal((await raw.response()).status, 101);
      assert.equal((await raw.json()).type, 'welcome');
      const frame = await raw.json();
      assert.equal(frame.type, 'drain');
      const [from, to] = frame.reconnect_ms;
      assert.ok(0 <= from && from <= to && to < 1920, JSON.stringify(frame));
      assert.ok(to <= frame.close_ms && frame.close_ms < 2400, JSON.stringify(frame));
      assert.equal((await raw.json()).type, 'subscribed');
      assert.equal((await raw.closeFrame()).code, 1012);
    }
    assert.equal((await ended(gateway)).code, 0);
  });

  test('and asks by HTTP is answered, and told that this was the last time', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1', '--drain-ms', '4000']);
    const body = '{"topic":"door","data":1}';
    const head = `POST /v1/publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n`;
    const idle = await RawSocket.connect(t, gateway.port);
    idle.write(head + body);
    const before = await idle.response();
    assert.equal(before.status, 200);
    assert.notEqual(before.headers.connection, 'close');
    const asking = await RawSocket.connect(t, gateway.port);
    asking.write(head + body.slice(0, 5));
    await gateway.counted((metrics) => metrics.sum('spillway_connections', { transport: 'http' }) === 2, 'both');
    gateway.signal('SIGTERM');
    assert.equal(await within(idle.ended, 5000, 'the end of what idles'), 'end');
    asking.write(body.slice(5));
    const answer = await asking.response();
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.connection, 'close');
    assert.equal(await within(asking.ended, 5000, 'the end behind the answer'), 'end');
    assert.equal((await ended(gateway)).code, 0);
  });

  test('and was accepted by nobody yet has its one answer, too', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1', '--drain-ms', '4000']);
    await gateway.post('/v1/faults/hold', { worker: 0, ms: 1000 });
    const raw = await RawSocket.connect(t, gateway.port); // by the kernel
    gateway.signal('SIGTERM');
    await refused(gateway.port);
    raw.write('GET /v1/nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    const answer = await raw.response();
    assert.equal(answer.headers.connection, 'close');
    assert.equal(await within(raw.ended, 5000, 'the end behind the answer'), 'end');
    assert.equal((await ended(gateway)).code, 0);
  });

  test('and says nothing does not keep the node', async (t) => {
    const gateway = await Gateway.start(t, ['--drain-ms', '300']);
    const raw = await RawSocket.connect(t, gateway.port);
    await gateway.counted((metrics) => metrics.sum('spillway_connections') === 1, 'the one at the door');
    gateway.signal('SIGTERM');
    assert.equal(await within(raw.ended, 10000, 'its end'), 'end');
    assert.equal((await ended(gateway)).code, 0);
  });

  test('in a storm is served or refused, and never reset', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '2', '--drain-ms', '3000', '--accept-rate', '0']);
    const request = upgradeRequest();
    let served = 0;
    const once = () =>
      new Promise((resolve) => {
        const socket = net.connect(gateway.port, '127.0.0.1', () => socket.write(request));
        socket.on('data', (bytes) => {
          socket.destroy();
          resolve(bytes.toString('latin1').split('\r\n')[0]);
        });
        socket.on('error', (error) => resolve(error.code));
        socket.on('end', () => resolve('ended without an answer'));
      });
    const storm = async () => {
      for (;;) {
        const how = await once();
        if (how !== 'HTTP/1.1 101 Switching Protocols') return how;
        served++;
      }
    };
    const storms = Array.from({ length: 64 }, storm);
    await until(() => served > 500, 10000, 'the storm');
    const before = served;
    gateway.signal('SIGTERM');
    const ends = await within(Promise.all(storms), 15000, 'the end of the storm');
    assert.deepEqual([...new Set(ends)], ['ECONNREFUSED']);
    assert.ok(served >= before);
    assert.equal((await ended(gateway)).code, 0);
    assert.equal((await gateway.log(drained)).reset, 0);
  });
});

describe('the clients leave', () => {
  test('by themselves, and then the node does not wait any longer', async (t) => {
    const gateway = await Gateway.start(t, ['--drain-ms', '60000']);
    const clients = [];
    for (let count = 0; count < 5; count++) clients.push(await Client.connect(t, gateway.url));
    gateway.signal('SIGTERM');
    for (const client of clients) {
      assert.deepEqual((await client.next('drain')).reconnect_ms, [500, 28800]);
      if (client !== clients[0]) await client.close(1000);
    }
    const left = (metrics) => metrics.sum('spillway_drained_total', { how: 'left' }) === 4;
    await gateway.counted(left, 'four that left by themselves');
    clients[0].terminate();
    assert.equal((await ended(gateway)).code, 0);
    const end = await gateway.log(drained);
    assert.deepEqual([end.left, end.closed, end.reset, end.other], [5, 0, 0, 0]);
  });

  test('or are closed at an even pace', async (t) => {
    const CLIENTS = 120;
    const gateway = await Gateway.start(t, ['--workers', '2', '--drain-ms', '7500']);
    const clients = [];
    for (let count = 0; count < CLIENTS; count++) clients.push(await Client.connect(t, gateway.url));
    gateway.signal('SIGTERM');
    assert.equal((await ended(gateway)).code, 0);
    for (const client of clients) assert.equal(client.code, 1012);
    assert.equal((await gateway.log(drained)).closed, CLIENTS);
    const times = gateway.stderr
      .split('\n')
      .filter((line) => line.includes('"session_closed"'))
      .map((line) => Date.parse(JSON.parse(line).time))
      .sort((a, b) => a - b);
    assert.equal(times.length, CLIENTS);
    // They are closed within the last 40 %: 3 s.
    const mean = CLIENTS / 3;
    const inSecond = times.map((from) => times.filter((time) => from <= time && time < from + 1000).length);
    assert.ok(Math.max(...inSecond) <= 2 * mean, `${Math.max(...inSecond)} in one second, ${mean} in the mean`);
  });

  test('each behind what it is owed', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1', '--drain-ms', '8000']);
    const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws?topic=owed');
    for (const type of ['welcome', 'subscribed']) assert.equal((await raw.json()).type, type);
    raw.pause();
    const COUNT = 60;
    const pad = 'x'.repeat(10000);
    for (let n = 0; n < COUNT; n++) await gateway.publish('owed', `{"n":${n},"pad":"${pad}"}`);
    gateway.signal('SIGTERM');
    const closing = (metrics) => metrics.sum('spillway_connections', { state: 'closing' }) === 1;
    await gateway.counted(closing, 'it is to go', 10000);
    raw.resume();
    const seen = [];
    let missed = 0;
    let told = 0;
    let next;
    while ((next = await raw.frame()).opcode !== OPCODE.close) {
      if (next.opcode !== OPCODE.text) continue;
      const frame = JSON.parse(next.payload);
      if (frame.type === 'msg') seen.push(frame.data.n);
      if (frame.type === 'dropped') missed += frame.count;
      told += frame.type === 'drain';
    }
    assert.equal(seen.length + missed, COUNT, 'all of it, or told');
    assert.equal(seen.at(-1), COUNT - 1);
    assert.equal(told, 1);
    assert.equal(next.code, 1012);
    assert.equal(next.reason, 'drain retry_ms=500-8000', 'nothing was cut off');
    raw.write(close(1012));
    assert.equal((await ended(gateway)).code, 0);
  });

  test('or are reset before the deadline, where they take nothing', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1', '--drain-ms', '500', '--linger-ms', '300']);
    const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws?topic=stuck');
    assert.equal((await raw.json()).type, 'welcome');
    raw.pause();
    const pad = 'x'.repeat(200000);
    const stuck = (metrics) => metrics.sum('spillway_queued_bytes') > 0;
    await until(async () => (await gateway.publish('stuck', `"${pad}"`)) && stuck(await gateway.metrics()), 10000, 'one who is stuck');
    gateway.signal('SIGTERM');
    assert.equal((await ended(gateway)).code, 0);
    const end = await gateway.log(drained);
    assert.deepEqual([end.left, end.closed, end.reset, end.other], [0, 0, 1, 0]);
  });

  test('and nothing unasked is said on the echo path', async (t) => {
    const gateway = await Gateway.start(t, ['--echo-path', '/echo', '--drain-ms', '500']);
    const raw = await RawSocket.upgrade(t, gateway.port, '/echo');
    gateway.signal('SIGTERM');
    await gateway.log(doorClosed);
    raw.write(text('"mine"'));
    assert.equal((await raw.frame()).payload.toString(), '"mine"');
    const last = await raw.frame();
    assert.equal(last.opcode, OPCODE.close);
    assert.equal(last.code, 1012);
    raw.write(close(1012));
    assert.equal((await ended(gateway)).code, 0);
  });
});

describe('signals', () => {
  test('SIGINT leaves the delay out, also where it is under way', async (t) => {
    const hasty = await Gateway.start(t, ['--drain-delay-ms', '3600000']);
    hasty.signal('SIGINT');
    assert.equal((await ended(hasty)).code, 0);
    const asked = await Gateway.start(t, ['--drain-delay-ms', '3600000']);
    assert.equal((await asked.post('/v1/drain')).status, 202);
    assert.equal((await asked.get('/ready')).status, 503);
    asked.signal('SIGINT');
    assert.equal((await ended(asked)).code, 0);
  });

  test('a delay that nobody chose ends when nobody is connected', async (t) => {
    const gateway = new Gateway();
    const at = gateway.args.indexOf('--drain-delay-ms');
    gateway.args.splice(at, 2);
    t.after(() => gateway.end());
    await gateway.start();
    const client = await Client.connect(t, gateway.url);
    gateway.signal('SIGTERM');
    assert.equal((await gateway.log(draining)).delay_ms, 2000);
    await client.close(1000);
    assert.equal((await ended(gateway)).code, 0);
    assert.equal((await gateway.log(drained)).left, 0, 'before it was told');
    assert.ok((await gateway.log(doorClosed)).after_ms < 2000);
  });

  test('the first SIGTERM behind POST /v1/drain is not the second; the next one is', async (t) => {
    const gateway = await Gateway.start(t, ['--drain-ms', '60000', '--linger-ms', '1000']);
    const client = await Client.connect(t, gateway.url);
    const first = await gateway.post('/v1/drain');
    assert.equal(first.status, 202);
    assert.equal(first.json.status, 'draining');
    assert.equal(first.json.connections, 1);
    assert.equal(first.json.deadline_ms, 61500);
    await client.next('drain');
    gateway.signal('SIGTERM');
    const again = await gateway.post('/v1/drain');
    assert.equal(again.json.connections, 1);
    assert.ok(again.json.deadline_ms <= 61500);
    await client.flushed();
    gateway.exitCode = 1;
    gateway.signal('SIGTERM');
    assert.equal((await ended(gateway)).code, 1);
  });

  test('a worker that stands still does not keep the node', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '2', '--linger-ms', '100']);
    const held = await gateway.post('/v1/faults/hold', { worker: 1, ms: 30000 });
    assert.equal(held.status, 200);
    gateway.exitCode = 1;
    gateway.signal('SIGTERM');
    assert.equal((await ended(gateway)).code, 1);
    assert.match(gateway.stderr, /"drain_overdue"/);
  });
});

describe('spillway drain', () => {
  const KEY = '0123456789abcdef-admin';

  test('waits until the node has gone', async (t) => {
    const gateway = await Gateway.start(t, ['--drain-ms', '1000']);
    const client = await Client.connect(t, gateway.url);
    const { code, stdout, stderr } = await run(['drain', '--wait', '--admin-url', `http://${gateway.admin}`]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^draining: 1 connection left, gone in \d+\.\d s at the latest\n/);
    assert.match(stdout, /gone after \d+\.\d s\n$/);
    assert.equal((await within(client.closed, 5000, 'the close')).code, 1012);
    assert.equal((await ended(gateway)).code, 0);
  });

  test('or only until it has heard', async (t) => {
    const gateway = await Gateway.start(t, ['--drain-ms', '60000']);
    const client = await Client.connect(t, gateway.url);
    const { code, stdout } = await run(['drain', '--no-wait', `--admin-url=http://${gateway.admin}`]);
    assert.equal(code, 0);
    assert.match(stdout, /^draining: 1 connection left.*\n$/);
    await client.next('drain');
    await client.close(1000);
    assert.equal((await ended(gateway)).code, 0);
  });

  test('takes its key from the environment, as the node does', async (t) => {
    const env = { SPILLWAY_API_KEY: `${KEY},another-key-of-this-node` };
    const gateway = await Gateway.start(t, [], { env });
    const target = ['drain', '--admin-url', `http://${gateway.admin}`];
    const without = await run(target);
    assert.equal(without.code, 1);
    assert.match(without.stderr, /unauthorized: .*SPILLWAY_API_KEY/);
    assert.equal((await gateway.get('/ready')).status, 200, 'nothing has happened');
    const { code, stderr } = await run(target, { env });
    assert.equal(code, 0, stderr);
    assert.equal((await ended(gateway)).code, 0);
    assert.ok(!gateway.stderr.includes(KEY));
  });

  test('says so where nobody is there, or somebody stays', async (t) => {
    const gateway = await Gateway.start(t, ['--drain-ms', '60000', '--drain-delay-ms', '60000']);
    await Client.connect(t, gateway.url);
    const target = ['drain', '--admin-url', `http://${gateway.admin}`];
    const stays = await run([...target, '--timeout', '1']);
    assert.equal(stays.code, 1);
    assert.match(stays.stderr, /still there after \d+\.\d s/);
    for (const words of [['--wait', '--no-wait'], ['--timeout', 'soon'], ['now'], ['--key-file', '/nowhere/key']])
      assert.equal((await run([...target, ...words])).code, 2, words.join(' '));
    gateway.exitCode = 1;
    gateway.signal('SIGTERM');
    gateway.signal('SIGINT');
    await ended(gateway);
    const nobody = await run(target);
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /cannot connect/);
  });
});

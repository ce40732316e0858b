// SPDX-License-Identifier: Apache-2.0
//
// The main job on the embedded bus, in one breath.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { RawSocket, upgradeRequest } from '../harness/raw.mjs';
import { until, within } from '../harness/until.mjs';

test('a message published over HTTP reaches a WebSocket client byte for byte', async (t) => {
  const gateway = await Gateway.start(t);
  assert.equal(gateway.pid, gateway.child.pid);
  const client = await Client.connect(t, gateway.url);

  assert.equal(client.frames[0].type, 'welcome', 'welcome comes first and unasked');
  assert.match(client.welcome.raw, /^\{"type":"welcome",/);
  assert.deepEqual(client.welcome.limits, { frame: 65536, topics: 256 });

  assert.deepEqual(await client.subscribe('orders.eu'), { 'orders.eu': { topic: 'orders.eu', recoverable: false } });
  assert.deepEqual(await gateway.publish('orders.eu', '{"id":7}'), { topic: 'orders.eu' });
  assert.equal((await client.next('msg')).raw, '{"type":"msg","topic":"orders.eu","data":{"id":7}}');

  const counted = await gateway.counted((metrics) => metrics.sum('spillway_sent_total') === 1, 'one delivery sent');
  assert.equal(counted.sum('spillway_messages_total', { bus: 'memory' }), 1);
  assert.equal(counted.sum('spillway_subscriptions'), 1);
  assert.equal(counted.sum('spillway_connections', { transport: 'ws' }), 1);

  const left = await client.unsubscribe('orders.eu');
  assert.deepEqual(left.topics, ['orders.eu']);
  await gateway.publish('orders.eu', '{"id":8}');
  await client.flushed();
  assert.equal(client.messages('orders.eu').length, 1, 'nothing after unsubscribed');

  gateway.signal('SIGTERM');
  const { code } = await within(client.closed, 5000, 'the close of a drain');
  assert.equal(code, 1012);
  assert.deepEqual(await within(gateway.exited, 5000, 'the end of the gateway'), { code: 0, signal: null });
});

test('a second SIGTERM ends the drain at once', async (t) => {
  const gateway = await Gateway.start(t, ['--drain-ms', '60000']);
  const clients = [];
  for (let count = 0; count < 20; count++) clients.push(await Client.connect(t, gateway.url));
  gateway.signal('SIGTERM');
  const first = await within(Promise.race(clients.map(({ closed }) => closed)), 15000, 'the first close of a drain');
  assert.equal(first.code, 1012);
  gateway.signal('SIGTERM');
  gateway.exitCode = 1;
  await within(gateway.exited, 5000, 'the end of the gateway');
});

test('a draining node says so and takes no new clients', async (t) => {
  const gateway = await Gateway.start(t, ['--drain-ms', '3000']);
  for (let count = 0; count < 10; count++) await Client.connect(t, gateway.url);
  assert.equal((await gateway.get('/ready')).status, 200);
  gateway.signal('SIGTERM');
  await gateway.counted(async () => (await gateway.get('/ready')).status === 503, 'readiness off');
  const ready = await gateway.get('/ready');
  assert.equal(ready.status, 503);
  assert.equal(ready.json.status, 'draining');
  assert.equal((await gateway.get('/live')).status, 200);
  const refused = () =>
    Client.connect(t, gateway.url).then(
      () => false,
      () => true,
    );
  await until(refused, 2000, 'no new clients, as soon as the workers have heard of it, too');
  assert.equal((await within(gateway.exited, 10000, 'the end of the drain')).code, 0);
});

test('an upgrade that is finished while the node drains is refused, and the node ends cleanly', async (t) => {
  const gateway = await Gateway.start(t, ['--workers', '1', '--drain-ms', '500', '--linger-ms', '300']);
  const raw = await RawSocket.connect(t, gateway.port);
  const request = upgradeRequest();
  raw.write(request.slice(0, 20));
  await gateway.counted((metrics) => metrics.sum('spillway_connections') === 1, 'the one at the door');
  const stopped = gateway.stop();
  // Main says that it drains before its worker hears of it, and the worker begins by closing its door.
  const refused = () =>
    RawSocket.connect(t, gateway.port).then(
      () => false,
      () => true,
    );
  await until(refused, 5000, 'the door closed');
  raw.write(request.slice(20));
  const { status } = await raw.response().catch(() => ({ status: 'cut' }));
  assert.ok(status === 503 || status === 'cut', `answered ${status}`);
  assert.equal(await stopped, 0);
});

// SPDX-License-Identifier: Apache-2.0
//
// The main job on the embedded bus, in one breath.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
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
  const client = await Client.connect(t, gateway.url);
  gateway.signal('SIGTERM');
  await client.next('drain');
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

// SPDX-License-Identifier: Apache-2.0
//
// Topics under a `retain` rule: the last plain message stays for who asks for it when he comes.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Redis } from '../harness/redis.mjs';
import { suiteScope } from '../harness/scope.mjs';

const RULES = [
  { match: 'r.keyed.*', retain: true, retain_key: 'last:{topic}' },
  { match: 'r.>', retain: true },
];

for (const bus of ['memory', 'redis']) {
  describe(`on ${bus}`, () => {
    const scope = suiteScope();
    let gateway;
    before(async () => {
      const args = bus === 'redis' ? ['--bus', (await Redis.start(scope)).url] : [];
      gateway = await Gateway.start(scope, [...args, '--workers', '2'], { config: { topics: RULES } });
      await gateway.busUp();
    });
    // Somebody reads the topic, so that the node hears what is published to it.
    const reader = async (t, topic) => {
      const client = await Client.connect(t, gateway.url);
      await client.subscribe(topic);
      return client;
    };

    test('who asks for the last gets the newest one, and then what comes', async (t) => {
      const first = await reader(t, 'r.a');
      await gateway.publish('r.a', '1');
      await gateway.publish('r.a', '2');
      await first.received('r.a', 2);
      const clients = await Promise.all(Array.from({ length: 4 }, () => Client.connect(t, gateway.url)));
      for (const client of clients) {
        const { 'r.a': entry } = await client.subscribe({ topic: 'r.a', last: 5 });
        assert.deepEqual(entry, { topic: 'r.a', recoverable: false, replay: 1 });
      }
      await gateway.publish('r.a', '3');
      for (const client of clients) {
        await client.received('r.a', 2);
        assert.deepEqual(
          client.of('r.a').map(({ raw }) => raw),
          ['{"type":"msg","topic":"r.a","data":2}', '{"type":"msg","topic":"r.a","data":3}'],
        );
      }
      await first.received('r.a', 3);
      assert.deepEqual(
        first.of('r.a').map(({ data }) => data),
        [1, 2, 3],
      );
    });

    test('in any mode, and only who asks for it', async (t) => {
      const first = await reader(t, 'r.mode');
      await gateway.publish('r.mode', '1');
      await first.received('r.mode', 1);
      const silent = await reader(t, 'r.mode');
      const slow = await Client.connect(t, gateway.url);
      const { 'r.mode': entry } = await slow.subscribe({ topic: 'r.mode', last: 1, max_hz: 20 });
      assert.equal(entry.replay, 1);
      await slow.received('r.mode', 1);
      await silent.flushed();
      assert.deepEqual(silent.of('r.mode'), []);
    });

    test('where nothing was said yet there is nothing, and a pattern keeps nothing', async (t) => {
      const client = await Client.connect(t, gateway.url);
      const entries = await client.subscribe({ topic: 'r.empty', last: 1 }, { topic: 'r.*', last: 1 });
      assert.deepEqual(entries['r.empty'], { topic: 'r.empty', recoverable: false, replay: 0 });
      assert.deepEqual(entries['r.*'], { topic: 'r.*', recoverable: false, replay: 0 });
    });

    test('a position is no use there', async (t) => {
      const client = await Client.connect(t, gateway.url);
      const { 'r.from': entry } = await client.subscribe({ topic: 'r.from', from: { epoch: '0', offset: 0 } });
      assert.deepEqual(entry, { topic: 'r.from', recoverable: false, resumed: false, why: 'no_history' });
    });

    test('the law holds, with what was replayed', async () => {
      const metrics = await gateway.counted(({ law }) => law.holds && law.behind === 0, 'the law at rest');
      assert.equal(metrics.law.shed, 0, metrics.text);
    });
  });
}

describe('a cold topic whose last message Redis holds under a key', () => {
  const scope = suiteScope();
  let redis;
  let gateway;
  before(async () => {
    const server = await Redis.start(scope);
    redis = await server.client(scope);
    gateway = await Gateway.start(scope, ['--bus', server.url], { config: { topics: RULES } });
    await gateway.busUp();
  });
  const last = async (t, topic) => {
    const client = await Client.connect(t, gateway.url);
    const entry = (await client.subscribe({ topic, last: 1 }))[topic];
    if (entry.replay) await client.received(topic, 1);
    return [entry.replay, ...client.of(topic).map(({ data, text }) => data ?? text)];
  };

  test('it is read when the first one comes', async (t) => {
    await redis.command('SET', 'last:r.keyed.a', '{"n":1}');
    assert.deepEqual(await last(t, 'r.keyed.a'), [1, { n: 1 }]);
  });

  test('what was published since is newer', async (t) => {
    await redis.command('SET', 'last:r.keyed.b', '1');
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('r.keyed.b');
    await redis.publish('r.keyed.b', '2');
    await client.received('r.keyed.b', 1);
    assert.deepEqual(await last(t, 'r.keyed.b'), [1, 2]);
  });

  test('a key of another type, or none, is nothing', async (t) => {
    await redis.command('LPUSH', 'last:r.keyed.c', '1');
    assert.deepEqual(await last(t, 'r.keyed.c'), [0]);
    assert.deepEqual(await last(t, 'r.keyed.d'), [0]);
  });

  test('a value too large to be read ends the link once, not again and again', async (t) => {
    await redis.command('SET', 'last:r.keyed.e', Buffer.alloc((16 << 20) + 1, 'x'));
    assert.deepEqual(await last(t, 'r.keyed.e'), [0]);
    await gateway.log(({ event, why }) => event === 'redis_value_refused' && /left out for 60 s/.test(why));
    await gateway.log(({ event }) => event === 'bus_down');
    await gateway.busUp();
    const client = await Client.connect(t, gateway.url);
    await client.subscribe({ topic: 'r.keyed.e', last: 1 });
    await gateway.publish('r.keyed.e', '1');
    await client.received('r.keyed.e', 1);
    assert.deepEqual(await last(t, 'r.keyed.e'), [1, 1]);
    assert.equal(gateway.stderr.match(/"state":"down"/g).length, 1);
  });
});

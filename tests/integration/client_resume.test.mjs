// SPDX-License-Identifier: Apache-2.0
//
// The JavaScript client on topics with history, over both of its transports: what was published while it was away or on its way to
// another node comes once, and all of it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Gateway } from '../harness/gateway.mjs';
import { Page, SOURCE } from '../harness/page.mjs';
import { Redis } from '../harness/redis.mjs';
import { until } from '../harness/until.mjs';

const config = { topics: [{ match: 'h.>', history: { size: 1000, ttl_ms: 60000 } }] };
const { Spillway } = await import(SOURCE);

const open = (t, balancer, transport) => Page.behind(t, Spillway, balancer, transport);

for (const transport of ['ws', 'sse']) {
  describe(`over ${transport}`, () => {
    test('comes back to where it was', async (t) => {
      const gateway = await Gateway.start(t, [], { config });
      const page = open(t, { home: gateway }, transport);
      const sub = page.subscribe('h.a', { last: 2 });
      await sub.ready;
      for (const n of [1, 2, 3]) await gateway.publish('h.a', `${n}`);
      await page.received('h.a', [1, 2, 3]);
      await gateway.post('/v1/disconnect', '{"topic":"h.a"}');
      await page.state('waiting');
      for (const n of [4, 5, 6]) await gateway.publish('h.a', `${n}`);
      await page.received('h.a', [1, 2, 3, 4, 5, 6]);
      assert.deepEqual(page.gaps, []);
      assert.equal(sub.position.offset, 6);

      const another = open(t, { home: gateway }, transport);
      another.subscribe('h.a', { from: { ...sub.position, offset: 4 } });
      await another.received('h.a', [5, 6]);
    });

    test('moves from a node that drains while messages flow', async (t) => {
      const { url } = await Redis.start(t);
      const start = () => Gateway.start(t, ['--bus', url, '--drain-ms', '6000'], { config });
      const [one, two] = [await start(), await start()];
      const balancer = { home: one };
      const page = open(t, balancer, transport);
      await Promise.all(['h.a', 'plain'].map((topic) => page.subscribe(topic).ready));
      let sent = 0;
      const publish = async () => {
        sent++;
        await two.publish('h.a', `${sent}`);
        await two.publish('plain', `${sent}`);
      };
      await publish();
      await page.received('plain', [1]);
      balancer.home = two;
      await one.post('/v1/drain');
      await until(async () => (await publish()) ?? page.states.some(({ handover }) => handover), 15000, 'the move');
      await publish();
      await until(() => page.data('h.a').at(-1) === sent && page.data('plain').at(-1) === sent, 10000, 'the newest');
      assert.deepEqual(page.data('h.a'), Array.from({ length: sent }, (_, i) => i + 1));
      const plain = page.data('plain');
      assert.deepEqual(plain, [...new Set(plain)].sort((a, b) => a - b), 'in order, none twice');
      assert.deepEqual(page.gaps.map(({ topic, reason }) => [topic, reason]), [['plain', 'handover']]);
      assert.deepEqual(page.states.map(({ state }) => state), ['connecting', 'open', 'open']);
    });
  });
}

// SPDX-License-Identifier: Apache-2.0
//
// Topic rules: who may publish to a topic and how much, at each door that a message comes through.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Redis } from '../harness/redis.mjs';
import { suiteScope } from '../harness/scope.mjs';

const RULES = [
  { match: 'small.tiny', max_message_bytes: 8 },
  { match: 'small.*', max_message_bytes: 16 },
  { match: 'open.>', client_publish: true },
  { match: 'shut.>', client_publish: false },
];

describe('publishing over HTTP', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--no-client-publish'], { config: { topics: RULES } });
  });
  const publish = (topic, data, options) =>
    gateway.public('POST', '/v1/publish', { ...options, body: JSON.stringify({ topic, data }) });

  test("a payload above its topic's limit is 413 too_large, on both listeners", async (t) => {
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('small.>');
    for (const [topic, most] of [
      ['small.tiny', 8],
      ['small.other', 16],
    ]) {
      await gateway.publish(topic, 'x'.repeat(most));
      assert.equal((await client.next('msg')).text.length, most);
      const answer = await gateway.post(`/v1/topics/${topic}`, 'x'.repeat(most + 1));
      assert.equal(answer.status, 413);
      assert.equal(answer.code, 'too_large');
      const one = await gateway.post('/v1/publish', { topic, data: 'x'.repeat(most - 1) });
      assert.equal(one.status, 413);
    }
    await gateway.publish('smaller.tiny', 'x'.repeat(100));
    const open = await Gateway.start(t, [], { config: { topics: [{ match: 'open.*', max_message_bytes: 8 }] } });
    const answer = await open.public('POST', '/v1/publish', { body: '{"topic":"open.a","data":123456789}' });
    assert.equal(answer.status, 413);
    assert.equal(answer.code, 'too_large');
  });

  test('a rule lets clients publish where the node does not, and each message of a batch is judged', async () => {
    assert.equal((await publish('open.a', 1)).status, 200);
    const refused = await publish('else.a', 1);
    assert.equal(refused.status, 403);
    assert.equal(refused.code, 'forbidden');
    assert.match(refused.json.error.message, /--client-publish/);
    const batch = ['open.a', 'else.a', 'shut.a', 'open.b'].map((topic) => ({ topic, data: 1 }));
    const { json } = await gateway.public('POST', '/v1/publish', { body: JSON.stringify(batch) });
    assert.deepEqual(
      json.results.map(({ error }) => error?.code),
      [undefined, 'forbidden', 'forbidden', undefined],
    );
  });

  test('a rule keeps clients from a topic where the node lets them publish, and never a backend', async (t) => {
    const open = await Gateway.start(t, ['--client-publish'], { config: { topics: RULES } });
    const refused = await open.public('POST', '/v1/publish', { body: '{"topic":"shut.a","data":1}' });
    assert.equal(refused.status, 403);
    assert.equal(refused.code, 'forbidden');
    assert.doesNotMatch(refused.json.error.message, /--client-publish/);
    assert.equal((await open.public('POST', '/v1/publish', { body: '{"topic":"else.a","data":1}' })).status, 200);
    await open.publish('shut.a', '1');
    assert.equal((await open.post('/v1/publish', { topic: 'shut.a', data: 1 })).status, 200);
  });

  test('where no rule grants anything, whoever may not publish hears 403 whatever the body', async (t) => {
    const shut = await Gateway.start(t, ['--no-client-publish'], { config: { topics: [{ match: 'shut.>', client_publish: false }] } });
    assert.equal((await shut.public('POST', '/v1/publish', { body: 'no JSON' })).status, 403);
  });
});

describe('what comes from Redis', () => {
  test("a message above its topic's limit is a gap of one, for the topic and for a pattern", async (t) => {
    const server = await Redis.start(t);
    const redis = await server.client(t);
    const gateway = await Gateway.start(t, ['--bus', server.url, '--workers', '2'], { config: { topics: RULES } });
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('small.tiny', 'small.>', 'small.deep.er');
    await redis.publish('small.tiny', 'x'.repeat(8));
    await redis.publish('small.tiny', 'x'.repeat(9));
    await redis.publish('small.two', 'x'.repeat(16));
    await redis.publish('small.two', 'x'.repeat(17));
    await redis.publish('small.deep.er', 'x'.repeat(5000));
    const sizes = (name) => client.of(name).map(({ text, count, reason }) => text?.length ?? `${count} ${reason}`);
    await client.received('small.>', 5);
    await client.received('small.tiny', 2);
    await client.received('small.deep.er', 1);
    assert.deepEqual(sizes('small.tiny'), [8, '1 too_large']);
    assert.deepEqual(sizes('small.>'), [8, '1 too_large', 16, '1 too_large', 5000]);
    assert.deepEqual(sizes('small.deep.er'), [5000]);
    await gateway.counted((metrics) => metrics.law.holds, 'the law');
  });
});

test('at start the log warns of a rule that nothing reaches', async (t) => {
  const gateway = await Gateway.start(t, [], { config: { topics: [{ match: 'a.>' }, { match: 'a.b' }] } });
  const entry = await gateway.log(({ event }) => event === 'config_warning');
  assert.match(entry.why, /topics\[1\] .a\.b. is never reached: topics\[0\]/);
});

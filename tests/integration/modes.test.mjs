// SPDX-License-Identifier: Apache-2.0
//
// What a subscription may ask for under its topic's rule, and what it gets: by default, in mode `latest` when its client does not
// read, and paced.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { RawSocket } from '../harness/raw.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { until } from '../harness/until.mjs';

const RULES = [
  { match: 'audit.>', mode: 'disconnect' },
  { match: 'board.>', mode: 'latest', modes_allowed: ['latest'] },
  { match: 'ticks.>', max_hz: 5 },
  { match: 'open.>', client_publish: true, max_message_bytes: 16 },
  { match: 'shut.>', client_publish: false },
];

const total = (frames, reason) =>
  frames.filter((frame) => frame.type === 'dropped' && frame.reason === reason).reduce((sum, { count }) => sum + count, 0);

describe('what may be asked for', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--no-client-publish'], { config: { topics: RULES } });
  });

  test('a mode that the rule forbids is a bad_request that names those it allows, and the rest is served', async (t) => {
    const client = await Client.connect(t, gateway.url);
    const entries = await client.subscribe(
      { topic: 'audit.a', mode: 'latest' },
      { topic: 'audit.b', max_hz: 5 },
      { topic: 'board.a', mode: 'all' },
      { topic: 'ticks.a', max_hz: 10 },
      { topic: 'else.a', mode: 'disconnect' },
      { topic: 'board.b', mode: 'latest' },
      { topic: 'ticks.b', max_hz: 2 },
      { topic: 'audit.c', mode: 'disconnect' },
      'audit.>',
    );
    const refused = (name, words) => {
      assert.equal(entries[name].error?.code, 'bad_request', `${name}: ${JSON.stringify(entries[name])}`);
      assert.match(entries[name].error.message, words);
    };
    refused('audit.a', /disconnect/);
    refused('audit.b', /max_hz/);
    refused('board.a', /latest/);
    refused('ticks.a', /5/);
    refused('else.a', /all, latest|latest, all/);
    for (const name of ['board.b', 'ticks.b', 'audit.c', 'audit.>']) assert.equal(entries[name].error, undefined, name);
  });

  test('a rule decides who may publish to its topics, and how much', async (t) => {
    const client = await Client.connect(t, gateway.url);
    assert.ok(client.welcome.features.includes('publish'), 'some topics may be published to');
    await client.subscribe('open.a');
    assert.equal((await client.request('publish', { topic: 'open.a', data: 1 })).type, 'published');
    await client.received('open.a', 1);
    for (const [topic, data, code] of [
      ['shut.a', 1, 'forbidden'],
      ['else.a', 1, 'forbidden'],
      ['open.a', 'x'.repeat(16), 'too_large'],
    ]) {
      assert.equal((await client.request('publish', { topic, data })).error?.code, code, topic);
    }
  });
});

// Publishes `count` messages with a key each, in requests of a hundred.
async function publish(gateway, topic, count, { keys = 1, pad = 0 } = {}) {
  const padding = 'x'.repeat(pad);
  for (let from = 0; from < count; from += 100) {
    const batch = Array.from({ length: Math.min(100, count - from) }, (_, at) => ({
      topic,
      key: `k${(from + at) % keys}`,
      data: { n: from + at, pad: padding },
    }));
    assert.equal((await gateway.post('/v1/publish', batch)).status, 200);
  }
}

test('a client in mode latest that does not read finds the newest of each key, and is told how many it passed', async (t) => {
  const gateway = await Gateway.start(t);
  const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws?topic=latest.a&mode=latest');
  for (const type of ['welcome', 'subscribed']) assert.equal((await raw.json()).type, type);
  const swift = await Client.connect(t, gateway.url);
  await swift.subscribe('latest.a');
  raw.pause();
  // Published until it shows: how much the kernels on the way take, and how much of it was conflated meanwhile, is their affair.
  let count = 0;
  await until(
    async () => {
      await publish(gateway, 'latest.a', 400, { keys: 4, pad: 500 });
      count += 400;
      return (await gateway.metrics()).sum('spillway_pressured_sessions') === 1;
    },
    20000,
    'one that does not keep up',
  );
  const { connections } = (await gateway.get('/v1/connections?sort=lag&limit=1')).json;
  assert.equal(connections[0].state, 'pressured');
  await publish(gateway, 'latest.a', 4, { keys: 4 });
  assert.equal((await swift.received('latest.a', count + 4)).length, count + 4, 'nobody else is held up');

  raw.resume();
  const frames = [];
  const newest = new Map();
  while (frames.length < count + 4) {
    const frame = await raw.json();
    if (frame.type === 'msg') newest.set(frame.key, frame.data.n);
    assert.ok(frame.type === 'msg' || frame.reason === 'conflated', JSON.stringify(frame));
    frames.push(frame, ...new Array(Math.max(0, (frame.count ?? 1) - 1)).fill(frame));
  }
  assert.deepEqual([...newest].sort(), [0, 1, 2, 3].map((n) => [`k${n}`, n]));
  const metrics = await gateway.counted(({ law }) => law.holds && law.behind === 0, 'the law at rest');
  const conflated = metrics.sum('spillway_shed_total', { reason: 'conflated' });
  assert.ok(conflated > 0);
  assert.equal(metrics.sum('spillway_shed_total'), conflated);
  assert.equal(metrics.sum('spillway_rule_shed_total', { rule: 'default' }), conflated);
  assert.equal(metrics.sum('spillway_rule_sent_total', { rule: 'default' }), metrics.sum('spillway_sent_total'));
  const eased = await gateway.log(({ event }) => event === 'session_eased', 'the end of the episode');
  assert.equal(eased.shed, conflated);
  await gateway.counted((now) => now.sum('spillway_pressured_sessions') === 0, 'nobody under pressure');
});

test('max_hz paces a subscription: the first at once, then the newest at its ticks, and the count of the others', async (t) => {
  const gateway = await Gateway.start(t, [], { config: { topics: RULES } });
  const client = await Client.connect(t, gateway.url);
  await client.subscribe({ topic: 'paced.a', max_hz: 10 }, 'ticks.a');
  await gateway.publish('paced.a', '"first"');
  const [first] = await client.received('paced.a', 1);
  assert.equal(first.data, 'first');
  const count = 600;
  const begun = performance.now();
  await publish(gateway, 'paced.a', count);
  await publish(gateway, 'ticks.a', count);
  const whole = (name, sent) => () => client.messages(name).length + total(client.of(name), 'paced') === sent;
  await until(whole('paced.a', count + 1), 5000, 'all received or told');
  await until(whole('ticks.a', count), 5000, 'all received or told, under the pace of the rule');
  const ticks = Math.ceil((performance.now() - begun) / 100) + 2;
  assert.ok(client.messages('paced.a').length <= ticks + 1, `${client.messages('paced.a').length} in ${ticks} ticks`);
  assert.equal(client.messages('paced.a').at(-1).data.n, count - 1, 'the newest comes in the end');
  const told = client.of('paced.a').filter(({ type }) => type === 'dropped');
  assert.ok(told.length <= Math.ceil(ticks / 10) + 2, `told ${told.length} times in ${ticks} ticks`);
  const metrics = await gateway.counted(({ law }) => law.holds && law.behind === 0, 'the law at rest');
  assert.equal(metrics.sum('spillway_shed_total', { reason: 'paced' }), metrics.sum('spillway_shed_total'));
  assert.equal(metrics.sum('spillway_rule_shed_total', { rule: 'ticks.>' }), total(client.of('ticks.a'), 'paced'));
});

test('what is missing and was not told yet is told before the `unsubscribed`', async (t) => {
  const gateway = await Gateway.start(t);
  const client = await Client.connect(t, gateway.url);
  await client.subscribe({ topic: 'gone.a', max_hz: 1 });
  await publish(gateway, 'gone.a', 1);
  await client.received('gone.a', 1);
  await publish(gateway, 'gone.a', 50, { keys: 1 });
  // A tick passes 49 of them; what a tick has not come to is the end's.
  await client.received('gone.a', 2);
  await client.unsubscribe('gone.a');
  const frames = client.of('gone.a');
  assert.equal(client.frames.at(-1).type, 'unsubscribed');
  assert.equal(client.messages('gone.a').length + total(frames, 'paced'), 51);
});

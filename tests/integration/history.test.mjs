// SPDX-License-Identifier: Apache-2.0
//
// Topics with history: whoever comes back with a position goes on exactly there, or hears that it cannot. On the embedded bus and on
// a real Redis alike, and what only Redis can do to a topic.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Certificate } from '../harness/certificate.mjs';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { RawSocket } from '../harness/raw.mjs';
import { Redis } from '../harness/redis.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { until } from '../harness/until.mjs';

// Redis trims streams by whole nodes of 100 entries: a topic keeps what its rule says, and up to so many more.
const TRIMMED = 250;

const RULES = [
  { match: 'h.short.*', history: { size: 10, ttl_ms: 60000 } },
  { match: 'h.>', history: { size: 500, ttl_ms: 60000 } },
];

const at = (position) => {
  const [epoch, offset] = position.split(':');
  return { epoch, offset: Number(offset) };
};

// Publishes the numbers `first` to `last` as payloads, and returns the position of each.
async function publish(gateway, topic, first, last) {
  const positions = [];
  for (let n = first; n <= last; n += 100) {
    const batch = Array.from({ length: Math.min(100, last + 1 - n) }, (_, i) => ({ topic, data: n + i }));
    const { status, json } = await gateway.post('/v1/publish', batch);
    assert.equal(status, 200);
    positions.push(...json.results.map(({ position }) => position));
  }
  return positions.map(at);
}

const numbers = (first, last) => Array.from({ length: last + 1 - first }, (_, i) => first + i);
const data = (frames) => frames.map((frame) => frame.data ?? frame.text ?? frame);
const offsets = (frames) => frames.map(({ offset }) => offset);

// Whatever came, no client of mode `all` may find a hole in a stream that nobody told it of.
function assertWhole(client, topic, from) {
  let seen = from;
  for (const frame of client.frames.filter((frame) => frame.topic === topic)) {
    if (frame.type === 'msg' && frame.offset) assert.equal(frame.offset, ++seen, frame.raw);
    if (frame.type === 'dropped' && frame.to) seen = frame.to;
    if (frame.type === 'reset') seen = frame.offset;
  }
  return seen;
}

async function refused(client, sub, code, words) {
  const entry = Object.values(await client.subscribe(sub))[0];
  assert.equal(entry.error?.code, code, JSON.stringify(entry));
  if (words) assert.match(entry.error.message, words);
}

const SETTINGS = {
  'on the embedded bus': () => ['--workers', '2'],
  'on Redis': async (scope) => ['--bus', (await Redis.start(scope)).url, '--workers', '2'],
  'over TLS, on one worker': (scope) => [
    ...['--listen', '127.0.0.1:0', '--listen', '127.0.0.1:0,tls'],
    ...new Certificate(scope).flags,
    ...['--workers', '1'],
  ],
};

for (const [name, flags] of Object.entries(SETTINGS)) {
  describe(name, () => {
    const scope = suiteScope();
    let gateway;
    let url;
    before(async () => {
      gateway = await Gateway.start(scope, [...(await flags(scope)), '--client-publish'], { config: { topics: RULES } });
      await gateway.busUp();
      url = gateway.listen[1] ? `wss://${gateway.listen[1]}/v1/ws` : gateway.url;
    });
    const connect = (t) => Client.connect(t, url, { rejectUnauthorized: false });

    test('messages carry offsets without holes, and publishers are told them', async (t) => {
      const client = await connect(t);
      const { 'h.count': entry } = await client.subscribe('h.count');
      assert.deepEqual(entry, { topic: 'h.count', epoch: '0', offset: 0 }, 'no epoch is drawn yet');
      const positions = await publish(gateway, 'h.count', 1, 3);
      assert.deepEqual(offsets(positions), [1, 2, 3]);
      assert.match(positions[0].epoch, /^[A-Za-z0-9]{1,24}$/);
      assert.notEqual(positions[0].epoch, '0');
      const reply = await client.request('publish', { topic: 'h.count', data: 4 });
      assert.deepEqual(reply, { type: 'published', id: reply.id, epoch: positions[0].epoch, offset: 4 });
      await client.received('h.count', 4);
      assert.deepEqual(
        client.of('h.count').map(({ raw }) => raw.replace(/"ts":\d+,/, '')),
        numbers(1, 4).map((n) => `{"type":"msg","topic":"h.count","offset":${n},"data":${n}}`),
      );
      const epoch = client.frames.find(({ type }) => type === 'epoch');
      assert.equal(epoch?.epoch, positions[0].epoch, 'the name that was drawn is told');
      assert.ok(client.frames.indexOf(epoch) < client.frames.findIndex(({ type }) => type === 'msg'), 'before the first of it');
    });

    test('who comes back goes on exactly there: nothing between, nothing twice', async (t) => {
      const first = await connect(t);
      await first.subscribe('h.resume');
      const positions = await publish(gateway, 'h.resume', 1, 300);
      await first.received('h.resume', 300);
      await first.close();
      const later = await publish(gateway, 'h.resume', 301, 400);
      const again = await connect(t);
      const { 'h.resume': entry } = await again.subscribe({ topic: 'h.resume', from: positions[249] });
      // A publish may be answered before its message has come round: then that is live.
      const { offset } = entry;
      assert.deepEqual(entry, { topic: 'h.resume', epoch: later[0].epoch, offset, resumed: true, replay: offset - 250 });
      await publish(gateway, 'h.resume', 401, 410);
      await again.received('h.resume', 160);
      assert.deepEqual(data(again.of('h.resume')), numbers(251, 410));
      assert.equal(assertWhole(again, 'h.resume', 250), 410);
    });

    test('a replay and live messages meanwhile are one stream', async (t) => {
      const [position] = await publish(gateway, 'h.meanwhile', 1, 200);
      const client = await connect(t);
      const publishing = publish(gateway, 'h.meanwhile', 201, 450);
      const { 'h.meanwhile': entry } = await client.subscribe({ topic: 'h.meanwhile', from: position });
      await publishing;
      assert.equal(entry.resumed, true, JSON.stringify(entry));
      await client.received('h.meanwhile', 449);
      assert.deepEqual(data(client.of('h.meanwhile')), numbers(2, 450));
      assertWhole(client, 'h.meanwhile', 1);
    });

    test('the newest N come before what is live, in any mode', async (t) => {
      const positions = await publish(gateway, 'h.last', 1, 20);
      for (const mode of ['all', 'latest']) {
        const client = await connect(t);
        const { 'h.last': entry } = await client.subscribe({ topic: 'h.last', last: 3, mode });
        assert.deepEqual(entry, { topic: 'h.last', ...positions.at(-1), replay: 3 });
        await client.received('h.last', 3);
        assert.deepEqual(data(client.of('h.last')), [18, 19, 20]);
      }
      const client = await connect(t);
      const { 'h.last': entry } = await client.subscribe({ topic: 'h.last', last: 1000 });
      assert.equal(entry.replay, 20, 'what there is');
      await client.received('h.last', 20);
    });

    test('0:0 is the beginning of any epoch, while that is held', async (t) => {
      const from = { epoch: '0', offset: 0 };
      const client = await connect(t);
      const { 'h.zero': none } = await client.subscribe({ topic: 'h.zero', from });
      assert.deepEqual(none, { topic: 'h.zero', epoch: '0', offset: 0, resumed: true, replay: 0 });
      const positions = await publish(gateway, 'h.zero', 1, 5);
      await client.received('h.zero', 5);
      const again = await connect(t);
      const { 'h.zero': entry } = await again.subscribe({ topic: 'h.zero', from });
      assert.deepEqual(entry, { topic: 'h.zero', ...positions[4], resumed: true, replay: 5 });
      await again.received('h.zero', 5);
      assert.deepEqual(data(again.of('h.zero')), numbers(1, 5));
      await publish(gateway, 'h.short.zero', 1, TRIMMED);
      const { 'h.short.zero': trimmed } = await again.subscribe({ topic: 'h.short.zero', from });
      assert.equal(trimmed.why, 'trimmed');
    });

    test('what is not held any more is trimmed, and the last that is still held is not', async (t) => {
      const positions = await publish(gateway, 'h.short.trim', 1, TRIMMED);
      const client = await connect(t);
      const gone = (await client.subscribe({ topic: 'h.short.trim', from: positions[9] }))['h.short.trim'];
      assert.deepEqual(gone, { topic: 'h.short.trim', ...positions.at(-1), resumed: false, why: 'trimmed' });
      const other = await connect(t);
      const held = (await other.subscribe({ topic: 'h.short.trim', from: positions.at(-11) }))['h.short.trim'];
      assert.deepEqual(held, { topic: 'h.short.trim', ...positions.at(-1), resumed: true, replay: 10 });
      await publish(gateway, 'h.short.trim', TRIMMED + 1, TRIMMED + 1);
      await client.received('h.short.trim', 1);
      await other.received('h.short.trim', 11);
      assert.deepEqual(data(client.of('h.short.trim')), [TRIMMED + 1]);
      assert.deepEqual(data(other.of('h.short.trim')), numbers(TRIMMED - 9, TRIMMED + 1));
    });

    test('a position that is none of this stream is said to be of another epoch', async (t) => {
      const [own] = await publish(gateway, 'h.epoch.a', 1, 5);
      const [foreign] = await publish(gateway, 'h.epoch.b', 1, 5);
      assert.notEqual(own.epoch, foreign.epoch, 'an epoch is one of its topic');
      const client = await connect(t);
      for (const from of [foreign, { epoch: 'Zz9', offset: 1 }, { ...own, offset: 6 }, { ...own, offset: 2 ** 53 - 1 }]) {
        const { 'h.epoch.a': entry } = await client.subscribe({ topic: 'h.epoch.a', from });
        assert.deepEqual(entry, { topic: 'h.epoch.a', epoch: own.epoch, offset: 5, resumed: false, why: 'epoch' });
        await client.unsubscribe('h.epoch.a');
      }
    });

    test('who brings ever new positions makes the bus look at a bounded rate', async (t) => {
      const [own] = await publish(gateway, 'h.claims', 1, 5);
      const neighbour = await connect(t);
      await neighbour.subscribe('h.claims');
      const client = await connect(t);
      const began = performance.now();
      const outcomes = { epoch: 0, rate_limited: 0 };
      for (let n = 0; n < 1000; n++) {
        client.send({ type: 'subscribe', id: n + 1, subs: [{ topic: 'h.claims', from: { epoch: `Zz${n}`, offset: 1 } }] });
        const { subs } = await client.next(({ type }) => type === 'subscribed');
        outcomes[subs[0].why ?? subs[0].error.code]++;
        client.send({ type: 'unsubscribe', topics: ['h.claims'] });
      }
      assert.equal(outcomes.epoch + outcomes.rate_limited, 1000);
      const most = 512 + 1 + 64 * ((performance.now() - began) / 1000);
      assert.ok(outcomes.epoch >= 512 && outcomes.epoch <= most, `${outcomes.epoch} looks of ${most}`);
      const other = await connect(t);
      assert.equal((await other.subscribe({ topic: 'h.claims', from: own }))['h.claims'].resumed, true, 'for others there is room');
    });

    test('a mode that leaves out is not resumed', async (t) => {
      const positions = await publish(gateway, 'h.mode', 1, 5);
      for (const how of [{ mode: 'latest' }, { max_hz: 20 }]) {
        const client = await connect(t);
        const { 'h.mode': entry } = await client.subscribe({ topic: 'h.mode', from: positions[1], ...how });
        assert.deepEqual(entry, { topic: 'h.mode', ...positions[4], resumed: false, why: 'mode' });
      }
    });

    test('where there is no history, from and last say so and the subscription stands', async (t) => {
      const client = await connect(t);
      const entries = await client.subscribe(
        { topic: 'plain.from', from: { epoch: 'Qx7', offset: 41 } },
        { topic: 'plain.last', last: 5 },
        { topic: 'h.*', from: { epoch: 'Qx7', offset: 41 } },
        { topic: 'h.no.*', last: 5 },
      );
      const cannot = { recoverable: false, resumed: false, why: 'no_history' };
      assert.deepEqual(entries['plain.from'], { topic: 'plain.from', ...cannot });
      assert.deepEqual(entries['h.*'], { topic: 'h.*', ...cannot });
      assert.deepEqual(entries['plain.last'], { topic: 'plain.last', recoverable: false, replay: 0 });
      assert.deepEqual(entries['h.no.*'], { topic: 'h.no.*', recoverable: false, replay: 0 });
      await gateway.publish('plain.from', '1');
      assert.equal((await client.received('plain.from', 1))[0].raw, '{"type":"msg","topic":"plain.from","data":1}');
      assert.deepEqual((await client.request('publish', { topic: 'plain.last', data: 1 })).epoch, undefined);
    });

    test('a pattern gets what has a position without one', async (t) => {
      const client = await connect(t);
      await client.subscribe('h.pattern.*', 'h.pattern.a');
      await publish(gateway, 'h.pattern.a', 1, 2);
      await client.received('h.pattern.*', 2);
      await client.received('h.pattern.a', 2);
      assert.deepEqual(offsets(client.of('h.pattern.a')), [1, 2]);
      assert.deepEqual(offsets(client.of('h.pattern.*')), [undefined, undefined]);
    });

    test('subscribing again is answered with what was reached, and brings nothing', async (t) => {
      const client = await connect(t);
      const positions = await publish(gateway, 'h.again', 1, 5);
      await client.subscribe({ topic: 'h.again', from: positions[1] });
      await client.received('h.again', 3);
      assert.deepEqual((await client.subscribe({ topic: 'h.again', mode: 'latest' }))['h.again'], {
        topic: 'h.again',
        ...positions[4],
      });
      await refused(client, { topic: 'h.again', from: positions[1] }, 'bad_request', /unsubscribe/);
      await refused(client, { topic: 'h.again', last: 1 }, 'bad_request', /unsubscribe/);
      await publish(gateway, 'h.again', 6, 6);
      await client.received('h.again', 4);
      assert.deepEqual(data(client.of('h.again')), [3, 4, 5, 6]);
    });

    test('bad positions are refused for their entry alone', async (t) => {
      const client = await connect(t);
      for (const from of [
        { epoch: 'Qx7', offset: 2 ** 53 },
        { epoch: 'Qx7', offset: -1 },
        { epoch: 'Qx7', offset: 1.5 },
        { epoch: 'Qx7', offset: '1' },
        { epoch: 'Q-7', offset: 1 },
        { epoch: '', offset: 1 },
        { epoch: 'x'.repeat(25), offset: 1 },
        { epoch: 7, offset: 1 },
        { offset: 1 },
        'Qx7:1',
      ]) {
        const entries = await client.subscribe({ topic: 'h.bad', from }, 'h.good');
        assert.equal(entries['h.bad'].error?.code, 'bad_request', JSON.stringify(from));
        assert.equal(entries['h.good'].error, undefined, JSON.stringify(from));
      }
      for (const last of [0, -1, 1.5, '1', 1e9]) await refused(client, { topic: 'h.bad', last }, 'bad_request', /last/);
      await refused(client, { topic: 'h.bad', last: 1, from: { epoch: '0', offset: 0 } }, 'bad_request');
    });

    test('a URL names where it goes on', async (t) => {
      const positions = await publish(gateway, 'h.url@a', 1, 5);
      const { epoch } = positions[0];
      const url = `/v1/ws?topic=h.url%40a&topic=h.url.b&from=h.url%40a@${epoch}:3`;
      const raw = await RawSocket.upgrade(t, gateway.port, url);
      assert.equal((await raw.json()).type, 'welcome');
      const entries = {};
      for (let done; !done; ) {
        const frame = await raw.json();
        assert.equal(frame.type, 'subscribed');
        for (const entry of frame.subs) entries[entry.topic] = entry;
        done = frame.done;
      }
      assert.deepEqual(entries['h.url@a'], { topic: 'h.url@a', ...positions[4], resumed: true, replay: 2 });
      assert.equal(entries['h.url.b'].epoch, '0');
      assert.deepEqual([(await raw.json()).offset, (await raw.json()).offset], [4, 5]);
    });

    test('many with positions of their own, on both workers, each get theirs', async (t) => {
      const positions = await publish(gateway, 'h.many', 1, 400);
      const clients = await Promise.all(Array.from({ length: 40 }, () => connect(t)));
      await Promise.all(
        clients.map(async (client, n) => {
          const { 'h.many': entry } = await client.subscribe({ topic: 'h.many', from: positions[n * 10] });
          assert.equal(entry.replay, 399 - n * 10, JSON.stringify(entry));
        }),
      );
      await publish(gateway, 'h.many', 401, 405);
      for (const [n, client] of clients.entries()) {
        await client.received('h.many', 404 - n * 10);
        assert.deepEqual(data(client.of('h.many')), numbers(n * 10 + 2, 405));
      }
    });

    test('unsubscribed and back: the same session goes on where it left', async (t) => {
      const client = await connect(t);
      const positions = await publish(gateway, 'h.back', 1, 5);
      await client.subscribe({ topic: 'h.back', from: positions[2] });
      await client.received('h.back', 2);
      await client.unsubscribe('h.back');
      await publish(gateway, 'h.back', 6, 7);
      const { 'h.back': entry } = await client.subscribe({ topic: 'h.back', from: positions[4] });
      assert.equal(entry.replay, 2);
      await client.received('h.back', 4);
      assert.deepEqual(data(client.of('h.back')), numbers(4, 7));
    });

    test('at rest every delivery is accounted for, replayed ones too', async () => {
      const metrics = await gateway.counted(({ law }) => law.holds && law.behind === 0, 'the law at rest');
      assert.ok(metrics.law.sent > 1000);
      assert.equal(metrics.law.shed, 0, metrics.text);
    });
  });
}

describe('what Redis holds', () => {
  const scope = suiteScope();
  let server;
  let redis;
  let nodes;
  before(async () => {
    server = await Redis.start(scope);
    redis = await server.client(scope);
    nodes = await Promise.all([0, 1].map(() => Gateway.start(scope, ['--bus', server.url], { config: { topics: RULES } })));
    for (const node of nodes) await node.busUp();
  });

  test('a position of one node is good on the other', async (t) => {
    const client = await Client.connect(t, nodes[0].url);
    await client.subscribe('h.nodes');
    const positions = await publish(nodes[1], 'h.nodes', 1, 10);
    await client.received('h.nodes', 10);
    assert.deepEqual(offsets(client.of('h.nodes')), numbers(1, 10));
    const other = await Client.connect(t, nodes[1].url);
    const { 'h.nodes': entry } = await other.subscribe({ topic: 'h.nodes', from: positions[3] });
    assert.deepEqual(entry, { topic: 'h.nodes', ...positions[9], resumed: true, replay: 6 });
    await other.received('h.nodes', 6);
    assert.deepEqual(data(other.of('h.nodes')), numbers(5, 10));
  });

  test('a backend publishes by the function, and both have it', async (t) => {
    const client = await Client.connect(t, nodes[0].url);
    await client.subscribe('h.fcall');
    const reply = await redis.command('FCALL', 'spillway_publish', 1, 'h.fcall', '{"n":1}', 'KEY', 'k1');
    const { epoch } = at(reply.toString());
    const [frame] = await client.received('h.fcall', 1);
    assert.deepEqual([frame.offset, frame.key, frame.data], [1, 'k1', { n: 1 }]);
    const again = await redis.command('FCALL', 'spillway_publish', 1, 'h.fcall', '{"n":2}', 'ID', 'once');
    assert.equal((await redis.command('FCALL', 'spillway_publish', 1, 'h.fcall', '{"n":2}', 'ID', 'once')).toString(), again.toString());
    await client.received('h.fcall', 2);
    const other = await Client.connect(t, nodes[1].url);
    const { 'h.fcall': entry } = await other.subscribe({ topic: 'h.fcall', from: { epoch: '0', offset: 0 } });
    assert.deepEqual(entry, { topic: 'h.fcall', epoch, offset: 2, resumed: true, replay: 2 });
  });

  test('a plain PUBLISH into a topic with history stands in its place, without a position', async (t) => {
    const client = await Client.connect(t, nodes[0].url);
    await client.subscribe('h.mixed');
    const [first] = await publish(nodes[0], 'h.mixed', 1, 1);
    await client.received('h.mixed', 1);
    await redis.publish('h.mixed', '"plain"');
    await publish(nodes[0], 'h.mixed', 2, 2);
    await client.received('h.mixed', 3);
    assert.deepEqual(
      client.of('h.mixed').map(({ offset, data }) => [offset, data]),
      [
        [1, 1],
        [undefined, 'plain'],
        [2, 2],
      ],
    );
    const other = await Client.connect(t, nodes[1].url);
    const { 'h.mixed': entry } = await other.subscribe({ topic: 'h.mixed', from: first });
    assert.equal(entry.replay, 1, 'it is not kept');
    await other.received('h.mixed', 1);
    assert.deepEqual(data(other.of('h.mixed')), [2]);
  });

  // The last is no envelope at all, since no epoch is so long: like anything else that is none, it is a payload.
  test('forged envelopes are never delivered', async (t) => {
    const client = await Client.connect(t, nodes[0].url);
    await client.subscribe('h.forged');
    const [{ epoch }] = await publish(nodes[0], 'h.forged', 1, 1);
    await client.received('h.forged', 1);
    const forged = (position) => redis.publish('h.forged', `\x1e1;${position};t=1\x1e"forged"`);
    await forged('Zz9:7');
    await forged(`${epoch}:9`);
    await forged(`${epoch}:1`);
    await forged(`${'x'.repeat(25)}:2`);
    await publish(nodes[0], 'h.forged', 2, 3);
    await client.received('h.forged', 4);
    const positioned = client.messages('h.forged').filter(({ offset }) => offset);
    assert.deepEqual(data(positioned), [1, 2, 3]);
    assert.deepEqual(offsets(positioned), [1, 2, 3]);
    const [raw] = client.messages('h.forged').filter(({ offset }) => !offset);
    assert.match(raw.text, /^\x1e1;x{25}:2/);
    assert.deepEqual(
      client.frames.filter(({ type }) => type === 'reset'),
      [],
    );
  });

  test('a name that Redis draws anew is told before its first message, and nobody misses any', async (t) => {
    const client = await Client.connect(t, nodes[0].url);
    await client.subscribe('h.renamed');
    const [before] = await publish(nodes[0], 'h.renamed', 1, 2);
    await client.received('h.renamed', 2);
    const source = await redis.command('FUNCTION', 'LIST', 'LIBRARYNAME', 'spillway', 'WITHCODE');
    const code = source[0][source[0].findIndex((item) => String(item) === 'library_code') + 1];
    await redis.command('FUNCTION', 'LOAD', 'REPLACE', code);
    const [after] = await publish(nodes[1], 'h.renamed', 3, 4);
    assert.notEqual(after.epoch, before.epoch);
    assert.equal(after.offset, 3);
    await client.received('h.renamed', 4);
    const epochs = client.frames.filter(({ type }) => type === 'epoch');
    assert.equal(epochs.at(-1).epoch, after.epoch);
    assert.ok(client.frames.indexOf(epochs.at(-1)) < client.frames.findIndex(({ offset }) => offset === 3));
    const other = await Client.connect(t, nodes[1].url);
    const { 'h.renamed': entry } = await other.subscribe({ topic: 'h.renamed', from: before });
    assert.deepEqual(entry, { topic: 'h.renamed', epoch: after.epoch, offset: 4, resumed: true, replay: 3 });
  });

  test('a stream that was deleted resets who saw more than there is', async (t) => {
    const client = await Client.connect(t, nodes[0].url);
    await client.subscribe('h.deleted');
    const [before] = await publish(nodes[0], 'h.deleted', 1, 5);
    await client.received('h.deleted', 5);
    await redis.command('DEL', '{h.deleted}:h', '{h.deleted}:m');
    const [after] = await publish(nodes[0], 'h.deleted', 6, 6);
    assert.notEqual(after.epoch, before.epoch);
    const reset = await client.next('reset');
    assert.equal(reset.epoch, after.epoch);
    await until(() => client.frames.find((frame) => frame.type === 'msg' && frame.data === 6) ?? reset.offset >= 1, 5000, 'the newest');
    await publish(nodes[0], 'h.deleted', 7, 7);
    await until(() => client.messages('h.deleted').at(-1).data === 7, 5000, 'what comes behind it');
    assert.equal(assertWhole(client, 'h.deleted', 0), 2);
  });

  test('what is missing by the hundred thousand is told in a few words, and what no account holds is a reset', async (t) => {
    const client = await Client.connect(t, nodes[0].url);
    await client.subscribe('h.jump');
    await publish(nodes[0], 'h.jump', 1, 5);
    await client.received('h.jump', 5);
    await redis.command('HSET', '{h.jump}:m', 'o', 100005);
    await publish(nodes[0], 'h.jump', 6, 6);
    await until(() => client.messages('h.jump').at(-1).offset === 100006, 5000, 'the message behind the hole');
    assert.equal(assertWhole(client, 'h.jump', 0), 100006);
    const dropped = client.of('h.jump').filter(({ type }) => type === 'dropped');
    assert.ok(dropped.length <= 10, `${dropped.length} frames`);
    assert.equal(dropped.reduce((sum, { count }) => sum + count, 0), 100000);
    await redis.command('HSET', '{h.jump}:m', 'o', 3000000000);
    const [after] = await publish(nodes[0], 'h.jump', 7, 7);
    const { epoch, offset } = await client.next('reset');
    assert.ok(epoch === after.epoch && [after.offset, after.offset - 1].includes(offset), `${epoch}:${offset}`);
    await publish(nodes[0], 'h.jump', 8, 8);
    await until(() => client.messages('h.jump').at(-1).data === 8, 5000, 'what comes behind it');
    assert.equal(assertWhole(client, 'h.jump', 0), 3000000002);
    // The newest are found without a question for each run of what was never there.
    const late = await Client.connect(t, nodes[1].url);
    assert.equal((await late.subscribe({ topic: 'h.jump', last: 100000 }))['h.jump'].replay, 2);
  });

  test('an entry that is too large to be read ends the link once, not again and again', async (t) => {
    const downs = (node) => node.stderr.match(/"state":"down"/g)?.length ?? 0;
    const large = Buffer.alloc((16 << 20) + 1, 'x');
    const reader = await Client.connect(t, nodes[0].url);
    await reader.subscribe('h.large', 'h.beside');
    const [position] = await publish(nodes[0], 'h.large', 1, 1);
    await reader.received('h.large', 1);
    await redis.command('XADD', '{h.large}:h', '2-0', 'm', large);
    await redis.command('HSET', '{h.large}:m', 'o', 2);
    await refused(await Client.connect(t, nodes[0].url), { topic: 'h.large', from: { ...position, epoch: 'x' } }, 'internal');
    await nodes[0].log(({ event, why }) => event === 'redis_history_refused' && /left out for 60 s/.test(why));
    await nodes[0].log(({ event }) => event === 'bus_down');
    await nodes[0].busUp();
    await refused(await Client.connect(t, nodes[0].url), 'h.large', 'internal');
    await publish(nodes[0], 'h.beside', 1, 1);
    await reader.received('h.beside', 1);
    assert.equal(downs(nodes[0]), 1);
    await redis.command('DEL', '{h.large}:h', '{h.large}:m');
  });

  test('of large messages no more is read for who comes back than he lacks', async (t) => {
    const large = JSON.stringify('x'.repeat(60000));
    const keeper = await Client.connect(t, nodes[0].url);
    await keeper.subscribe('h.wide');
    const positions = [];
    for (let n = 0; n < 300; n++) positions.push(at(String(await redis.command('FCALL', 'spillway_publish', 1, 'h.wide', large, 'SIZE', 500))));
    await keeper.received('h.wide', 300);
    const written = async () => Number(/total_net_output_bytes:(\d+)/.exec(await redis.command('INFO', 'stats'))[1]);
    const before = await written();
    const client = await Client.connect(t, nodes[0].url);
    assert.equal((await client.subscribe({ topic: 'h.wide', from: positions[127] }))['h.wide'].resumed, true);
    await client.received('h.wide', 172);
    assertWhole(client, 'h.wide', 128);
    const read = (await written()) - before;
    assert.ok(read < 8e6, `${read} bytes read for less than 172 of 60,000`);
  });

  test('the law holds on both nodes', async () => {
    for (const node of nodes) await node.counted(({ law }) => law.holds && law.behind === 0, 'the law at rest');
  });
});

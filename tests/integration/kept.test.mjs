// SPDX-License-Identifier: Apache-2.0
//
// Topics with history over HTTP: the positions that publishers are told, what is sent twice, and what is kept. On the embedded bus
// and on a real Redis alike.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { freePort, Redis } from '../harness/redis.mjs';
import { suiteScope } from '../harness/scope.mjs';

const RULES = [
  { match: 'k.few.*', history: { size: 3 } },
  { match: 'k.>', history: {} },
];

for (const bus of ['memory', 'redis']) {
  describe(`on ${bus}`, () => {
    const scope = suiteScope();
    let gateway;
    before(async () => {
      const args = bus === 'redis' ? ['--bus', (await Redis.start(scope)).url] : [];
      gateway = await Gateway.start(scope, [...args, '--client-publish'], { config: { topics: RULES } });
      await gateway.busUp();
    });

    const post = (topic, body, headers) => gateway.post(`/v1/topics/${topic}`, body, { headers });
    const kept = (topic, query = '') => gateway.get(`/v1/topics/${topic}/history${query}`);

    async function positionOf(topic, body, headers) {
      const { status, json } = await post(topic, body, headers);
      assert.equal(status, 200);
      assert.equal(json.topic, topic);
      assert.match(json.position, /^[A-Za-z0-9]{1,24}:\d+$/);
      return json.position;
    }

    test('a publish is answered with one where the topic has history', async () => {
      const first = await positionOf('k.positions', '1');
      const [epoch, offset] = first.split(':');
      assert.equal(offset, '1');
      assert.equal(await positionOf('k.positions', 'no JSON'), `${epoch}:2`);
      const topics = ['k.positions', 'plain', 'k.positions', 'k..bad'];
      const { json } = await gateway.post(
        '/v1/publish',
        topics.map((topic) => ({ topic, data: 1 })),
      );
      assert.deepEqual(json.results.slice(0, 3), [{ position: `${epoch}:3` }, {}, { position: `${epoch}:4` }]);
      assert.equal(json.results[3].error.code, 'bad_topic');
      assert.deepEqual((await post('plain', '1')).json, { topic: 'plain' });
      const open = await gateway.public('POST', '/v1/publish', { body: '{"topic":"k.positions","data":1}' });
      assert.deepEqual(open.json, { results: [{ position: `${epoch}:5` }] });
    });

    test('a client that publishes hears it too', async (t) => {
      const client = await Client.connect(t, gateway.url);
      assert.ok(client.welcome.features.includes('history'));
      const { epoch, ...reply } = await client.request('publish', { topic: 'k.client', data: 1 });
      assert.deepEqual(reply, { type: 'published', id: reply.id, offset: 1 });
      assert.equal(await positionOf('k.client', '2'), `${epoch}:2`);
      assert.deepEqual(Object.keys(await client.request('publish', { topic: 'plain', data: 1 })), ['type', 'id']);
    });

    test('what is sent again with its id is the same message, also in one batch', async () => {
      const id = { 'Idempotency-Key': 'order-7' };
      const first = await positionOf('k.twice', '{"n":1}', id);
      assert.equal(await positionOf('k.twice', '{"n":1}', id), first);
      const batch = ['order-7', 'order-8', 'order-8', 'order-9'].map((id) => ({ topic: 'k.twice', data: { n: 2 }, id }));
      const { json } = await gateway.post('/v1/publish', batch);
      const offsets = json.results.map(({ position }) => Number(position.split(':')[1]));
      assert.deepEqual(offsets, [1, 2, 2, 3]);
      assert.notEqual(await positionOf('k.twice.other', '1', id), undefined, 'another topic, another message');
      const { last, msgs } = (await kept('k.twice')).json;
      assert.equal(last, 3);
      assert.deepEqual(
        msgs.map(({ offset }) => offset),
        [1, 2, 3],
      );
    });

    test('an id means the same on a topic without history', async (t) => {
      const client = await Client.connect(t, gateway.url);
      await client.subscribe('plain.twice');
      const id = { 'Idempotency-Key': 'order-7' };
      for (let n = 0; n < 2; n++) assert.deepEqual((await post('plain.twice', '1', id)).json, { topic: 'plain.twice' });
      await gateway.publish('plain.twice', '2');
      await client.received('plain.twice', 2);
      assert.deepEqual(
        client.of('plain.twice').map(({ data }) => data),
        [1, 2],
      );
    });

    test('the members are those of a msg, byte for byte', async () => {
      const epoch = (await positionOf('k.bytes', '{ "id" : 7.0 }')).split(':')[0];
      await positionOf('k.bytes', 'plain "words"');
      await positionOf('k.bytes', Buffer.from([0xff, 0, 1]));
      await positionOf('k.bytes', '4', { 'Spillway-Key': 'c"1' });
      const { status, headers, bytes, text } = await kept('k.bytes');
      assert.equal(status, 200);
      assert.match(headers['content-type'], /^application\/json/);
      assert.equal(
        text.replace(/"ts":\d{13},/g, ''),
        `{"epoch":"${epoch}","first":1,"last":4,"msgs":[{"offset":1,"data":{ "id" : 7.0 }},` +
          '{"offset":2,"text":"plain \\"words\\""},{"offset":3,"b64":"/wAB"},{"offset":4,"key":"c\\"1","data":4}]}',
      );
      const head = await gateway.ask('HEAD', '/v1/topics/k.bytes/history');
      assert.equal(head.status, 200);
      assert.equal(head.headers['content-length'], String(bytes.length));
    });

    test('from and limit page through it, and what is gone is missing at the front', async () => {
      const batch = Array.from({ length: 250 }, (_, n) => ({ topic: 'k.few.a', data: n + 1 }));
      const { results } = (await gateway.post('/v1/publish', batch)).json;
      const [epoch] = results[0].position.split(':');
      const { first } = (await kept('k.few.a')).json;
      if (bus === 'memory') assert.equal(first, 248);
      assert.ok(first > 100 && first <= 248, 'Redis cuts a hundred at once');
      const page = async (query) => {
        const { json } = await kept('k.few.a', query);
        assert.deepEqual([json.epoch, json.first, json.last], [epoch, first, 250]);
        for (const { offset, data } of json.msgs) assert.equal(data, offset);
        return json.msgs.map(({ offset }) => offset);
      };
      assert.deepEqual((await page('')).slice(0, 3), [first, first + 1, first + 2]);
      assert.deepEqual(await page('?limit=2'), [first, first + 1]);
      assert.deepEqual(await page(`?from=${epoch}:249`), [250]);
      assert.deepEqual(await page(`?from=${epoch}:248&limit=1`), [249]);
      assert.deepEqual(await page(`?limit=500&from=${epoch}%3A250`), []);
      assert.deepEqual(await page('?from=0:0&limit=1'), [first]);
      assert.deepEqual(await page(`?from=${epoch}:1&limit=1`), [first]);
    });

    test('a position of another stream, or beyond its end, is refused with the place where it is', async () => {
      const position = await positionOf('k.other', '1');
      const [epoch] = position.split(':');
      for (const from of ['Zz9:1', `${epoch}:2`, '0:1']) {
        const answer = await kept('k.other', `?from=${from}`);
        assert.equal(answer.status, 400, from);
        assert.equal(answer.code, 'bad_request');
        assert.equal(answer.json.error.message, `"from" is no position of this history, which is at ${position}`);
      }
    });

    test('a topic that nobody has published to is at its beginning; a plain one has none', async () => {
      assert.deepEqual((await kept('k.never')).json, { epoch: '0', first: 0, last: 0, msgs: [] });
      assert.deepEqual((await kept('k.never', '?from=0:0')).json, { epoch: '0', first: 0, last: 0, msgs: [] });
      const plain = await kept('plain');
      assert.equal(plain.status, 404);
      assert.equal(plain.code, 'no_history');
    });

    test('the listing of topics says where a history is, once it is known', async (t) => {
      const client = await Client.connect(t, gateway.url);
      const [epoch] = (await positionOf('k.few.listed', '1')).split(':');
      await client.subscribe('k.few.listed', 'plain.listed', 'k.few.>');
      for (let n = 2; n <= 5; n++) await positionOf('k.few.listed', String(n));
      const { topics } = (await gateway.get('/v1/topics?match=k.few.listed')).json;
      assert.deepEqual(topics[0].history, { epoch, first: 3, last: 5 });
      const others = (await gateway.get('/v1/topics')).json.topics.filter(({ topic }) => topic !== 'k.few.listed');
      assert.equal(others.length, 2);
      for (const row of others) assert.equal('history' in row, false, row.topic);
    });
  });
}

test('while the bus is away a history cannot be looked up, and that is said', async (t) => {
  const gateway = await Gateway.start(t, ['--bus', `redis://127.0.0.1:${await freePort()}`], { config: { topics: RULES } });
  const answer = await gateway.get('/v1/topics/k.away/history');
  assert.equal(answer.status, 503);
  assert.equal(answer.code, 'bus_unavailable');
  assert.equal(answer.json.error.retry, true);
  assert.ok(answer.headers['retry-after'] >= 1);
});

test('what is published in another database than the node uses is no part of its histories, and the log says so', async (t) => {
  const redis = await Redis.start(t);
  const gateway = await Gateway.start(t, ['--bus', `${redis.url}/1`], { config: { topics: RULES } });
  const client = await Client.connect(t, gateway.url);
  await client.subscribe('k.db');
  const backend = await redis.client(t);
  await backend.command('FCALL', 'spillway_publish', '1', 'k.db', '"astray"');
  const { topic, hint } = await gateway.log(({ event }) => event === 'history_ghost');
  assert.equal(topic, 'k.db');
  assert.match(hint, /database \(\/db\)/);
  await gateway.publish('k.db', '1');
  await client.received('k.db', 1);
  assert.deepEqual(client.of('k.db').map(({ data }) => data), [1]);
  assert.equal((await gateway.metrics()).sum('spillway_ghosts_total'), 1);
});

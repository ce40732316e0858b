// SPDX-License-Identifier: Apache-2.0
//
// The native protocol, frame by frame, on the embedded bus.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { until, within } from '../harness/until.mjs';

const suite = (name, args, tests) =>
  describe(name, () => {
    const scope = suiteScope();
    const shared = {};
    before(async () => {
      shared.gateway = await Gateway.start(scope, args);
    });
    tests(
      () => shared.gateway,
      (t, options) => Client.connect(t, shared.gateway.url + (options?.query ?? ''), options),
    );
  });

suite('welcome and hello', [], (gateway, connect) => {
  test('welcome tells session, node, heartbeat, limits and features', async (t) => {
    const { welcome } = await connect(t);
    assert.equal(typeof welcome.session, 'string');
    assert.equal(typeof welcome.node, 'string');
    assert.equal(welcome.heartbeat_ms, 25000);
    assert.deepEqual(welcome.limits, { frame: 65536, topics: 256 });
    assert.ok(Array.isArray(welcome.features));
    assert.equal(welcome.id, undefined);
    const other = await connect(t);
    assert.notEqual(other.welcome.session, welcome.session);
    assert.equal(other.welcome.node, welcome.node);
  });

  test('hello after welcome is answered by a welcome with its id and the same session', async (t) => {
    const client = await connect(t);
    const reply = await client.request('hello', { client: 'dash/1.4' });
    assert.equal(reply.type, 'welcome');
    assert.equal(reply.session, client.welcome.session);
  });

  test('a token in hello, and refresh, are unsupported and the connection stays', async (t) => {
    const client = await connect(t);
    for (const [type, fields] of [
      ['hello', { token: 'a.b.c' }],
      ['refresh', { token: 'a.b.c' }],
    ]) {
      const reply = await client.request(type, fields);
      assert.equal(reply.type, 'error');
      assert.equal(reply.error.code, 'unsupported');
      assert.equal(reply.error.retry, false);
    }
    assert.equal((await client.flushed()).type, 'pong');
  });

  test('an unknown type is answered by an error with its id, and never counts as a bad request', async (t) => {
    const client = await connect(t);
    for (let count = 0; count < 15; count++) {
      const reply = await client.request('teleport', { to: 'mars' });
      assert.equal(reply.type, 'error');
      assert.equal(reply.error.code, 'unsupported');
    }
    assert.equal((await client.flushed()).type, 'pong');
  });

  test('a ping is answered with its id, and without one when it has none', async (t) => {
    const client = await connect(t);
    client.send('{"type":"ping","id":7}');
    assert.equal((await client.next('pong')).raw, '{"type":"pong","id":7}');
    client.send('{"type":"ping"}');
    assert.equal((await client.next('pong')).raw, '{"type":"pong"}');
    client.send('{"type":"ping","id":9007199254740991}');
    assert.equal((await client.next('pong')).raw, '{"type":"pong","id":9007199254740991}');
  });

  test('the subprotocol spillway.v1.json is echoed, also from a list, and none is echoed where none was offered', async (t) => {
    const named = await connect(t, { protocols: ['spillway.v1.json'] });
    assert.equal(named.ws.protocol, 'spillway.v1.json');
    const listed = await connect(t, { protocols: ['spillway.v9.cbor', 'spillway.v1.json'] });
    assert.equal(listed.ws.protocol, 'spillway.v1.json');
    assert.equal((await connect(t)).ws.protocol, '');
  });

  test('only unknown subprotocols are refused with 400', async (t) => {
    await assert.rejects(connect(t, { protocols: ['graphql-ws', 'mqtt'] }), ({ refused }) => refused.status === 400);
  });
});

suite('subscriptions', [], (gateway, connect) => {
  test('one subscribe carries several topics; errors stand in their entries', async (t) => {
    const client = await connect(t);
    const entries = await client.subscribe('many.a', 'many..b', 'many.c', '*.d', 'many.>');
    assert.deepEqual(entries['many.a'], { topic: 'many.a', recoverable: false });
    assert.deepEqual(entries['many.>'], { topic: 'many.>', recoverable: false });
    assert.equal(entries['many..b'].error.code, 'bad_topic');
    assert.equal(entries['many..b'].error.retry, false);
    assert.equal(typeof entries['many..b'].error.message, 'string');
    assert.equal(entries['*.d'].error.code, 'bad_topic');
    await gateway().publish('many.c', '1');
    assert.deepEqual(
      (await client.received('many.c', 1)).map(({ raw }) => raw),
      ['{"type":"msg","topic":"many.c","data":1}'],
    );
  });

  test('the shorthand is one entry of subs, or of topics', async (t) => {
    const client = await connect(t);
    client.send('{"type":"subscribe","topic":"short.a"}');
    const subscribed = await client.next('subscribed');
    assert.equal(subscribed.id, undefined);
    assert.equal(subscribed.done, true);
    assert.deepEqual(subscribed.subs, [{ topic: 'short.a', recoverable: false }]);
    await gateway().publish('short.a', '1');
    await client.received('short.a', 1);
    client.send('{"type":"unsubscribe","topic":"short.a","id":3}');
    const unsubscribed = await client.next('unsubscribed');
    assert.deepEqual(unsubscribed, { type: 'unsubscribed', id: 3, topics: ['short.a'] });
  });

  test('topics in the query are subscribed at the upgrade, unasked and without an id', async (t) => {
    const client = await connect(t, { query: '?topic=query.a&topic=query.%3E&topic=b%C3%BCro&topic=query..bad' });
    assert.equal(client.frames[0].type, 'welcome');
    const entries = {};
    for (let done = false; !done;) {
      const subscribed = await client.next('subscribed');
      assert.equal(subscribed.id, undefined);
      for (const entry of subscribed.subs) entries[entry.topic] = entry;
      done = subscribed.done;
    }
    assert.deepEqual(Object.keys(entries).sort(), ['büro', 'query..bad', 'query.>', 'query.a'].sort());
    assert.equal(entries['query..bad'].error.code, 'bad_topic');
    await gateway().publish('query.a', '1');
    await gateway().publish('büro', '2');
    await client.received('query.a', 1);
    await client.received('query.>', 1);
    assert.equal((await client.received('büro', 1))[0].raw, '{"type":"msg","topic":"büro","data":2}');
  });

  test('each subscription is a stream of its own: a topic and two patterns over it bring a message once each', async (t) => {
    const client = await connect(t);
    await client.subscribe('own.eu', 'own.>', 'own.*');
    for (let n = 1; n <= 5; n++) await gateway().publish('own.eu', `{"n":${n}}`);
    await Promise.all(['own.eu', 'own.>', 'own.*'].map((name) => client.received(name, 5)));
    assert.deepEqual(
      client.of('own.eu').map(({ raw }) => raw),
      [1, 2, 3, 4, 5].map((n) => `{"type":"msg","topic":"own.eu","data":{"n":${n}}}`),
    );
    for (const name of ['own.>', 'own.*']) {
      const expected = [1, 2, 3, 4, 5].map((n) => `{"type":"msg","topic":"own.eu","sub":"${name}","data":{"n":${n}}}`);
      assert.deepEqual(
        client.of(name).map(({ raw }) => raw),
        expected,
      );
    }
    assert.equal((await client.unsubscribe('own.eu', 'own.*')).topics.length, 2);
    await gateway().publish('own.eu', '{"n":6}');
    await client.received('own.>', 6);
    await client.flushed();
    assert.equal(client.of('own.eu').length, 5);
    assert.equal(client.of('own.*').length, 5);
  });

  test('* stands for one token and > for one or more', async (t) => {
    const client = await connect(t);
    await client.subscribe('w.*', 'w.>', 'w.*.eu', 'w.a.>');
    for (const topic of ['w', 'w.a', 'w.a.eu', 'w.a.b.eu', 'wx.a']) await gateway().publish(topic, '0');
    await client.received('w.>', 3);
    await client.received('w.a.>', 2);
    await client.flushed();
    const topics = (name) => client.of(name).map(({ topic }) => topic);
    assert.deepEqual(topics('w.*'), ['w.a']);
    assert.deepEqual(topics('w.>'), ['w.a', 'w.a.eu', 'w.a.b.eu']);
    assert.deepEqual(topics('w.*.eu'), ['w.a.eu']);
    assert.deepEqual(topics('w.a.>'), ['w.a.eu', 'w.a.b.eu']);
  });

  test('a frame is byte-identical for every subscriber', async (t) => {
    const clients = [await connect(t), await connect(t), await connect(t)];
    for (const client of clients) await client.subscribe('same.>');
    await gateway().publish('same.x', '{"a":"ü"}');
    const raw = await Promise.all(clients.map(async (client) => (await client.received('same.>', 1))[0].raw));
    assert.deepEqual(raw, new Array(3).fill('{"type":"msg","topic":"same.x","sub":"same.>","data":{"a":"ü"}}'));
  });

  test('subscribing twice is answered twice and delivers once', async (t) => {
    const client = await connect(t);
    await client.subscribe('twice');
    const again = await client.subscribe('twice', 'twice');
    assert.equal(again.twice.error, undefined);
    await gateway().publish('twice', '1');
    await client.received('twice', 1);
    await client.flushed();
    assert.equal(client.of('twice').length, 1);
  });

  test('unsubscribing what is unknown is no error', async (t) => {
    const client = await connect(t);
    const reply = await client.unsubscribe('never.was', 'never.>');
    assert.equal(reply.type, 'unsubscribed');
    assert.equal((await client.flushed()).type, 'pong');
  });

  test('subscribe and unsubscribe that cross are each answered, and the last one counts', async (t) => {
    const client = await connect(t);
    for (let round = 1; round <= 20; round++) {
      const replies = await Promise.all([
        client.request('subscribe', { topic: 'cross' }),
        client.request('unsubscribe', { topic: 'cross' }),
        client.request('subscribe', { topic: 'cross' }),
      ]);
      assert.deepEqual(
        replies.map(({ type }) => type),
        ['subscribed', 'unsubscribed', 'subscribed'],
      );
      const first = replies[0].subs[0].error;
      assert.ok(first === undefined || first.code === 'cancelled', replies[0].raw);
      assert.equal(replies[2].subs[0].error, undefined);
      await gateway().publish('cross', String(round));
      await client.received('cross', round);
    }
    await client.flushed();
    assert.deepEqual(
      client.of('cross').map(({ data }) => data),
      Array.from({ length: 20 }, (_, at) => at + 1),
    );
  });

  test('a position or a number of messages that cannot be is a bad_request in its own entry', async (t) => {
    const client = await connect(t);
    const entries = await client.subscribe(
      { topic: 'claim.from', from: { epoch: 'Q-7', offset: 41 } },
      { topic: 'claim.last', last: 0 },
      { topic: 'claim.both', from: { epoch: 'Qx7', offset: 41 }, last: 1 },
      { topic: 'claim.none' },
    );
    for (const name of ['from', 'last', 'both']) assert.equal(entries[`claim.${name}`].error?.code, 'bad_request', name);
    assert.match(entries['claim.from'].error.message, /"epoch" is 1 to 24/);
    assert.equal(entries['claim.none'].error, undefined);
  });

  test('a mode or pace that there is not is a bad_request in its own entry, which names those that there are', async (t) => {
    const client = await connect(t);
    const entries = await client.subscribe(
      { topic: 'wish.mode', mode: 'newest' },
      { topic: 'wish.hz', max_hz: 3 },
      { topic: 'wish.text', max_hz: '5' },
      { topic: 'wish.good' },
    );
    const refused = (entry, words) => {
      assert.equal(entry.error?.code, 'bad_request', JSON.stringify(entry));
      assert.match(entry.error.message, words);
    };
    refused(entries['wish.mode'], /all, latest or disconnect/);
    refused(entries['wish.hz'], /1, 2, 5, 10 or 20/);
    refused(entries['wish.text'], /1, 2, 5, 10 or 20/);
    assert.equal(entries['wish.good'].error, undefined);

    const asked = async (query) => {
      const { subs } = await (await connect(t, { query: `?topic=wish.q&topic=wish.r${query}` })).next('subscribed');
      assert.equal(subs.length, 2);
      return subs;
    };
    for (const entry of await asked('&mode=newest')) refused(entry, /all, latest or disconnect/);
    for (const entry of await asked('&mode=%zz')) refused(entry, /all, latest or disconnect/);
    for (const entry of await asked('&max_hz=3')) refused(entry, /1, 2, 5, 10 or 20/);
    for (const entry of await asked('&max_hz=fast')) refused(entry, /1, 2, 5, 10 or 20/);
  });

  test('a session has at most 256 subscriptions', async (t) => {
    const client = await connect(t);
    const entries = await client.subscribe(...Array.from({ length: 257 }, (_, at) => `full.${at}`));
    const failed = Object.values(entries).filter(({ error }) => error);
    assert.deepEqual(
      failed.map(({ topic, error }) => [topic, error.code]),
      [['full.256', 'too_many_topics']],
    );
    await client.unsubscribe('full.0');
    assert.equal((await client.subscribe('full.256'))['full.256'].error, undefined);
  });

  test('who asks for ever new topics is held to a rate, and its neighbour hears nothing of it', async (t) => {
    const node = await Gateway.start(t, ['--workers', '1']); // what is new is new to a worker
    const neighbour = await Client.connect(t, node.url);
    await neighbour.subscribe('calm');
    const client = await Client.connect(t, node.url);
    const began = performance.now();
    const outcomes = { joined: 0, rate_limited: 0 };
    for (let at = 0; at < 2000; at += 100) {
      const names = Array.from({ length: 100 }, (_, n) => `new.${at + n}`);
      for (const { error } of Object.values(await client.subscribe(...names))) {
        outcomes[error?.code ?? 'joined']++;
        if (error) assert.deepEqual([error.code, error.retry, error.retry_ms > 0], ['rate_limited', true, true]);
      }
      await client.unsubscribe(...names);
      await node.publish('calm', String(at));
    }
    assert.equal(outcomes.joined + outcomes.rate_limited, 2000);
    assert.ok(outcomes.joined >= 512, `${outcomes.joined} joined`);
    const most = 512 + 1 + 64 * ((performance.now() - began) / 1000);
    assert.ok(outcomes.joined <= most, `${outcomes.joined} joined of ${most}`);
    const metrics = await node.metrics();
    assert.ok(metrics.sum('spillway_interests') <= outcomes.joined + 1, 'no more on the bus than joined');
    assert.ok(metrics.sum('spillway_interests_lingering') <= metrics.sum('spillway_interests'));
    await neighbour.received('calm', 20);
    assert.equal((await client.subscribe('calm')).calm.error, undefined, 'what somebody reads is not new');
    await until(async () => !(await client.subscribe('new.again'))['new.again'].error, 5000, 'room for one again');
  });

  test('one subscribe names at most 512 topics, so that its answer is bounded', async (t) => {
    const client = await connect(t);
    const bad = (count) => Array.from({ length: count }, (_, at) => ({ topic: `.${at}` }));
    assert.equal(Object.keys(await client.subscribe(...bad(512))).length, 512);
    const refused = await client.request('subscribe', { subs: bad(513) });
    assert.equal(refused.type, 'error');
    assert.equal(refused.error.code, 'too_many_topics');
    assert.equal(refused.error.retry, false);
  });

  test('bad topics and patterns are bad_topic', async (t) => {
    const client = await connect(t);
    const bad = [
      '',
      '.a',
      'a.',
      'a..b',
      'a\u0001b',
      'a\u007fb',
      'a b',
      'a{b',
      'a}b',
      'x'.repeat(256),
      'a.>.b',
      '>',
      '*',
      '*.a',
      'a.b*',
      'a.*b',
      'a.b>',
      '$SYS.a',
    ];
    const entries = await client.subscribe(...bad);
    for (const topic of bad) assert.equal(entries[topic]?.error?.code, 'bad_topic', JSON.stringify(topic));
    const longest = 'x'.repeat(255);
    const good = await client.subscribe(longest, 'ü.*.ß.>');
    assert.equal(good[longest].error, undefined);
    assert.equal(good['ü.*.ß.>'].error, undefined);
    await gateway().publish(longest, '1');
    await client.received(longest, 1);
  });

  test('counters follow subscriptions and connections', async (t) => {
    const count = async (name, expected) =>
      gateway().counted((metrics) => metrics.sum(name) === expected, `${name} at ${expected}`);
    await count('spillway_connections', 0);
    const client = await connect(t, { query: '?topic=c.a' });
    await client.next('subscribed');
    await client.subscribe('c.b', 'c.>');
    await count('spillway_subscriptions', 3);
    await client.unsubscribe('c.b');
    await count('spillway_subscriptions', 2);
    await client.close(1000);
    await count('spillway_subscriptions', 0);
    await count('spillway_connections', 0);
  });
});

suite('payloads', [], (gateway, connect) => {
  const depth = (levels) => '['.repeat(levels) + ']'.repeat(levels);
  const exact = {
    'numbers, escapes, key order, doubled keys and spaces stay byte for byte':
      '{ "b" : 1.0,"a":1e400,"n":12345678901234567890,"e":"\\u00e9\\/\\ud83d\\ude00é","b":-0.0E+1 ,"t":"tab\\t"}',
    'a number': '7',
    'a negative exponent': '-1.5e-10',
    'a string': '"x\\ny"',
    null: 'null',
    'an empty object': '{}',
    'nesting of 512': depth(512),
  };
  for (const [name, payload] of Object.entries(exact)) {
    test(`JSON is spliced: ${name}`, async (t) => {
      const client = await connect(t);
      await client.subscribe('p.json');
      await gateway().publish('p.json', payload);
      assert.equal((await client.next('msg')).raw, `{"type":"msg","topic":"p.json","data":${payload}}`);
    });
  }

  test('CR and LF between tokens become spaces, and escapes in strings stay', async (t) => {
    const client = await connect(t);
    await client.subscribe('p.lines');
    await gateway().publish('p.lines', '{\r\n  "a": "x\\r\\ny",\n\t"b": [1,\n2]}');
    assert.equal((await client.next('msg')).raw, '{"type":"msg","topic":"p.lines","data":{    "a": "x\\r\\ny", \t"b": [1, 2]}}');
    await gateway().publish('p.lines', '{"a":1}\n');
    const trailing = await client.next('msg');
    assert.deepEqual(trailing.data, { a: 1 });
    assert.doesNotMatch(trailing.raw, /[\r\n]/);
  });

  const texts = [
    '',
    'plain line',
    '{"a":',
    '{"a":1}x',
    'NaN',
    '01',
    "{'a':1}",
    '"a\nb"',
    '[1,]',
    'quote " backslash \\ slash /',
    'é 😀 \u2028 \u0000\u001f\u007f',
    depth(513),
  ];
  for (const payload of texts) {
    test(`what is not JSON is text: ${JSON.stringify(payload.slice(0, 40))}`, async (t) => {
      const client = await connect(t);
      await client.subscribe('p.text');
      await gateway().publish('p.text', payload);
      const message = await client.next('msg');
      assert.deepEqual(message, { type: 'msg', topic: 'p.text', text: payload });
      assert.match(message.raw, /^\{"type":"msg","topic":"p\.text","text":"/);
    });
  }

  test('what is not UTF-8 is base64', async (t) => {
    const client = await connect(t);
    await client.subscribe('p.bytes');
    const payloads = [
      Buffer.of(0xff),
      Buffer.of(0xff, 0xfe),
      Buffer.of(0xc0, 0x80, 0x41),
      Buffer.from('{"a":"\xff"}', 'latin1'),
      Buffer.of(0xed, 0xa0, 0x80),
    ];
    for (const payload of payloads) {
      await gateway().publish('p.bytes', payload);
      assert.equal((await client.next('msg')).raw, `{"type":"msg","topic":"p.bytes","b64":"${payload.toString('base64')}"}`);
    }
  });

  test('a topic is escaped where JSON needs it', async (t) => {
    const client = await connect(t);
    const topic = 'quote"back\\slash';
    await client.subscribe(topic);
    await gateway().publish(topic, '1');
    assert.equal((await client.next('msg')).raw, '{"type":"msg","topic":"quote\\"back\\\\slash","data":1}');
  });

  test('a key given by the publisher stands in msg', async (t) => {
    const client = await connect(t);
    await client.subscribe('p.key');
    await gateway().publish('p.key', '{"a":1}', { 'Spillway-Key': 'c-19' });
    const message = await client.next('msg');
    assert.equal(message.key, 'c-19');
    assert.deepEqual(message.data, { a: 1 });
  });

  test('payloads of every size class arrive whole', async (t) => {
    const client = await connect(t);
    await client.subscribe('p.size');
    for (const size of [1, 100, 125, 126, 127, 1000, 4096, 16384, 65535, 65536, 131072, 262142]) {
      const payload = `"${'x'.repeat(size)}"`.slice(0, 262144);
      await gateway().publish('p.size', payload);
      const message = await client.next('msg');
      assert.equal(message.raw.length, '{"type":"msg","topic":"p.size","data":}'.length + payload.length);
      assert.equal(message.data.length, payload.length - 2);
    }
  });
});

suite('publishing over WebSocket', [], (gateway, connect) => {
  test('publish with an id is answered by published, and the payload is spliced', async (t) => {
    const client = await connect(t);
    await client.subscribe('chat.1');
    client.send('{"type":"publish","id":4,"topic":"chat.1","data":{"z":1.50, "a":"\\u0041"}}');
    assert.deepEqual(await client.next('published'), { type: 'published', id: 4 });
    assert.equal((await client.next('msg')).raw, '{"type":"msg","topic":"chat.1","data":{"z":1.50, "a":"\\u0041"}}');
  });

  test('publish without an id gets no reply unless it fails', async (t) => {
    const client = await connect(t);
    await client.subscribe('chat.2');
    client.send('{"type":"publish","topic":"chat.2","data":1}');
    await client.received('chat.2', 1);
    await client.flushed();
    assert.equal(client.frames.filter(({ type }) => type === 'published' || type === 'error').length, 0);
    client.send('{"type":"publish","topic":"chat..2","data":1}');
    const error = await client.next('error');
    assert.equal(error.id, undefined);
    assert.equal(error.error.code, 'bad_topic');
  });

  test('publish carries a key', async (t) => {
    const client = await connect(t);
    await client.subscribe('chat.3');
    assert.equal((await client.request('publish', { topic: 'chat.3', data: { m: 'hi' }, key: 'c-19' })).type, 'published');
    assert.equal((await client.next('msg')).key, 'c-19');
  });

  test('a published topic is concrete', async (t) => {
    const client = await connect(t);
    for (const topic of ['chat.*', 'chat.>', '', 'a..b', '$node.1']) {
      const reply = await client.request('publish', { topic, data: 1 });
      assert.equal(reply.type, 'error', topic);
      assert.equal(reply.error.code, 'bad_topic', topic);
    }
  });

  test('pipelined publishes of one client keep their order', async (t) => {
    const publisher = await connect(t);
    const reader = await connect(t);
    await reader.subscribe('chat.order');
    const replies = Array.from({ length: 200 }, (_, n) => publisher.request('publish', { topic: 'chat.order', data: n }));
    assert.ok((await Promise.all(replies)).every(({ type }) => type === 'published'));
    await reader.received('chat.order', 200);
    assert.deepEqual(
      reader.of('chat.order').map(({ data }) => data),
      Array.from({ length: 200 }, (_, n) => n),
    );
  });

  test('a page of a foreign origin may read but not publish; a page of this machine may', async (t) => {
    const foreign = await connect(t, { origin: 'https://example.com' });
    assert.equal((await foreign.subscribe('chat.4'))['chat.4'].error, undefined);
    assert.equal((await foreign.request('publish', { topic: 'chat.4', data: 1 })).error?.code, 'forbidden');
    for (const origin of ['http://localhost:3000', 'http://127.0.0.1', 'http://[::1]:8000']) {
      const local = await connect(t, { origin });
      assert.equal((await local.request('publish', { topic: 'chat.4', data: 1 })).type, 'published', origin);
    }
  });
});

suite('bad manners', [], (gateway, connect) => {
  const lines = {
    'no JSON': 'hello',
    'half a JSON': '{"type":"ping"',
    'no object': '[]',
    'no type': '{"id":1}',
    'a type that is no string': '{"type":7}',
    'an id of 0': '{"type":"ping","id":0}',
    'a negative id': '{"type":"ping","id":-1}',
    'an id that is no integer': '{"type":"ping","id":1.5}',
    'an id that is a string': '{"type":"ping","id":"1"}',
    'duplicate keys': '{"type":"subscribe","id":1,"id":2,"topic":"a"}',
    'subs that are no array': '{"type":"subscribe","id":1,"subs":"a"}',
    'a topic that is no string': '{"type":"subscribe","id":1,"subs":[{"topic":7}]}',
    'nothing to subscribe': '{"type":"subscribe","id":1}',
    'topics that are no array': '{"type":"unsubscribe","id":1,"topics":"a"}',
    'a publish without data': '{"type":"publish","id":1,"topic":"a"}',
    'deep nesting': `{"type":"subscribe","subs":${'['.repeat(5000)}${']'.repeat(5000)}}`,
  };
  for (const [name, line] of Object.entries(lines)) {
    test(`${name} is a bad_request that shows the expected line, and the connection stays`, async (t) => {
      const client = await connect(t);
      client.send(line);
      const { error } = await client.next('error');
      assert.equal(error.code, 'bad_request');
      assert.equal(error.retry, false);
      assert.match(error.message, /\{"type":"/);
      assert.equal((await client.flushed()).type, 'pong');
    });
  }

  test('the tenth bad request within a minute closes with 4500', async (t) => {
    const client = await connect(t);
    for (let count = 1; count < 10; count++) {
      client.send('nonsense');
      assert.equal((await client.next('error')).error.code, 'bad_request');
    }
    assert.equal((await client.flushed()).type, 'pong');
    const before = (await gateway().metrics()).sum('spillway_closed_total', { reason: 'bad_request' });
    client.send('nonsense');
    assert.equal((await within(client.closed, 5000, 'the close')).code, 4500);
    await gateway().counted(
      (metrics) => metrics.sum('spillway_closed_total', { reason: 'bad_request' }) === before + 1,
      'the close counted',
    );
  });

  test('a binary frame closes with 1003', async (t) => {
    const client = await connect(t);
    client.send(Buffer.from('{"type":"ping"}'));
    assert.equal((await within(client.closed, 5000, 'the close')).code, 1003);
  });

  test('a frame of 1 MB closes with 1009, and one of 65,536 bytes is read', async (t) => {
    const fits = await connect(t);
    const line = '{"type":"ping","id":5,"pad":""}';
    fits.send(line.replace('""', `"${'x'.repeat(65536 - line.length)}"`));
    assert.equal((await fits.next((frame) => frame.id === 5)).type, 'pong');
    const large = await connect(t);
    large.send('x'.repeat(1 << 20));
    assert.equal((await within(large.closed, 5000, 'the close')).code, 1009);
  });
});

suite('another topic separator', ['--topic-separator', '/'], (gateway, connect) => {
  test('tokens, patterns and topics follow --topic-separator', async (t) => {
    const client = await connect(t);
    const entries = await client.subscribe('fleet/*/eu', 'fleet/>', 'fleet.7/a.b/eu', 'fleet//x');
    assert.equal(entries['fleet//x'].error.code, 'bad_topic');
    await gateway().publish('fleet/a.b/eu', '1');
    await gateway().publish('fleet/a/b/eu', '2');
    await gateway().publish('fleet.7/a.b/eu', '3');
    await client.received('fleet/>', 2);
    await client.received('fleet.7/a.b/eu', 1);
    await client.flushed();
    assert.deepEqual(
      client.of('fleet/*/eu').map(({ topic }) => topic),
      ['fleet/a.b/eu'],
    );
    assert.deepEqual(
      client.of('fleet/>').map(({ topic }) => topic),
      ['fleet/a.b/eu', 'fleet/a/b/eu'],
    );
  });
});

suite('heartbeats', ['--ping-ms', '1000', '--pong-ms', '1000'], (gateway, connect) => {
  test('an idle client is pinged and hears hb', async (t) => {
    const client = await connect(t);
    assert.equal(client.welcome.heartbeat_ms, 1000);
    const pinged = new Promise((resolve) => client.ws.once('ping', resolve));
    assert.equal((await client.next('hb', 5000)).raw, '{"type":"hb"}');
    await within(pinged, 5000, 'a ping of the server');
  });

  test('a client that does not answer a ping is closed with 4031', async (t) => {
    const client = await connect(t, { autoPong: false });
    const { code } = await within(client.closed, 10000, 'the close');
    assert.equal(code, 4031);
    await gateway().counted((metrics) => metrics.sum('spillway_closed_total', { reason: 'no_pong' }) === 1, 'the close counted');
  });
});

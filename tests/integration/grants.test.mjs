// SPDX-License-Identifier: Apache-2.0
//
// What a token allows: subscribing, publishing over both ways, what comes by itself; grants that change by a refresh; many clients at
// once; and what is never seen of a token anywhere.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Guests } from '../harness/guests.mjs';
import { keyFiles, keyPair, seconds, sign } from '../harness/jwt.mjs';
import { RawSocket, text, upgradeRequest } from '../harness/raw.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { SANITIZED, size } from '../harness/setting.mjs';

const suite = (name, args, tests, options) =>
  describe(name, () => {
    const scope = suiteScope();
    const guests = {};
    before(async () => Object.assign(guests, { of: await Guests.start(scope, args, options) }));
    tests(() => guests.of);
  });

const typesOf = (client) => client.frames.map(({ type }) => type);
const bearer = (token) => ({ Authorization: `Bearer ${token}` });

suite('subscribing', [], (guests) => {
  // What a client of this grant may subscribe to, out of `names`.
  async function allowed(t, grant, names, claims) {
    const client = await guests().connect(t, guests().token('ann', grant, claims));
    const entries = await client.subscribe(...names);
    for (const { error } of Object.values(entries)) if (error) assert.equal(error.code, 'forbidden');
    client.terminate();
    return names.filter((name) => !entries[name].error);
  }

  test('a topic or pattern is granted by one that covers all of it', async (t) => {
    const names = ['orders.eu', 'orders.*', 'orders.>', 'orders.eu.x', 'orders', 'order.eu', 'hr.pay'];
    assert.deepEqual(await allowed(t, { sub: ['orders.*'] }, names), ['orders.eu', 'orders.*']);
    assert.deepEqual(await allowed(t, { sub: ['orders.>'] }, names), ['orders.eu', 'orders.*', 'orders.>', 'orders.eu.x']);
    assert.deepEqual(await allowed(t, { sub: ['orders.eu', 'hr.pay'] }, names), ['orders.eu', 'hr.pay']);
    assert.deepEqual(await allowed(t, { pub: ['orders.>'] }, names), []);
    assert.deepEqual(await allowed(t, undefined, names), []);
  });

  test('a claim stands for itself, whatever it says', async (t) => {
    const names = ['user.ann.x', 'user.bob.x', 'user.*.x', 'user.>'];
    assert.deepEqual(await allowed(t, { sub: ['user.{sub}.>'] }, names), ['user.ann.x']);
    for (const sub of ['*', '>', 'ann.>', 'a.b', 'a b', '', '{sub}']) {
      const { code } = await guests().refusal(t, { headers: bearer(guests().token(sub, { sub: ['user.{sub}.>'] })) });
      assert.equal(code, 4501, sub);
    }
  });

  test('a subscription that is granted takes what its pattern covers, and no other', async (t) => {
    const client = await guests().connect(t, guests().token('ann', { sub: ['orders.*'] }));
    await client.subscribe('orders.*');
    await guests().gateway.publish('orders.eu.x', '1');
    await guests().gateway.publish('orders.eu', '2');
    const [first] = await client.received('orders.*', 1);
    assert.equal(first.data, 2);
  });

  test('automatic topics come right behind welcome, unasked', async (t) => {
    const token = guests().token('ann', { auto: ['inbox.{sub}', 'news.>'] });
    const client = await guests().connect(t, token);
    const topics = [];
    while (topics.length < 2) {
      const frame = await client.next('subscribed');
      assert.equal(frame.id, undefined);
      topics.push(...frame.subs.map(({ topic, recoverable }) => `${topic} ${recoverable}`));
    }
    assert.deepEqual(topics.sort(), ['inbox.ann false', 'news.> false']);
    await guests().gateway.publish('inbox.ann', '1');
    await client.received('inbox.ann', 1);
    await client.unsubscribe('inbox.ann');
    assert.equal((await client.subscribe('inbox.ann', 'inbox.bob'))['inbox.ann'].error, undefined);
  });
});

suite('a refresh', [], (guests) => {
  const codeOf = async (client, topic) => (await client.subscribe(topic))[topic].error?.code;

  test('with a wider grant opens what it covers', async (t) => {
    const client = await guests().connect(t, guests().token('ann', { sub: ['a'] }));
    assert.equal(await codeOf(client, 'b'), 'forbidden');
    const refreshed = await client.request('refresh', { token: guests().token('ann', { sub: ['a', 'b'] }, { exp: seconds(50) }) });
    assert.ok(refreshed.expires_in > 40 && refreshed.expires_in <= 50, refreshed.raw);
    assert.equal(await codeOf(client, 'b'), undefined);
  });

  test('with a narrower one ends what it no longer covers', async (t) => {
    const { gateway } = guests();
    const client = await guests().connect(t, guests().token('ann', { sub: ['n.>'], pub: ['n.a'] }));
    await client.subscribe('n.a', 'n.b', 'n.*', 'n.c.>');
    await client.request('refresh', { token: guests().token('ann', { sub: ['n.b', 'n.c.>'] }) });
    const ended = await client.next('unsubscribed');
    assert.deepEqual({ ...ended, topics: ended.topics.sort() }, { type: 'unsubscribed', topics: ['n.*', 'n.a'], reason: 'revoked', retry: false });
    await gateway.publish('n.a', '1');
    await gateway.publish('n.b', '2');
    assert.equal((await client.received('n.b', 1))[0].data, 2);
    assert.deepEqual([client.of('n.a'), client.of('n.*')], [[], []]);
    assert.equal(await codeOf(client, 'n.a'), 'forbidden');
    assert.equal((await client.request('publish', { topic: 'n.a', data: 1 })).error.code, 'forbidden');
    assert.equal(typesOf(client).filter((type) => type === 'unsubscribed').length, 1);
  });

  test('what a revoked subscription missed is told before its end', async (t) => {
    const { gateway } = guests();
    const client = await guests().connect(t, guests().token('ann', { sub: ['gone.a'] }));
    await client.subscribe({ topic: 'gone.a', max_hz: 1 });
    const batch = Array.from({ length: 50 }, (_, data) => ({ topic: 'gone.a', data, key: 'k' }));
    await gateway.publish('gone.a', '"first"');
    await client.received('gone.a', 1);
    await gateway.post('/v1/publish', batch);
    await client.received('gone.a', 2); // a tick passes 49; what a tick has not come to is the end's
    await client.request('refresh', { token: guests().token('ann') });
    await client.next('unsubscribed');
    assert.equal(client.frames.at(-1).type, 'unsubscribed');
    const told = client.of('gone.a').reduce((sum, { count = 0 }) => sum + count, 0);
    assert.equal(client.messages('gone.a').length + told, 51);
  });

  test('of another user is forbidden, and changes nothing', async (t) => {
    const client = await guests().connect(t, guests().token('ann', { sub: ['a'] }));
    for (const user of ['bob', 'annette', undefined]) {
      const { error } = await client.request('refresh', { token: guests().token(user, { sub: ['b'] }) });
      assert.deepEqual([error.code, error.retry], ['forbidden', false]);
      assert.match(error.message, /another user/);
    }
    assert.equal(await codeOf(client, 'a'), undefined);
    assert.equal(await codeOf(client, 'b'), 'forbidden');
  });

  test('that is bad changes nothing, and says what is wrong', async (t) => {
    const client = await guests().connect(t, guests().token('ann', { sub: ['a'] }));
    const token = guests().token('ann', { sub: ['b'] });
    const expired = guests().token('ann', {}, { exp: seconds(-60) });
    assert.equal((await client.request('refresh', { token: `${token}x` })).error.code, 'unauthorized');
    assert.equal((await client.request('refresh', { token: expired })).error.code, 'token_expired');
    assert.equal((await client.request('refresh', { token: 7 })).error.code, 'bad_request');
    assert.equal((await client.request('refresh')).error.code, 'bad_request');
    assert.equal(await codeOf(client, 'a'), undefined);
    assert.equal(await codeOf(client, 'b'), 'forbidden');
  });

  test('ten that are bad within a minute are too many', async (t) => {
    const client = await guests().connect(t, guests().token('ann'));
    for (let i = 0; i < 10; i++) client.send({ type: 'refresh', token: 'a.b.c' });
    assert.equal((await client.closed).code, 4500);
  });

  test('a hello is one too, and answered by a welcome with its id', async (t) => {
    const client = await guests().connect(t, guests().token('ann', { sub: ['a'] }));
    const welcome = await client.request('hello', { token: guests().token('ann', { sub: ['b'], pub: ['b'] }) });
    assert.deepEqual([welcome.type, welcome.session], ['welcome', client.welcome.session]);
    assert.ok(welcome.features.includes('publish'));
    assert.equal(await codeOf(client, 'a'), 'forbidden');
    assert.equal(await codeOf(client, 'b'), undefined);
    assert.equal((await client.request('hello', { token: 'a.b.c' })).error.code, 'unauthorized');
    assert.equal((await client.request('hello')).type, 'welcome');
  });
});

const RULES = { topics: [{ match: 'open.>', client_publish: true }, { match: 'shut.>', client_publish: false }] };

suite(
  'publishing',
  [],
  (guests) => {
    const post = (token, body, headers = bearer(token)) => guests().gateway.public('POST', '/v1/publish', { headers, body });
    const item = (topic) => ({ topic, data: 1 });

    test('over a WebSocket: as granted, less what a rule forbids, and what one allows', async (t) => {
      const client = await guests().connect(t, guests().token('ann', { pub: ['chat.*', 'shut.a'], sub: ['hr.>'] }));
      for (const [topic, code, message] of [
        ['chat.1', undefined],
        ['chat.1.x', 'forbidden', 'no grant'],
        ['hr.a', 'forbidden', 'no grant'],
        ['shut.a', 'forbidden', 'clients may not publish to this topic'],
        ['open.a', undefined],
        ['chat.*', 'bad_topic'],
      ]) {
        const { type, error } = await client.request('publish', item(topic));
        assert.deepEqual([type, error?.code], [code ? 'error' : 'published', code], topic);
        if (message) assert.equal(error.message, message, topic);
      }
    });

    test('over HTTP: each of a batch for itself', async () => {
      const token = guests().token('ann', { pub: ['chat.*', 'shut.a'] });
      const { status, json } = await post(token, ['chat.1', 'hr.a', 'shut.a', 'open.a'].map(item));
      assert.equal(status, 200);
      assert.deepEqual(
        json.results.map(({ error }) => error?.code),
        [undefined, 'forbidden', 'forbidden', undefined],
      );
      assert.equal(json.results[1].error.message, 'no grant');
      assert.deepEqual([(await post(token, item('chat.1'))).status, (await post(token, item('hr.a'))).code], [200, 'forbidden']);
    });

    test('over HTTP without a token, or with a bad one: 401, and how to come with one', async () => {
      const expired = guests().token('ann', {}, { exp: seconds(-60) });
      for (const [headers, code] of [
        [{}, 'unauthorized'],
        [{ Authorization: 'Basic dXNlcjpwYXNz' }, 'unauthorized'],
        [bearer('a.b.c'), 'unauthorized'],
        [bearer(`${guests().token('ann', { pub: ['chat.*'] })}x`), 'unauthorized'],
        [bearer(expired), 'token_expired'],
      ]) {
        const answer = await post(undefined, item('chat.1'), headers);
        assert.deepEqual([answer.status, answer.code], [401, code], JSON.stringify(headers));
        assert.equal(answer.headers['www-authenticate'], 'Bearer');
        assert.equal(answer.headers['access-control-allow-origin'], '*');
      }
      const ticket = await guests().gateway.public('POST', '/v1/publish?ticket=a', { body: item('chat.1') });
      assert.deepEqual([ticket.status, ticket.code], [400, 'unsupported']);
    });

    test('over HTTP a bad token has none of its body read', async (t) => {
      const raw = await RawSocket.connect(t, guests().gateway.port);
      raw.write('POST /v1/publish HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.b.c\r\nContent-Length: 4000000\r\n\r\n');
      const { status, headers } = await raw.response();
      assert.deepEqual([status, headers.connection], [401, 'close']);
    });

    test('over HTTP more at once than one turn verifies: each waits its turn, and none fails', async (t) => {
      const { gateway } = guests();
      const count = size({ long: 400, short: 200, sanitized: 60 });
      const body = JSON.stringify(item('chat.1'));
      const heads = Array.from({ length: count }, (_, i) => `Authorization: Bearer ${guests().costly(`u${i}`, { pub: ['chat.*'] })}\r\n`);
      const sockets = await Promise.all(heads.map(() => RawSocket.connect(t, gateway.port)));
      await gateway.post('/v1/faults/hold', { worker: 0, ms: 300 });
      for (const [i, raw] of sockets.entries()) {
        raw.write(`POST /v1/publish HTTP/1.1\r\nHost: a\r\n${heads[i]}Content-Length: ${body.length}\r\n\r\n${body}`);
        // The second stands behind the first in one segment, and is held, too.
        raw.write(`POST /v1/publish HTTP/1.1\r\nHost: a\r\n${heads[i]}Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      }
      for (const raw of sockets) {
        for (let i = 0; i < 2; i++) assert.equal((await raw.response()).status, 200);
      }
    });
  },
  { config: { ...RULES, workers: 1 } },
);

suite('publishing where the operator says no', ['--client-publish=false'], (guests) => {
  test('a grant does not help', async (t) => {
    const token = guests().token('ann', { pub: ['chat.>'] });
    const client = await guests().connect(t, token);
    assert.ok(!client.welcome.features.includes('publish'));
    assert.equal((await client.request('publish', { topic: 'chat.1', data: 1 })).error.code, 'forbidden');
    const answer = await guests().gateway.public('POST', '/v1/publish', { headers: bearer(token), body: { topic: 'chat.1', data: 1 } });
    assert.deepEqual([answer.status, answer.code], [403, 'forbidden']);
  });
});

suite('many at once', ['--workers', '1'], (guests) => {
  const count = size({ long: 1000, short: 400, sanitized: 100 });

  test('are verified beside the loop, each in its order, while who is connected is served', async (t) => {
    const { gateway } = guests();
    const steady = await guests().connect(t, guests().token('steady', { sub: ['steady'] }));
    await steady.subscribe('steady');
    const segments = Array.from({ length: count }, (_, i) => {
      const topic = `row.${i}`;
      const token = guests().costly(`u${i}`, { sub: [topic], pub: [topic] });
      return Buffer.concat(
        [
          { type: 'hello', id: 1, token },
          { type: 'subscribe', id: 2, topic },
          { type: 'publish', id: 3, topic, data: i },
        ].map((frame) => text(frame)),
      );
    });
    const sockets = await Promise.all(segments.map(() => RawSocket.upgrade(t, gateway.port)));
    await gateway.post('/v1/faults/hold', { worker: 0, ms: 500 });
    sockets.forEach((raw, i) => raw.write(segments[i]));
    await gateway.publish('steady', '1');
    await steady.received('steady', 1);
    for (const [i, raw] of sockets.entries()) {
      const frames = [];
      while (frames.length < 4) frames.push(await raw.json());
      const at = (type) => frames.findIndex((frame) => frame.type === type);
      assert.equal(at('welcome'), 0, JSON.stringify(frames));
      assert.ok(at('subscribed') < at('msg'), JSON.stringify(frames));
      assert.deepEqual([frames[at('msg')].data, frames[at('published')].id], [i, 3]);
    }
    const metrics = await gateway.metrics();
    assert.ok(metrics.sum('spillway_tokens_aside_total') > 0);
    assert.equal(metrics.sum('spillway_tokens_total'), count + 1);
    assert.equal(metrics.sum('spillway_tokens_total', { outcome: 'good' }), count + 1);
  });

  test('who leaves while its token is verified leaves nothing behind', async (t) => {
    const { gateway } = guests();
    const tokens = Array.from({ length: count }, (_, i) => guests().costly(`u${i}`));
    const sockets = await Promise.all(tokens.map(() => RawSocket.upgrade(t, gateway.port)));
    await gateway.post('/v1/faults/hold', { worker: 0, ms: 300 });
    for (const [i, raw] of sockets.entries()) {
      raw.write(text({ type: 'hello', token: tokens[i] }));
      if (i % 2) raw.socket.resetAndDestroy();
    }
    for (const [i, raw] of sockets.entries()) if (i % 2 === 0) assert.equal((await raw.json()).type, 'welcome');
    sockets.forEach((raw) => raw.destroy());
    await gateway.counted((metrics) => metrics.sum('spillway_connections', { transport: 'ws' }) === 0, 'all gone', 10000);
  });

  // The process stands still until all has come, so that one turn sees it: tokens of ES512, of which a core verifies some thousand a
  // second.
  test('more than may wait are told to come back', { skip: SANITIZED && 'more than four thousand sessions' }, async (t) => {
    const pair = keyPair('ES512');
    const { 'big.pem': path } = keyFiles(t, { 'big.pem': pair.publicPem });
    const { gateway } = await Guests.start(t, ['--workers', '1', '--jwt-key-file', path]);
    const token = sign({ sub: 'ann' }, { key: pair.privateKey, kid: 'big' });
    const hello = text({ type: 'hello', id: 1, token });
    const upgrade = upgradeRequest('/v1/ws', bearer(token));
    const many = (count, make) => Promise.all(Array.from({ length: count }, make));
    const strangers = await many(50, () => RawSocket.upgrade(t, gateway.port));
    const doors = [];
    while (doors.length < 4500) doors.push(...(await many(100, () => RawSocket.connect(t, gateway.port))));
    await gateway.counted((metrics) => metrics.sum('spillway_connections') === 4550, 'all accepted');
    gateway.signal('SIGSTOP');
    doors.forEach((raw) => raw.write(upgrade));
    strangers.forEach((raw) => raw.write(hello));
    await new Promise(setImmediate);
    gateway.signal('SIGCONT');
    let refused = 0;
    for (const raw of doors) {
      const { status, headers, body } = await raw.response();
      if (status === 101) {
        assert.equal((await raw.json()).type, 'welcome');
        continue;
      }
      assert.deepEqual([status, headers['retry-after'], JSON.parse(body).error.code], [503, '1', 'overloaded']);
      refused++;
    }
    assert.ok(refused > 0);
    let overloaded = 0;
    for (const raw of strangers) {
      let frame = await raw.json();
      while (frame.type === 'error') {
        const { code, retry, retry_ms: wait } = frame.error;
        assert.deepEqual([frame.id, code, retry, wait], [1, 'overloaded', true, 1000]);
        overloaded++;
        raw.write(hello);
        frame = await raw.json();
      }
      assert.deepEqual([frame.type, frame.id], ['welcome', 1]);
    }
    assert.ok(overloaded > 0);
  });

  test('a node that stops while tokens are verified stops', async (t) => {
    const own = await Guests.start(t, ['--workers', '1']);
    const tokens = Array.from({ length: count }, (_, i) => own.costly(`u${i}`));
    const sockets = await Promise.all(tokens.map(() => RawSocket.upgrade(t, own.gateway.port)));
    await own.gateway.post('/v1/faults/hold', { worker: 0, ms: 300 });
    sockets.forEach((raw, i) => raw.write(text({ type: 'hello', token: tokens[i] })));
    assert.equal(await own.gateway.stop(), 0);
  });
});

suite('what is seen of a token', ['--log-level', 'debug', '--workers', '1'], (guests) => {
  test('nowhere anything but whose it is', async (t) => {
    const { gateway, secret } = guests();
    const seen = [];
    const see = (answer) => seen.push(answer.text, JSON.stringify(answer.headers));
    const good = guests().token('ann', { sub: ['a'], pub: ['a'] }, { planted: 'Kumquat' });
    const bad = sign({ sub: 'mal', planted: 'Kumquat' }, { secret: 'x'.repeat(40) });
    const client = await guests().connect(t, good);
    await client.request('refresh', { token: bad });
    await client.request('refresh', { token: 'a.b.c' });
    const refused = await guests().refusal(t, { protocols: ['spillway.v1.json', `bearer.${bad}`] });
    const publish = (token) => gateway.public('POST', '/v1/publish', { headers: bearer(token), body: { topic: 'b', data: 1 } });
    see(await publish(good));
    see(await publish(bad));
    see(await gateway.public('GET', '/v1/ws', { headers: bearer(good) }));
    see(await gateway.get('/v1/connections'));
    await client.close();
    await gateway.log(({ event, user }) => event === 'session_closed' && user === 'ann');
    see(await gateway.get('/v1/connections/ended'));
    see(await gateway.get('/metrics'));
    const all = [gateway.stderr, refused.reason, ...seen, ...client.frames.map(({ raw }) => raw)].join('\n');
    for (const part of [...good.split('.'), ...bad.split('.').slice(1), secret, 'Kumquat']) assert.ok(!all.includes(part), part);
    assert.ok(all.includes('"user":"ann"'));
  });

  test('a name of any shape stands where names stand, and nowhere else', async (t) => {
    const { gateway } = guests();
    for (const name of ['o"neill', 'back\\slash', 'größe ✓', 'a=b reason=x', 'x'.repeat(255)]) {
      const client = await guests().connect(t, guests().token(name));
      const { session } = client.welcome;
      const rows = (await gateway.get('/v1/connections?sort=age&limit=1000')).json.connections;
      assert.equal(rows.find((row) => row.session === session).user, name);
      await client.close();
      const line = await gateway.log((entry) => entry.event === 'session_closed' && entry.session === session);
      const clean = name.replaceAll('"', "'").replaceAll('\\', '?');
      assert.deepEqual([line.user, line.reason], [clean, 'client']);
      const ended = (await gateway.get('/v1/connections/ended')).json.connections;
      assert.equal(ended.find((row) => row.session === session).user, name);
    }
    for (const name of ['a\r\nb', 'a\u0000b', 'a\u0085b']) {
      const { code } = await guests().refusal(t, { headers: bearer(guests().token(name)) });
      assert.equal(code, 4501, JSON.stringify(name));
    }
  });
});

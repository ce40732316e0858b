// SPDX-License-Identifier: Apache-2.0
//
// Who may come in, and for how long: tokens at the upgrade and in hello, what is refused and how a page sees it, expiry, refresh.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { Guests } from '../harness/guests.mjs';
import { keyPair, makeSecret, seconds, sign } from '../harness/jwt.mjs';
import { close, OPCODE, RawSocket, text, upgradeRequest } from '../harness/raw.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { patience } from '../harness/setting.mjs';
import { until, within } from '../harness/until.mjs';

const suite = (name, args, tests) =>
  describe(name, () => {
    const scope = suiteScope();
    const guests = {};
    before(async () => Object.assign(guests, { of: await Guests.start(scope, args) }));
    tests(() => guests.of);
  });

const users = async ({ gateway }) => (await gateway.get('/v1/connections')).json.connections.map(({ user }) => user);
const typesOf = (client) => client.frames.map(({ type }) => type);

suite('how a token comes', ['--echo-path', '/echo'], (guests) => {
  test('as Authorization: welcome comes unasked, and says until when', async (t) => {
    const { welcome } = await guests().connect(t, guests().token('ann', { sub: ['a'] }, { exp: seconds(600) }));
    assert.ok(welcome.expires_in > 590 && welcome.expires_in <= 600, welcome.raw);
    assert.deepEqual(welcome.features, ['patterns', 'refresh']);
    assert.equal(welcome.id, undefined);
    assert.ok((await users(guests())).includes('ann'));
  });

  test('as a subprotocol, which is never echoed; another that is real is', async (t) => {
    const token = guests().token('bob');
    const client = await guests().connect(t, undefined, { protocols: ['spillway.v1.json', `bearer.${token}`] });
    assert.equal(client.ws.protocol, 'spillway.v1.json');
    const raw = await RawSocket.upgrade(t, guests().gateway.port, '/v1/ws', { 'Sec-WebSocket-Protocol': `bearer.${token}` });
    assert.equal(raw.upgraded.headers['sec-websocket-protocol'], undefined);
    assert.ok(!raw.upgraded.head.includes(token));
    assert.equal((await raw.json()).type, 'welcome');
  });

  test('beside other subprotocols alone it is refused as without', async (t) => {
    const protocols = ['graphql-ws', `bearer.${guests().token('bob')}`];
    await assert.rejects(guests().connect(t, undefined, { protocols }), ({ refused }) => refused.status === 400);
  });

  test('in hello, whose id the welcome has', async (t) => {
    const client = await guests().stranger(t);
    client.send({ type: 'hello', id: 7, token: guests().token('cid', { pub: ['c'] }), client: 'dash/1.4' });
    const welcome = await client.next();
    assert.deepEqual([welcome.type, welcome.id], ['welcome', 7]);
    assert.deepEqual(welcome.features, ['patterns', 'publish', 'refresh']);
    assert.ok((await users(guests())).includes('cid'));
  });

  test('in hello where a proxy in front authorized by another scheme', async (t) => {
    const client = await guests().stranger(t, { headers: { Authorization: 'Basic dXNlcjpwYXNz' } });
    assert.equal((await client.request('hello', { token: guests().token('cid') })).type, 'welcome');
  });

  test('Authorization goes before a subprotocol, be it good or bad', async (t) => {
    const good = guests().token('dan');
    const protocols = (token) => ['spillway.v1.json', `bearer.${token}`];
    const client = await guests().connect(t, good, { protocols: protocols(guests().token('eve')) });
    const listed = (await guests().gateway.get('/v1/connections')).json.connections;
    assert.equal(listed.find(({ session }) => session === client.welcome.session).user, 'dan');
    await guests().connect(t, good, { protocols: protocols('bad') });
    const refused = await guests().refusal(t, { protocols: protocols(good), headers: { Authorization: 'Bearer bad' } });
    assert.equal(refused.code, 4501);
  });

  test('a ticket is unsupported, never ignored', async (t) => {
    const path = '/v1/ws?ticket=abc';
    const raw = await RawSocket.connect(t, guests().gateway.port);
    raw.write(upgradeRequest(path, { Authorization: `Bearer ${guests().token('ann')}` }));
    const { status, body } = await raw.response();
    assert.deepEqual([status, JSON.parse(body).error.code], [400, 'unsupported']);
  });

  test('the echo path asks for one too, and says nothing of its own', async (t) => {
    const headers = { Authorization: `Bearer ${guests().token('ann')}` };
    const raw = await RawSocket.upgrade(t, guests().gateway.port, '/echo', headers, text('first'));
    assert.equal((await raw.frame()).payload.toString(), 'first');
    const none = await RawSocket.upgrade(t, guests().gateway.port, '/echo', {}, text('first'));
    assert.equal((await none.closeFrame()).code, 4501);
  });
});

suite('what is refused', ['--jwt-leeway-ms', '5000', '--workers', '1'], (guests) => {
  const parts = (token) => token.split('.');
  const bad = () => {
    const { secret, pair } = guests();
    const claims = { sub: 'mal', spillway: { sub: ['>'] } };
    const good = sign({ sub: 'mal' }, { secret });
    const [head, body, signature] = parts(good);
    const [, other] = parts(sign({ sub: 'root' }, { secret }));
    return {
      'no token at all': ['', 'malformed'],
      'no JSON': ['a.b.c', 'malformed'],
      'two parts': [`${head}.${body}`, 'malformed'],
      'no signature': [`${head}.${body}.`, 'bad_signature'],
      'another payload under its signature': [`${head}.${other}.${signature}`, 'bad_signature'],
      'another secret': [sign({ sub: 'mal' }, { secret: makeSecret() }), 'bad_signature'],
      'alg none': [sign({ sub: 'mal' }, { alg: 'none' }), 'no_key'],
      'a key that is not ours': [sign({ sub: 'mal' }, { key: keyPair('ES256').privateKey, kid: 'es' }), 'bad_signature'],
      'a kid that is not ours': [sign({ sub: 'mal' }, { key: pair.privateKey, kid: 'other' }), 'no_key'],
      'a kid that is a path': [sign({ sub: 'mal' }, { key: pair.privateKey, kid: '../es' }), 'no_key'],
      'the public key as a secret': [sign({ sub: 'mal' }, { secret: pair.publicPem, alg: 'HS256', kid: 'es' }), 'no_key'],
      'no exp': [sign({ sub: 'mal', exp: undefined }, { secret }), 'malformed'],
      'not yet': [sign({ sub: 'mal', nbf: seconds(600) }, { secret }), 'not_yet'],
      'a grant that is none': [sign({ ...claims, spillway: { sub: ['a..b'] } }, { secret }), 'bad_grant'],
      'larger than a token may be': [sign({ sub: 'mal', pad: 'x'.repeat(9000) }, { secret }), 'too_large'],
      expired: [sign({ sub: 'mal', exp: seconds(-60) }, { secret }), 'expired'],
    };
  };

  test('at the upgrade: 101, and then 4501 with words', async (t) => {
    let unauthorized = 0;
    for (const [what, [token, outcome]] of Object.entries(bad())) {
      const before = await guests().closed('unauthorized', unauthorized);
      const { client, code, reason } = await guests().refusal(t, { headers: { Authorization: `Bearer ${token}` } });
      assert.equal(code, 4501, what);
      assert.match(reason, outcome === 'expired' ? /^token_expired/ : /^unauthorized \w+/, what);
      assert.deepEqual(client.frames, [], what);
      const after = await guests().closed('unauthorized', ++unauthorized);
      const tokens = (metrics) => metrics.sum('spillway_tokens_total', { outcome });
      assert.equal(tokens(after) - tokens(before), 1, what);
    }
  });

  test('in hello: 4501 with the same words', async (t) => {
    for (const [what, [token, outcome]] of Object.entries(bad())) {
      const client = await guests().stranger(t);
      client.send({ type: 'hello', id: 1, token });
      const { code, reason } = await client.closed;
      assert.equal(code, 4501, what);
      assert.match(reason, outcome === 'expired' ? /^token_expired/ : /^unauthorized \w+/, what);
      assert.deepEqual(client.frames, [], what);
    }
  });

  test('as a subprotocol: 4501 too', async (t) => {
    const { code, reason } = await guests().refusal(t, { protocols: ['spillway.v1.json', 'bearer.a.b.c'] });
    assert.deepEqual([code, reason], [4501, 'unauthorized the token is malformed']);
  });

  test('a hello without a token: 4501', async (t) => {
    const client = await guests().stranger(t);
    client.send('{"type":"hello","id":1}');
    assert.deepEqual(await client.closed, { code: 4501, reason: 'unauthorized no token was shown' });
  });

  test('a token that only leeway keeps opens no session, since it would end at once', async (t) => {
    const token = guests().token('mal', {}, { exp: seconds(-1) });
    const { code, reason } = await guests().refusal(t, { headers: { Authorization: `Bearer ${token}` } });
    assert.deepEqual([code, reason], [4501, 'token_expired']);
  });

  test('a URL of which the grant covers nothing: told, and then 4503', async (t) => {
    const token = guests().token('ann', { sub: ['mine.*'] });
    const headers = { Authorization: `Bearer ${token}` };
    const { client, code, reason } = await guests().refusal(t, { headers, query: '?topic=theirs.a&topic=mine.>' });
    assert.equal(code, 4503);
    assert.match(reason, /^forbidden/);
    assert.deepEqual(typesOf(client), ['welcome', 'subscribed']);
    for (const { error } of client.frames[1].subs) {
      assert.deepEqual(error, { code: 'forbidden', message: 'no grant', retry: false });
    }
    await guests().closed('forbidden', 1);
  });

  test('a URL of which it covers something stays', async (t) => {
    const client = await guests().connect(t, guests().token('ann', { sub: ['mine.*'] }), { query: '?topic=theirs.a&topic=mine.a' });
    const subs = [];
    for (let done = false; !done; ) {
      const frame = await client.next('subscribed');
      subs.push(...frame.subs);
      ({ done } = frame);
    }
    assert.deepEqual(
      subs.map(({ topic, error }) => [topic, error?.code]).sort(),
      [
        ['mine.a', undefined],
        ['theirs.a', 'forbidden'],
      ],
    );
    await guests().gateway.publish('mine.a', '1');
    await client.received('mine.a', 1);
  });

  test('a URL whose only fault is another is no matter of grants', async (t) => {
    const client = await guests().connect(t, guests().token('ann'), { query: '?topic=a..b' });
    assert.equal((await client.next('subscribed')).subs[0].error.code, 'bad_topic');
    assert.equal((await client.flushed()).type, 'pong');
  });

  test('refusals are one line in ten seconds, and none for each session', async (t) => {
    for (let i = 0; i < 20; i++) await guests().refusal(t, { headers: { Authorization: 'Bearer a.b.c' } });
    const lines = guests().gateway.stderr.trim().split('\n').map((line) => JSON.parse(line));
    const told = lines.filter(({ event }) => event === 'tokens_refused');
    const seconds = told.map(({ time }) => Date.parse(time) / 1000);
    assert.ok(told.length >= 1 && told[0].count === 1);
    assert.ok(seconds.every((time, at) => at === 0 || time - seconds[at - 1] > 9.9), `${seconds}`);
    assert.ok(!lines.some(({ event, reason }) => event === 'session_closed' && reason === 'unauthorized'));
  });
});

suite('before a hello', [], (guests) => {
  const requests = {
    subscribe: { subs: [{ topic: 'a' }] },
    unsubscribe: { topics: ['a'] },
    publish: { topic: 'a', data: 1 },
    ping: {},
    refresh: { token: 'a.b.c' },
    teleport: {},
  };

  test('nothing else is served', async (t) => {
    const client = await guests().stranger(t);
    for (const [type, fields] of Object.entries(requests)) {
      const { error } = await client.request(type, fields);
      assert.deepEqual([error.code, error.retry], ['unauthorized', false], type);
    }
    client.send('{"type":');
    assert.equal((await client.next('error')).error.code, 'bad_request');
    const metrics = await guests().gateway.metrics();
    assert.equal(metrics.sum('spillway_subscriptions'), 0);
    assert.equal(metrics.sum('spillway_published_total'), 0);
    assert.equal((await client.request('hello', { token: guests().token('ann') })).type, 'welcome');
  });

  test('the tenth within a minute is the last', async (t) => {
    const client = await guests().stranger(t);
    for (let i = 0; i < 10; i++) client.send({ type: 'ping' });
    const { code } = await client.closed;
    assert.equal(code, 4500);
    assert.deepEqual(typesOf(client), Array(10).fill('error'));
  });

  test('what the URL asks for waits for it', async (t) => {
    const client = await guests().stranger(t, { query: '?topic=later.a&topic=later.>' });
    const { gateway } = guests();
    assert.equal((await gateway.metrics()).sum('spillway_subscriptions'), 0);
    client.send({ type: 'hello', id: 1, token: guests().token('ann', { sub: ['later.>'] }) });
    await gateway.counted((metrics) => metrics.sum('spillway_subscriptions') === 2, 'both');
    await gateway.publish('later.a', '1');
    await client.received('later.a', 1);
    assert.equal(typesOf(client)[0], 'welcome');
    assert.ok(client.frames.filter(({ type }) => type === 'subscribed').every(({ id }) => id === undefined));
  });

  test('who says none is closed with 4008', async (t) => {
    const before = Date.now();
    const client = await guests().stranger(t, { query: '?topic=a' });
    assert.deepEqual(await within(client.closed, 15000, 'the deadline'), { code: 4008, reason: 'no_hello' });
    assert.ok(Date.now() - before >= 10000);
    assert.deepEqual(client.frames, []);
    await guests().closed('no_hello', 1);
  });

  test('what stands behind it in one segment is served in order', async (t) => {
    const token = guests().token('ann', { sub: ['row.a'], pub: ['row.a'] });
    const segment = [
      { type: 'hello', id: 1, token },
      { type: 'subscribe', id: 2, topic: 'row.a' },
      { type: 'ping', id: 3 },
      { type: 'publish', id: 4, topic: 'row.a', data: 4 },
    ];
    const raw = await RawSocket.upgrade(t, guests().gateway.port, '/v1/ws', {}, Buffer.concat(segment.map((frame) => text(frame))));
    const frames = [];
    while (frames.length < 5) frames.push(await raw.json());
    assert.deepEqual([frames[0].type, frames[0].id], ['welcome', 1]);
    assert.deepEqual(frames.map(({ id }) => id).filter(Boolean).sort(), [1, 2, 3, 4]);
    assert.ok(frames.findIndex(({ id }) => id === 2) < frames.findIndex(({ type }) => type === 'msg'));
    raw.write(close(1000));
    assert.equal((await raw.frame()).opcode, OPCODE.close);
  });
});

test('an operator ends all sessions of a user, and nobody else', async (t) => {
  const guests = await Guests.start(t);
  const [ann, anns, bob] = await Promise.all(['ann', 'ann', 'bob'].map((user) => guests.connect(t, guests.token(user))));
  await guests.stranger(t);
  const answer = await guests.gateway.post('/v1/disconnect', { user: 'ann', code: 4100, reason: 'moved' });
  assert.equal(answer.json.disconnected, 2, answer.text);
  for (const client of [ann, anns]) assert.deepEqual(await client.closed, { code: 4100, reason: 'moved' });
  assert.equal((await bob.flushed()).type, 'pong');
});

test('who is not known yet hears `drain` behind its welcome', async (t) => {
  const guests = await Guests.start(t, ['--drain-ms', '5000']);
  const known = await guests.connect(t, guests.token('ann'));
  const stranger = await guests.stranger(t);
  guests.gateway.signal('SIGTERM');
  await known.next('drain');
  assert.deepEqual(stranger.frames, []);
  stranger.send({ type: 'hello', id: 1, token: guests.token('bob') });
  await stranger.next('drain');
  assert.deepEqual(typesOf(stranger), ['welcome', 'drain']);
  await Promise.all([known.close(), stranger.close()]);
  await within(guests.gateway.exited, 10000, 'the end of a node that everybody has left');
});

test('keys that are read again: new tokens by the new ones, and who is connected stays', async (t) => {
  const guests = await Guests.start(t, ['--workers', '2']);
  const connected = await guests.connect(t, guests.token('ann', { sub: ['a'] }));
  const old = guests.token('bob');
  const enters = async (token) => {
    const client = await guests.connect(t, token, { welcome: false });
    return Promise.race([client.next('welcome').catch(() => false), client.closed.then(() => false)]);
  };
  writeFileSync(guests.files.secret, 'too short');
  const failed = await guests.gateway.post('/v1/reload');
  assert.equal(failed.status, 500);
  assert.equal(failed.json.failed[0].what, 'token_keys');
  assert.ok(await enters(old));
  guests.secret = makeSecret();
  writeFileSync(guests.files.secret, guests.secret);
  assert.deepEqual((await guests.gateway.post('/v1/reload')).json, { reloaded: ['token_keys'], failed: [] });
  const eight = (token) => Promise.all(Array.from({ length: 8 }, () => enters(token)));
  await until(async () => (await eight(guests.token('bob'))).every(Boolean), 5000, 'the new keys at every worker');
  assert.ok(!(await eight(old)).some(Boolean));
  await connected.subscribe('a');
  assert.equal((await connected.request('refresh', { token: guests.token('ann') })).type, 'refreshed');
});

suite('when a token ends', ['--echo-path', '/echo'], (guests) => {
  // `exp` counts whole seconds: at least `low`, less than `low` + 1 from now.
  const brief = (low) => seconds(low + 1);

  test('the client is told at half of a short life, and closed with 4001 on time', async (t) => {
    const exp = brief(2);
    const life = exp * 1000 - Date.now();
    const client = await guests().connect(t, guests().token('ann', { sub: ['a'] }, { exp }));
    await client.subscribe('a');
    const { in_ms: left } = await client.next('expiring');
    assert.ok(left > 0 && left <= life / 2, `${left} of ${life}`);
    assert.deepEqual(await client.closed, { code: 4001, reason: 'token_expired' });
    const late = Date.now() - exp * 1000;
    assert.ok(late >= 0 && late <= patience(1500), `${late} ms behind exp`);
    assert.equal(typesOf(client).filter((type) => type === 'expiring').length, 1);
    await guests().closed('token_expired', 1);
  });

  test('a refresh in time lets it go on', async (t) => {
    const exp = brief(2);
    const client = await guests().connect(t, guests().token('ann', { sub: ['a'] }, { exp }));
    await client.subscribe('a');
    await client.next('expiring');
    const refreshed = await client.request('refresh', { token: guests().token('ann', { sub: ['a'] }) });
    assert.equal(refreshed.type, 'refreshed');
    assert.ok(refreshed.expires_in > 3500 && refreshed.expires_in <= 3600, refreshed.raw);
    await until(() => Date.now() > exp * 1000 + 300, 5000, 'the end of the old one');
    await guests().gateway.publish('a', '1');
    await client.received('a', 1);
    assert.equal(typesOf(client).filter((type) => type === 'expiring').length, 1);
  });

  test('one that lasts for centuries does', async (t) => {
    for (const exp of [seconds(86400 * 400), 253402300799]) {
      const { welcome } = await guests().connect(t, guests().token('ann', {}, { exp }));
      const wanted = exp - Date.now() / 1000;
      assert.ok(Math.abs(welcome.expires_in - wanted) < 30, `${welcome.raw}: ${wanted}`);
    }
  });

  test('one on the echo path ends without a word before', async (t) => {
    const headers = { Authorization: `Bearer ${guests().token('ann', {}, { exp: brief(1) })}` };
    const raw = await RawSocket.upgrade(t, guests().gateway.port, '/echo', headers);
    const only = await raw.frame();
    assert.deepEqual([only.opcode, only.code], [OPCODE.close, 4001]);
  });
});

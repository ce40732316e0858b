// SPDX-License-Identifier: Apache-2.0
//
// What an operator sees on the admin listener: who is slow, who has ended and why, what is read; and what is said when a worker stands
// still, which is a fault that test builds offer.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { OPCODE, RawSocket, frame, upgradeRequest } from '../harness/raw.mjs';
import { atEnd } from '../harness/scope.mjs';
import { size } from '../harness/setting.mjs';
import { until } from '../harness/until.mjs';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const FIELDS = 'session user address transport topics queued_bytes lag_ms dropped state since'.split(' ');

const get = async (gateway, path) => {
  const answer = await gateway.get(path);
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
};
const connections = async (gateway, query = '') => (await get(gateway, `/v1/connections${query}`)).connections;

// A client that never reads beyond its welcome; gives its session.
async function sleeper(t, gateway, topic) {
  const raw = await RawSocket.upgrade(t, gateway.port, `/v1/ws?topic=${topic}`);
  const { session } = await raw.json();
  assert.equal((await raw.json()).type, 'subscribed');
  raw.pause();
  return { raw, session };
}

test('who does not read comes first by lag, with what it is owed; the others are up to date', async (t) => {
  const gateway = await Gateway.start(t, ['--workers', '2']);
  const quick = [];
  for (let count = 0; count < 6; count++) {
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('feed', 'other');
    quick.push(client);
  }
  const { raw, session } = await sleeper(t, gateway, 'feed');

  const pad = 'x'.repeat(8000);
  let published = 0;
  const publish = () => gateway.publish('feed', `{"n":${published++},"pad":"${pad}"}`);
  const first = async () => (await connections(gateway, '?sort=lag'))[0];
  const before = await until(
    async () => {
      await publish();
      const row = await first();
      return row.queued_bytes > 0 && row.lag_ms > 0 && row;
    },
    10000,
    'a lag',
  );
  assert.equal(before.session, session);
  assert.deepEqual(Object.keys(before), FIELDS);
  assert.equal(before.user, null);
  assert.equal(before.transport, 'ws');
  assert.equal(before.topics, 1);
  assert.equal(before.address, `127.0.0.1:${raw.socket.localPort}`);
  assert.match(before.since, TIME);

  await publish();
  const after = await until(
    async () => {
      const row = await first();
      return row.queued_bytes > before.queued_bytes && row.lag_ms > before.lag_ms && row;
    },
    5000,
    'more is owed, for longer',
  );
  assert.equal(after.session, session);
  assert.equal(after.since, before.since, 'a time that has been does not change');
  assert.equal((await connections(gateway, '?sort=queued&limit=1'))[0].session, session);
  const used = (await gateway.metrics()).sum('spillway_budget_used_bytes', { part: 'blocks' });
  assert.ok(used >= after.queued_bytes, `${used} charged for ${after.queued_bytes}`);

  await Promise.all(quick.map((client) => client.received('feed', published)));
  const rows = await connections(gateway);
  assert.equal(rows.length, 7);
  for (const row of rows.slice(1)) {
    assert.deepEqual([row.queued_bytes, row.lag_ms, row.dropped, row.topics, row.state], [0, 0, 0, 2, 'open']);
  }
  const times = async (query) => (await connections(gateway, query)).map(({ since }) => since);
  const ages = await times('?sort=age');
  assert.deepEqual(ages, rows.map(({ since }) => since).sort());
  assert.deepEqual(await times('?sort=age&limit=2'), ages.slice(0, 2));
  assert.equal((await connections(gateway, '?sort=dropped&limit=3')).length, 3);
});

test('the ended say why, the newest first, and for how long there was anything to say', async (t) => {
  const gateway = await Gateway.start(t, ['--workers', '2']);
  assert.deepEqual(await get(gateway, '/v1/connections/ended'), { connections: [] });
  const ended = (count) =>
    until(
      async () => {
        const rows = await connections(gateway, '/ended');
        return rows.length === count && rows.every(({ state }) => state === 'closed') && rows;
      },
      5000,
      `${count} ended`,
    );

  const client = await Client.connect(t, gateway.url);
  await client.subscribe('a', 'b');
  await client.close(1000);
  await ended(1);
  const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws');
  const { session } = await raw.json();
  raw.write(frame(OPCODE.text, '{}', { mask: false }));
  assert.equal((await raw.closeFrame()).code, 1002);
  const [protocol, own] = await ended(2);

  assert.deepEqual(Object.keys(own), [...FIELDS, 'reason', 'code', 'ended']);
  assert.deepEqual([own.session, own.reason, own.code, own.topics], [client.welcome.session, 'client', 1000, 2]);
  assert.deepEqual([protocol.session, protocol.reason, protocol.code], [session, 'protocol', 1002]);
  assert.match(own.ended, TIME);
  assert.ok(own.since <= own.ended && own.ended <= protocol.ended);
  assert.deepEqual(await connections(gateway), []);
});

test('topics are those that somebody reads, with the subscribers of all workers and each message once', async (t) => {
  const gateway = await Gateway.start(t, ['--workers', '3']);
  const clients = [];
  for (let count = 0; count < 9; count++) {
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('orders.eu', ...(count < 4 ? ['orders.>'] : []), ...(count < 1 ? ['logs'] : []));
    clients.push(client);
  }
  for (let n = 0; n < 5; n++) await gateway.publish('orders.eu', `${n}`);
  await gateway.publish('orders.us', '1');
  await gateway.publish('nobody', '1');
  await Promise.all(clients.map((client) => client.received('orders.eu', 5)));

  const { topics, node } = await get(gateway, '/v1/topics');
  assert.equal(node, clients[0].welcome.node);
  assert.deepEqual(
    topics.map(({ topic, subscribers, messages }) => [topic, subscribers, messages]),
    [
      ['orders.eu', 9, 5],
      ['orders.>', 4, 6],
      ['logs', 1, 0],
    ],
  );
  for (const { messages, rate } of topics) assert.ok(rate <= messages && rate > 0 === messages > 0, `${messages} at ${rate}/s`);

  // With a limit each worker names only some, and the numbers are still those of all workers.
  const cut = (await get(gateway, '/v1/topics?limit=1')).topics;
  assert.deepEqual(
    cut.map(({ topic, subscribers, messages }) => [topic, subscribers, messages]),
    [['orders.eu', 9, 5]],
  );
  const names = async (query) => (await get(gateway, `/v1/topics${query}`)).topics.map(({ topic }) => topic);
  assert.deepEqual(await names('?match=orders.%3E'), ['orders.eu', 'orders.>']);
  assert.deepEqual(await names('?match=logs'), ['logs']);
  assert.deepEqual(await names('?match=none.>'), []);

  await Promise.all(clients.map((client) => client.unsubscribe('orders.eu')));
  assert.deepEqual(await names(''), ['orders.>', 'logs']);
});

test('what cannot be asked is 400, in words', async (t) => {
  const gateway = await Gateway.start(t);
  for (const [path, code, words] of [
    ['/v1/connections?sort=size', 'bad_request', /lag, queued, dropped or age/],
    ['/v1/connections?limit=0', 'bad_request', /1 to 1000/],
    ['/v1/connections?limit=1001', 'bad_request', /1 to 1000/],
    ['/v1/connections?limit=1e2', 'bad_request', /1 to 1000/],
    ['/v1/connections?sorted=lag', 'bad_request', /unknown.*\/v1\/connections\?sort=/],
    ['/v1/connections?limit=1&limit=2', 'bad_request', /twice/],
    ['/v1/connections?sort=%zz', 'bad_request', /percent-encoded/],
    ['/v1/connections/ended?limit=1', 'bad_request', /unknown/],
    ['/v1/topics?match=a..b', 'bad_topic', /empty token/],
    ['/v1/topics?match=', 'bad_topic', /empty token/],
    ['/v1/topics?limit=-1', 'bad_request', /1 to 1000/],
  ]) {
    const answer = await gateway.get(path);
    assert.equal(answer.status, 400, path);
    assert.equal(answer.code, code, path);
    assert.match(answer.json.error.message, words, path);
  }
  assert.equal((await gateway.post('/v1/connections')).status, 405);
  const head = await gateway.ask('HEAD', '/v1/topics');
  assert.deepEqual([head.status, head.text], [200, '']);
});

test('they are for those who may use the admin listener', async (t) => {
  const paths = ['/v1/connections', '/v1/connections/ended', '/v1/topics'];
  const open = await Gateway.start(t);
  const folder = mkdtempSync(join(tmpdir(), 'spillway-operator-'));
  atEnd(t, () => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'keys'), 'k-7\n');
  const guarded = await Gateway.start(t, ['--api-key-file', join(folder, 'keys')]);
  for (const path of paths) {
    assert.equal((await open.get(path, { headers: { Origin: 'https://evil.example' } })).status, 403, path);
    assert.equal((await guarded.get(path)).status, 401, path);
    assert.equal((await guarded.get(path, { headers: { Authorization: 'Bearer k-7' } })).status, 200, path);
  }
});

test('a worker that stands still is left out, and the answer says that it is partial', async (t) => {
  const gateway = await Gateway.start(t, ['--workers', '2']);
  const hold = (ms) => gateway.post('/v1/faults/hold', { worker: 1, ms });
  if ((await hold(0)).status === 404) return t.skip('this build has no faults');
  const clients = [];
  for (let count = 0; count < 16; count++) {
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('held');
    clients.push(client);
  }
  const whole = await get(gateway, '/v1/connections');
  assert.deepEqual([whole.connections.length, whole.partial], [16, undefined]);

  const ms = size({ long: 8000, short: 8000, sanitized: 15000 });
  const released = performance.now() + ms;
  await hold(ms);
  // Who leaves while the answer is awaited harms nobody.
  const gone = await RawSocket.connect(t, gateway.adminPort);
  gone.write('GET /v1/topics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  const [partial, ended, topics] = await Promise.all([
    get(gateway, '/v1/connections?limit=100'),
    get(gateway, '/v1/connections/ended'),
    get(gateway, '/v1/topics'),
    new Promise((resolve) => setTimeout(() => resolve(gone.destroy()), 300)),
  ]);
  assert.ok(performance.now() < released, 'the answer did not wait for the worker');
  assert.deepEqual([partial.partial, ended.partial, topics.partial], [true, true, true]);
  const there = partial.connections.length;
  assert.ok(there > 0 && there < 16, `${there} of 16`);
  assert.deepEqual([topics.topics[0].topic, topics.topics[0].subscribers, topics.topics[0].messages], ['held', there, 0]);

  // It owes answers enough: from now on nobody waits for it.
  await Promise.all(Array.from({ length: 12 }, () => get(gateway, '/v1/connections')));
  const asked = performance.now();
  assert.equal((await get(gateway, '/v1/connections')).partial, true);
  assert.ok(performance.now() - asked < 1000 && performance.now() < released, `${performance.now() - asked} ms`);

  await until(
    async () => {
      const again = await get(gateway, '/v1/topics');
      return again.partial === undefined && again.topics[0].subscribers === 16;
    },
    ms + 5000,
    'a whole answer',
  );
});

test('when its memory is used up a node takes no new clients, and those it has live on', async (t) => {
  const gateway = await Gateway.start(t, ['--workers', '2', '--budget', '4m']);
  const hold = (ms) => gateway.post('/v1/faults/hold', { worker: 1, ms });
  if ((await hold(0)).status === 404) return t.skip('this build has no faults');
  const said = await gateway.log(({ event }) => event === 'memory');
  assert.equal(said.budget_bytes, 4 << 20);
  assert.ok(said.limit_bytes > 0);
  const before = await gateway.metrics();
  assert.equal(before.sum('spillway_budget_bytes'), 4 << 20);
  assert.equal(before.sum('spillway_budget_step'), 0);
  const clients = [];
  for (let count = 0; count < 16; count++) {
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('flood', 'calm');
    clients.push(client);
  }

  // What the bus lends a worker that stands still is memory, too, and nobody can shed it.
  const ms = size({ long: 5000, short: 5000, sanitized: 15000 });
  const released = performance.now() + ms;
  await hold(ms);
  const count = 60;
  const payload = `"${'x'.repeat(100_000)}"`;
  for (let n = 0; n < count; n++) await gateway.publish('flood', payload);
  const full = await gateway.counted((now) => now.sum('spillway_budget_step') === 3, 'a full budget');
  assert.ok(full.sum('spillway_budget_used_bytes', { part: 'messages' }) >= count * payload.length, full.text);
  const ready = await gateway.get('/ready');
  assert.deepEqual([ready.status, ready.json.status], [503, 'full']);
  await gateway.log(({ event, step }) => event === 'budget_step' && step === 3);

  // Of many who knock some come to the worker that is awake.
  const knock = async () => {
    const raw = await RawSocket.connect(t, gateway.port);
    raw.write(upgradeRequest());
    return raw.response();
  };
  const refused = await Promise.any(Array.from({ length: 12 }, knock));
  assert.equal(refused.status, 503);
  assert.equal(refused.headers['retry-after'], '5');
  assert.equal(JSON.parse(refused.body).error.code, 'overloaded');
  const after = await gateway.metrics();
  assert.ok(after.sum('spillway_refused_total', { reason: 'budget' }) > 0);
  assert.equal(after.sum('spillway_refused_total', { reason: 'full' }), 0);

  // Whatever the marks do to who is behind: what came and what was told is all of it.
  const whole = (client) =>
    client.of('calm').length > 0 &&
    client.of('flood').reduce((sum, frame) => sum + (frame.type === 'msg' ? 1 : frame.count), 0) === count;
  const free = clients.filter((client) => client.of('flood').length > 0);
  assert.ok(free.length > 0 && free.length < clients.length, `${free.length} free`);
  await gateway.publish('calm', '1');
  await until(() => free.every(whole), 5000, 'all for the free');
  await free[0].subscribe('more');
  assert.ok(performance.now() < released, 'all that while the worker stood still');

  await until(() => clients.every(whole), 2 * ms, 'all for everybody');
  const used = (now, part) => now.sum('spillway_budget_used_bytes', { part });
  await gateway.counted((now) => now.sum('spillway_budget_step') === 0 && used(now, 'messages') === 0, 'free memory');
  assert.equal((await gateway.get('/ready')).status, 200);
  await Client.connect(t, gateway.url);
});

test('more than the accept rate are refused, and of these again too many are reset; the connected live on', async (t) => {
  const gateway = await Gateway.start(t, ['--workers', '1', '--accept-rate', '5']);
  const clients = [];
  // Two seconds' worth may come at once.
  for (let count = 0; count < 10; count++) {
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('a');
    clients.push(client);
  }
  const knock = async () => {
    const raw = new RawSocket(gateway.port);
    atEnd(t, () => raw.destroy());
    raw.write(upgradeRequest());
    return raw.response().catch(() => ({ status: raw.over }));
  };
  const answers = await Promise.all(Array.from({ length: 60 }, knock));
  const count = (status) => answers.filter((answer) => answer.status === status).length;
  assert.ok(count(503) >= 10 && count('ECONNRESET') > 0, JSON.stringify(answers.map(({ status }) => status)));
  assert.equal(count(101) + count(503) + count('ECONNRESET'), 60);
  const refused = answers.find(({ status }) => status === 503);
  assert.equal(refused.headers['retry-after'], '5');
  assert.equal(JSON.parse(refused.body).error.code, 'overloaded');
  const metrics = await gateway.metrics();
  assert.equal(metrics.sum('spillway_refused_total', { reason: 'rate' }), count(503) + count('ECONNRESET'));
  assert.equal(metrics.sum('spillway_refused_total'), count(503) + count('ECONNRESET'));

  await gateway.publish('a', '1');
  await Promise.all(clients.map((client) => client.received('a', 1)));
  const again = () => Client.connect(t, gateway.url).catch((error) => assert.equal(error.refused?.status ?? 503, 503));
  await until(again, 5000, 'a place for one more');
});

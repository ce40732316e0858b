// SPDX-License-Identifier: Apache-2.0
//
// Who shall go: POST /v1/disconnect over three nodes and one real Redis, what it says where it cannot reach them all, and what nodes
// make of words that no node said.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { RawSocket } from '../harness/raw.mjs';
import { Redis } from '../harness/redis.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { size } from '../harness/setting.mjs';
import { until, within } from '../harness/until.mjs';

const PATH = '/v1/disconnect';

// The answer to a request that was carried out.
async function disconnect(node, body) {
  const answer = await node.post(PATH, body);
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

// A client that reads these topics.
async function reader(t, node, ...topics) {
  const client = await Client.connect(t, node.url);
  if (topics.length) await client.subscribe(...topics);
  return client;
}

const closed = (client) => within(client.closed, 10000, 'a close frame');
const stays = async (client) => assert.equal((await client.flushed()).type, 'pong');
const count = async (node, name, labels) => (await node.metrics()).sum(`spillway_${name}`, labels);
const gone = (metrics) => metrics.sum('spillway_closed_total', { reason: 'disconnected' });

// The node's strings are subscribed: an order reaches so many.
const hearing = (node, nodes) =>
  until(async () => (await disconnect(node, { session: 'nobody' })).nodes === nodes, 10000, `${nodes} nodes that hear each other`);

const startNodes = (owner, url, how) =>
  Promise.all(Array.from({ length: how.length }, (_, at) => Gateway.start(owner, ['--bus', url, '--workers', '2', ...how[at]])));

describe('three nodes on one Redis', () => {
  const scope = suiteScope();
  let server;
  let redis;
  let nodes;
  before(async () => {
    server = await Redis.start(scope);
    redis = await server.client(scope);
    nodes = await startNodes(scope, server.url, [[], [], []].map(() => ['--prefix', 'app:']));
    for (const node of nodes) await hearing(node, 3);
  });

  test('a session on another node, by its id; it may come back', async (t) => {
    const [own, other] = [await reader(t, nodes[0]), await reader(t, nodes[2])];
    const { session } = other.welcome;
    const requests = () => Promise.all(nodes.map((node) => count(node, 'disconnect_requests_total')));
    const [first, ...rest] = await requests();
    const before = gone(await nodes[2].metrics());
    assert.deepEqual(await disconnect(nodes[0], { session }), { disconnected: 1, nodes: 3, answered: 3 });
    assert.deepEqual(await closed(other), { code: 4000, reason: 'disconnected by the operator' });
    await nodes[2].counted((metrics) => gone(metrics) === before + 1, 'the end counted');
    assert.deepEqual(await requests(), [first + 1, ...rest], 'of its own operators alone');
    const asked = await nodes[0].log((entry) => entry.event === 'disconnect' && entry.session === session);
    assert.match(asked.address, /^127\.0\.0\.1:\d+$/);
    assert.deepEqual([asked.disconnected, asked.nodes, asked.answered], [1, 3, 3]);
    const obeyed = await nodes[2].log((entry) => entry.event === 'disconnect' && entry.session === session);
    assert.deepEqual([obeyed.disconnected, obeyed.asker], [1, own.welcome.node]);
    assert.deepEqual(await disconnect(nodes[1], { session }), { disconnected: 0, nodes: 3, answered: 3 }, 'it has gone');
    await stays(own);
    await reader(t, nodes[2]);
  });

  test('all that are subscribed to exactly that topic, on every worker of every node, with a code and words', async (t) => {
    const each = 8;
    const readers = [];
    const others = [];
    for (const node of nodes) {
      for (let n = 0; n < each; n++) readers.push(await reader(t, node, 'kick.a', ...(n % 2 ? ['kick.*', 'more'] : [])));
      others.push(await reader(t, node, 'kick.*'), await reader(t, node, 'kick.a.b', 'kick'), await reader(t, node));
    }
    const before = await Promise.all(nodes.map(async (node) => gone(await node.metrics())));
    const reason = 'moved to "kräck" \u{1f680}';
    const answer = await disconnect(nodes[1], { topic: 'kick.a', code: 4321, reason });
    assert.deepEqual(answer, { disconnected: 3 * each, nodes: 3, answered: 3 });
    for (const client of readers) assert.deepEqual(await closed(client), { code: 4321, reason });
    for (const [at, node] of nodes.entries()) {
      await node.counted((metrics) => gone(metrics) === before[at] + each && metrics.law.holds, 'each of them counted');
      const rows = (await node.get('/v1/connections/ended')).json.connections.slice(0, each);
      assert.deepEqual(new Set(rows.map((row) => `${row.reason} ${row.code}`)), new Set(['disconnected 4321']));
      await node.log((entry) => entry.event === 'session_closed' && entry.code === 4321);
    }
    for (const client of others) await stays(client);

    const pattern = await disconnect(nodes[2], { topic: 'kick.*', code: 1008 });
    assert.deepEqual(pattern, { disconnected: 3, nodes: 3, answered: 3 });
    assert.deepEqual(await closed(others[0]), { code: 1008, reason: 'disconnected by the operator' });
    await stays(others[1]);
  });

  test('whom nobody knows: 0', async (t) => {
    const client = await reader(t, nodes[0], 'known');
    const { session } = client.welcome;
    for (const body of [
      { session: 'GoePSY8UC0x' },
      { session: 'no session' },
      { session: `${session}0` },
      { session: session.slice(1) },
      { user: 'alice' },
      { topic: 'unknown.topic' },
      { topic: 'known.>' },
      { topic: 'know' },
    ]) {
      assert.deepEqual(await disconnect(nodes[0], body), { disconnected: 0, nodes: 3, answered: 3 }, JSON.stringify(body));
    }
    await stays(client);
  });

  test('what is no order is refused in words, and nobody goes', async (t) => {
    const client = await reader(t, nodes[0], 'a');
    const { session } = client.welcome;
    const before = await count(nodes[0], 'disconnect_requests_total');
    const text = (length) => 'x'.repeat(length);
    for (const [body, words, code = 'bad_request'] of [
      ['', /no JSON object; expected: \{"topic"/],
      ['{', /no JSON object/],
      ['[]', /no JSON object/],
      ['"a"', /no JSON object/],
      ['{"topic":"a"}{"topic":"a"}', /no JSON object/],
      ['{"topic":"a","topic":"a"}', /twice/],
      ['{}', /one of "session", "user", "topic"/],
      [{ session, topic: 'a' }, /and no second/],
      [{ user: 'a', topic: 'a' }, /and no second/],
      [{ code: 4000, reason: 'x' }, /one of/],
      [{ session: 7 }, /who shall go is a string/],
      [{ session: null }, /who shall go is a string/],
      [{ session: '' }, /1 to 255 bytes/],
      [{ user: text(256) }, /1 to 255 bytes/],
      [{ user: 'a\nb' }, /without controls/],
      [{ user: 'a\u0085' }, /without controls/],
      [{ topic: 'a..b' }, /empty token/, 'bad_topic'],
      [{ topic: '*' }, /first token/, 'bad_topic'],
      [{ topic: '$nodes' }, /reserved/, 'bad_topic'],
      [{ session, code: 999 }, /3000 to 4999/],
      ...[0, 1002, 1005, 1006, 1014, 1015, 2000, 2999, 5000, 65536, -4000, 4000.5, '4000', null].map((code) => [
        { session, code },
        /"code" is 1000, 1001, 1008, 1011 to 1013, or 3000 to 4999/,
      ]),
      [{ session, reason: text(124) }, /at most 123 bytes/],
      [{ session, reason: 'ü'.repeat(62) }, /at most 123 bytes/],
      [{ session, reason: 'a\u0000b' }, /without controls/],
      [{ session, reason: 7 }, /"reason" is a string/],
      [{ session, nodes: ['n1'] }, /a name is unknown; expected/],
    ]) {
      const answer = await nodes[0].post(PATH, body);
      const what = JSON.stringify(body);
      assert.deepEqual([answer.status, answer.code], [400, code], what);
      assert.match(answer.json.error.message, words, what);
      assert.equal(answer.json.error.retry, false, what);
    }
    assert.equal((await nodes[0].post(PATH, text(5000))).status, 413);
    assert.equal((await nodes[0].get(PATH)).status, 405);
    assert.equal((await nodes[0].public('POST', PATH)).status, 404, 'not for clients');
    assert.equal(await count(nodes[0], 'disconnect_requests_total'), before);
    await stays(client);

    for (const code of [1000, 1001, 1008, 1011, 1013, 3000, 4999]) {
      const other = await reader(t, nodes[1]);
      const reason = text(123);
      assert.equal((await disconnect(nodes[0], { session: other.welcome.session, code, reason })).disconnected, 1);
      assert.deepEqual(await closed(other), { code, reason });
    }
  });

  test('many at once are all done, each once', async (t) => {
    const many = size({ long: 120, short: 60, sanitized: 40 });
    const clients = await Promise.all(Array.from({ length: many }, (_, at) => reader(t, nodes[at % 3])));
    const answers = await Promise.all(
      clients.map((client, at) => disconnect(nodes[(at + (at % 2)) % 3], { session: client.welcome.session })),
    );
    assert.equal(
      answers.reduce((sum, { disconnected }) => sum + disconnected, 0),
      many,
    );
    for (const answer of answers) assert.deepEqual(answer, { disconnected: 1, nodes: 3, answered: 3 });
    for (const client of clients) assert.equal((await closed(client)).code, 4000);
  });

  test('what no node said is ignored and counted, and so is a later version', async (t) => {
    const client = await reader(t, nodes[0], 'forged');
    const { session, node } = client.welcome;
    const order = (more) => JSON.stringify({ v: 1, kind: 'disconnect', from: 'n', id: 'r', session, ...more });
    const bad = [
      'garbage',
      '',
      '{}',
      `{"session":"${session}"}`,
      order({ v: 2 }),
      order({ v: undefined }),
      order({ kind: 'revoke' }),
      order({ from: 'a b' }),
      order({ id: '' }),
      order({ code: 1006 }),
      order({ topic: 'forged' }),
      `${order()} ${' '.repeat(4096)}`,
      `\x1e1;;k=a\x1e${order()}`,
      Buffer.from([0xff, 0xfe, 0]),
      `"${'x'.repeat(300_000)}"`,
    ];
    const ignored = await Promise.all(nodes.map((each) => count(each, 'notices_ignored_total')));
    const taken = await Promise.all(nodes.map((each) => count(each, 'notices_total')));
    for (const raw of bad) assert.equal(await redis.publish('app:$nodes', raw), 3);
    await redis.publish(`app:$node.${node}`, order({ v: 9 }));
    // An answer that nobody waits for.
    await redis.publish(`app:$node.${node}`, JSON.stringify({ v: 1, kind: 'disconnected', from: 'n', id: 'r', count: 7 }));
    for (const [at, each] of nodes.entries()) {
      const more = bad.length + (at === 0 ? 2 : 0);
      await each.counted(
        (metrics) => metrics.sum('spillway_notices_ignored_total') === ignored[at] + more,
        () => `${more} ignored by node ${at}`,
      );
      assert.equal(await count(each, 'notices_total'), taken[at]);
    }
    await stays(client);
    assert.equal(await count(nodes[0], 'messages_total', { bus: 'redis' }), 0, 'they are no messages');

    // A later release may say more, and is still understood.
    await redis.publish('app:$nodes', order({ because: { of: ['policy'] } }));
    assert.equal((await closed(client)).code, 4000);
  });

  test('to clients these strings are closed', async (t) => {
    const client = await reader(t, nodes[0]);
    for (const topic of ['$nodes', '$nodes.>', `$node.${client.welcome.node}`]) {
      assert.equal((await client.subscribe(topic))[topic].error.code, 'bad_topic');
      assert.equal((await client.request('publish', { topic, data: {} })).error.code, 'bad_topic');
      assert.equal((await nodes[0].post(`/v1/topics/${encodeURIComponent(topic)}`, '{}')).code, 'bad_topic');
    }
    assert.equal((await nodes[0].get('/v1/topics')).text.includes('$'), false);
  });

  test('a node that stands still is not waited for longer than 2 s, and is told by the numbers', async (t) => {
    const topic = 'still';
    const clients = await Promise.all(nodes.map((node) => reader(t, node, topic)));
    const [late, ignored] = [await count(nodes[0], 'notices_ignored_total'), gone(await nodes[2].metrics())];
    nodes[2].signal('SIGSTOP');
    try {
      const asked = performance.now();
      assert.deepEqual(await disconnect(nodes[0], { topic }), { disconnected: 2, nodes: 3, answered: 2 });
      assert.ok(performance.now() - asked >= 1900, 'it had its time');
      for (const client of clients.slice(0, 2)) assert.equal((await closed(client)).code, 4000);
    } finally {
      nodes[2].signal('SIGCONT');
    }
    // It does what it was told when it runs again; its answer is late.
    assert.equal((await closed(clients[2])).code, 4000);
    await nodes[2].counted((metrics) => gone(metrics) === ignored + 1, 'done late');
    await nodes[0].counted((metrics) => metrics.sum('spillway_notices_ignored_total') === late + 1, 'a late answer');
  });

  test('an operator who leaves loses only the answer', async (t) => {
    const clients = await Promise.all(nodes.map((node) => reader(t, node, 'left')));
    nodes[1].signal('SIGSTOP');
    try {
      const raw = await RawSocket.connect(t, nodes[0].adminPort);
      const body = '{"topic":"left"}';
      raw.write(`POST ${PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      await closed(clients[0]);
      raw.destroy();
      const said = await nodes[0].log((entry) => entry.event === 'disconnect' && entry.topic === 'left');
      assert.deepEqual([said.disconnected, said.nodes, said.answered], [2, 3, 2]);
    } finally {
      nodes[1].signal('SIGCONT');
    }
    for (const client of clients) assert.equal((await closed(client)).code, 4000);
  });
});

describe('a bus that does not reach the others', () => {
  test('Redis away: this node alone, and it says so; Redis back: all again', async (t) => {
    const server = await Redis.start(t);
    const nodes = await startNodes(t, server.url, [[], []]);
    for (const node of nodes) await hearing(node, 2);
    const clients = await Promise.all(nodes.map((node) => reader(t, node, 'away')));
    await server.kill();
    for (const node of nodes) await node.counted((metrics) => metrics.sum('spillway_bus_up') === 0, 'the loss seen');
    const { error, ...numbers } = await disconnect(nodes[0], { topic: 'away' });
    assert.deepEqual(numbers, { disconnected: 1, nodes: 1, answered: 1 });
    assert.deepEqual([error.code, error.retry], ['bus_unavailable', true]);
    assert.match(error.message, /only this node/);
    assert.equal((await closed(clients[0])).code, 4000);
    await stays(clients[1]);

    await server.start();
    for (const node of nodes) await hearing(node, 2);
    assert.deepEqual(await disconnect(nodes[0], { topic: 'away' }), { disconnected: 1, nodes: 2, answered: 2 });
    assert.equal((await closed(clients[1])).code, 4000);
  });

  test('Redis silent: this node at once, the answer when 2 s are over, and nobody knows the rest', async (t) => {
    const server = await Redis.start(t);
    const [node] = await startNodes(t, server.url, [[]]);
    await hearing(node, 1);
    assert.equal(await count(node, 'interests'), 0, "the node's own strings are no topics");
    const client = await reader(t, node, 'silent');
    server.freeze();
    try {
      const answer = disconnect(node, { topic: 'silent' });
      assert.equal((await closed(client)).code, 4000);
      const { error, ...numbers } = await answer;
      assert.deepEqual(numbers, { disconnected: 1, nodes: 1, answered: 1 });
      assert.deepEqual([error.code, error.outcome], ['bus_unavailable', 'unknown']);
      assert.match(error.message, /who else heard it/);
    } finally {
      server.thaw();
    }
    await hearing(node, 1);
  });

  test('a Redis user without these channels: the node works, alone, says why, and hears when it may', async (t) => {
    const server = await Redis.start(t);
    const redis = await server.client(t);
    await redis.command('ACL', 'SETUSER', 'gate', 'on', '>secret', '~*', 'resetchannels', '&acl.*', '+@all');
    const url = `redis://gate:secret@127.0.0.1:${server.port}`;
    const [alone, free] = [(await startNodes(t, url, [[]]))[0], (await startNodes(t, server.url, [[]]))[0]];
    await hearing(free, 1);
    await alone.log(({ event, hint }) => event === 'nodes_unheard' && /\$nodes and \$node\.\*/.test(hint));
    const clients = await Promise.all([alone, free].map((node) => reader(t, node, 'acl.a')));
    const { error, ...numbers } = await disconnect(alone, { topic: 'acl.a' });
    assert.deepEqual(numbers, { disconnected: 1, nodes: 1, answered: 1 });
    assert.deepEqual([error.code, error.retry], ['forbidden', false]);
    assert.match(error.message, /only this node was asked.*\$nodes/);
    assert.equal((await closed(clients[0])).code, 4000);
    await alone.publish('acl.a', '1');
    await clients[1].received('acl.a', 1);

    await redis.command('ACL', 'SETUSER', 'gate', '&$node*');
    await redis.command('CLIENT', 'KILL', 'USER', 'gate');
    await hearing(alone, 2);
    assert.equal(alone.stderr.match(/nodes_unheard/g).length, 1, 'said once');
    assert.deepEqual(await disconnect(alone, { topic: 'acl.a' }), { disconnected: 1, nodes: 2, answered: 2 });
    assert.equal((await closed(clients[1])).code, 4000);
  });

  for (const workers of ['1', '3']) {
    test(`the embedded bus has one node, with workers: ${workers}`, async (t) => {
      const node = await Gateway.start(t, ['--workers', workers]);
      const clients = await Promise.all(Array.from({ length: 9 }, (_, at) => reader(t, node, at < 6 ? 'm.a' : 'm.b')));
      assert.deepEqual(await disconnect(node, { topic: 'm.a' }), { disconnected: 6, nodes: 1, answered: 1 });
      for (const client of clients.slice(0, 6)) assert.equal((await closed(client)).code, 4000);
      const { session } = clients[8].welcome;
      const all = await Promise.all(Array.from({ length: 5 }, () => disconnect(node, { session })));
      assert.equal(
        all.reduce((sum, { disconnected }) => sum + disconnected, 0),
        1,
        'by the first of them alone',
      );
      await stays(clients[7]);
      const metrics = await node.counted((now) => gone(now) === 7, 'seven gone');
      assert.equal(metrics.sum('spillway_notices_total') + metrics.sum('spillway_notices_ignored_total'), 0);
    });
  }
});

test('a worker that stands still obeys when it can, and the answer says that it is partial', async (t) => {
  const server = await Redis.start(t);
  // Its clocks go on while it stands still, and shall not end whom it has just told to go.
  const nodes = await startNodes(t, server.url, [[], ['--linger-ms', '30000']]);
  const hold = (ms) => nodes[1].post('/v1/faults/hold', { worker: 1, ms });
  if ((await hold(0)).status === 404) return t.skip('this build has no faults');
  for (const node of nodes) await hearing(node, 2);
  const clients = await Promise.all(Array.from({ length: 16 }, () => reader(t, nodes[1], 'held')));
  const ms = size({ long: 5000, short: 5000, sanitized: 8000 });
  const released = performance.now() + ms;
  await hold(ms);
  const [own, other] = await Promise.all([disconnect(nodes[1], { topic: 'held' }), disconnect(nodes[0], { topic: 'held' })]);
  assert.deepEqual([own.partial, own.nodes, own.answered], [true, 2, 2]);
  assert.deepEqual([other.partial, other.nodes, other.answered], [true, 2, 2]);
  const done = own.disconnected + other.disconnected;
  assert.ok(done > 0 && done < 16, `${done} of 16`);

  // Orders that nobody carries out do not pile up without end.
  const redis = await server.client(t);
  const order = JSON.stringify({ v: 1, kind: 'disconnect', from: 'n', id: 'r', session: 'nobody' });
  const notices = (metrics) => [metrics.sum('spillway_notices_total'), metrics.sum('spillway_notices_ignored_total')];
  const before = notices(await nodes[1].metrics());
  let more;
  for (let sent = 300; sent <= 1500; sent += 300) {
    await redis.publishAll(Array.from({ length: 300 }, () => ['$nodes', order]));
    await nodes[1].counted((metrics) => {
      more = notices(metrics).map((now, at) => now - before[at]);
      return more[0] + more[1] === sent;
    }, 'all taken or ignored');
  }
  assert.ok(more[0] > 1000 && more[0] <= 1024, `${more} taken and ignored`);
  const full = await nodes[1].post(PATH, { session: 'nobody' });
  assert.deepEqual([full.status, full.code, full.headers['retry-after']], [503, 'overloaded', '1']);
  assert.ok(performance.now() < released, 'all that while the worker stood still');
  for (const client of clients) assert.equal((await closed(client)).code, 4000);
  await nodes[1].counted((metrics) => gone(metrics) === 16, 'all of them, once');
  assert.deepEqual(await disconnect(nodes[1], { topic: 'held' }), { disconnected: 0, nodes: 2, answered: 2 });
});

test('a node that leaves answers what it knows', async (t) => {
  const server = await Redis.start(t);
  const [leaves, still] = await startNodes(t, server.url, [[], []]);
  for (const node of [leaves, still]) await hearing(node, 2);
  const client = await reader(t, leaves, 'end');
  still.signal('SIGSTOP');
  try {
    const answer = disconnect(leaves, { topic: 'end' });
    assert.equal((await closed(client)).code, 4000);
    assert.equal(await leaves.stop(), 0);
    const { disconnected, answered } = await answer; // whether it still heard who else was asked is a race
    assert.deepEqual([disconnected, answered], [1, 1]);
  } finally {
    still.signal('SIGCONT');
  }
});

test('it is for those who may use the admin listener', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-disconnect-'));
  atEnd(t, () => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'keys'), 'k-7\n');
  const open = await Gateway.start(t);
  const guarded = await Gateway.start(t, ['--api-key-file', join(folder, 'keys')]);
  const body = { session: 'nobody' };
  assert.equal((await open.post(PATH, body, { headers: { Origin: 'https://evil.example' } })).status, 403);
  assert.equal((await guarded.post(PATH, body)).status, 401);
  assert.equal((await guarded.post(PATH, body, { headers: { 'X-API-Key': 'k-7' } })).status, 200);
});

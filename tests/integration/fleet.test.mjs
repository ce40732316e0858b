// SPDX-License-Identifier: Apache-2.0
//
// The main job at size: two nodes on one Redis, many clients, every way to publish at once, subscriptions that change under load.
// Every subscription is checked message by message (harness/stream.mjs), and in the end the counters must agree with the clients.

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { RawSocket } from '../harness/raw.mjs';
import { Redis } from '../harness/redis.mjs';
import { atEnd } from '../harness/scope.mjs';
import { size } from '../harness/setting.mjs';
import { Swarm } from '../harness/swarm.mjs';
import { pause, until } from '../harness/until.mjs';

const PER_NODE = size({ long: 500, short: 100, sanitized: 20 });
const MESSAGES = size({ long: 100_000, short: 20_000, sanitized: 4_000 });
const AHEAD = 2_000;
const PHASES = 5;

// `t.*.eu` covers the first ten; as a glob Redis matches it to the next five as well.
const TOPICS = [
  ...Array.from({ length: 10 }, (_, at) => `t.${at}.eu`),
  ...Array.from({ length: 5 }, (_, at) => `t.a.${at}.eu`),
  ...Array.from({ length: 5 }, (_, at) => `t.b.${at}`),
];
const ROAMING = [
  ['t.3.eu', 't.*.eu', 't.>'],
  ['t.*.eu', 't.a.>', 't.a.*.eu'],
  ['t.b.*', 't.b.2', 't.b.>'],
  ['t.*.eu', 't.7.eu'],
  ['t.a.1.eu', 't.*.*.eu', 't.4.eu'],
];
const ROAMERS = 20;

async function fleet(t, config) {
  // What Redis would do to a slow subscriber is not the subject here.
  const server = await Redis.start(t, ['--client-output-buffer-limit', 'pubsub 0 0 0']);
  const nodes = [];
  for (let count = 0; count < 2; count++) {
    const node = await Gateway.start(t, ['--bus', server.url, '--workers', '2', '--unsubscribe-delay-ms', '100'], { config });
    await node.busUp();
    nodes.push(node);
  }
  return { server, nodes };
}

const steady = (nodes) =>
  nodes.flatMap(({ url }) => Array.from({ length: PER_NODE }, (_, at) => ({ url, subs: [TOPICS[at % TOPICS.length]] })));

// Counts over both nodes, once they are quiet.
async function counted(nodes) {
  const sum = { due: 0, sent: 0, shed: 0, behind: 0, closed: {} };
  for (const node of nodes) {
    const metrics = await node.counted(({ law }) => law.holds && law.behind === 0, 'the law at rest', 20000);
    for (const key of ['due', 'sent', 'shed', 'behind']) sum[key] += metrics.law[key];
    for (const [series, value] of metrics) {
      const reason = /^spillway_closed_total\{reason="(\w+)"\}$/.exec(series)?.[1];
      if (reason && value) sum.closed[reason] = (sum.closed[reason] ?? 0) + value;
    }
    sum.shedClosed = (sum.shedClosed ?? 0) + metrics.sum('spillway_shed_total', { reason: 'closed' });
  }
  return sum;
}

test('every subscriber on every node gets every message of its topics, once and in order', async (t) => {
  const { server, nodes } = await fleet(t);
  const roamers = Array.from({ length: ROAMERS }, (_, at) => ({
    url: nodes[at % 2].url,
    subs: ROAMING[at % ROAMING.length],
    roams: true,
  }));
  const swarm = await Swarm.start(t, { topics: TOPICS, clients: [...steady(nodes), ...roamers] });

  const redis = await server.client(t);
  const publisher = await Client.connect(t, nodes[0].url);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
  atEnd(t, () => agent.destroy());

  const posted = async (node, path, body, count) => {
    const answer = await node.post(path, body, { agent });
    assert.equal(answer.status, 200, answer.text);
    if (count) assert.deepEqual(answer.json.results, new Array(count).fill({}));
  };
  const overHttp = (node) => async (messages) => {
    await posted(
      node,
      '/v1/publish',
      messages.slice(1).map(([topic, data]) => ({ topic, data })),
      messages.length - 1,
    );
    await posted(node, `/v1/topics/${messages[0][0]}`, messages[0][1]);
  };
  const routes = [
    { chunk: 100, publish: (messages) => redis.publishAll(messages.map(([topic, data]) => [topic, JSON.stringify(data)])) },
    { chunk: 20, publish: overHttp(nodes[0]) },
    { chunk: 20, publish: overHttp(nodes[1]) },
    {
      chunk: 50,
      publish: async (messages) => {
        const replies = await Promise.all(messages.map(([topic, data]) => publisher.request('publish', { topic, data })));
        for (const reply of replies) assert.equal(reply.type, 'published', reply.raw);
      },
    },
  ];
  // HTTP sends the first of a chunk alone and last, so it must be of another topic than the rest: one topic keeps one order.
  const inTurns = (indexes, chunk) =>
    Array.from({ length: chunk }, (_, at) => (at === 0 ? indexes[0] : indexes[1 + (at % (indexes.length - 1))]));

  // In each phase a topic has one route, since between two routes there is no order; from phase to phase the routes change.
  const phase = (number) =>
    Promise.all(
      routes.map(async ({ chunk, publish }, route) => {
        const indexes = TOPICS.map((_, index) => index).filter((index) => (index + number) % routes.length === route);
        const turns = inTurns(indexes, chunk);
        for (let left = Math.ceil(MESSAGES / PHASES / routes.length); left > 0; left -= chunk) {
          while (swarm.ahead + chunk > AHEAD) await pause(1);
          await publish(turns.map((index) => [TOPICS[index], { n: swarm.issue(index) }]));
        }
      }),
    );

  const began = performance.now();
  for (let number = 0; number < PHASES; number++) {
    if (number === PHASES - 1) await swarm.settle();
    await phase(number);
  }
  const report = await swarm.complete(30000);
  const seconds = (performance.now() - began) / 1000;

  assert.deepEqual(report.faults, []);
  assert.deepEqual(report.closes, {});
  assert.equal(report.told, 0);
  assert.ok(report.changes >= ROAMERS, `only ${report.changes} changes under load`);
  // A client may hear a message before it is counted, and the law holds before it, too.
  let sum;
  await until(
    async () => (sum = await counted(nodes)).sent >= report.received,
    5000,
    () => `${report.received} were received, ${sum?.sent} are counted as sent`,
  );
  assert.equal(sum.sent, report.received, 'the counters agree with the clients to the message');
  assert.equal(sum.shed, sum.shedClosed, 'nothing is shed but what was owed to an ended subscription');
  assert.equal(sum.due, sum.sent + sum.shed);
  const issued = swarm.issued.reduce((total, count) => total + count, 0);
  assert.ok(issued >= MESSAGES);
  t.diagnostic(
    `${issued} messages, ${report.received} deliveries to ${report.open} clients, ${report.changes} changes, ${seconds.toFixed(1)} s`,
  );
});

// As fast as Redis takes it, whoever keeps up; two clients never read.
async function flood(t, config) {
  const { server, nodes } = await fleet(t, config);
  const patterns = nodes.flatMap(({ url }) => ['t.>', 't.*.eu', 't.a.>'].map((name) => ({ url, subs: [name] })));
  const swarm = await Swarm.start(t, { topics: TOPICS, clients: [...steady(nodes), ...patterns] });
  const silent = await Promise.all(nodes.map((node) => RawSocket.upgrade(t, node.port, '/v1/ws?topic=t.%3E')));
  await Promise.all(silent.map((raw) => raw.json().then(() => raw.json())));
  silent.forEach((raw) => raw.pause());

  const redis = await server.client(t);
  const padding = 'x'.repeat(MESSAGES > 10_000 ? 200 : 1000);
  for (let count = 0; count < MESSAGES; count += 500) {
    await redis.publishAll(
      Array.from({ length: 500 }, (_, at) => {
        const index = (count + at) % TOPICS.length;
        return [TOPICS[index], `{"n":${swarm.issue(index)},"pad":"${padding}"}`];
      }),
    );
  }
  const report = await swarm.complete(60000);
  assert.deepEqual(report.faults, []);
  const closed = Object.values(report.closes).reduce((total, count) => total + count, 0);
  t.diagnostic(
    `${MESSAGES} messages, ${report.received} deliveries, ${report.told} told as dropped, ${closed} clients closed`,
  );
  return { nodes, silent, report, closed };
}

test('without pacing nobody is closed, and what the slow miss is told, to the message', async (t) => {
  const { nodes, silent, report, closed } = await flood(t);
  assert.equal(closed, 0);
  for (const node of nodes)
    await node.counted((metrics) => metrics.sum('spillway_shed_total', { reason: 'slow' }) > 0, 'the silent lose something');
  let told = 0;
  for (const raw of silent) {
    let n = 0;
    raw.resume();
    while (n < MESSAGES) {
      const frame = await raw.json();
      if (frame.type === 'dropped') assert.deepEqual(frame, { type: 'dropped', sub: 't.>', count: frame.count, reason: 'slow' });
      n += frame.type === 'dropped' ? frame.count : Number(frame.type === 'msg');
      told += frame.count ?? 0;
    }
    assert.equal(n, MESSAGES, 'received and told are what was published');
  }
  const sum = await counted(nodes);
  assert.deepEqual(sum.closed, {});
  assert.equal(sum.shed, report.told + told);
});

test('without pacing and under `disconnect` only slow clients are closed, by 4030', async (t) => {
  const { nodes, silent, report, closed } = await flood(t, { topics: [{ match: 't.>', mode: 'disconnect' }] });
  // Who does not even take its close frame is reset, which a client sees as 1006.
  for (const code of Object.keys(report.closes)) assert.ok(['4030', '1006'].includes(code), `closed by ${code}`);
  for (const node of nodes)
    await node.counted((metrics) => metrics.sum('spillway_closed_total', { reason: 'slow' }) > 0, 'the silent closed', 20000);
  const sum = await counted(nodes);
  assert.deepEqual(sum.closed, { slow: closed + silent.length });
  assert.equal(report.told, 0);
  if (closed === 0) assert.ok(sum.sent >= report.received);
});

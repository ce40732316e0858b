// SPDX-License-Identifier: Apache-2.0
//
// A rolling restart behind nginx and behind HAProxy: three nodes on one Redis are replaced one by one, while messages are published and
// clients live on them, and others come. Nobody is refused, each moves in its own time, and what each got is accounted for.

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { Haproxy, Nginx } from '../harness/balancer.mjs';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { freePort, Redis } from '../harness/redis.mjs';
import { LONG, patience, size } from '../harness/setting.mjs';
import { Travellers } from '../harness/travellers.mjs';
import { pause, until, within } from '../harness/until.mjs';

const CLIENTS = size({ long: 3000, short: 300, sanitized: 60 });
const REPLACED = size({ long: 3, short: 3, sanitized: 1 });
const DRAIN_MS = LONG ? 30_000 : 6_000;
const PUBLISH_EVERY_MS = LONG ? 500 : 100;
const TOPICS = Array.from({ length: 10 }, (_, at) => `t.${at}`);

// For how long a node goes on while its readiness says no: HAProxy's checks take their time; nginx has none, and hears of it by a
// refused connection.
const KINDS = [
  { Kind: Nginx, delayMs: 200 },
  { Kind: Haproxy, delayMs: 2000 },
];

const refuses = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(socket.destroy() && false));
    socket.on('error', ({ code }) => resolve(code === 'ECONNREFUSED'));
  });

const nameOf = async (node) => (await node.get('/v1/topics')).json.node;

async function fleet(t, Kind, delayMs) {
  const redis = await Redis.start(t);
  const args = ['--bus', redis.url, '--drain-delay-ms', `${delayMs}`, '--drain-ms', `${DRAIN_MS}`];
  const start = async (port, adminPort) => {
    const node = await Gateway.start(t, [...args, ...Kind.listen(port), '--admin-listen', `127.0.0.1:${adminPort}`]);
    await node.busUp();
    node.name = await nameOf(node);
    return node;
  };
  const nodes = [];
  for (let count = 0; count < 3; count++) nodes.push(await start(await freePort(), await freePort()));
  return { redis, nodes, start };
}

// Clients that come for the first time, one after another, for as long as `going`.
class Newcomers {
  came = []; // {began, node}
  going = true;

  constructor(balancer) {
    this.balancer = balancer;
    this.coming = this.#come();
    this.coming.catch(() => {}); // it is looked at in the end
  }
  async #come() {
    while (this.going) {
      const began = Date.now();
      const client = await Client.connect(undefined, this.balancer.url(), { ca: this.balancer.ca });
      this.came.push({ began, node: client.welcome.node });
      await client.close(1000);
      await pause(20);
    }
  }
  // A refusal is thrown here.
  end() {
    this.going = false;
    return this.coming;
  }
}

// Ends one node and starts another in its place: when it was told to leave, refused connections and ended, and what it says of it.
async function replace(node, start) {
  const told = Date.now();
  node.signal('SIGTERM');
  const shut = await until(() => refuses(node.port).then((yes) => yes && Date.now()), 15000, 'the door shut');
  const deadline = DRAIN_MS + 10_000;
  const { code } = await within(node.exited, deadline, () => `the end of a drain\n${node.stderr.slice(-2000)}`);
  const ended = Date.now();
  const departures = await node.log(({ event }) => event === 'drained');
  return { name: node.name, told, shut, code, ended, departures, next: await start(node.port, node.adminPort) };
}

// No second has more than three times the mean of the window, where there are enough to have a mean: in a busy second what was due in
// the one before it comes, too.
function assertSpread(moves, [fromMs, toMs]) {
  const seconds = new Map();
  const first = Math.min(...moves.map(({ at }) => at));
  for (const { at } of moves) {
    const second = Math.floor((at - first) / 1000);
    seconds.set(second, (seconds.get(second) ?? 0) + 1);
  }
  const mean = moves.length / ((toMs - fromMs) / 1000);
  const most = Math.max(...seconds.values());
  assert.ok(most <= Math.max(3 * mean, 20), `${most} in one second, ${mean.toFixed(1)} on the mean`);
  return most / mean;
}

for (const { Kind, delayMs } of KINDS) {
  test(`a rolling restart behind ${Kind.name} loses nothing that a client does not know of`, async (t) => {
    const { redis, nodes, start } = await fleet(t, Kind, delayMs);
    const balancer = await Kind.start(t, nodes);
    const publisher = await redis.client(t);
    const publish = (messages) => publisher.publishAll(messages);
    const travellers = await Travellers.start(t, { url: balancer.url(), ca: balancer.ca, topics: TOPICS, count: CLIENTS, publish });
    travellers.begin(PUBLISH_EVERY_MS);
    const newcomers = new Newcomers(balancer);

    const left = [];
    for (const node of nodes.slice(0, REPLACED)) left.push(await replace(node, start));
    await newcomers.end();
    const report = await travellers.finish(20000);
    await travellers.end();
    await Promise.all([...left.map(({ next }) => next), ...nodes.slice(REPLACED)].map((node) => node.stop()));

    assert.deepEqual(report.faults, [], balancer.said.slice(-2000));
    assert.equal(report.open, CLIENTS, 'everybody is there');
    // Closed by its node before it had all from another: the machine was too busy for this client. It knows what it missed.
    const late = report.closes.filter(({ moved }) => !moved).length;
    assert.ok(late <= CLIENTS / 10, `${late} clients were closed before they had moved`);
    if (late === 0) assert.equal(report.handover, 0, 'nothing was missed between two nodes');
    let busiest = 0;
    for (const { name, told, shut, ended, code, departures } of left) {
      assert.equal(code, 0);
      assert.ok(shut - told >= delayMs - 50, `the door was shut after ${shut - told} ms`);
      assert.ok(ended - told <= delayMs + DRAIN_MS + patience(4000), `ended after ${ended - told} ms`);
      const of = (list, key) => list.filter((entry) => entry[key] === name);
      const drains = of(report.drains, 'node');
      const moves = of(report.moves, 'from');
      assert.ok(drains.length >= Math.floor(CLIENTS / 3 / 2), `only ${drains.length} were on this node`);
      assert.equal(moves.length, drains.length, 'whoever was told moved, once');
      assert.ok(departures.left + departures.closed >= drains.length && departures.reset === 0, JSON.stringify(departures));
      assert.ok(moves.filter(({ first }) => !first).length <= late, 'each was connected elsewhere before it left');
      assert.ok(moves.every(({ to }) => to !== name), 'nobody came back to it');
      assert.deepEqual(of(report.closes, 'node').filter(({ drained }) => !drained), [], 'each was told before');
      assert.deepEqual(of(newcomers.came, 'node').filter(({ began }) => began > shut), []);
      busiest = Math.max(busiest, assertSpread(moves, drains[0].window));
    }
    assert.ok(newcomers.came.length > 10);
    t.diagnostic(
      `${CLIENTS} clients, ${report.moves.length} moves, the busiest second ${busiest.toFixed(2)} x the mean; ` +
        `${report.received} received, ${report.twice} of them twice, ${report.told} told, ${late} late, ${newcomers.came.length} newcomers`,
    );
  });
}

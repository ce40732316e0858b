// SPDX-License-Identifier: Apache-2.0
//
// Clients that stop reading, in each mode, while large messages go on for everybody: what they cost the server in its own memory and
// in the kernel, that nobody is closed for it, and that they are told exactly what they missed when they read again.

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { Gateway } from '../harness/gateway.mjs';
import { socketMemory } from '../harness/kernel.mjs';
import { OPCODE, RawSocket, frame, text } from '../harness/raw.mjs';
import { atEnd } from '../harness/scope.mjs';
import { LONG, SANITIZED, size } from '../harness/setting.mjs';
import { StormStream } from '../harness/storm_stream.mjs';
import { Swarm } from '../harness/swarm.mjs';
import { pause, until } from '../harness/until.mjs';

// The full length is as long under a sanitizer.
const CLIENTS = LONG ? 1000 : size({ short: 240, sanitized: 120 });
const SLOW = Math.max(12, CLIENTS * 0.05);
const PAUSE_MS = LONG ? 60_000 : 4_500;
const PER_SECOND = LONG ? 4 : 20;
const PAYLOAD = 16 << 10;
const BOUND = 256 << 10; // bytes for a client that never reads
const TOPICS = ['never.a', 'never.b'];
const KEYS = ['one', 'two', 'three', 'four'];
const MANNERS = [{ mode: 'all' }, { mode: 'latest' }, { mode: 'all', max_hz: 5 }];
const SLOTS = TOPICS.length * KEYS.length;
const EVERY_SLOT = new Uint8Array(SLOTS).fill(1);

// Reads all of both topics, or nothing for a while.
class Reader {
  told = {};

  static async open(t, port, manner, published) {
    const reader = new Reader();
    reader.published = published;
    reader.raw = await RawSocket.upgrade(t, port, '/v1/ws');
    reader.stream = new StormStream('never.>', manner, { low: 0, high: 0, slots: SLOTS, asked: performance.now() });
    reader.raw.write(text({ type: 'subscribe', id: 1, subs: [{ topic: 'never.>', ...manner }] }));
    reader.ready = new Promise((resolve) => (reader.subscribed = resolve));
    reader.over = reader.#read().catch((error) => (reader.error = error.message));
    await Promise.race([reader.ready, reader.over]);
    return reader;
  }

  // Answers pings as any client does, as soon as it finds them.
  async #read() {
    for (;;) {
      const next = await this.raw.frame(2 * PAUSE_MS + 60_000);
      if (next.opcode === OPCODE.ping) this.raw.write(frame(OPCODE.pong, next.payload));
      else if (next.opcode === OPCODE.text) this.#take(JSON.parse(next.payload));
      else throw new Error(`closed by ${next.code} ${next.reason}`);
    }
  }

  #take({ type, data, count, reason }) {
    if (type === 'subscribed') this.subscribed();
    if (type === 'msg') this.stream.message(data.slot, data.g, data.g, this.published());
    if (type !== 'dropped') return;
    this.stream.dropped(count, reason, this.published());
    this.told[reason] = (this.told[reason] ?? 0) + count;
  }
}

class Publisher {
  serial = 0;
  finals = new Int32Array(SLOTS);

  constructor(t, gateway, swarm) {
    Object.assign(this, { gateway, swarm, agent: new http.Agent({ keepAlive: true, maxSockets: 1 }) });
    atEnd(t, () => this.agent.destroy());
  }

  // The next message, each time of another topic or key.
  async publish() {
    const slot = this.serial % SLOTS;
    const topic = slot % TOPICS.length;
    const data = { n: this.swarm.issue(topic), g: ++this.serial, slot, pad: '' };
    data.pad = 'x'.repeat(PAYLOAD - JSON.stringify(data).length);
    this.finals[slot] = this.serial;
    const body = { topic: TOPICS[topic], key: KEYS[slot >> 1], data };
    const answer = await this.gateway.post('/v1/publish', body, { agent: this.agent });
    assert.equal(answer.status, 200, answer.text);
  }

  async publishFor(ms) {
    const began = performance.now();
    for (let n = 1; performance.now() - began < ms; n++) {
      await this.publish();
      await pause(Math.max(1, began + (n * 1000) / PER_SECOND - performance.now()));
    }
  }
}

// The most that was seen of each, looked at again and again until `over`.
async function watch(gateway, readers, over) {
  const ports = readers.map(({ raw }) => raw.socket.localPort);
  const most = { kernel: 0, kernelMean: 0, blocks: 0, queued: 0, pressured: 0, rss: 0 };
  for (;;) {
    const held = await socketMemory(gateway.port);
    const own = ports.map((port) => held.get(port));
    assert.ok(!own.includes(undefined), 'ss knows each connection');
    const metrics = await gateway.metrics();
    const now = {
      kernel: Math.max(...own),
      kernelMean: own.reduce((sum, bytes) => sum + bytes, 0) / own.length,
      blocks: metrics.sum('spillway_block_bytes'),
      queued: metrics.sum('spillway_queued_bytes'),
      pressured: metrics.sum('spillway_pressured_sessions'),
      rss: gateway.rss(),
    };
    for (const name of Object.keys(most)) most[name] = Math.max(most[name], now[name]);
    if (await Promise.race([over.then(() => true), pause(250)])) return most;
  }
}

const kb = (bytes) => `${(bytes / 1024).toFixed(0)} KB`;

test(`${SLOW} of ${CLIENTS} clients do not read for ${PAUSE_MS / 1000} s`, async (t) => {
  // Pings are frequent, so that an answer to one would be due long before they read again.
  const gateway = await Gateway.start(t, ['--workers', '2', '--ping-ms', '1000', '--pong-ms', '3000']);
  const swift = Array.from({ length: CLIENTS - SLOW }, (_, at) => ({ url: gateway.url, subs: [TOPICS[at % TOPICS.length]] }));
  const swarm = await Swarm.start(t, { topics: TOPICS, clients: swift });
  const publisher = new Publisher(t, gateway, swarm);
  const published = () => publisher.serial;
  const readers = [];
  for (let at = 0; at < SLOW; at++) readers.push(await Reader.open(t, gateway.port, MANNERS[at % MANNERS.length], published));

  // What is made once is made, and everybody has something.
  for (let n = 0; n < 2 * SLOTS; n++) await publisher.publish();
  const lacking = () =>
    readers.map(({ stream, error }) => error ?? stream.fault ?? stream.lacks(publisher.serial, publisher.finals, EVERY_SLOT));
  const complete = () =>
    until(
      () => lacking().every((lack) => !lack),
      10000,
      () => `received and told are what was published: ${lacking().find((lack) => lack)}`,
    );
  await complete();
  const rss = gateway.rss();

  readers.forEach(({ raw }) => raw.pause());
  const publishing = publisher.publishFor(PAUSE_MS);
  const most = await watch(gateway, readers, publishing);
  await publishing;
  const during = await gateway.metrics();
  assert.equal(during.sum('spillway_closed_total'), 0, 'nobody is closed');
  assert.equal(during.sum('spillway_connections', { transport: 'ws', state: 'open' }), CLIENTS);
  const growth = Math.max(0, most.rss - rss);
  const figures =
    `${publisher.serial} messages of 16 KB; per slow client: kernel ${kb(most.kernel)} at most, ${kb(most.kernelMean)} on average; ` +
    `blocks ${kb(most.blocks / SLOW)} (${kb(most.blocks)} in all), resident ${kb(growth / SLOW)}; ${most.pressured} pressured`;
  t.diagnostic(figures);
  // A sanitizer's own memory says nothing of ours.
  const user = SANITIZED ? most.blocks : Math.max(most.blocks, growth);
  assert.ok(most.kernel + user / SLOW <= BOUND, figures);
  // A client's kernel may have room for all that a paced one gets.
  assert.ok(most.pressured >= SLOW / 2, figures);

  readers.forEach(({ raw }) => raw.resume());
  for (let n = 0; n < 2 * SLOTS; n++) await publisher.publish();
  await complete();
  const report = await swarm.complete(10000);
  assert.deepEqual(report.faults, []);
  assert.deepEqual(report.closes, {});

  const told = { slow: report.told };
  for (const reader of readers)
    for (const [reason, count] of Object.entries(reader.told)) told[reason] = (told[reason] ?? 0) + count;
  for (const reason of ['slow', 'conflated', 'paced']) assert.ok(told[reason] > 0, `nobody was told ${reason}`);
  const atRest = (now) =>
    now.law.holds && ['behind', 'queued_bytes', 'pressured_sessions', 'block_bytes'].every((name) => now.sum(`spillway_${name}`) === 0);
  const rest = await gateway.counted(atRest, 'the law at rest, and nothing is held', 10000);
  const shed = Object.fromEntries(Object.keys(told).map((reason) => [reason, rest.sum('spillway_shed_total', { reason })]));
  assert.deepEqual(shed, told, 'what is shed is what clients were told');
  assert.equal(rest.law.shed, Object.values(told).reduce((sum, count) => sum + count));
  assert.equal(rest.sum('spillway_closed_total'), 0);
  assert.deepEqual(
    lacking().filter((lack) => lack),
    [],
    'nothing came later',
  );
  const received = readers.reduce((sum, { stream }) => sum + stream.received, report.received);
  assert.equal(rest.law.sent, received, 'the counters agree with the clients to the message');
  t.diagnostic(`${received} deliveries, told ${JSON.stringify(told)}`);
});

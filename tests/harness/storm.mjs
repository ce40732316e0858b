// SPDX-License-Identifier: Apache-2.0
//
// A storm: clients in threads of their own (storm_worker.mjs) that subscribe, change their mind, read as they please and leave as
// they please, and one publisher that numbers everything, so that each subscription can be checked (storm_stream.mjs).

import { Prng } from './prng.mjs';
import { FLOOD, KEYS, NAMES, NAMES_OF, SLOTS, TOPICS, slotOf } from './storm_names.mjs';
import { Threads } from './threads.mjs';
import { pause, until } from './until.mjs';

// Of a hundred messages: together more than the max mark.
const FLOOD_BATCHES = 8;

const shared = (length) => new Int32Array(new SharedArrayBuffer(4 * length));

export class Storm {
  serial = 0;
  bytes = 0;

  // `oneTape`: there is one worker, so what one client has heard is known to all tapes. `publish`: takes [{topic, data, key}, ...] in
  // order. `perSecond`: bytes that may be owed to all clients together.
  constructor(t, { url, port, clients, seed, restlessMs, oneTape, publish, perSecond, threads = 2 }) {
    Object.assign(this, { publish, perSecond, clients, issued: shared(NAMES.length), finals: shared(SLOTS) });
    this.random = new Prng(seed);
    const same = { url, port, restlessMs, oneTape, issued: this.issued, finals: this.finals, heard: shared(NAMES.length) };
    const orders = Array.from({ length: threads }, (_, at) => ({
      ...same,
      clients: Math.ceil((clients - at) / threads),
      seed: seed + 1 + at * 1_000_003,
    }));
    this.threads = new Threads(t, new URL('./storm_worker.mjs', import.meta.url), orders);
  }

  // The next message. It counts as issued before it is sent, never after.
  #next(topic, key, pad) {
    const data = { g: ++this.serial, k: KEYS[key], p: NAMES_OF[topic].map((name) => Atomics.add(this.issued, name, 1) + 1), pad };
    Atomics.store(this.finals, slotOf(topic, key), this.serial);
    this.bytes += pad.length + 150;
    return { topic: TOPICS[topic], data, key: KEYS[key] };
  }

  // A few small ones of any topics, or now and then very many large ones of one topic.
  #batch(burst) {
    const { random } = this;
    const only = burst ? random.within(0, TOPICS.length - 1) : undefined;
    const size = burst ? random.within(20, 80) : random.mostlySmall(20);
    const pad = 'x'.repeat(random.mostlySmall(burst ? 4000 : 1000));
    return Array.from({ length: size }, () =>
      this.#next(only ?? random.within(0, TOPICS.length - 1), random.within(0, KEYS.length - 1), pad),
    );
  }

  async publishFor(ms) {
    const began = performance.now();
    this.bytes = 0;
    while (performance.now() - began < ms) {
      await this.publish(this.#batch(this.random.chance(0.1)));
      // About half of the clients get each of them.
      const due = began + ((this.bytes * this.clients) / 2 / this.perSecond) * 1000;
      await pause(Math.min(Math.max(1, due - performance.now()), 500));
    }
  }

  // Something of each topic and key.
  async #round() {
    for (let topic = 0; topic < TOPICS.length; topic++) {
      await this.publish(KEYS.map((_, key) => this.#next(topic, key, 'x'.repeat(500))));
    }
  }

  // While half of the clients do not read: more than may wait for them, and the last word on each topic and key.
  async #finish() {
    await this.threads.ask('freeze');
    await this.#round();
    for (let n = 0; n < FLOOD_BATCHES * FLOOD.length; n++) {
      const topic = FLOOD[n % FLOOD.length];
      const next = () => this.#next(topic, this.random.within(0, KEYS.length - 1), 'x'.repeat(2000));
      await this.publish(Array.from({ length: 100 }, next));
      await pause(10);
    }
    await pause(200);
    await this.#round();
    await this.threads.ask('thaw');
  }

  async report() {
    const sum = { received: 0, actions: 0, sessions: 0, abuses: 0, open: 0, streams: 0, lacking: 0, told: {}, closes: {}, faults: [] };
    for (const part of await this.threads.ask('report')) {
      for (const key of ['received', 'actions', 'sessions', 'abuses', 'open', 'streams', 'lacking']) sum[key] += part[key];
      for (const key of ['told', 'closes'])
        for (const [name, count] of Object.entries(part[key])) sum[key][name] = (sum[key][name] ?? 0) + count;
      sum.faults.push(...part.faults);
      sum.lack ??= part.lack;
    }
    return sum;
  }

  // Connects everybody, storms for `ms`, and waits until nobody lacks anything. A fault ends the wait: it will not heal.
  async run(ms) {
    await this.threads.ask('connect', { ms: 60000 });
    await this.threads.ask('begin');
    await this.publishFor(ms);
    await this.threads.ask('settle', { ms: 60000 });
    await this.#finish();
    let report;
    await until(
      async () => {
        report = await this.report();
        return report.lacking === 0 || report.faults.length > 0;
      },
      30000,
      () => `everything received or told: ${JSON.stringify(report)}`,
    );
    return report;
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Many clients of topics with history that remember their positions: whenever their connection breaks they come back, at the next of
// the nodes that they know, and go on there (keeper_worker.mjs). What each holds in the end is compared with what Redis holds.

import { Threads } from './threads.mjs';
import { until } from './until.mjs';

const SUMS = ['clients', 'received', 'told', 'doubles', 'wrong', 'lost'];

export class Keepers {
  // `count` clients, `reads` topics each, spread over `urls`.
  static async start(t, { urls, ca, topics, count, reads = 2, threads = 2, backOffMs = 200 }) {
    const keepers = new Keepers();
    keepers.topics = topics;
    const share = Math.ceil(count / threads);
    const orders = Array.from({ length: threads }, (_, at) => ({
      ...{ urls, ca, topics, reads, backOffMs, first: at * share },
      count: Math.min(share, count - at * share),
    }));
    keepers.threads = new Threads(t, new URL('./keeper_worker.mjs', import.meta.url), orders);
    await keepers.threads.ask('connect', { ms: 60000 });
    return keepers;
  }

  hold() {
    return this.threads.ask('hold');
  }
  resume(ms = 60000) {
    return this.threads.ask('resume', { ms });
  }

  // Waits until all are connected and have got to the ends of `truth` (History.truth).
  async caughtUp(truth, ms = 30000) {
    const tops = Object.fromEntries(Object.entries(truth).map(([topic, { base, numbers }]) => [topic, base + numbers.length - 1]));
    await until(
      async () => sum(await this.threads.ask('lacking', { argument: tops })) === 0,
      ms,
      () => 'everybody at the end of every topic',
    );
  }

  // {clients, received, told, doubles, wrong, lost}: offsets, over all.
  async compare(truth) {
    const parts = await this.threads.ask('compare', { argument: truth, ms: 60000 });
    return Object.fromEntries(SUMS.map((key) => [key, sum(parts.map((part) => part[key]))]));
  }

  // {faults, refusals: [{client, topic, at, why}], resets: [{client, topic, at, to}], feeds, closes: {code: count}, connects}
  async said() {
    const parts = await this.threads.ask('said');
    const all = (key) => parts.flatMap((part) => part[key]);
    const closes = {};
    for (const part of parts) {
      for (const [code, count] of Object.entries(part.closes)) closes[code] = (closes[code] ?? 0) + count;
    }
    return {
      ...{ faults: all('faults'), refusals: all('refusals'), resets: all('resets'), feeds: all('feeds'), closes },
      connects: sum(parts.map(({ connects }) => connects)),
    };
  }

  end() {
    return this.threads.end();
  }
}

// Publishes into topics with history as a backend does, and knows what Redis holds.
export class History {
  acknowledged = []; // {topic, epoch, offset, n}
  refused = 0;
  #n = 0;

  constructor(client, topics) {
    Object.assign(this, { client, topics });
  }

  // One message of each topic, each with a number of its own. What Redis does not acknowledge is of unknown fate.
  async round() {
    await Promise.all(this.topics.map((topic) => this.publish(topic)));
  }
  async publish(topic, ...options) {
    const n = ++this.#n;
    try {
      const position = await this.client.command('FCALL', 'spillway_publish', 1, topic, `{"n":${n}}`, ...options);
      const [epoch, offset] = String(position).split(':');
      this.acknowledged.push({ topic, epoch, offset: Number(offset), n });
      return { epoch, offset: Number(offset) };
    } catch {
      this.refused++;
      return undefined;
    }
  }

  // Publishes until stopped; `everyMs` between rounds.
  begin(everyMs) {
    let going = true;
    const publishing = (async () => {
      while (going) {
        await this.round();
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    })();
    this.stop = () => {
      going = false;
      return publishing;
    };
  }

  // {topic: {base, numbers}}: what the streams hold now.
  async truth() {
    const truth = {};
    for (const topic of this.topics) {
      const entries = await this.client.command('XRANGE', `{${topic}}:h`, '-', '+');
      const numbers = entries.map(([, fields]) => JSON.parse(String(fields[1]).split('\x1e').at(-1)).n);
      truth[topic] = { base: entries.length ? Number(String(entries[0][0]).split('-')[0]) : 1, numbers };
    }
    return truth;
  }
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

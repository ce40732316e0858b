// SPDX-License-Identifier: Apache-2.0
//
// Many clients that do what the protocol asks of one whose node leaves: at `drain` each draws its own moment, comes in again through
// the balancer, subscribes, and only then leaves (traveller_worker.mjs). All is published by one publisher that numbers it, so that
// each subscription can be accounted for.

import { Threads } from './threads.mjs';
import { pause, until } from './until.mjs';

const SUMS = ['open', 'received', 'twice', 'told', 'handover', 'lacking', 'clients'];
const LISTS = ['drains', 'moves', 'closes', 'faults'];

export class Travellers {
  // `count` clients come in at `url`, `reads` topics each. `publish` takes [[topic, payload], ...].
  static async start(t, { url, ca, topics, count, reads = 2, publish, threads = 2 }) {
    const travellers = new Travellers();
    Object.assign(travellers, { topics, publish, issued: new Int32Array(new SharedArrayBuffer(4 * topics.length)) });
    const orders = Array.from({ length: threads }, (_, at) => ({
      ...{ url, ca, topics, reads, issued: travellers.issued },
      count: Math.ceil((count - at) / threads),
    }));
    travellers.threads = new Threads(t, new URL('./traveller_worker.mjs', import.meta.url), orders);
    await travellers.threads.ask('connect', { ms: 60000 });
    return travellers;
  }

  // One message of each topic. They count as issued before they are sent, never after.
  #round() {
    return this.publish(this.topics.map((topic, at) => [topic, `{"n":${Atomics.add(this.issued, at, 1) + 1}}`]));
  }

  // Publishes until told to stop.
  begin(everyMs) {
    this.going = true;
    this.publishing = (async () => {
      while (this.going) {
        await this.#round();
        await pause(everyMs);
      }
    })();
  }

  // The last messages, and the wait until each client has, or knows that it has not, all that was ever published to it.
  async finish(ms) {
    this.going = false;
    await this.publishing;
    await this.#round();
    let report;
    await until(
      async () => (report = await this.report()).lacking === 0 || report.faults.length > 0,
      ms,
      () => `all that was published: ${JSON.stringify({ ...report, moves: undefined, drains: undefined })}`,
    );
    return report;
  }

  // All of them are gone at once.
  end() {
    return this.threads.end();
  }

  // {open, received, twice, told, handover, lacking, drains: [{node, at, window}], moves: [{from, to, at, first}],
  // closes: [{node, code, moved}], faults}, over all clients since the beginning. Times are in ms of Date.now().
  async report() {
    const sum = Object.fromEntries([...SUMS.map((key) => [key, 0]), ...LISTS.map((key) => [key, []])]);
    for (const part of await this.threads.ask('report')) {
      for (const key of SUMS) sum[key] += part[key];
      for (const key of LISTS) sum[key].push(...part[key]);
    }
    return sum;
  }
}

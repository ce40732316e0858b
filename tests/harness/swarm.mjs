// SPDX-License-Identifier: Apache-2.0
//
// Many npm `ws` clients in a few threads, each of which checks its own streams (stream.mjs). What publishers must know while they
// publish (how far the slowest receiver is) stands in shared memory, so that pacing costs no messages.

import { Threads } from './threads.mjs';
import { until } from './until.mjs';

const NOBODY = 0x7fffffff;

export class Swarm {
  // `clients`: [{url, subs, roams}]; a roaming one changes its subscriptions until told to settle.
  static async start(t, { topics, clients, threads = 2 }) {
    const swarm = new Swarm();
    swarm.topics = topics;
    swarm.issued = new Int32Array(new SharedArrayBuffer(4 * topics.length));
    swarm.floors = [];
    const orders = Array.from({ length: threads }, (_, thread) => {
      const floor = new Int32Array(new SharedArrayBuffer(4 * topics.length)).fill(NOBODY);
      swarm.floors.push(floor);
      const mine = clients.filter((_, at) => at % threads === thread);
      return { topics, clients: mine, issued: swarm.issued, floor };
    });
    swarm.threads = new Threads(t, new URL('./swarm_worker.mjs', import.meta.url), orders);
    await swarm.threads.ask('connect', { ms: 60000 });
    return swarm;
  }

  // Takes the next number of a topic. It counts as issued before it is sent, never after.
  issue(index) {
    return Atomics.add(this.issued, index, 1) + 1;
  }

  // How many messages are published that some receiver still lacks.
  get ahead() {
    let ahead = 0;
    for (let index = 0; index < this.topics.length; index++) {
      const slowest = Math.min(NOBODY, ...this.floors.map((floor) => Atomics.load(floor, index)));
      if (slowest !== NOBODY) ahead += Math.max(0, Atomics.load(this.issued, index) - slowest);
    }
    return ahead;
  }

  // Roaming clients go back to all their subscriptions and stay.
  settle() {
    return this.threads.ask('settle');
  }

  // {received, told, outstanding, open, faults, closes: {code: count}, changes}, summed.
  async report() {
    const sum = { received: 0, told: 0, outstanding: 0, open: 0, changes: 0, faults: [], closes: {} };
    for (const part of await this.threads.ask('report')) {
      for (const key of ['received', 'told', 'outstanding', 'open', 'changes']) sum[key] += part[key];
      sum.faults.push(...part.faults);
      for (const [code, count] of Object.entries(part.closes)) sum.closes[code] = (sum.closes[code] ?? 0) + count;
    }
    return sum;
  }

  // Waits until nobody who is still there lacks anything. A fault ends the wait at once: it will not heal.
  async complete(ms) {
    let report;
    await until(
      async () => {
        report = await this.report();
        return report.outstanding === 0 || report.faults.length > 0;
      },
      ms,
      () => `everything received: ${JSON.stringify(report)}`,
    );
    return report;
  }
}

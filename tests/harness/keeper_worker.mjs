// SPDX-License-Identifier: Apache-2.0
//
// One thread of keepers (keepers.mjs).

import { workerData } from 'node:worker_threads';
import { WebSocket } from 'ws';
import { answerWith } from './threads.mjs';
import { pause } from './until.mjs';

const { urls, ca, topics, reads, count, first, backOffMs } = workerData;
const CONNECTING_AT_ONCE = 50;

const faults = [];
const fault = (words) => faults.length < 10 && faults.push(words);
const refusals = []; // of a `from`, by the client's topic
const resets = [];
const feeds = [];
const closes = {};

// What a client holds of one topic with history: by offset the number that the message carries, from its beginning on without a
// hole, but for what it was told is missing.
class Copy {
  held = new Map();
  gone = new Set(); // offsets that it was told are missing
  told = 0;
  doubles = 0;
  received = 0;

  start({ epoch, offset, resumed, replay = 0 }) {
    if (resumed === undefined) this.began = offset;
    else if (!resumed) this.#rebase(offset);
    this.epoch = epoch;
    if (resumed) this.due = replay;
    else this.offset = offset;
  }
  // What it has seen is another stream's: it begins anew.
  #rebase(offset) {
    this.held.clear();
    this.gone.clear();
    this.began = offset;
  }
  reset({ epoch, offset }) {
    this.#rebase(offset);
    Object.assign(this, { epoch, offset });
  }
  rename({ epoch }) {
    this.epoch = epoch;
  }
  receive(offset, n, where) {
    if (offset <= this.offset) {
      this.doubles++;
      return fault(`${where}: ${offset} after ${this.offset}`);
    }
    if (offset !== this.offset + 1) fault(`${where}: ${offset} after ${this.offset}, and nothing told`);
    this.held.set(offset, n);
    this.offset = offset;
    this.received++;
    return undefined;
  }
  drop({ from, to, epoch }, where) {
    if (from !== this.offset + 1) fault(`${where}: dropped from ${from} after ${this.offset}`);
    for (let offset = this.offset + 1; offset <= to; offset++) this.gone.add(offset);
    this.told += to - this.offset;
    this.epoch = epoch;
    this.offset = to;
  }
}

class Keeper {
  constructor(at) {
    this.at = at;
    this.copies = new Map(Array.from({ length: reads }, (_, n) => [topics[(at + n) % topics.length], new Copy()]));
    this.connects = 0;
  }

  async connect() {
    for (;;) {
      try {
        return await this.#try();
      } catch {
        if (this.held) return undefined;
        await pause(Math.random() * backOffMs);
      }
    }
  }

  #try() {
    return new Promise((resolve, reject) => {
      const ws = new WebSocket(urls[(this.at + this.connects++) % urls.length], { ca, perMessageDeflate: false });
      this.ws = ws;
      this.open = false;
      ws.on('error', () => {});
      ws.on('message', (data) => {
        if (ws === this.ws && this.#onFrame(JSON.parse(data))) {
          this.open = true;
          resolve();
        }
      });
      ws.on('close', (code) => {
        closes[code] = (closes[code] ?? 0) + 1;
        if (ws !== this.ws) return;
        const was = this.open;
        this.open = false;
        if (!was) reject(new Error(`closed by ${code}`));
        else if (!this.held && !this.ended) this.connect();
      });
    });
  }

  // True: everything is subscribed.
  #onFrame(frame) {
    const copy = this.copies.get(frame.topic);
    const where = `client ${this.at} ${frame.topic}`;
    switch (frame.type) {
      case 'welcome':
        this.waits = this.copies.size;
        this.ws.send(JSON.stringify({ type: 'subscribe', id: 1, subs: [...this.copies].map((entry) => this.#wish(...entry)) }));
        return false;
      case 'subscribed':
        frame.subs.forEach((entry) => this.#onEntry(entry));
        return frame.done && this.waits === 0;
      case 'msg':
        if (frame.offset === undefined) fault(`${where}: a message without a position`);
        else copy.receive(frame.offset, frame.data.n, where);
        return false;
      case 'dropped':
        copy.drop(frame, where);
        return false;
      case 'epoch':
        copy.rename(frame);
        return false;
      case 'reset':
        resets.push({ client: this.at, topic: frame.topic, at: copy.offset, to: frame.offset });
        copy.reset(frame);
        return false;
      case 'feed':
        feeds.push({ client: this.at, at: Date.now(), ...frame });
        return false;
      case 'hb':
      case 'drain':
        return false;
      default:
        return fault(`${where}: ${JSON.stringify(frame)}`) && false;
    }
  }

  #wish(topic, { epoch, offset }) {
    return epoch === undefined ? { topic } : { topic, from: { epoch, offset } };
  }

  #onEntry(entry) {
    if (entry.error) {
      if (entry.error.retry) this.ws.close();
      else fault(`client ${this.at}: ${JSON.stringify(entry)}`);
      return;
    }
    this.waits--;
    const copy = this.copies.get(entry.topic);
    if (entry.resumed === false) refusals.push({ client: this.at, topic: entry.topic, at: copy.offset, why: entry.why });
    copy.start(entry);
  }
}

const keepers = Array.from({ length: count }, (_, at) => new Keeper(first + at));

async function each(work) {
  const waiting = [...keepers];
  const lane = async () => {
    for (let keeper = waiting.pop(); keeper; keeper = waiting.pop()) await work(keeper);
  };
  await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, lane));
}

answerWith({
  connect: () => each((keeper) => keeper.connect()),

  // All connections break, and nobody comes back before `resume`.
  hold() {
    for (const keeper of keepers) {
      keeper.held = true;
      keeper.ws.terminate();
    }
  },
  resume: () =>
    each((keeper) => {
      keeper.held = false;
      return keeper.connect();
    }),

  // Who has not yet got to these offsets: {topic: top}.
  lacking(tops) {
    let lacking = 0;
    for (const keeper of keepers) {
      for (const [topic, copy] of keeper.copies) lacking += !keeper.open || copy.offset < tops[topic] ? 1 : 0;
    }
    return lacking;
  },

  // Compares with what there is: {topic: {base, numbers}}, numbers[i] at offset base + i.
  compare(truth) {
    const sum = { clients: count, received: 0, told: 0, doubles: 0, wrong: 0, lost: 0 };
    for (const keeper of keepers) {
      for (const [topic, copy] of keeper.copies) {
        const { base, numbers } = truth[topic];
        sum.received += copy.received;
        sum.told += copy.told;
        sum.doubles += copy.doubles;
        let lost = 0;
        for (let offset = Math.max(copy.began + 1, base); offset < base + numbers.length; offset++) {
          const held = copy.held.get(offset);
          if (held === undefined) lost += copy.gone.has(offset) ? 0 : 1;
          else if (held !== numbers[offset - base]) {
            sum.wrong++;
            fault(`client ${keeper.at} ${topic}: ${held} at ${offset}, which is ${numbers[offset - base]}`);
          }
        }
        sum.lost += lost;
        if (copy.offset >= base + numbers.length) fault(`client ${keeper.at} ${topic}: at ${copy.offset}, beyond the end`);
      }
    }
    return sum;
  },

  said() {
    return { faults, refusals, resets, feeds, closes, connects: keepers.reduce((sum, { connects }) => sum + connects, 0) };
  },
});

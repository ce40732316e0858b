// SPDX-License-Identifier: Apache-2.0
//
// One thread of a swarm (swarm.mjs).

import { workerData } from 'node:worker_threads';
import { WebSocket } from 'ws';
import { Stream } from './stream.mjs';
import { answerWith } from './threads.mjs';

const { topics, issued, floor } = workerData;
const NOBODY = 0x7fffffff;
const CONNECTING_AT_ONCE = 50;
const CHANGE_EVERY_MS = 50;
const LOOK_EVERY_MS = 5;

const snapshot = () => topics.map((_, index) => Atomics.load(issued, index));

class SwarmClient {
  streams = new Map(); // name -> the stream that is open
  received = 0;
  told = 0;
  changes = 0;
  faults = [];
  #id = 0;
  #replies = new Map();

  constructor({ url, subs, roams }) {
    Object.assign(this, { url, subs, roams });
  }

  async connect() {
    this.ws = new WebSocket(this.url, { perMessageDeflate: false });
    this.ws.on('message', (data) => this.#onFrame(JSON.parse(data)));
    await new Promise((resolve, reject) => {
      this.ws.on('error', reject);
      this.ws.on('open', resolve);
    });
    this.ws.on('close', (code) => {
      this.code = code;
      for (const reply of this.#replies.values()) reply();
    });
    await this.ask('subscribe', this.subs);
  }

  // Sends a request and waits for its (last) reply, or for the end.
  ask(type, names) {
    if (this.code) return undefined;
    const id = ++this.#id;
    const list = type === 'subscribe' ? { subs: names.map((topic) => ({ topic })) } : { topics: names };
    this.ws.send(JSON.stringify({ type, id, ...list }));
    return new Promise((resolve) => this.#replies.set(id, resolve));
  }

  #onFrame(frame) {
    if (frame.type === 'msg') {
      this.received++;
      const stream = this.streams.get(frame.sub ?? frame.topic);
      if (stream) stream.message(frame.topic, frame.data.n);
      else this.#fault(`a message of ${frame.sub ?? frame.topic} outside of any subscription`);
    } else if (frame.type === 'dropped') {
      const stream = this.streams.get(frame.sub ?? frame.topic);
      if (!(frame.count > 0)) this.#fault(`a gap without a count: ${JSON.stringify(frame)}`);
      else if (stream) stream.dropped(frame.count);
      this.told += frame.count ?? 0;
    } else if (frame.type === 'subscribed') {
      for (const { topic, error } of frame.subs) {
        if (error && error.code !== 'cancelled') this.#fault(`${topic}: ${error.code} ${error.message}`);
        if (!error && !this.streams.has(topic)) this.streams.set(topic, new Stream(topic, topics, snapshot()));
      }
    } else if (frame.type === 'unsubscribed') {
      for (const topic of frame.topics) this.#closeStream(topic);
    } else if (frame.type === 'error') {
      this.#fault(JSON.stringify(frame));
    }
    if (frame.id && (frame.type !== 'subscribed' || frame.done)) {
      this.#replies.get(frame.id)?.();
      this.#replies.delete(frame.id);
    }
  }

  #closeStream(name) {
    this.faults.push(...(this.streams.get(name)?.faults ?? []));
    this.streams.delete(name);
  }

  #fault(words) {
    if (this.faults.length < 5) this.faults.push(words);
  }

  // Leaves one subscription and takes it again: in turns answered one by one, crossing on the wire, or doubled.
  async change() {
    const name = this.subs[this.changes % this.subs.length];
    switch (this.changes++ % 3) {
      case 0:
        await this.ask('unsubscribe', [name]);
        return this.ask('subscribe', [name]);
      case 1:
        return Promise.all([this.ask('unsubscribe', [name]), this.ask('subscribe', [name])]);
      default:
        return Promise.all([this.ask('subscribe', [name]), this.ask('unsubscribe', [name]), this.ask('subscribe', [name])]);
    }
  }

  roam() {
    this.roaming = (async () => {
      while (!this.settled && !this.code) {
        await this.change();
        await new Promise((resolve) => setTimeout(resolve, CHANGE_EVERY_MS));
      }
      await this.ask('subscribe', this.subs);
    })();
  }

  settle() {
    this.settled = true;
    return this.roaming;
  }
}

const clients = workerData.clients.map((client) => new SwarmClient(client));

// The slowest position in each topic over this thread's clients.
function look() {
  const slowest = new Array(topics.length).fill(NOBODY);
  for (const client of clients) {
    if (client.code) continue;
    for (const stream of client.streams.values()) {
      for (const { at } of stream.topics) slowest[at] = Math.min(slowest[at], stream.reached(at));
    }
  }
  slowest.forEach((value, index) => Atomics.store(floor, index, value));
}

answerWith({
  async connect() {
    const waiting = [...clients];
    const lane = async () => {
      for (let client = waiting.pop(); client; client = waiting.pop()) await client.connect();
    };
    await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, lane));
    look();
    setInterval(look, LOOK_EVERY_MS);
    clients.filter(({ roams }) => roams).forEach((client) => client.roam());
  },

  async settle() {
    await Promise.all(clients.map((client) => client.settle()));
  },

  report() {
    const now = snapshot();
    const sum = { received: 0, told: 0, outstanding: 0, open: 0, changes: 0, faults: [], closes: {} };
    for (const client of clients) {
      sum.received += client.received;
      sum.told += client.told;
      sum.changes += client.changes;
      sum.faults.push(...client.faults, ...[...client.streams.values()].flatMap(({ faults }) => faults));
      if (client.code) {
        sum.closes[client.code] = (sum.closes[client.code] ?? 0) + 1;
      } else {
        sum.open++;
        for (const stream of client.streams.values()) sum.outstanding += stream.outstanding(now);
      }
    }
    sum.faults = sum.faults.slice(0, 10);
    return sum;
  },
});

// SPDX-License-Identifier: Apache-2.0
//
// One thread of travellers (travellers.mjs).

import { workerData } from 'node:worker_threads';
import { WebSocket } from 'ws';
import { answerWith } from './threads.mjs';

const { url, ca, topics, reads, issued, count } = workerData;
const CONNECTING_AT_ONCE = 25;

const drains = [];
const moves = [];
const closes = [];
const faults = [];
const fault = (words) => faults.length < 10 && faults.push(words);

// What a client knows of one topic, whichever connection brought it: each number since the first is received, told as dropped, or
// missing while another connection may still bring it.
class Account {
  received = 0;
  twice = 0;
  told = 0;
  handover = 0;
  missing = new Set();

  upTo(n) {
    this.began ??= n - 1;
    this.last ??= n - 1;
    while (this.last < n) this.missing.add(++this.last);
  }
  receive(n) {
    this.upTo(n);
    if (this.missing.delete(n)) this.received++;
    else this.twice++;
  }
  drop(n) {
    this.upTo(n);
    if (this.missing.delete(n)) this.told++;
  }
  // There is no connection (any more) that could bring what is missing.
  settle() {
    this.handover += this.missing.size;
    this.missing.clear();
  }
  get holds() {
    return this.last - this.began === this.received + this.told + this.handover + this.missing.size;
  }
}

// One connection: each of its streams is unbroken, but for what it tells of.
class Connection {
  streams = new Map(); // topic -> {last, told since}

  constructor(client) {
    this.client = client;
    this.ws = new WebSocket(url, { ca, perMessageDeflate: false });
    this.ws.on('message', (data) => this.#onFrame(JSON.parse(data)));
    this.ws.on('error', (error) => (this.error = error));
    this.ready = new Promise((resolve, reject) => {
      this.subscribed = resolve;
      this.ws.on('close', (code) => {
        this.code = code;
        reject(new Error(`closed by ${code} ${this.error?.message ?? ''}`));
        client.onClosed(this);
      });
    });
  }

  #onFrame(frame) {
    switch (frame.type) {
      case 'welcome':
        this.node = frame.node;
        return this.ws.send(JSON.stringify({ type: 'subscribe', id: 1, subs: this.client.topics.map((topic) => ({ topic })) }));
      case 'subscribed':
        for (const { topic, error } of frame.subs) if (error) fault(`${topic}: ${error.message}`);
        return frame.done && this.subscribed();
      case 'msg':
        return this.#onMessage(frame.topic, frame.data.n);
      case 'dropped':
        this.streams.get(frame.topic).told += frame.count ?? NaN;
        return undefined;
      case 'drain':
        return this.client.onDrain(this, frame);
      default:
        return frame.type === 'hb' || fault(JSON.stringify(frame));
    }
  }

  #onMessage(topic, n) {
    const account = this.client.accounts.get(topic);
    const stream = this.streams.get(topic) ?? { first: n, last: n - 1, told: 0 };
    this.streams.set(topic, stream);
    if (n !== stream.last + 1 + stream.told) fault(`${topic}: ${n} after ${stream.last} and ${stream.told} told`);
    for (let told = stream.last + 1; told < n; told++) account.drop(told);
    account.receive(n);
    if (!this.client.there) account.settle();
    Object.assign(stream, { last: n, told: 0 });
    this.client.onProgress();
  }
}

class Traveller {
  constructor(at) {
    this.topics = Array.from({ length: reads }, (_, n) => topics[(at + n) % topics.length]);
    this.accounts = new Map(this.topics.map((topic) => [topic, new Account()]));
  }

  async connect() {
    this.here = new Connection(this);
    await this.here.ready;
  }

  onDrain(connection, { reconnect_ms: window }) {
    connection.drained = true;
    drains.push({ node: connection.node, at: Date.now(), window });
    const [from, to] = window;
    setTimeout(() => connection === this.here && this.#move(), from + Math.random() * (to - from));
  }

  // Comes in again; what it has is left when the new connection brings all of what the old one brought.
  async #move() {
    const old = this.here;
    this.there ??= new Connection(this);
    const { there } = this;
    moves.push({ from: old.node, at: Date.now(), there });
    try {
      await there.ready;
    } catch (error) {
      return fault(`not connected again: ${error.message}`);
    }
    there.first = old.code === undefined;
    return this.onProgress();
  }

  // Is nothing missing that only the old connection may bring?
  get covered() {
    return this.topics.every((topic) => this.there.streams.has(topic) && this.accounts.get(topic).missing.size === 0);
  }

  onProgress() {
    if (!this.there?.first || !this.covered) return;
    const old = this.here;
    this.#arrive();
    old.ws.close(1000);
  }

  #arrive() {
    this.here = this.there;
    this.there = undefined;
    this.accounts.forEach((account) => account.settle());
  }

  onClosed(connection) {
    closes.push({ node: connection.node, code: connection.code, drained: connection.drained, moved: connection !== this.here });
    if (connection !== this.here || this.ended) return;
    // Cut: whatever it would have brought is a gap that the client knows of.
    if (!this.there) this.#move();
    this.#arrive();
  }

  report() {
    let lacking = 0;
    for (const [topic, account] of this.accounts) {
      if (!account.holds) fault(`${topic}: ${JSON.stringify(account)}`);
      lacking += account.last === undefined ? 1 : issued[topics.indexOf(topic)] - account.last + account.missing.size;
    }
    return lacking;
  }
}

const travellers = Array.from({ length: count }, (_, at) => new Traveller(at));

answerWith({
  async connect() {
    const waiting = [...travellers];
    const lane = async () => {
      for (let traveller = waiting.pop(); traveller; traveller = waiting.pop()) await traveller.connect();
    };
    await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, lane));
  },

  report() {
    const sum = { clients: count, open: 0, received: 0, twice: 0, told: 0, handover: 0, lacking: 0 };
    for (const traveller of travellers) {
      sum.open += traveller.here.code === undefined ? 1 : 0;
      sum.lacking += traveller.report();
      for (const account of traveller.accounts.values()) {
        for (const key of ['received', 'twice', 'told', 'handover']) sum[key] += account[key];
      }
    }
    return { ...sum, drains, closes, faults, moves: moves.map(({ there, ...move }) => ({ ...move, to: there.node, first: there.first })) };
  },
});

// SPDX-License-Identifier: Apache-2.0
//
// One thread of a storm (storm.mjs): clients that do as they please until they are told to settle, and a few that break the rules.

import { workerData } from 'node:worker_threads';
import { WebSocket } from 'ws';
import { abuse } from './abuse.mjs';
import { Prng } from './prng.mjs';
import { FLOOD, HARD, KEYS, NAMES, NAMES_OF, SLOTS, SLOTS_OF, TOPICS, slotOf } from './storm_names.mjs';
import { StormStream } from './storm_stream.mjs';
import { answerWith } from './threads.mjs';
import { pause, until } from './until.mjs';

const { url, port, clients: count, seed, restlessMs, oneTape, issued, heard, finals } = workerData;
const CONNECTING_AT_ONCE = 20;
const SUBSCRIPTIONS = 5;
const PAUSE_MS = 3000;
const HZ = [1, 2, 5, 10, 20];
const topicAt = new Map(TOPICS.map((topic, at) => [topic, at]));
const nameAt = new Map(NAMES.map((name, at) => [name, at]));
const keyAt = new Map(KEYS.map((key, at) => [key, at]));
const WAYS = ['reads', 'reads', 'pauses', 'pauses', 'trickles'];

let settled = false;
const faults = [];
const sum = { received: 0, told: {}, actions: 0, sessions: 0, closes: {}, abuses: 0 };
const fault = (words) => faults.length < 10 && faults.push(words);

// Another thread may have heard more.
function hear(name, p) {
  for (let known = Atomics.load(heard, name); known < p; ) {
    const seen = Atomics.compareExchange(heard, name, known, p);
    if (seen === known) return;
    known = seen;
  }
}

class StormClient {
  constructor(random) {
    this.random = random;
    this.way = random.pick(WAYS);
  }

  async connect() {
    this.streams = new Map();
    this.requests = new Map(); // id -> what was asked
    this.heard = new Map(); // name -> the furthest place, by this session
    this.id = 0;
    this.hard = false; // ever under `disconnect`, in this session
    this.leaving = false;
    sum.sessions++;
    const ws = (this.ws = new WebSocket(url, { perMessageDeflate: false }));
    this.closed = new Promise((resolve) => ws.on('close', (code, reason) => resolve(this.#onClose(code, reason))));
    ws.on('message', (data) => this.#onFrame(ws, JSON.parse(data)));
    let error;
    ws.on('error', (happened) => (error = happened));
    await Promise.race([new Promise((resolve) => ws.on('open', resolve)), this.closed]);
    if (!this.open) return fault(`no connection: ${error?.message}`);
    for (let n = this.random.within(1, 3); n > 0; n--) this.subscribe(this.random.pick(NAMES));
  }

  get open() {
    return this.ws.readyState === WebSocket.OPEN;
  }

  #onClose(code, reason) {
    if (this.leaving) return;
    sum.closes[code] = (sum.closes[code] ?? 0) + 1;
    // Who does not even take its close frame is reset, which is seen as 1006.
    if (!this.hard || (code !== 4030 && code !== 1006)) fault(`closed by ${code} ${reason}, ${[...this.streams.keys()]}`);
  }

  #onFrame(ws, frame) {
    if (ws !== this.ws) return;
    if (frame.type === 'msg') this.#onMessage(frame);
    else if (frame.type === 'dropped') this.#onDropped(frame);
    else if (frame.type === 'subscribed') frame.subs.forEach((entry) => this.#onSubscribed(entry, this.requests.get(frame.id)));
    else if (frame.type === 'unsubscribed') frame.topics.forEach((name) => this.#end(name));
    else if (frame.type === 'error') fault(JSON.stringify(frame));
    if (frame.id && (frame.type !== 'subscribed' || frame.done)) this.requests.delete(frame.id);
  }

  #onMessage({ topic, sub, key, data }) {
    sum.received++;
    const name = sub ?? topic;
    const at = nameAt.get(name);
    const number = topicAt.get(topic);
    const stream = this.streams.get(name);
    if (!stream) return fault(`a message of ${name} outside of any subscription`);
    if (key !== data.k) fault(`a message of ${topic} with key ${key} in place of ${data.k}`);
    const p = data.p[NAMES_OF[number].indexOf(at)];
    stream.message(slotOf(number, keyAt.get(key)), data.g, p, Atomics.load(issued, at));
    this.heard.set(name, p);
    return hear(at, p);
  }

  #onDropped({ topic, sub, count: missing, reason }) {
    const name = sub ?? topic;
    const stream = this.streams.get(name);
    if (!stream) return fault(`a gap of ${name} outside of any subscription`);
    sum.told[reason] = (sum.told[reason] ?? 0) + missing;
    return stream.dropped(missing, reason, Atomics.load(issued, nameAt.get(name)));
  }

  #onSubscribed({ topic: name, error }, request) {
    if (error) {
      if (error.code !== 'cancelled') fault(`${name}: ${error.code} ${error.message}`);
      return;
    }
    const stream = this.streams.get(name);
    if (stream) {
      stream.change(request.manner);
    } else {
      const high = Atomics.load(issued, nameAt.get(name));
      const { low, asked } = request;
      this.streams.set(name, new StormStream(name, request.manner, { low, high, asked, slots: SLOTS }));
    }
  }

  #end(name) {
    const stream = this.streams.get(name);
    stream?.end();
    if (stream?.fault) fault(stream.fault);
    this.streams.delete(name);
  }

  // ---- what it does ----

  #request(type, fields, note = {}) {
    const id = ++this.id;
    this.requests.set(id, note);
    this.ws.send(JSON.stringify({ type, id, ...fields }));
  }

  subscribe(name, chosen = this.#manner()) {
    const hard = HARD.includes(name);
    this.hard ||= hard;
    const manner = hard ? { mode: 'disconnect' } : chosen;
    const wish = hard ? {} : manner;
    const low = Math.max(this.heard.get(name) ?? 0, oneTape ? Atomics.load(heard, nameAt.get(name)) : 0);
    this.#request('subscribe', { subs: [{ topic: name, ...wish }] }, { manner, low, asked: performance.now() });
  }

  #manner() {
    const mode = this.random.pick(['all', 'all', 'latest', 'latest', 'paced']);
    return mode === 'paced' ? { mode: this.random.pick(['all', 'latest']), max_hz: this.random.pick(HZ) } : { mode };
  }

  unsubscribe(name) {
    this.#request('unsubscribe', { topics: [name] });
  }

  async act() {
    sum.actions++;
    const { random } = this;
    const mine = [...this.streams.keys()];
    const what = random.within(0, 99);
    if (what < 4) {
      await this.#comeBack();
    } else if (what < 45 || mine.length === 0) {
      if (mine.length < SUBSCRIPTIONS) this.subscribe(random.pick(NAMES));
      else this.unsubscribe(random.pick(mine));
    } else if (what < 70) {
      this.subscribe(random.pick(mine)); // in another manner
    } else if (what < 85) {
      this.unsubscribe(random.pick(mine));
    } else {
      const name = random.pick(mine); // crossing on the wire
      this.unsubscribe(name);
      this.subscribe(name);
      if (random.chance(0.5)) this.unsubscribe(name);
    }
  }

  async #comeBack() {
    this.leaving = true;
    this.streams.forEach((stream) => stream.fault && fault(stream.fault));
    const leave = this.random.pick(['close', 'terminate', 'reset']);
    if (leave === 'close') {
      this.ws.resume();
      this.ws.close(1000);
    } else if (leave === 'terminate') {
      this.ws.terminate();
    } else {
      this.ws._socket.resetAndDestroy();
    }
    await this.closed;
    await this.connect();
  }

  async #acting() {
    while (!settled) {
      await pause(this.random.within(0, restlessMs));
      if (settled) return;
      if (!this.open) {
        await this.closed;
        await this.connect();
      } else if (this.requests.size < 8) {
        await this.act();
      }
    }
  }

  // Reads as its way is; paused for up to three seconds, or a chunk at a time.
  async #reading() {
    while (!settled) {
      const end = performance.now() + this.random.within(0, this.way === 'reads' ? 1000 : PAUSE_MS);
      const trickles = this.way === 'trickles' && this.random.chance(0.7);
      if (this.way !== 'reads' && this.open) this.ws.pause();
      while (!settled && performance.now() < end) {
        await pause(50);
        if (!trickles || !this.open) continue;
        this.ws.resume();
        await new Promise(setImmediate);
        if (this.open && !this.leaving) this.ws.pause();
      }
      if (this.open) this.ws.resume();
      if (!settled) await pause(this.random.within(0, 1000));
    }
  }

  begin() {
    this.running = Promise.all([this.#acting(), this.#reading()]);
  }

  lacks() {
    if (!this.open) return undefined;
    if (this.requests.size) return `no answer to ${this.requests.size} requests`;
    for (const [name, stream] of this.streams) {
      const at = nameAt.get(name);
      const lack = stream.lacks(Atomics.load(issued, at), finals, SLOTS_OF[at]);
      if (lack) return `${stream}: ${lack}`;
    }
    return undefined;
  }
}

const clients = Array.from({ length: count }, (_, at) => new StormClient(new Prng(seed + at * 7919)));

async function abusing() {
  const random = new Prng(seed - 1);
  while (!settled) {
    await pause(random.within(50, 500));
    sum.abuses++;
    const wrong = await abuse(port, random, NAMES).catch((error) => error.message);
    if (wrong) fault(`an abuser: ${wrong}`);
  }
}
let abuser;

const frozen = () => clients.filter(({ open }, at) => at % 2 && open);

answerWith({
  async connect() {
    const waiting = [...clients];
    const lane = async () => {
      for (let client = waiting.pop(); client; client = waiting.pop()) await client.connect();
    };
    await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, lane));
  },

  begin() {
    clients.forEach((client) => client.begin());
    abuser = abusing();
  },

  // Nobody does anything any more, everybody reads and has its answers. One at least of those who will be frozen is one whom a flood
  // makes lose something: chance may have left none.
  async settle() {
    settled = true;
    await Promise.all([...clients.map(({ running }) => running), abuser]);
    frozen()
      .find(({ hard }) => !hard)
      ?.subscribe(TOPICS[FLOOD[0]], { mode: 'all' });
    const waiting = () => clients.filter((client) => client.open && client.requests.size);
    await until(() => waiting().length === 0, 10000, () => `answers to ${JSON.stringify([...(waiting()[0]?.requests ?? [])])}`);
  },

  // Every second one stops reading.
  freeze() {
    frozen().forEach((client) => client.ws.pause());
  },
  thaw() {
    clients.forEach((client) => client.open && client.ws.resume());
  },

  report() {
    for (const client of clients) for (const stream of client.streams.values()) if (stream.fault) fault(stream.fault);
    const lacking = clients.map((client) => client.lacks()).filter((lack) => lack);
    const open = clients.filter((client) => client.open);
    const streams = open.reduce((total, client) => total + client.streams.size, 0);
    return { ...sum, open: open.length, streams, lacking: lacking.length, lack: lacking[0], faults };
  },
});

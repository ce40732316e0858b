// SPDX-License-Identifier: Apache-2.0
//
// The JavaScript client as a page has it: loaded from its source or in one of the two forms in which a gateway serves it, with
// everything it says written down.

import { WebSocket } from 'ws';
import { atEnd } from './scope.mjs';
import { ROOT } from './setting.mjs';
import { until } from './until.mjs';

export const SOURCE = `${ROOT}gateway/web/client/client.mjs`;

// The class out of a module's text.
export async function fromModule(text) {
  return (await import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`)).Spillway;
}

// The class that a classic script leaves behind as a global.
export function fromScript(text) {
  new Function(text)();
  const { Spillway } = globalThis;
  delete globalThis.Spillway;
  return Spillway;
}

export class Page {
  states = [];
  gaps = [];
  feeds = [];
  drains = [];
  errors = [];
  messages = []; // [topic, data] in order
  #client;

  constructor(t, Spillway, url, options = {}) {
    this.#client = new Spillway(url, { WebSocket, ...options });
    for (const [event, list] of Object.entries({ state: 'states', gap: 'gaps', feed: 'feeds', drain: 'drains', error: 'errors' })) {
      this.#client.on(event, (detail) => this[list].push(detail));
    }
    atEnd(t, () => this.#client.close());
  }

  // A page whose connections go where `balancer.home` points at that moment; `transport` is ws or sse.
  static behind(t, Spillway, balancer, transport) {
    const aim = (url) => String(url).replace(/:\d+\//, `:${balancer.home.port}/`);
    class Balanced extends WebSocket {
      constructor(url, protocols) {
        super(aim(url), protocols);
      }
    }
    const options = { WebSocket: transport === 'ws' ? Balanced : null, fetch: (url, init) => fetch(aim(url), init) };
    return new Page(t, Spillway, 'http://127.0.0.1:1', options);
  }

  get client() {
    return this.#client;
  }
  subscribe(topic, options = {}) {
    return this.#client.subscribe(topic, options, (frame) => this.messages.push([frame.topic, frame.data]));
  }
  // What came of one topic.
  data(topic) {
    return this.messages.filter(([name]) => name === topic).map(([, data]) => data);
  }

  // Waits until the nth state of this name was told, and returns it.
  state(name, n = 1) {
    const told = () => this.states.filter(({ state }) => state === name);
    return until(
      () => told()[n - 1],
      15000,
      () => `${name} (${n}): ${JSON.stringify(this.states)}`,
    );
  }
  received(topic, expected) {
    return until(
      () => JSON.stringify(this.data(topic)) === JSON.stringify(expected),
      10000,
      () => `${JSON.stringify(expected)} of ${topic}: ${JSON.stringify(this.data(topic))}`,
    );
  }
  gap(wanted) {
    const fits = (gap) => Object.entries(wanted).every(([name, value]) => gap[name] === value);
    return until(
      () => this.gaps.find(fits),
      10000,
      () => `a gap ${JSON.stringify(wanted)}: ${JSON.stringify(this.gaps)}`,
    );
  }
  error(code) {
    return until(
      () => this.errors.find((error) => error.code === code),
      10000,
      () => `an error ${code}: ${JSON.stringify(this.errors)}`,
    );
  }
}

// A clock that a test moves: what is due happens in its order, at its time.
export class HandClock {
  #now = 0;
  #due = new Map();
  #id = 0;
  performance = { now: () => this.#now };

  #add(act, ms, every) {
    this.#due.set(++this.#id, { act, at: this.#now + ms, every });
    return this.#id;
  }
  setTimeout = (act, ms = 0) => this.#add(act, ms);
  setInterval = (act, ms) => this.#add(act, ms, ms);
  clearTimeout = (id) => this.#due.delete(id);
  clearInterval = (id) => this.#due.delete(id);

  // Goes on by `ms`, and lets what was promised meanwhile happen, too.
  async advance(ms) {
    const end = this.#now + ms;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const [first] = [...this.#due].sort(([, a], [, b]) => a.at - b.at);
      if (!first || first[1].at > end) break;
      const [id, timer] = first;
      this.#now = timer.at;
      if (timer.every) timer.at += timer.every;
      else this.#due.delete(id);
      timer.act();
    }
    this.#now = end;
  }
}

// Real time, but all deadlines are over so many times as fast.
export const hastyClock = (times) => ({
  setTimeout: (act, ms) => setTimeout(act, ms),
  setInterval: (act, ms) => setInterval(act, ms / times),
  clearTimeout: (id) => clearTimeout(id),
  clearInterval: (id) => clearInterval(id),
  performance: { now: () => performance.now() * times },
});

// SPDX-License-Identifier: Apache-2.0
//
// Waiting with a deadline. Nothing here sleeps for a guessed time: a test awaits an event, or a condition that is looked at again
// and again because the thing that makes it true (a counter of another process) has no event.

import { patience } from './setting.mjs';

// Deadlines are written for a machine that does nothing else; they end only what has failed already, so one that is shared is given
// more.
const deadline = (ms) => 2 * patience(ms);

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Settles as `promise` does, or fails after `ms` with the words of `what` (a string, or a function asked only then).
export async function within(promise, ms, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      const words = typeof what === 'function' ? what() : what;
      reject(new Error(`not within ${deadline(ms)} ms: ${words}`));
    }, deadline(ms));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Looks until `look()` gives something truthy, and returns it. An exception counts as "not yet" and is shown if time runs out.
export async function until(look, ms, what) {
  const end = performance.now() + deadline(ms);
  let last;
  for (;;) {
    let value;
    try {
      value = await look();
      last = value;
    } catch (error) {
      last = error.message;
    }
    if (value) return value;
    if (performance.now() > end) {
      const words = typeof what === 'function' ? what() : what;
      throw new Error(`not within ${deadline(ms)} ms: ${words} (last seen: ${String(last)})`);
    }
    await pause(10);
  }
}

// Looks for `ms` that `look()` stays truthy: for what must *not* happen. The time is real and is not stretched.
export async function stays(look, ms, what) {
  const end = performance.now() + ms;
  do {
    if (!(await look())) throw new Error(`did not stay so for ${ms} ms: ${what}`);
    await pause(10);
  } while (performance.now() < end);
}

// A queue between a source of events and a test that asks for them one by one, in any order.
export class Mailbox {
  items = [];
  #waiting = [];
  #ended;

  put(item) {
    const index = this.#waiting.findIndex((waiter) => waiter.wants(item));
    if (index < 0) this.items.push(item);
    else this.#waiting.splice(index, 1)[0].resolve(item);
  }

  // Nothing comes any more: whoever waits is told why.
  end(why) {
    this.#ended = why;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(new Error(`${why}, while waiting for ${waiter.what}`));
  }

  // Takes the first item that `wants` accepts, now or within `ms`.
  take(wants, ms, what) {
    const index = this.items.findIndex(wants);
    if (index >= 0) return Promise.resolve(this.items.splice(index, 1)[0]);
    if (this.#ended) return Promise.reject(new Error(`${this.#ended}, while waiting for ${what}`));
    let waiter;
    const coming = new Promise((resolve, reject) => {
      waiter = { wants, what, resolve, reject };
      this.#waiting.push(waiter);
    });
    return within(coming, ms, () => `${what}; unread: ${show(this.items)}`).finally(() => {
      const at = this.#waiting.indexOf(waiter);
      if (at >= 0) this.#waiting.splice(at, 1);
    });
  }
}

const show = (items) => {
  const text = items
    .slice(-5)
    .map((item) => item?.raw ?? JSON.stringify(item))
    .join(' ');
  return text ? text.slice(0, 600) : 'nothing';
};

// SPDX-License-Identifier: Apache-2.0
//
// The receiver's side of the promise: one subscription's stream, checked message by message. Every message carries its number `n`
// within its topic (1, 2, 3, ...), and `issued[topic]` says how many had been published when the stream began.
//
// Between `subscribed` and `unsubscribed`, what a topic brings is unbroken: it begins at most one behind what had been issued, and
// each number follows the one before. A `dropped` with a count stands for exactly that many numbers, exactly where it came.

export const matches = (name, topic) => {
  const pattern = name.split('.');
  const tokens = topic.split('.');
  return (
    (pattern.at(-1) === '>' ? tokens.length >= pattern.length : tokens.length === pattern.length) &&
    pattern.every((token, at) => token === '*' || (token === '>' && at === pattern.length - 1) || token === tokens[at])
  );
};

export class Stream {
  received = 0;
  told = 0; // by `dropped`
  missed = 0; // numbers that were jumped over
  faults = [];
  last = new Map(); // topic -> the newest number

  // `topics` are all that may be published. `issued` is a snapshot; a stream that began before the first message has zeros.
  constructor(name, topics, issued) {
    this.name = name;
    this.exact = !/[*>]/.test(name);
    this.topics = topics.map((topic, at) => ({ topic, began: issued[at], at })).filter(({ topic }) => matches(name, topic));
    this.fresh = issued.every((count) => count === 0);
    if (this.fresh) for (const { topic } of this.topics) this.last.set(topic, 0);
  }

  message(topic, n) {
    this.received++;
    const known = this.topics.find((entry) => entry.topic === topic);
    if (!known) return this.fault(`${topic} does not belong here`);
    const last = this.last.get(topic);
    if (last === undefined) {
      if (n > known.began + 1) this.fault(`${topic} begins at ${n}, though only ${known.began} had been issued`);
    } else if (n <= last) {
      this.fault(`${topic}: ${n} after ${last}`);
    } else if (n > last + 1) {
      this.missed += n - last - 1;
      if (this.missed > this.told) this.fault(`${topic}: ${n} after ${last}, told only ${this.told}`);
    }
    this.last.set(topic, n);
  }

  dropped(count) {
    this.told += count;
  }

  fault(words) {
    if (this.faults.length < 5) this.faults.push(`${this.name}: ${words}`);
  }

  // How far this stream has come in the topic at this index, or undefined if it does not read it.
  reached(index) {
    const known = this.topics.find(({ at }) => at === index);
    return known && (this.last.get(known.topic) ?? known.began);
  }

  // What is still to come, or to be told, when nothing is published any more.
  outstanding(issued) {
    let tail = 0;
    for (const { topic, began, at } of this.topics) tail += issued[at] - (this.last.get(topic) ?? began);
    return tail + this.missed - this.told;
  }
}

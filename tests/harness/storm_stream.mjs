// SPDX-License-Identifier: Apache-2.0
//
// One subscription in a storm, in any mode, checked message by message. A message says where it stands in every stream that it
// belongs to (`p`: its number within the topic, the pattern, ...), so that each stream's own count is known and a gap is exact:
//
//   mode all   p follows the one before, or a `dropped` of exactly what lies between stands there
//   any mode   p only grows; what was received and told is never more than what was published, and in the end it is all of it
//
// Where the stream began is known exactly from its first message in mode all; otherwise it lies between `low` (what somebody on the
// same tape had heard when `subscribe` was sent) and `high` (what had been published when `subscribed` came).

export const isStrict = (manner) => manner.mode !== 'latest' && !manner.max_hz;

// How this manner may say that something is missing. A gap between the bus and the worker is one in every manner.
function reasonsOf({ mode, max_hz: hz }) {
  if (mode === 'disconnect') return [];
  if (hz) return ['paced', 'slow', 'node'];
  return mode === 'latest' ? ['conflated', 'slow', 'node'] : ['slow', 'node'];
}

export class StormStream {
  received = 0;
  told = 0;
  missing = 0; // of these, not for something newer
  since = 0; // told since the last message
  last = undefined; // the place of the newest message
  base = undefined; // that of the first one, less one
  changed = false; // the manner was another one at first
  fault = undefined;

  // `slots`: how many pairs of topic and key there are. `asked`: when `subscribe` was sent.
  constructor(name, manner, { low, high, slots, asked }) {
    Object.assign(this, { name, manner, low, high, asked });
    this.newest = new Int32Array(slots); // serial number of the newest message by topic and key
    this.missingAt = new Int32Array(slots); // what was missing when it came
    this.strict = isStrict(manner);
    this.reasons = reasonsOf(manner);
    if (manner.max_hz) this.counts = new Uint32Array(slots);
    if (low === high) this.base = low;
  }

  // `slot`: of its topic and key. `issued`: how many messages of this stream have been published so far.
  message(slot, serial, p, issued) {
    this.received++;
    if (this.last === undefined) this.#first(p);
    else if (this.strict && p !== this.last + this.since + 1) this.#fail(`${p} after ${this.last}, told ${this.since} between`);
    else if (p <= this.last) this.#fail(`${p} after ${this.last}`);
    if (serial <= this.newest[slot]) this.#fail(`a message of ${slot} is older than the one before`);
    this.newest[slot] = serial;
    this.missingAt[slot] = this.missing;
    this.last = p;
    this.since = 0;
    this.#bound(issued);
    if (this.counts) this.#pace(slot);
  }

  // The first comes at once, a tick may follow directly, and another one that came late.
  #pace(slot) {
    const ticks = Math.floor(((performance.now() - this.asked) / 1000) * this.manner.max_hz);
    if (++this.counts[slot] > ticks + 3) this.#fail(`${this.counts[slot]} of one key in ${ticks} ticks`);
  }

  #first(p) {
    if (!this.strict) {
      if (p <= this.low) this.#fail(`begins with ${p}, though ${this.low} had been heard`);
      return;
    }
    const base = p - 1 - this.since;
    if (base < this.low || base > this.high) this.#fail(`begins behind ${base}, which is not within ${this.low} and ${this.high}`);
    this.base = base;
  }

  dropped(count, reason, issued) {
    if (!(count > 0)) return this.#fail(`a gap of ${count}`);
    if (!this.reasons.includes(reason)) this.#fail(`a gap because of ${reason} in mode ${JSON.stringify(this.manner)}`);
    this.told += count;
    this.since += count;
    if (reason === 'slow' || reason === 'node') this.missing += count;
    return this.#bound(issued);
  }

  #bound(issued) {
    const over = (this.base ?? this.low) + this.received + this.told - issued;
    if (over > 0) this.#fail(`${this.received} received and ${this.told} told are ${over} more than there were`);
  }

  // It is another manner from here on, in the same stream.
  change(manner) {
    if (JSON.stringify(manner) === JSON.stringify(this.manner)) return;
    this.changed = true;
    this.strict = false;
    this.counts = undefined;
    this.reasons = [...new Set([...this.reasons, ...reasonsOf(manner)])];
    this.manner = manner;
  }

  // After `unsubscribed`: what it passed on the way to its last message is told.
  end() {
    if (this.base === undefined || this.last === undefined) return;
    const left = this.last - this.base - this.received - this.told;
    if (left > 0) this.#fail(`ended, and ${left} before its last message were neither received nor told`);
  }

  // Nothing is published any more. What is wrong with it still, or undefined; `finals`: the last serial numbers by slot. Who misses
  // something since may miss the newest.
  lacks(issued, finals, mine) {
    const lacking = issued - this.received - this.told - (this.base ?? this.high);
    if (this.base === undefined ? lacking > 0 : lacking !== 0) return `${lacking} are neither received nor told`;
    for (let slot = 0; slot < finals.length; slot++) {
      const known = !mine[slot] || this.missing > this.missingAt[slot] || this.newest[slot] === finals[slot];
      if (!known) return `the newest of slot ${slot} is ${this.newest[slot]}, not ${finals[slot]}`;
    }
    return undefined;
  }

  toString() {
    const { name, manner, changed, low, high, base, last, received, told, since } = this;
    return `${name} ${JSON.stringify({ ...manner, changed, low, high, base, last, received, told, since })}`;
  }

  #fail(words) {
    this.fault ??= `${this}: ${words}`;
  }
}

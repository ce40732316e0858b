// SPDX-License-Identifier: Apache-2.0
//
// Random numbers that come again with the same seed (mulberry32).

export class Prng {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  // In [0, 1).
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let x = this.state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  }
  // A whole number in [from, to].
  within(from, to) {
    return from + Math.floor(this.next() * (to - from + 1));
  }
  chance(probability) {
    return this.next() < probability;
  }
  pick(list) {
    return list[this.within(0, list.length - 1)];
  }
  // Whole numbers in [1, most], small ones far more often.
  mostlySmall(most) {
    return Math.floor(Math.exp(this.next() * Math.log(most + 0.999)));
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// What a storm publishes and subscribes to: topics, patterns that overlap, conflation keys.

import { matches } from './stream.mjs';

export const TOPICS = [
  ...['a', 'b', 'c'].flatMap((one) => ['x', 'y'].map((two) => `s.${one}.${two}`)),
  ...['k', 'l', 'm'].map((last) => `s.deep.1.${last}`),
  's.deep.2.m',
  'd.0',
  'd.1',
];
// What is flooded in the end, as indexes: the topic that most names cover, whose readers lose something, and one under `disconnect`,
// whose readers are closed.
export const FLOOD = [0, TOPICS.indexOf('d.0')];
// Under a rule of the mode `disconnect`.
export const HARD = ['d.0', 'd.1', 'd.>'];
export const NAMES = [
  ...TOPICS.filter((topic) => topic.startsWith('s.')),
  ...['s.>', 's.*.x', 's.a.*', 's.*.*', 's.deep.>', 's.deep.*.m', 's.*.*.m'],
  ...HARD,
];
export const RULES = [{ match: 'd.>', mode: 'disconnect' }];
export const KEYS = [undefined, 'one', 'two', 'three'];

// A slot is a topic with a key.
export const SLOTS = TOPICS.length * KEYS.length;
export const slotOf = (topic, key) => topic * KEYS.length + key;

// For each topic the indexes of the names that it belongs to, in the order of a message's `p`.
export const NAMES_OF = TOPICS.map((topic) => NAMES.flatMap((name, at) => (matches(name, topic) ? [at] : [])));
// For each name 1 where a slot belongs to it.
export const SLOTS_OF = NAMES.map((_, name) =>
  Uint8Array.from({ length: SLOTS }, (_, slot) => Number(NAMES_OF[Math.floor(slot / KEYS.length)].includes(name))),
);

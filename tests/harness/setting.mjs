// SPDX-License-Identifier: Apache-2.0
//
// What kind of run this is: which binary, how patient, how long. Every number that depends on it is made here, so that a test
// states what it means once and holds in each preset.

import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const PRESET = process.env.SPILLWAY_PRESET ?? 'dev';
export const BINARY = process.env.SPILLWAY_BIN ?? `${ROOT}build/${PRESET}/spillway`;
export const LONG = process.env.SPILLWAY_LONG === '1';
export const SANITIZED = PRESET === 'asan' || PRESET === 'tsan';

const SLOWNESS = { asan: 3, tsan: 6 }[PRESET] ?? 1;

// A deadline of `ms` on a plain build. Deadlines only ever end a test that has failed already, so they are generous.
export const patience = (ms) => ms * SLOWNESS;

// The size of a scenario: the full length that was promised, a short run for every day, or a shorter one under a sanitizer.
export const size = ({ long, short, sanitized }) => (SANITIZED ? (sanitized ?? short) : LONG ? long : short);

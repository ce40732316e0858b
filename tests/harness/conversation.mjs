// SPDX-License-Identifier: Apache-2.0
//
// One conversation with the echo path: what is said, what must come back, and the code with which it ends. Each has a connection of
// its own, so that a fault ends nothing else.

import assert from 'node:assert/strict';
import { OPCODE, RawSocket, close, frame } from './raw.mjs';
import { within } from './until.mjs';

export const message = (opcode, payload) => ({ opcode, payload: Buffer.from(payload) });

// A message in fragments: these pieces, one a frame.
export const fragments = (opcode, pieces) =>
  Buffer.concat(
    pieces.map((piece, at) => frame(at === 0 ? opcode : OPCODE.continuation, piece, { fin: at === pieces.length - 1 })),
  );

// The bytes in pieces of `size`.
export function cut(bytes, size) {
  const whole = Buffer.from(bytes);
  const pieces = [];
  for (let at = 0; at < whole.length; at += size) pieces.push(whole.subarray(at, at + size));
  return pieces.length ? pieces : [whole];
}

async function write(raw, bytes, chop) {
  for (const piece of chop ? cut(bytes, chop) : [bytes]) {
    raw.write(piece);
    if (chop) await new Promise(setImmediate);
  }
}

async function hear(raw, expected, name) {
  const { fin, rsv, masked, opcode, payload } = await raw.frame();
  assert.deepEqual({ fin, rsv, masked, opcode }, { fin: true, rsv: 0, masked: false, opcode: expected.opcode }, name);
  assert.ok(payload.equals(expected.payload), `${name}: ${payload.length} bytes came, not the ${expected.payload.length} awaited`);
}

// `say`: the client's bytes, in writes of `chop`. `heard`: the messages that must come back, and no others. `code`: of the server's
// close frame; null: it has none. Where `bye` stands the client ends it with that, else the server does.
export async function converse(t, port, { name = '', say, chop = 0, heard = [], bye, code = 1000 }) {
  const raw = await RawSocket.upgrade(t, port, '/echo');
  await write(raw, say, chop);
  for (const expected of heard) await hear(raw, expected, name);
  if (bye) raw.write(bye);
  const last = await raw.frame();
  assert.equal(last.opcode, OPCODE.close, `${name}: a close frame must follow, came ${last.opcode}: ${last.payload.slice(0, 80)}`);
  assert.equal(last.code ?? null, code, name);
  raw.write(frame(OPCODE.close, last.payload));
  await within(raw.ended, 10000, `${name}: the end of the stream`);
  raw.destroy();
}

// Said and echoed: the same message comes back and the client closes.
export const echoed = (t, port, { opcode, payload, say, ...rest }) =>
  converse(t, port, { say: say ?? frame(opcode, payload), heard: [message(opcode, payload)], bye: close(1000), ...rest });

// SPDX-License-Identifier: Apache-2.0
//
// Clients that break the rules, each in one way: what the gateway must answer with a close code, or bear.

import { OPCODE, RawSocket, frame, text, upgradeRequest } from './raw.mjs';

// What is sent, and the code that must follow.
const FAULTS = [
  [() => Buffer.concat(Array.from({ length: 10 }, () => text('{"type":'))), 4500],
  [() => frame(OPCODE.binary, 'x'), 1003],
  [() => text('{}', { rsv: 4 }), 1002],
  [() => text('{}', { mask: false }), 1002],
  [() => frame(3, 'x'), 1002],
  [() => frame(OPCODE.ping, 'x', { fin: false }), 1002],
  [() => frame(OPCODE.text, Buffer.of(0x22, 0xff, 0x22)), 1007],
  [() => text('x'.repeat(65537)), 1009],
];

// Whoever is owed data and does not take it is reset when it has lingered, so that the code is lost.
async function wrongFrame(raw, random, owed) {
  const [bytes, code] = random.pick(FAULTS);
  raw.write(bytes());
  raw.resume();
  try {
    const end = await raw.closeFrame();
    return end.code === code ? undefined : `closed by ${end.code} ${end.reason} in place of ${code}`;
  } catch (error) {
    return owed && /^ended \(ECONNRESET|^ended \(EPIPE/.test(error.message) ? undefined : error.message;
  }
}

// One that asks and asks, and never reads an answer.
function askOnly(raw) {
  raw.pause();
  for (let id = 1; id <= 500; id++) raw.write(text(`{"type":"ping","id":${id},"pad":"${'x'.repeat(100)}"}`));
}

// Does one bad thing; says what was wrong with the answer, if anything.
export async function abuse(port, random, names) {
  const owed = random.chance(0.5);
  const path = owed ? `/v1/ws?topic=${encodeURIComponent(random.pick(names))}` : '/v1/ws';
  const what = random.within(0, 9);
  if (what === 0) {
    const raw = await RawSocket.connect(undefined, port);
    raw.write(upgradeRequest(path).slice(0, random.within(1, 100)));
    await new Promise(setImmediate);
    raw.socket.resetAndDestroy();
    return undefined;
  }
  const raw = await RawSocket.upgrade(undefined, port, path);
  try {
    if (owed) {
      raw.pause();
      await new Promise((resolve) => setTimeout(resolve, random.within(0, 1000)));
    }
    if (what > 2) return await wrongFrame(raw, random, owed);
    if (what === 1) askOnly(raw);
    else raw.write(text('{"type":"subscribe"}').subarray(0, random.within(1, 20)));
    await new Promise((resolve) => setTimeout(resolve, random.within(0, 500)));
    raw.socket.resetAndDestroy();
    return undefined;
  } finally {
    raw.destroy();
  }
}

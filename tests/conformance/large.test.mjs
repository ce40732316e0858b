// SPDX-License-Identifier: Apache-2.0
//
// Limits and large messages (sections 9 and 10 of ws.test.mjs' numbers): up to 16 MB, whole, in fragments and in small writes; and
// many of each size, one after another and all at once.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { converse, cut, echoed, fragments, message } from '../harness/conversation.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { OPCODE, RawSocket, close, frame } from '../harness/raw.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { SANITIZED } from '../harness/setting.mjs';

const { text, binary } = OPCODE;
const KB = 1024;
const MB = 1024 * KB;
const scope = suiteScope();
let port;
before(async () => {
  port = (await Gateway.start(scope, ['--echo-path', '/echo', '--linger-ms', '1000'])).port;
});

// Characters of one to four bytes, so that every cut goes through some of them.
const PATTERN = Buffer.from('aéκ€😀 0123456789 ');
const payloadOf = (opcode, size) => {
  const payload = Buffer.alloc(size, opcode === text ? PATTERN : Buffer.of(0, 0xff, 1, 0xfe, 0x80));
  return opcode === text ? payload.fill('.', size - (size % PATTERN.length)) : payload;
};
const named = (size) => (size < MB ? `${size / KB} KB` : `${size / MB} MB`);

for (const [whole, inParts, inWrites, many, opcode] of [
  ['9.1', '9.3', '9.5', '9.7', text],
  ['9.2', '9.4', '9.6', '9.8', binary],
]) {
  const kind = opcode === text ? 'text' : 'binary';
  describe(`${whole} one ${kind} frame`, () => {
    for (const [at, size] of [64 * KB, 256 * KB, MB, 4 * MB, 8 * MB, 16 * MB].entries())
      test(`${whole}.${at + 1} of ${named(size)}`, (t) => echoed(t, port, { opcode, payload: payloadOf(opcode, size) }));
  });

  describe(`${inParts} a ${kind} message of 4 MB in fragments`, () => {
    const payload = payloadOf(opcode, (SANITIZED ? 1 : 4) * MB);
    for (const [at, size] of [64, 256, KB, 4 * KB, 16 * KB, 64 * KB, 256 * KB, MB, 4 * MB].entries())
      test(`${inParts}.${at + 1} of ${size} bytes`, (t) =>
        echoed(t, port, { opcode, payload, say: fragments(opcode, cut(payload, size)) }));
  });

  describe(`${inWrites} a ${kind} message of 1 MB in writes`, () => {
    const payload = payloadOf(opcode, SANITIZED ? 128 * KB : MB);
    for (const [at, chop] of [64, 128, 256, 512, 1024, 2048].entries())
      test(`${inWrites}.${at + 1} of ${chop} bytes`, (t) => echoed(t, port, { opcode, payload, chop }));
  });

  describe(`${many} 1,000 ${kind} messages`, () => {
    const count = SANITIZED ? 200 : 1000;
    for (const [at, size] of [0, 16, 64, 256, 1024, 4096].entries())
      test(`${many}.${at + 1} of ${size} bytes, one after another, then all at once`, async (t) => {
        const payload = payloadOf(opcode, size);
        const raw = await RawSocket.upgrade(t, port, '/echo');
        for (let n = 0; n < count; n++) {
          raw.write(frame(opcode, payload));
          assert.ok((await raw.frame()).payload.equals(payload), `message ${n}`);
        }
        raw.write(close(1000));
        assert.equal((await raw.closeFrame()).code, 1000);
        const say = Buffer.concat(Array.from({ length: count }, () => frame(opcode, payload)));
        await converse(t, port, { say, heard: Array.from({ length: count }, () => message(opcode, payload)), bye: close(1000) });
      });
  });
}

describe('9.9 above 16 MB: 1009', () => {
  test('9.9.1 in one frame', (t) => converse(t, port, { say: frame(binary, 'x', { length: 16 * MB + 1 }), code: 1009 }));
  test('9.9.2 in fragments, at the head of the one that is too much', (t) =>
    converse(t, port, {
      say: Buffer.concat([frame(binary, Buffer.alloc(16 * MB), { fin: false }), frame(OPCODE.continuation, 'x')]),
      code: 1009,
    }));
  test('9.9.3 in fragments that are exactly 16 MB it is echoed', (t) => {
    const payload = payloadOf(binary, 16 * MB);
    return echoed(t, port, { opcode: binary, payload, say: fragments(binary, cut(payload, 4 * MB)) });
  });
});

describe('10.1 cut by whoever passes it on', () => {
  const payload = payloadOf(text, 64 * KB);
  for (const [at, size] of [1300, 1460, 997].entries())
    test(`10.1.${at + 1} 64 KB in frames of ${size} bytes, in writes of ${size}`, (t) =>
      echoed(t, port, { opcode: text, payload, say: fragments(text, cut(payload, size)), chop: size }));
});

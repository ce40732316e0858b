// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 in text messages (section 6 of ws.test.mjs' numbers): what is valid comes back byte for byte, what is not closes with 1007,
// in one frame, in frames of a byte, and in writes of a byte; and as soon as it can be known.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { converse, cut, echoed, fragments } from '../harness/conversation.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { OPCODE, RawSocket, close, frame } from '../harness/raw.mjs';
import { suiteScope } from '../harness/scope.mjs';

const { text, continuation } = OPCODE;
const bytes = (hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => from + at);
const point = (code) => Buffer.from(String.fromCodePoint(code));
const WORD = Buffer.from('κόσμε ümläut 😀 \u{10ffff}');

const scope = suiteScope();
let port;
before(async () => {
  port = (await Gateway.start(scope, ['--echo-path', '/echo', '--linger-ms', '1000'])).port;
});

// Is it valid? Judged by another implementation than ours.
const valid = (payload) => {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
    return true;
  } catch {
    return false;
  }
};

// Each payload in each way of sending it.
async function judged(t, payloads, expected) {
  for (const payload of payloads) {
    const name = payload.toString('hex');
    assert.equal(valid(payload), expected, name);
    for (const [how, say, chop] of [
      ['in one frame', frame(text, payload), 0],
      ['in frames of a byte', fragments(text, cut(payload, 1)), 0],
      ['in writes of a byte', frame(text, payload), 1],
    ]) {
      const named = { name: `${name}, ${how}`, say, chop };
      await (expected ? echoed(t, port, { ...named, opcode: text, payload }) : converse(t, port, { ...named, code: 1007 }));
    }
  }
}

describe('6.1 to 6.4 how text is cut', () => {
  test('6.1 empty ones, and empty fragments', async (t) => {
    for (const pieces of [[''], ['', '', ''], ['', WORD, ''], [WORD, '', '']]) {
      const payload = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
      await echoed(t, port, { opcode: text, payload, say: fragments(text, pieces) });
    }
  });
  test('6.2 in two frames, and in two writes, cut at every place', async (t) => {
    for (let at = 0; at <= WORD.length; at++) {
      const pieces = [WORD.subarray(0, at), WORD.subarray(at)];
      await echoed(t, port, { name: `frames cut at ${at}`, opcode: text, payload: WORD, say: fragments(text, pieces) });
    }
    const whole = frame(text, WORD);
    for (let at = 1; at < whole.length; at++) {
      await echoed(t, port, { name: `writes of ${at}`, opcode: text, payload: WORD, say: whole, chop: at });
    }
  });
  test('6.3 a fault at every place, cut in two at every place', async (t) => {
    const bad = Buffer.concat([Buffer.from('κó'), bytes('eda080'), Buffer.from('ε')]);
    for (let at = 1; at < bad.length; at++) {
      await converse(t, port, { name: `cut at ${at}`, say: fragments(text, [bad.subarray(0, at), bad.subarray(at)]), code: 1007 });
    }
  });
  for (const [number, what, say] of [
    ['6.4.1', 'in a fragment, before the last comes', [frame(text, WORD, { fin: false }), frame(continuation, bytes('f4908080'), { fin: false })]],
    ['6.4.2', 'in a character that cannot end well', [frame(text, bytes('cebaf490'), { fin: false })]],
    ['6.4.3', 'in a frame, before its end comes', [frame(text, bytes('cebaff'), { length: 100 })]],
    ['6.4.4', 'a surrogate at its second byte', [frame(text, bytes('eda0'), { length: 100 })]],
  ]) {
    test(`${number} fails at once: ${what}`, (t) => converse(t, port, { name: number, say: Buffer.concat(say), code: 1007 }));
  }
});

describe('6.5 to 6.6 a word, and each of its beginnings', () => {
  const word = bytes('ce ba e1 bd b9 cf 83 ce bc ce b5');
  for (let size = 1; size <= word.length; size++) {
    const part = word.subarray(0, size);
    test(`6.6.${size} ${part.toString('hex')}`, (t) => judged(t, [part], valid(part)));
  }
});

const GOOD = {
  '6.7 the first of each length': [0, 0x80, 0x800, 0x10000].map(point),
  '6.9 the last of each length': [0x7f, 0x7ff, 0xffff, 0x10ffff].map(point),
  '6.11 around the surrogates and at the end': [0xd7ff, 0xe000, 0xfffd, 0x10ffff].map(point),
  '6.22 what is no character and still valid': range(0, 16).flatMap((plane) => [0xfffe, 0xffff].map((low) => point(plane * 0x10000 + low))),
  '6.23 specials and a mark of byte order': range(0xfff9, 0xfffd).concat(0xfeff, 0xfdd0, 0xfdef).map(point),
};
for (const [name, payloads] of Object.entries(GOOD)) test(`${name}: valid`, (t) => judged(t, payloads, true));

const followed = (from, to) => [Buffer.concat(range(from, to).map((byte) => Buffer.of(byte, 0x20)))];
const SECOND = ['c0', 'e0 80', 'f0 80 80', 'f8 80 80 80', 'fc 80 80 80 80', 'df', 'ef bf', 'f7 bf bf', 'fb bf bf bf', 'fd bf bf bf bf'];
const BAD = {
  '6.8 five and six bytes, the first of them': ['f8 88 80 80 80', 'fc 84 80 80 80 80'].map(bytes),
  '6.10 the last of those, and of four': ['f7 bf bf bf', 'fb bf bf bf bf', 'fd bf bf bf bf bf'].map(bytes),
  '6.11 behind U+10FFFF': ['f4 90 80 80', 'f5 80 80 80'].map(bytes),
  '6.12 continuation bytes of nothing': [1, 2, 3, 4, 5, 6, 7].map((n) => bytes('80bf'.repeat(4).slice(0, 2 * n))).concat(Buffer.from(range(0x80, 0xbf))),
  '6.13 first bytes without their others': [[0xc0, 0xdf], [0xe0, 0xef], [0xf0, 0xf7], [0xf8, 0xfb], [0xfc, 0xfd]].flatMap((ends) => followed(...ends)),
  '6.14 the last byte is missing': SECOND.map(bytes),
  '6.15 all of those': [bytes(SECOND.join(''))],
  '6.16 impossible bytes': ['fe', 'ff', 'fe fe ff ff', 'c1', 'f5'].map(bytes),
  '6.17 longer than needed: a slash': ['c0 af', 'e0 80 af', 'f0 80 80 af', 'f8 80 80 80 af', 'fc 80 80 80 80 af'].map(bytes),
  '6.18 longer than needed: the largest': ['c1 bf', 'e0 9f bf', 'f0 8f bf bf', 'f8 87 bf bf bf', 'fc 83 bf bf bf bf'].map(bytes),
  '6.19 longer than needed: a NUL': ['c0 80', 'e0 80 80', 'f0 80 80 80', 'f8 80 80 80 80', 'fc 80 80 80 80 80'].map(bytes),
  '6.20 surrogates': ['ed a0 80', 'ed ad bf', 'ed ae 80', 'ed af bf', 'ed b0 80', 'ed be 80', 'ed bf bf'].map(bytes),
  '6.21 pairs of them': ['ed a0 80 ed b0 80', 'ed a0 80 ed bf bf', 'ed ad bf ed b0 80', 'ed af bf ed b0 80', 'ed af bf ed bf bf'].map(bytes),
};
for (const [name, payloads] of Object.entries(BAD)) test(`${name}: 1007`, (t) => judged(t, payloads, false));

test('binary messages are not judged', async (t) => {
  for (const payload of Object.values(BAD).flat()) await echoed(t, port, { opcode: OPCODE.binary, payload });
});

test('a fault ends one connection, and no other', async (t) => {
  const neighbour = await RawSocket.upgrade(t, port, '/echo');
  const whole = frame(text, 'κ');
  neighbour.write(whole.subarray(0, 7)); // half of a character
  await converse(t, port, { say: frame(text, bytes('ff')), code: 1007 });
  neighbour.write(whole.subarray(7));
  assert.equal((await neighbour.frame()).payload.toString(), 'κ');
  neighbour.write(close(1000));
  assert.equal((await neighbour.closeFrame()).code, 1000);
});

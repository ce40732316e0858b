// SPDX-License-Identifier: Apache-2.0
//
// RFC 6455 in tables, against the echo path. The numbers are those by which such cases are commonly spoken of: 1 framing, 2 pings,
// 3 reserved bits, 4 opcodes, 5 fragments, 7 the closing handshake. UTF-8 (6) and large messages (9, 10) have files of their own.

import { before, describe, test } from 'node:test';
import { converse, cut, echoed, fragments, message } from '../harness/conversation.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { OPCODE, close, frame } from '../harness/raw.mjs';
import { suiteScope } from '../harness/scope.mjs';

const { text, binary, continuation, ping, pong } = OPCODE;
const HELLO = frame(text, 'Hello');
const all = (...parts) => Buffer.concat(parts.flat());

let port;
// A group of cases: number, what it is, and the conversation; each is had whole and byte by byte, unless it says how.
function group(name, cases) {
  describe(name, () => {
    const scope = suiteScope();
    before(async () => {
      port = (await Gateway.start(scope, ['--echo-path', '/echo', '--linger-ms', '1000'])).port;
    });
    for (const [number, what, conversation] of cases) {
      test(`${number} ${what}`, async (t) => {
        const { opcode, ...rest } = conversation;
        for (const chop of rest.chop === undefined ? [0, 1] : [rest.chop]) {
          const named = { ...rest, name: `${number}, in writes of ${chop || 'all'}`, chop };
          await (opcode === undefined ? converse(t, port, named) : echoed(t, port, { opcode, ...named }));
        }
      });
    }
  });
}

const says = (say, heard = [], code = 1002) => ({ say: Buffer.isBuffer(say) ? say : all(say), heard, code });
const ends = (say, heard) => ({ ...says(say, heard, 1000), bye: close(1000) });

for (const [section, opcode, fill] of [
  ['1.1', text, '*'],
  ['1.2', binary, '\u00fe'],
]) {
  const payload = (size) => Buffer.alloc(size, fill, 'latin1');
  const sizes = [0, 125, 126, 127, 128, 65535, 65536, 65536];
  group(
    `${section} lengths of ${opcode === text ? 'text' : 'binary'} messages`,
    sizes.map((size, at) => [
      `${section}.${at + 1}`,
      `${size} bytes`,
      { opcode, payload: payload(size), chop: at === 7 ? 997 : size < 1000 ? undefined : 0 },
    ]),
  );
}

group('1.3 lengths that are not written in the shortest form, and impossible ones', [
  ['1.3.1', '0 bytes in two bytes of length', says(frame(text, '', { lengthBytes: 2 }))],
  ['1.3.2', '125 bytes in two', says(frame(binary, 'x'.repeat(125), { lengthBytes: 2 }))],
  ['1.3.3', '0 bytes in eight', says(frame(text, '', { lengthBytes: 8 }))],
  ['1.3.4', '126 bytes in eight', says(frame(text, 'x'.repeat(126), { lengthBytes: 8 }))],
  ['1.3.5', '65,535 bytes in eight', says([frame(text, '', { length: 65535, lengthBytes: 8 })])],
  ['1.3.6', '2^63 bytes', says(frame(text, '', { length: 2n ** 63n, lengthBytes: 8 }))],
  ['1.3.7', '2^64 - 1 bytes', says(frame(binary, '', { length: 2n ** 64n - 1n, lengthBytes: 8 }))],
  ['1.3.8', 'a ping in two', says(frame(ping, 'x', { lengthBytes: 2 }))],
  ['1.3.9', '2^62 bytes, of which one comes', says(frame(text, 'x', { length: 2n ** 62n, lengthBytes: 8 }), [], 1009)],
  ['1.3.10', '16 MB and a byte', says(frame(binary, 'x', { length: (16 << 20) + 1, lengthBytes: 8 }), [], 1009)],
]);

group('1.4 masks', [
  ['1.4.1', 'an unmasked text', says(frame(text, 'x', { mask: false }))],
  ['1.4.2', 'an unmasked empty one', says(frame(binary, '', { mask: false }))],
  ['1.4.3', 'an unmasked ping', says(frame(ping, '', { mask: false }))],
  ['1.4.4', 'an unmasked close', says(frame(OPCODE.close, '', { mask: false }))],
  ['1.4.5', 'an unmasked continuation', says([frame(text, 'a', { fin: false }), frame(continuation, 'b', { mask: false })])],
]);

const pinged = (payload, options) => ends(frame(ping, payload, options), [message(pong, payload)]);
group('2 pings and pongs', [
  ['2.1', 'an empty ping', pinged('')],
  ['2.2', 'a ping with words', pinged('Hello, world!')],
  ['2.3', 'a ping that is no UTF-8', pinged(Buffer.of(0, 0xff, 0xfe, 0xfd, 0xfc, 0))],
  ['2.4', 'a ping of 125 bytes', pinged(Buffer.alloc(125, 0xfe))],
  ['2.5', 'a ping of 126 bytes', says(frame(ping, Buffer.alloc(126, 0xfe)))],
  ['2.6', 'a ping of 125 bytes, in writes of 3', { ...pinged(Buffer.alloc(125, 0xfe)), chop: 3 }],
  ['2.7', 'an empty pong that nobody asked for', ends(frame(pong))],
  ['2.8', 'a pong with words that nobody asked for', ends(frame(pong, 'unasked'))],
  ['2.9', 'such a pong, then a ping', ends([frame(pong, 'unasked'), frame(ping, 'asked')], [message(pong, 'asked')])],
  [
    '2.10',
    'ten pings at once, answered in order',
    ends(
      Array.from({ length: 10 }, (_, at) => frame(ping, `ping ${at}`)),
      Array.from({ length: 10 }, (_, at) => message(pong, `ping ${at}`)),
    ),
  ],
  ['2.11', 'a pong of 126 bytes', says(frame(pong, Buffer.alloc(126)))],
]);

const bits = [1, 2, 3, 4, 5, 6, 7];
group('3 reserved bits', [
  ...bits.map((rsv) => [`3.1.${rsv}`, `a text with ${rsv}`, says(frame(text, 'Hello', { rsv }))]),
  ...bits.map((rsv) => [`3.2.${rsv}`, `a ping with ${rsv}`, says(frame(ping, '', { rsv }))]),
  ...bits.map((rsv) => [`3.3.${rsv}`, `a close with ${rsv}`, says(frame(OPCODE.close, '', { rsv }))]),
  ...bits.map((rsv) => [
    `3.4.${rsv}`,
    `behind a good one, with a ping behind it, ${rsv}`,
    says([HELLO, frame(binary, 'Hello', { rsv }), frame(ping)], [message(text, 'Hello')]),
  ]),
  ...bits.map((rsv) => [
    `3.5.${rsv}`,
    `a continuation with ${rsv}`,
    says([frame(text, 'a', { fin: false }), frame(continuation, 'b', { rsv })]),
  ]),
]);

for (const [section, name, opcodes] of [
  ['4.1', 'opcodes that are reserved for data', [3, 4, 5, 6, 7]],
  ['4.2', 'opcodes that are reserved for control', [11, 12, 13, 14, 15]],
]) {
  group(`${section} ${name}`, [
    ...opcodes.map((opcode, at) => [`${section}.${at + 1}`, `${opcode}, empty`, says(frame(opcode))]),
    ...opcodes.map((opcode, at) => [`${section}.${at + 6}`, `${opcode}, with a payload`, says(frame(opcode, 'reserved'))]),
    ...opcodes.map((opcode, at) => [
      `${section}.${at + 11}`,
      `${opcode}, between a good one and a ping`,
      says([HELLO, frame(opcode, 'x'), frame(ping)], [message(text, 'Hello')]),
    ]),
  ]);
}

const first = frame(text, 'one ', { fin: false });
const more = frame(continuation, 'two ', { fin: false });
const last = frame(continuation, 'three');
const three = message(text, 'one two three');
group('5 fragments', [
  ['5.1', 'a ping in two', says([frame(ping, 'a', { fin: false }), frame(continuation, 'b')])],
  ['5.2', 'a pong in two', says([frame(pong, 'a', { fin: false }), frame(continuation, 'b')])],
  ['5.3', 'a text in three', ends([first, more, last], [three])],
  ['5.4', 'a binary in three', ends(fragments(binary, ['ab', '', 'c']), [message(binary, 'abc')])],
  ['5.5', 'a ping between two', ends([first, frame(ping, 'now'), more, last], [message(pong, 'now'), three])],
  ['5.6', 'a pong between two', ends([first, more, frame(pong, 'x'), last], [three])],
  [
    '5.7',
    'pings between all',
    ends([first, frame(ping, '1'), more, frame(ping, '2'), last], [message(pong, '1'), message(pong, '2'), three]),
  ],
  ['5.8', 'a last continuation of nothing', says([last, HELLO])],
  ['5.9', 'a continuation of nothing', says([more, HELLO])],
  ['5.10', 'a continuation behind a whole message', says([HELLO, last], [message(text, 'Hello')])],
  ['5.11', 'an unfinished one behind a whole message', says([HELLO, more], [message(text, 'Hello')])],
  ['5.12', 'a continuation behind the last', says([first, last, more], [message(text, 'one three')])],
  ['5.13', 'a text inside of a text', says([first, HELLO])],
  ['5.14', 'a binary inside of a text', says([first, frame(binary, 'x')])],
  ['5.15', 'the begin of a text inside of a text', says([first, first])],
  ['5.16', 'two fragmented messages', ends([first, last, first, more, last], [message(text, 'one three'), three])],
  ['5.17', 'a close between two', { ...says([first, close(1000), last], [], 1000) }],
  ['5.18', 'a close in two', says([frame(OPCODE.close, '\x03', { fin: false }), frame(continuation, '\xe8')])],
  ['5.19', 'a byte a frame', ends(fragments(text, cut('one two three', 1)), [three])],
  ['5.20', 'empty ones around', ends(fragments(text, ['', 'one two three', '', '']), [three])],
  ['5.21', 'only empty ones', ends(fragments(binary, ['', '', '', '']), [message(binary, '')])],
]);

group('7.1 the closing handshake', [
  ['7.1.1', 'behind a message', ends(HELLO, [message(text, 'Hello')])],
  ['7.1.2', 'twice', says([close(1000), close(1001)], [], 1000)],
  ['7.1.3', 'no pong behind it', says([close(1000), frame(ping)], [], 1000)],
  ['7.1.4', 'no echo behind it', says([close(1000), HELLO], [], 1000)],
  ['7.1.5', 'no fault behind it', says([close(1001), frame(3, 'x')], [], 1001)],
  [
    '7.1.6',
    'all of a large message, then the close, and no pong',
    { ...says([frame(text, 'x'.repeat(1 << 18)), close(1000), frame(ping)], [message(text, 'x'.repeat(1 << 18))], 1000), chop: 0 },
  ],
]);

group('7.3 what a close frame holds', [
  ['7.3.1', 'nothing', says(frame(OPCODE.close), [], null)],
  ['7.3.2', 'one byte', says(frame(OPCODE.close, 'x'))],
  ['7.3.3', 'a code', says(close(1000), [], 1000)],
  ['7.3.4', 'a code and words', says(close(1000, 'Hello, world!'), [], 1000)],
  ['7.3.5', 'a code and 123 bytes', says(close(1000, 'x'.repeat(123)), [], 1000)],
  ['7.3.6', 'a code and 124 bytes', says(close(1000, 'x'.repeat(124)))],
  ['7.5.1', 'words that are no UTF-8', says(frame(OPCODE.close, Buffer.of(0x03, 0xe8, 0xce, 0xba, 0xed, 0xa0, 0x80)), [], 1007)],
  ['7.5.2', 'a character that is cut', says(frame(OPCODE.close, Buffer.of(0x03, 0xe8, 0xf0, 0x9f, 0x98)), [], 1007)],
]);

const GOOD = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
const BAD = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535];
group(
  '7.7 codes that may stand on the wire are echoed',
  GOOD.map((code, at) => [`7.7.${at + 1}`, String(code), says(close(code), [], code)]),
);
group(
  '7.9 codes that may not are a protocol error',
  BAD.map((code, at) => [`7.9.${at + 1}`, String(code), says(close(code))]),
);

// SPDX-License-Identifier: Apache-2.0
//
// RFC 7692 in tables: what is agreed upon (7.1), what a stranger's frames come to, and messages of many sizes, windows and
// fragments there and back (such cases are commonly numbered 12 and 13).

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { compressed, deflate, inflate, inflateBytes, OFFER, RSV1 } from '../harness/deflate.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { frame, OPCODE, RawSocket, text } from '../harness/raw.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { size } from '../harness/setting.mjs';
import { until } from '../harness/until.mjs';

const ANSWER = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
const RULES = [{ match: 'c.>', compress: true }];

const long = (n = 0) => ({ n, rows: Array.from({ length: 40 }, (_, i) => ({ symbol: `row-${i}`, price: i * 7 + n })) });

describe('the handshake', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--echo-path', '/echo'], { config: { topics: RULES } });
  });
  const answer = async (t, path, offers) =>
    (await RawSocket.upgrade(t, gateway.port, path, { 'Sec-WebSocket-Extensions': offers })).upgraded.headers['sec-websocket-extensions'];

  for (const [offers, expected, echo = expected] of [
    [undefined, undefined],
    ['permessage-deflate', ANSWER],
    ['permessage-deflate; client_max_window_bits', ANSWER],
    ['permessage-deflate; client_max_window_bits=9; client_no_context_takeover', ANSWER],
    ['permessage-deflate; server_max_window_bits=15', `${ANSWER}; server_max_window_bits=15`],
    ['permessage-deflate; server_max_window_bits=9', undefined, `${ANSWER}; server_max_window_bits=9`],
    ['permessage-deflate; server_max_window_bits=9, permessage-deflate', ANSWER, `${ANSWER}; server_max_window_bits=9`],
    ['permessage-deflate; unknown, x-webkit-deflate-frame, permessage-deflate', ANSWER],
    ['permessage-deflate; server_max_window_bits=16', undefined],
    ['permessage-deflate; server_no_context_takeover; server_no_context_takeover', undefined],
  ]) {
    test(`offered ${offers}: ${expected ?? 'nothing'}${echo === expected ? '' : `, and to be echoed ${echo}`}`, async (t) => {
      assert.equal(await answer(t, '/v1/ws', offers), expected);
      assert.equal(await answer(t, '/echo', offers), echo);
    });
  }
});

describe('what clients send', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--workers', '1', '--echo-path', '/echo', '--linger-ms', '100'], { config: { topics: RULES } });
  });
  const echo = (t, headers = OFFER) => RawSocket.upgrade(t, gateway.port, '/echo', headers);
  const client = async (t) => {
    const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws', OFFER);
    assert.equal((await raw.json()).type, 'welcome');
    return raw;
  };

  test('a compressed request is answered plain, whole, in fragments and byte by byte', async (t) => {
    const raw = await client(t);
    const request = (id) => deflate(JSON.stringify({ type: 'ping', id }));
    raw.write(compressed('{"type":"ping","id":1}'));
    assert.equal((await raw.json()).id, 1);
    await raw.trickle(frame(OPCODE.text, request(2), { rsv: RSV1 }));
    assert.equal((await raw.json()).id, 2);
    const bytes = request(3);
    raw.write(frame(OPCODE.text, bytes.subarray(0, 1), { rsv: RSV1, fin: false }));
    for (const byte of bytes.subarray(1)) {
      raw.write(frame(OPCODE.ping, 'p'));
      raw.write(frame(OPCODE.continuation, Buffer.of(byte), { fin: false }));
      assert.equal((await raw.frame()).opcode, OPCODE.pong);
    }
    raw.write(frame(OPCODE.continuation));
    assert.equal((await raw.json()).id, 3);
    raw.write(text({ type: 'ping', id: 4 }));
    assert.equal((await raw.json()).id, 4);
  });

  const closes = [
    ['RSV1 on a continuation', 1002, 'protocol', () => [frame(OPCODE.text, deflate('a'), { rsv: RSV1, fin: false }), frame(OPCODE.continuation, '', { rsv: RSV1 })]],
    ['RSV1 on a ping', 1002, 'protocol', () => [frame(OPCODE.ping, '', { rsv: RSV1 })]],
    ['RSV2', 1002, 'protocol', () => [frame(OPCODE.text, 'a', { rsv: 2 })]],
    ['RSV1 and RSV3', 1002, 'protocol', () => [frame(OPCODE.text, deflate('a'), { rsv: 5 })]],
    ['no deflate data', 1007, 'deflate', () => [frame(OPCODE.text, '\xff\xff\xff\xff', { rsv: RSV1 })]],
    ['a block that is cut off', 1007, 'deflate', () => [frame(OPCODE.text, deflate('a'.repeat(99)).subarray(0, 4), { rsv: RSV1 })]],
    ['text that is not UTF-8 once it is inflated', 1007, 'utf8', () => [compressed(Buffer.from([0x61, 0xc3]))]],
    ['a bomb of 64 MB', 1009, 'too_big', () => [compressed(Buffer.alloc(64 << 20, 'a'))]],
    ['a message of 64 KB and a byte', 1009, 'too_big', () => [compressed('a'.repeat(65537))]],
  ];
  for (const [what, code, reason, frames] of closes) {
    test(`${what} is ${code}`, async (t) => {
      const ended = async () => (await gateway.metrics()).sum('spillway_closed_total', { reason });
      const neighbour = await client(t);
      const raw = await client(t);
      const before = await ended();
      raw.write(Buffer.concat(frames()));
      assert.equal((await raw.closeFrame()).code, code);
      await until(async () => (await ended()) === before + 1, 5000, `${reason} counted`);
      neighbour.write(compressed('{"type":"ping","id":5}'));
      assert.equal((await neighbour.json()).id, 5);
    });
  }

  test('16 MB are echoed, and a byte more is 1009, however small it was made', async (t) => {
    const raw = await echo(t);
    raw.write(compressed(Buffer.alloc(16 << 20, 'b'), OPCODE.binary));
    const back = await raw.frame();
    assert.equal(back.opcode, OPCODE.binary);
    assert.equal(back.rsv, RSV1);
    assert.equal(inflate(back.payload).length, 16 << 20);
    raw.write(compressed(Buffer.alloc((16 << 20) + 1, 'b')));
    assert.equal((await raw.closeFrame()).code, 1009);
  });

  test('the echo of a compressed message is compressed, and of a plain one plain', async (t) => {
    const raw = await echo(t);
    const messages = ['', 'a', 'Hello', 'ü'.repeat(70_000), JSON.stringify(long())];
    for (const message of messages) {
      raw.write(compressed(message));
      const back = await raw.frame();
      assert.equal(back.rsv, RSV1);
      assert.equal(inflate(back.payload), message);
      raw.write(text(message));
      const plain = await raw.frame();
      assert.equal(plain.rsv, 0);
      assert.equal(plain.payload.toString(), message);
    }
  });

  test('all ways to end a deflate stream are read (RFC 7692, section 7.2.3)', async (t) => {
    const raw = await echo(t);
    for (const [bytes, message] of [
      ['f248cdc9c90700', 'Hello'], // one block
      ['f3 48 cd c9 c9 07 00 00', 'Hello'], // a last block and an empty one
      ['f348cdc9c90700', 'Hello'], // a last block alone
      ['f248050000 00ffff cac9c90700', 'Hello'], // two blocks
      ['00 05 00 fa ff 48 65 6c 6c 6f 00', 'Hello'], // stored
      ['f348cdc9c90700 f348cdc9c90700 00', 'HelloHello'], // two streams
      ['00', ''],
      ['', ''],
    ]) {
      raw.write(frame(OPCODE.text, Buffer.from(bytes.replaceAll(' ', ''), 'hex'), { rsv: RSV1 }));
      const back = await raw.frame();
      assert.equal(back.opcode, OPCODE.text, bytes);
      assert.equal(inflate(back.payload), message, bytes);
    }
  });

  test('no connection keeps memory for it', async (t) => {
    const one = await echo(t);
    one.write(compressed('a'));
    await one.frame();
    const before = gateway.rss();
    const count = size({ long: 300, short: 300, sanitized: 50 });
    for (let i = 0; i < count; i++) {
      const raw = await echo(t);
      raw.write(compressed(JSON.stringify(long())));
      await raw.frame();
    }
    if (!size({ long: false, short: false, sanitized: true })) {
      assert.ok(gateway.rss() - before < count * 8192, `${gateway.rss() - before} bytes for ${count} connections`);
    }
  });
});

// Text that compresses well, and bytes that do not.
const KINDS = {
  'rows of JSON': (bytes) => Buffer.alloc(bytes, JSON.stringify(long())),
  'random bytes': (bytes) => randomBytes(bytes),
};

describe('12 messages there and back', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--workers', '1', '--echo-path', '/echo']);
  });
  // In `pieces` fragments, of which the first alone has RSV1.
  const fragments = (opcode, payload, pieces) =>
    Buffer.concat(
      Array.from({ length: pieces }, (_, i) => {
        const part = payload.subarray(Math.floor((i * payload.length) / pieces), Math.floor(((i + 1) * payload.length) / pieces));
        return frame(i ? OPCODE.continuation : opcode, part, { rsv: i ? 0 : RSV1, fin: i === pieces - 1 });
      }),
    );

  for (const [kind, make] of Object.entries(KINDS)) {
    const opcode = kind === 'random bytes' ? OPCODE.binary : OPCODE.text;
    for (const bytes of [0, 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072]) {
      test(`12 ${bytes} bytes: ${kind}, whole and in fragments, made with every window and level`, async (t) => {
        const raw = await RawSocket.upgrade(t, gateway.port, '/echo', OFFER);
        const message = make(bytes);
        for (const options of [{}, { windowBits: 9 }, { level: 1 }, { level: 0 }, { strategy: 2 }]) {
          for (const pieces of [1, 2, 7]) {
            raw.write(fragments(opcode, deflate(message, options), pieces));
            const back = await raw.frame();
            assert.deepEqual([back.opcode, back.rsv, back.fin], [opcode, RSV1, true]);
            assert.ok(inflateBytes(back.payload).equals(message), `${JSON.stringify(options)} in ${pieces}`);
          }
        }
      });
    }
  }
});

describe('13 what was agreed upon holds for each message', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--workers', '1', '--echo-path', '/echo']);
  });
  const windows = [undefined, 8, 9, 10, 11, 12, 13, 14, 15];
  for (const server of windows) {
    test(`13 a server window of ${server ?? 'no number'}, whatever the client says of its own`, async (t) => {
      for (const client of ['', '; client_max_window_bits', '; client_max_window_bits=9', '; client_no_context_takeover']) {
        const offer = `permessage-deflate${server ? `; server_max_window_bits=${server}` : ''}${client}`;
        const raw = await RawSocket.upgrade(t, gateway.port, '/echo', { 'Sec-WebSocket-Extensions': offer });
        const agreed = raw.upgraded.headers['sec-websocket-extensions'];
        assert.equal(agreed, ANSWER + (server ? `; server_max_window_bits=${server}` : ''));
        for (const bytes of [16, 1024, 40000]) {
          const message = KINDS['rows of JSON'](bytes);
          raw.write(compressed(message));
          assert.ok(inflateBytes((await raw.frame()).payload, server).equals(message), `${offer}, ${bytes} bytes`);
        }
      }
    });
  }
});

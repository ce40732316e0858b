// SPDX-License-Identifier: Apache-2.0
//
// permessage-deflate (RFC 7692): what is agreed upon, what is compressed and how often, and what bytes of a stranger come to.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { frame, OPCODE, RawSocket, text } from '../harness/raw.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { size } from '../harness/setting.mjs';
import { until } from '../harness/until.mjs';

const RSV1 = 4;
const TAIL = Buffer.from([0, 0, 255, 255]);
const ANSWER = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
const OFFER = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };
const RULES = [
  { match: 'c.h.*', compress: true, history: { size: 100 } },
  { match: 'c.slow.>', compress: true, mode: 'latest' },
  { match: 'c.kept', compress: true, retain: true },
  { match: 'c.>', compress: true },
];

const inflate = (payload, windowBits = 15) =>
  inflateRawSync(Buffer.concat([payload, TAIL]), { windowBits, finishFlush: constants.Z_SYNC_FLUSH }).toString();
const deflate = (bytes, options) =>
  deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, ...options }).subarray(0, -4);
const compressed = (bytes, opcode = OPCODE.text) => frame(opcode, deflate(bytes), { rsv: RSV1 });
const long = (n = 0) => ({ n, rows: Array.from({ length: 40 }, (_, i) => ({ symbol: `row-${i}`, price: i * 7 + n })) });

const withDeflate = (t, url, options) => Client.connect(t, url, { perMessageDeflate: { threshold: 0 }, ...options });

async function subscribed(t, gateway, topic, headers = OFFER) {
  const raw = await RawSocket.upgrade(t, gateway.port, `/v1/ws?topic=${topic}`, headers);
  assert.equal((await raw.json()).type, 'welcome');
  assert.equal((await raw.json()).type, 'subscribed');
  return raw;
}

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

  test('where no rule compresses nothing is agreed upon, and RSV1 is a protocol error', async (t) => {
    const plain = await Gateway.start(t);
    const raw = await subscribed(t, plain, 'c.a');
    assert.equal(raw.upgraded.headers['sec-websocket-extensions'], undefined);
    raw.write(compressed('{"type":"ping"}'));
    assert.equal((await raw.closeFrame()).code, 1002);
  });
});

describe('deliveries', () => {
  const start = (t, args = []) => Gateway.start(t, ['--workers', '1', ...args], { config: { topics: RULES } });

  test('a message is compressed once, the same bytes for all, and plain for who did not ask', async (t) => {
    const gateway = await start(t);
    const count = size({ long: 1000, short: 1000, sanitized: 100 });
    const clients = [];
    for (let i = 0; i < count; i += 50) {
      clients.push(...(await Promise.all(Array.from({ length: 50 }, () => subscribed(t, gateway, 'c.a')))));
    }
    const plain = await subscribed(t, gateway, 'c.a', {});
    await gateway.publish('c.a', JSON.stringify(long()), { 'Spillway-Key': 'k"1' });
    const expected = (await plain.frame()).payload;
    const frames = await Promise.all(clients.map((client) => client.frame()));
    assert.equal(frames[0].rsv, RSV1);
    assert.equal(inflate(frames[0].payload), expected.toString());
    assert.ok(frames[0].payload.length < expected.length / 3, `${frames[0].payload.length} of ${expected.length} bytes`);
    for (const one of frames) assert.deepEqual(one, frames[0]);
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('spillway_compressed_total'), 1);
    assert.equal(metrics.sum('spillway_compressed_before_bytes_total'), expected.length + 4);
    assert.equal(metrics.sum('spillway_compressed_after_bytes_total'), frames[0].payload.length + 4);
    assert.equal(metrics.sum('spillway_sent_total'), count + 1);
    assert.equal(metrics.sum('spillway_tapes'), 2);
  });

  test('npm ws reads the same with and without it: topics, patterns, history, small and large', async (t) => {
    const gateway = await start(t);
    const on = await withDeflate(t, gateway.url);
    const off = await Client.connect(t, gateway.url);
    assert.equal(on.ws.extensions, 'permessage-deflate');
    const payloads = [1, 'x', long(), 'ü'.repeat(9000), long(7), 'z'.repeat(200_000)];
    for (const client of [on, off]) await client.subscribe('c.a', 'c.*', 'c.h.a', 'plain.a');
    for (const payload of payloads) {
      for (const topic of ['c.a', 'c.h.a', 'plain.a']) await gateway.publish(topic, JSON.stringify(payload));
    }
    const late = await withDeflate(t, gateway.url);
    const { epoch, offset } = (await late.subscribe({ topic: 'c.h.a', last: payloads.length }))['c.h.a'];
    await late.received('c.h.a', payloads.length);
    assert.ok(epoch && offset !== undefined);
    for (const name of ['c.a', 'c.*', 'c.h.a', 'plain.a']) {
      const [left, right] = await Promise.all([on, off].map((client) => client.received(name, payloads.length)));
      assert.deepEqual(left.map(({ raw }) => raw), right.map(({ raw }) => raw));
      assert.deepEqual(left.map(({ data }) => data), payloads);
    }
    assert.deepEqual(late.of('c.h.a').map(({ raw }) => raw), on.of('c.h.a').map(({ raw }) => raw));
    await on.unsubscribe('c.a', 'c.h.a');
    await gateway.publish('c.a', JSON.stringify(long(8)));
    assert.equal((await on.received('c.*', payloads.length + 1)).at(-1).data.n, 8);
    assert.equal(on.of('c.a').length, payloads.length);
  });

  test('the last message that is kept comes compressed, and no further message is compressed for it', async (t) => {
    const gateway = await start(t);
    const first = await subscribed(t, gateway, 'c.kept');
    await gateway.publish('c.kept', JSON.stringify(long(1)));
    const frame = await first.frame();
    assert.equal(frame.rsv, RSV1);
    const late = await subscribed(t, gateway, 'c.kept&last=1');
    assert.deepEqual(await late.frame(), frame);
    assert.equal((await gateway.metrics()).sum('spillway_compressed_total'), 1);
  });

  test('a frame under the threshold, a topic without the rule, and replies are plain', async (t) => {
    const gateway = await start(t, ['--compress-min-bytes', '1000']);
    const raw = await subscribed(t, gateway, 'c.a&topic=plain.a');
    const head = '{"type":"msg","topic":"c.a","data":""}'.length + 4;
    for (const [topic, bytes, rsv] of [
      ['c.a', 999 - head, 0],
      ['c.a', 1000 - head, RSV1],
      ['plain.a', 5000, 0],
    ]) {
      await gateway.publish(topic, JSON.stringify('y'.repeat(bytes)));
      const got = await raw.frame();
      assert.equal(got.rsv, rsv, `${topic}, ${bytes} bytes`);
      assert.equal(JSON.parse(rsv ? inflate(got.payload) : got.payload).data.length, bytes);
    }
    raw.write(text({ type: 'ping', id: 1 }));
    assert.equal((await raw.frame()).rsv, 0);
  });

  test('what would not be smaller stays plain', async (t) => {
    const gateway = await start(t, ['--compress-min-bytes', '0']);
    const raw = await subscribed(t, gateway, 'c.a');
    await gateway.publish('c.a', '1');
    const got = await raw.frame();
    assert.equal(got.rsv, 0);
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('spillway_compressed_total'), 1);
    assert.equal(metrics.sum('spillway_compressed_before_bytes_total'), got.payload.length + 2);
    assert.equal(metrics.sum('spillway_compressed_after_bytes_total'), got.payload.length + 2);
  });

  test('who does not read gets the newest of each key, from a board of compressed frames', async (t) => {
    const gateway = await start(t);
    const slow = await subscribed(t, gateway, 'c.slow.%3E');
    slow.pause();
    const keys = 20;
    const rounds = size({ long: 60, short: 60, sanitized: 40 });
    for (let round = 0; round < rounds; round++) {
      const pad = randomBytes(9000).toString('base64');
      const batch = Array.from({ length: keys }, (_, i) => ({ topic: 'c.slow.a', key: `k${i}`, data: { round, pad } }));
      assert.equal((await gateway.post('/v1/publish', batch)).status, 200);
    }
    slow.resume();
    const newest = new Map();
    let told = 0;
    let count = 0;
    while (count + told < rounds * keys) {
      const { rsv, payload } = await slow.frame();
      const got = JSON.parse(rsv ? inflate(payload) : payload);
      if (got.type === 'dropped') {
        assert.equal(rsv, 0);
        told += got.count;
      } else {
        assert.equal(rsv, RSV1);
        assert.ok(!(newest.get(got.key) >= got.data.round), 'in order');
        newest.set(got.key, got.data.round);
        count++;
      }
    }
    assert.ok(told > 0);
    assert.deepEqual([...newest.values()], Array(keys).fill(rounds - 1));
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('spillway_compressed_total'), rounds * keys);
    assert.equal(metrics.sum('spillway_shed_total', { reason: 'conflated' }), told);
  });
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

  test('whoever has a smaller window can read the echo with it', async (t) => {
    for (const bits of [8, 9, 12, 15]) {
      const raw = await echo(t, { 'Sec-WebSocket-Extensions': `permessage-deflate; server_max_window_bits=${bits}` });
      const message = JSON.stringify(long()).repeat(30);
      raw.write(compressed(message));
      assert.equal(inflate((await raw.frame()).payload, bits), message);
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

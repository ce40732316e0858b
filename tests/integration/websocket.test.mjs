// SPDX-License-Identifier: Apache-2.0
//
// RFC 6455 from the side of a client with bad manners.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { acceptOf, close, frame, OPCODE, RawSocket, text } from '../harness/raw.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { SANITIZED } from '../harness/setting.mjs';
import { pause, until, within } from '../harness/until.mjs';

const { continuation, binary, ping, pong } = OPCODE;

describe('frames', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--echo-path', '/echo', '--linger-ms', '1000']);
  });

  const native = async (t, behind) => {
    const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws', {}, behind);
    assert.equal((await raw.json()).type, 'welcome');
    return raw;
  };
  const echo = (t) => RawSocket.upgrade(t, gateway.port, '/echo');

  test('the handshake is answered as RFC 6455 asks', async (t) => {
    const { upgraded } = await RawSocket.upgrade(t, gateway.port, '/v1/ws', { 'Sec-WebSocket-Key': 'x3JJHMbDL1EzLkh9GBhXDw==' });
    assert.equal(upgraded.headers['sec-websocket-accept'], acceptOf('x3JJHMbDL1EzLkh9GBhXDw=='));
    assert.equal(upgraded.headers.upgrade.toLowerCase(), 'websocket');
    assert.equal(upgraded.headers.connection.toLowerCase(), 'upgrade');
    assert.equal(upgraded.headers['sec-websocket-protocol'], undefined);
    assert.equal(upgraded.headers['sec-websocket-extensions'], undefined);
  });

  const wrong = {
    'an unmasked frame': frame(OPCODE.text, '{"type":"ping"}', { mask: false }),
    'a bit of RSV1': frame(OPCODE.text, '{"type":"ping"}', { rsv: 4 }),
    'a bit of RSV2': frame(OPCODE.text, '{"type":"ping"}', { rsv: 2 }),
    'a bit of RSV3': frame(ping, '', { rsv: 1 }),
    'the reserved opcode 3': frame(3, 'x'),
    'the reserved opcode 7': frame(7, ''),
    'the reserved opcode 11': frame(11, ''),
    'the reserved opcode 15': frame(15, 'x'),
    'a continuation of nothing': frame(continuation, '{"type":"ping"}'),
    'a new message inside of a fragmented one': Buffer.concat([frame(OPCODE.text, '{"type"', { fin: false }), text(':"ping"}')]),
    'a fragmented ping': frame(ping, 'x', { fin: false }),
    'a fragmented close': frame(OPCODE.close, '', { fin: false }),
    'a ping of 126 bytes': frame(ping, 'x'.repeat(126)),
    'a ping with a long form of length': frame(ping, 'x', { lengthBytes: 2 }),
    'a close body of one byte': frame(OPCODE.close, 'x'),
    'a length that is not minimal': frame(OPCODE.text, 'hello', { lengthBytes: 8 }),
    'a length with the highest bit set': frame(OPCODE.text, '', { length: 2n ** 63n, lengthBytes: 8 }),
  };
  for (const [name, bytes] of Object.entries(wrong)) {
    test(`${name} closes with 1002`, async (t) => {
      const raw = await native(t);
      raw.write(bytes);
      assert.equal((await raw.closeFrame()).code, 1002);
    });
  }

  const invalid = {
    'a stray byte': Buffer.of(0x61, 0xff, 0x62),
    'an overlong form': Buffer.of(0xc0, 0xaf),
    'a surrogate': Buffer.of(0xed, 0xa0, 0x80),
    'a code point above U+10FFFF': Buffer.of(0xf4, 0x90, 0x80, 0x80),
    'a sequence cut by the end': Buffer.of(0xe2, 0x82),
  };
  for (const [name, payload] of Object.entries(invalid)) {
    test(`text that is not UTF-8 closes with 1007: ${name}`, async (t) => {
      for (const path of ['/v1/ws', '/echo']) {
        const whole = await RawSocket.upgrade(t, gateway.port, path);
        whole.write(frame(OPCODE.text, payload));
        assert.equal((await whole.closeFrame()).code, 1007, `${path}, in one frame`);
        const split = await RawSocket.upgrade(t, gateway.port, path);
        split.write(frame(OPCODE.text, payload.subarray(0, 1), { fin: false }));
        split.write(frame(continuation, payload.subarray(1)));
        assert.equal((await split.closeFrame()).code, 1007, `${path}, in two frames`);
      }
    });
  }

  test('a character that is split between frames and writes is whole again', async (t) => {
    const raw = await echo(t);
    const bytes = Buffer.from('ü€😀');
    for (let at = 0; at < bytes.length; at++) {
      const last = at === bytes.length - 1;
      await raw.trickle(frame(at === 0 ? OPCODE.text : continuation, bytes.subarray(at, at + 1), { fin: last }));
    }
    const back = await raw.frame();
    assert.equal(back.payload.toString(), 'ü€😀');
  });

  for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) {
    test(`a close with ${code} is echoed`, async (t) => {
      const raw = await native(t);
      raw.write(close(code, 'good-bye'));
      assert.equal((await raw.closeFrame()).code, code);
    });
  }
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]) {
    test(`a close with ${code} is a protocol error`, async (t) => {
      const raw = await native(t);
      raw.write(close(code));
      assert.equal((await raw.closeFrame()).code, 1002);
    });
  }
  test('a close without a code is answered by a close', async (t) => {
    const raw = await native(t);
    raw.write(frame(OPCODE.close));
    const answer = await raw.closeFrame();
    assert.ok(answer.payload.length === 0 || answer.code === 1000, String(answer.code));
  });
  test('a close reason that is not UTF-8 is 1007, and a good one of 123 bytes is echoed, however it is split', async (t) => {
    const bad = await native(t);
    bad.write(frame(OPCODE.close, Buffer.of(0x03, 0xe8, 0xff, 0xfe)));
    assert.equal((await bad.closeFrame()).code, 1007);
    const long = await native(t);
    await long.trickle(close(1000, `${'ü'.repeat(61)}x`));
    assert.equal((await long.closeFrame()).code, 1000);
  });
  test('what comes behind a close is ignored', async (t) => {
    const raw = await native(t);
    raw.write(Buffer.concat([close(1000), text('{"type":"ping","id":1}'), frame(binary, 'x')]));
    const next = await raw.frame();
    assert.equal(next.opcode, OPCODE.close);
    assert.equal(next.code, 1000);
    await within(raw.ended, 5000, 'the end of the stream');
  });

  test('a ping is answered by a pong of the same bytes, up to 125', async (t) => {
    const raw = await native(t);
    for (const payload of ['', 'x', '\u0000ÿ', 'x'.repeat(125)]) {
      raw.write(frame(ping, payload));
      const answer = await raw.frame();
      assert.equal(answer.opcode, pong);
      assert.equal(answer.payload.toString(), payload);
      assert.equal(answer.masked, false);
    }
  });
  test('a pong that nobody asked for is ignored', async (t) => {
    const raw = await native(t);
    raw.write(Buffer.concat([frame(pong, 'unasked'), text('{"type":"ping","id":1}')]));
    assert.deepEqual(await raw.json(), { type: 'pong', id: 1 });
  });

  test('a fragmented message is one message, with a ping answered in between', async (t) => {
    const raw = await native(t);
    raw.write(frame(OPCODE.text, '{"type":', { fin: false }));
    raw.write(frame(continuation, '"ping",', { fin: false }));
    raw.write(frame(ping, 'between'));
    assert.equal((await raw.frame()).payload.toString(), 'between');
    raw.write(frame(continuation, '', { fin: false }));
    raw.write(frame(continuation, '"id":9}'));
    assert.deepEqual(await raw.json(), { type: 'pong', id: 9 });
  });

  test('frames glued behind the handshake request are served', async (t) => {
    const cut = text('{"type":"ping","id":2}');
    const raw = await native(t, Buffer.concat([text('{"type":"ping","id":1}'), cut.subarray(0, 9)]));
    assert.deepEqual(await raw.json(), { type: 'pong', id: 1 });
    raw.write(cut.subarray(9));
    assert.deepEqual(await raw.json(), { type: 'pong', id: 2 });
  });

  test('frames that come byte by byte are served', async (t) => {
    const raw = await native(t);
    await raw.trickle(
      Buffer.concat([text('{"type":"hello","id":1}'), frame(ping, 'p'), text('{"type":"ping","id":2}')]),
    );
    assert.equal((await raw.json()).type, 'welcome');
    assert.equal((await raw.frame()).opcode, pong);
    assert.deepEqual(await raw.json(), { type: 'pong', id: 2 });
  });

  test('many requests in one write are served in order', async (t) => {
    const raw = await native(t);
    const count = 1000;
    raw.write(Buffer.concat(Array.from({ length: count }, (_, at) => text(`{"type":"ping","id":${at + 1}}`))));
    // The newest pong may stand for earlier ones that had not been written yet, so ids rise and the last one comes.
    for (let id = 0; id < count;) {
      const { type, id: next } = await raw.json();
      assert.equal(type, 'pong');
      assert.ok(next > id);
      id = next;
    }
  });

  test('a message above limits.frame closes with 1009, whole, announced, or in fragments', async (t) => {
    const whole = await native(t);
    whole.write(text('x'.repeat(65537)));
    assert.equal((await whole.closeFrame()).code, 1009);

    const announced = await native(t);
    announced.write(frame(OPCODE.text, '', { length: 2n ** 40n, lengthBytes: 8 }));
    announced.write(Buffer.alloc(70000, 0x20));
    assert.equal((await announced.closeFrame()).code, 1009);

    const fragments = await native(t);
    fragments.write(frame(OPCODE.text, ' '.repeat(40000), { fin: false }));
    fragments.write(frame(continuation, ' '.repeat(40000), { fin: false }));
    assert.equal((await fragments.closeFrame()).code, 1009);
  });

  test('a binary frame on the native protocol closes with 1003', async (t) => {
    const raw = await native(t);
    raw.write(frame(binary, 'x'));
    assert.equal((await raw.closeFrame()).code, 1003);
  });

  test('a connection that is cut counts as gone, one that says good-bye as client', async (t) => {
    // Who was left by the tests before counts as gone, too.
    const before = await gateway.counted((metrics) => metrics.sum('spillway_connections') === 0, 'nobody there');
    const closed = (metrics, reason) =>
      metrics.sum('spillway_closed_total', { reason }) - before.sum('spillway_closed_total', { reason });
    const cut = await native(t);
    cut.destroy();
    const polite = await native(t);
    polite.write(close(1000));
    await polite.closeFrame();
    await gateway.counted((metrics) => closed(metrics, 'gone') === 1 && closed(metrics, 'client') === 1, 'both ends counted');
    await gateway.log(({ reason }) => reason === 'gone', 'the line of the end of a session');
  });

  test('who does not take part in the close handshake is cut after linger_ms', async (t) => {
    const raw = await native(t);
    raw.write(frame(binary, 'x'));
    const closing = await raw.frame();
    assert.equal(closing.code, 1003);
    assert.ok(['end', 'ECONNRESET', 'close'].includes(await within(raw.ended, 5000, 'the end of the connection')));
  });

  test('the echo path gives text and binary back, empty to 1 MB', async (t) => {
    const raw = await echo(t);
    for (const opcode of [OPCODE.text, binary]) {
      for (const size of [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]) {
        raw.write(frame(opcode, 'e'.repeat(size)));
        const back = await raw.frame();
        assert.equal(back.opcode, opcode);
        assert.equal(back.fin, true);
        assert.equal(back.rsv, 0);
        assert.equal(back.masked, false);
        assert.ok(back.payload.equals(Buffer.alloc(size, 'e')), `${size} bytes`);
      }
    }
    raw.write(frame(binary, 'ab', { fin: false }));
    raw.write(frame(continuation, 'cd'));
    assert.equal((await raw.frame()).payload.toString(), 'abcd');
  });

  test('the echo path takes messages up to 16 MB and sends nothing unasked', async (t) => {
    const client = new Client(`ws://127.0.0.1:${gateway.port}/echo`);
    atEnd(t, () => client.terminate());
    await within(new Promise((resolve) => client.ws.on('open', resolve)), 5000, 'the upgrade');
    assert.equal(client.frames.length, 0);
    client.ws.send(Buffer.alloc(16 << 20, 7));
    const { binary: back } = await client.next((message) => message.binary !== undefined, 20000);
    assert.equal(back.length, 16 << 20);
    client.ws.send(Buffer.alloc((16 << 20) + 1));
    assert.equal((await within(client.closed, 10000, 'the close')).code, 1009);
  });
});

describe('who asks much and never reads', () => {
  const CLIENTS = 24;
  const REQUESTS = 8000;
  const unread = async (t, gateway) => {
    const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws');
    await raw.json();
    raw.pause();
    return raw;
  };
  // Waits until the gateway takes no more of what was written.
  const settled = async (gateway) => {
    const seen = async () => (await gateway.metrics()).sum('spillway_requests_total');
    let last = await seen();
    await until(
      async () => {
        const before = last;
        await pause(200);
        return (last = await seen()) === before;
      },
      20000,
      'the gateway to stop reading',
    );
    return last;
  };

  test('costs its lane and what was read of it, and hears every answer in order when it reads again', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1']);
    const asks = Buffer.concat(Array.from({ length: REQUESTS }, (_, at) => text(`{"type":"x","id":${at + 1}}`)));
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => unread(t, gateway)));
    const before = gateway.rss();
    for (const raw of clients) raw.write(asks);
    const answered = await settled(gateway);
    assert.ok(answered < (CLIENTS * REQUESTS) / 2, `${answered} were read`);
    const each = (gateway.rss() - before) / CLIENTS;
    // 16 KB of what it said, and its lane twice: once with the socket. (A sanitizer's memory says nothing of ours.)
    if (!SANITIZED) assert.ok(each < 96 << 10, `${each} bytes for each`);
    for (const raw of clients.slice(1)) raw.destroy();
    clients[0].resume();
    for (let id = 1; id <= REQUESTS; id++) assert.equal((await clients[0].json()).id, id);
    clients[0].write(text('{"type":"ping","id":9}'));
    assert.deepEqual(await clients[0].json(), { type: 'pong', id: 9 });
  });

  test('and its close frame is heard behind them', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1']);
    const raw = await unread(t, gateway);
    raw.write(Buffer.concat([...Array.from({ length: REQUESTS }, () => text('{"type":"x"}')), close(1000)]));
    await settled(gateway);
    raw.resume();
    assert.equal((await raw.closeFrame()).code, 1000);
    await gateway.counted((metrics) => metrics.sum('spillway_closed_total', { reason: 'client' }) === 1, 'its good-bye');
  });
});

describe('without --echo-path', () => {
  test('the echo path is 404', async (t) => {
    const gateway = await Gateway.start(t);
    await assert.rejects(RawSocket.upgrade(t, gateway.port, '/echo'), /not upgraded: HTTP\/1\.1 404/);
  });
});

describe('the close handshake from the server', () => {
  test('1012 is echoed by the client and then the connection ends', async (t) => {
    const gateway = await Gateway.start(t);
    const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws');
    await raw.json();
    gateway.signal('SIGTERM');
    let next;
    do next = await raw.frame();
    while (next.opcode !== OPCODE.close);
    assert.equal(next.code, 1012);
    assert.match(next.reason, /^drain/);
    raw.write(close(1012));
    assert.equal(await within(raw.ended, 5000, 'the end of the stream'), 'end');
    assert.equal((await within(gateway.exited, 5000, 'the end of the gateway')).code, 0);
  });
});

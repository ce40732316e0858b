// SPDX-License-Identifier: Apache-2.0
//
// Behind proxies: whom a node takes for its client, and what one address may take of it. 127.0.0.1 plays the proxy, or whoever stands
// at another address of 127.0.0.0/8.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Guests } from '../harness/guests.mjs';
import { send } from '../harness/http.mjs';
import { OPCODE, RawSocket, close, upgradeRequest } from '../harness/raw.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { LONG, SANITIZED } from '../harness/setting.mjs';
import { until, within } from '../harness/until.mjs';

const TRUSTED = '127.0.0.1';
const STRANGER = '127.0.0.9';
const A = '203.0.113.7';
const B = '203.0.113.8';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const line = (client, port = 4711) => `PROXY TCP4 ${client} 198.51.100.1 ${port} 443\r\n`;

// A header of version 2: who it names, or nobody (LOCAL), and an extension of so many bytes.
function binary(client, port, { extension = 0, command = client ? 0x21 : 0x20, family = client ? 0x11 : 0 } = {}) {
  const block = Buffer.alloc(client ? 12 : 0);
  if (client) {
    Buffer.from(client.split('.').map(Number)).copy(block);
    block.writeUInt16BE(port, 8);
  }
  const head = Buffer.from([command, family, 0, 0]);
  head.writeUInt16BE(block.length + extension, 2);
  return Buffer.concat([SIGNATURE, head, block, Buffer.alloc(extension, 0x20)]);
}

// Sends the pieces, each once the last has been sent, and an upgrade behind them.
async function upgradeBehind(t, port, pieces, { path = '/v1/ws', headers, ...options } = {}) {
  const raw = await RawSocket.connect(t, port, options);
  for (const piece of pieces) await new Promise((resolve) => raw.socket.write(piece, resolve));
  raw.write(upgradeRequest(path, headers));
  raw.upgraded = await raw.response();
  return raw;
}

const rows = async (gateway) => (await gateway.get('/v1/connections')).json.connections;
const addressOf = async (gateway, session) => (await rows(gateway)).find((row) => row.session === session)?.address;

// The client address of an upgrade with these headers, as the operator sees it.
async function seen(t, gateway, headers, options = {}) {
  const raw = await upgradeBehind(t, gateway.port, [], { headers, ...options });
  assert.equal(raw.upgraded.status, 101);
  const { session } = await raw.json();
  return { address: await addressOf(gateway, session), port: raw.socket.localPort };
}

describe('X-Forwarded-For', () => {
  const scope = suiteScope();
  let gateway;
  const started = async () => (gateway ??= await Gateway.start(scope, ['--trusted-proxy', TRUSTED, '--trusted-proxy', '10.0.0.0/8']));

  test('of a trusted proxy says who the client is, whatever that one said before', async (t) => {
    await started();
    for (const [list, client] of [
      [A, A],
      [`${A}:555`, `${A}:555`],
      [`1.1.1.1, ${A}`, A],
      [`127.0.0.1, ${A}, 10.0.0.1`, A],
      [`garbage, 127.0.0.1, ${A},10.9.9.9 , 10.0.0.1:80`, A],
      ['2001:db8::7', '[2001:db8::7]'],
      ['[2001:db8::7]:80, 10.0.0.1', '[2001:db8::7]:80'],
      ['::ffff:203.0.113.7', A],
      [`${A}, unknown, 10.0.0.1`, '10.0.0.1'],
    ]) {
      assert.equal((await seen(t, gateway, { 'X-Forwarded-For': list })).address, client, list);
    }
  });

  test('of anybody else is ignored and counted', async (t) => {
    await started();
    const before = (await gateway.metrics()).sum('spillway_forwarded_ignored_total');
    const { address, port } = await seen(t, gateway, { 'X-Forwarded-For': A }, { localAddress: STRANGER });
    assert.equal(address, `${STRANGER}:${port}`);
    assert.equal((await gateway.metrics()).sum('spillway_forwarded_ignored_total') - before, 1);
  });

  test('may come in several lines, of which the last is the nearest', async (t) => {
    await started();
    const raw = await RawSocket.connect(t, gateway.port);
    raw.write(upgradeRequest().replace('\r\n\r\n', `\r\nX-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: ${A}, 10.0.0.1\r\n\r\n`));
    assert.equal((await raw.response()).status, 101);
    assert.equal(await addressOf(gateway, (await raw.json()).session), A);
  });

  test('is what the log and the flight recorder tell', async (t) => {
    await started();
    const client = await Client.connect(t, gateway.url, { headers: { 'X-Forwarded-For': A } });
    await client.close();
    const { session } = client.welcome;
    const end = await gateway.log((entry) => entry.event === 'session_closed' && entry.session === session);
    assert.equal(end.address, A);
    const ended = (await gateway.get('/v1/connections/ended')).json.connections;
    assert.equal(ended.find((row) => row.session === session).address, A);
  });

  test('is looked at anew in each request of a connection', async (t) => {
    await started();
    const raw = await RawSocket.connect(t, gateway.port);
    const body = '{"topic":"xff.keep","data":1}';
    for (const [client, status] of [
      ['127.0.0.1', 200],
      ['127.0.0.1', 200],
      [A, 403],
    ]) {
      const head = `POST /v1/publish HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: ${client}\r\n`;
      raw.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
      assert.equal((await raw.response()).status, status, client);
    }
  });
});

describe('publishing by right of being on this machine', () => {
  const body = { topic: 'proxy.local', data: 1 };
  const publish = async (port, headers) => (await send(port, 'POST', '/v1/publish', { headers, body })).status;

  test('is not for who was sent on by a proxy that is not trusted, or does not say for whom', async (t) => {
    const gateway = await Gateway.start(t, []);
    assert.equal(await publish(gateway.port, {}), 200);
    for (const headers of [
      { 'X-Forwarded-For': '127.0.0.1' },
      { 'X-Forwarded-For': A },
      { Forwarded: 'for=127.0.0.1' },
      { Via: '1.1 proxy' },
      { 'X-Real-IP': '127.0.0.1' },
    ]) {
      assert.equal(await publish(gateway.port, headers), 403, JSON.stringify(headers));
      const client = await Client.connect(t, gateway.url, { headers });
      const answer = await client.request('publish', body);
      assert.equal(answer.error?.code, 'forbidden', JSON.stringify(headers));
    }
    const own = await Client.connect(t, gateway.url);
    assert.equal((await own.request('publish', body)).type, 'published');
  });

  test('is for whom a trusted proxy names, where that is this machine', async (t) => {
    const gateway = await Gateway.start(t, ['--trusted-proxy', TRUSTED]);
    for (const [list, status] of [
      ['127.0.0.1', 200],
      ['::1', 200],
      [A, 403],
      [`127.0.0.1, ${A}`, 403],
      ['garbage', 403],
      ['garbage, 127.0.0.1', 403],
    ]) {
      assert.equal(await publish(gateway.port, { 'X-Forwarded-For': list }), status, list);
    }
    assert.equal(await publish(gateway.port, {}), 200);
  });

  test('is the operator’s word where there is one', async (t) => {
    const gateway = await Gateway.start(t, ['--client-publish', '--trusted-proxy', TRUSTED]);
    assert.equal(await publish(gateway.port, { 'X-Forwarded-For': A }), 200);
  });
});

describe('a listener for PROXY headers', () => {
  const scope = suiteScope();
  let gateway;
  let port; // with ,proxy; gateway.port is without
  const started = async () => {
    const listen = ['--listen', '127.0.0.1:0', '--listen', '127.0.0.1:0,proxy'];
    gateway ??= await Gateway.start(scope, [...listen, '--trusted-proxy', TRUSTED, '--trusted-proxy', '10.0.0.0/8']);
    port = Number(gateway.listen[1].split(':').at(-1));
  };
  const refused = async (reason) => (await gateway.metrics()).sum('spillway_refused_total', { reason });

  test('learns who the client is, however the header is cut', async (t) => {
    await started();
    const cuts = (bytes) => [[bytes], [bytes.subarray(0, 1), bytes.subarray(1)], [bytes.subarray(0, 15), bytes.subarray(15)]];
    for (const [header, client] of [
      [Buffer.from(line(A)), `${A}:4711`],
      [Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n'), '[2001:db8::7]:4711'],
      [binary(A, 4712), `${A}:4712`],
      [binary(A, 4713, { extension: 508 }), `${A}:4713`],
    ]) {
      for (const pieces of cuts(header)) {
        const raw = await upgradeBehind(t, port, pieces);
        assert.equal(raw.upgraded.status, 101);
        assert.equal(await addressOf(gateway, (await raw.json()).session), client);
      }
    }
  });

  test('takes a header byte by byte, and what is glued to it', async (t) => {
    await started();
    const raw = await RawSocket.connect(t, port);
    await raw.trickle(line(A));
    raw.write(upgradeRequest());
    assert.equal((await raw.response()).status, 101);
    const glued = await RawSocket.connect(t, port);
    glued.write(Buffer.concat([binary(B, 9), Buffer.from(`${upgradeRequest('/v1/ws?topic=a')}`), close(1000)]));
    assert.equal((await glued.response()).status, 101);
    const welcome = await glued.json();
    const end = await gateway.log((entry) => entry.event === 'session_closed' && entry.session === welcome.session);
    assert.equal(end.address, `${B}:9`);
  });

  test('knows the balancer itself where that one speaks for itself, or does not know', async (t) => {
    await started();
    for (const header of [
      Buffer.from('PROXY UNKNOWN\r\n'),
      Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'),
      binary(null),
      binary(A, 1, { command: 0x20 }),
      binary(null, 0, { command: 0x21, family: 0x31, extension: 216 }),
    ]) {
      const raw = await upgradeBehind(t, port, [header], { headers: { 'X-Forwarded-For': A } });
      assert.equal(raw.upgraded.status, 101);
      assert.equal(await addressOf(gateway, (await raw.json()).session), `127.0.0.1:${raw.socket.localPort}`);
    }
  });

  test('lets publish by right of being on this machine whom the header names there, not who stays unnamed', async (t) => {
    await started();
    const body = '{"topic":"a","data":1}';
    for (const [header, status] of [
      [line('127.0.0.1'), 200],
      [line(A), 403],
      ['PROXY UNKNOWN\r\n', 403],
      [binary(null), 403],
    ]) {
      const raw = await RawSocket.connect(t, port);
      raw.write(header);
      raw.write(`POST /v1/publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      assert.equal((await raw.response()).status, status, String(header));
    }
  });

  test('believes X-Forwarded-For where the header names a trusted proxy, and nowhere else', async (t) => {
    await started();
    for (const [named, client] of [
      ['10.0.0.1', B],
      [A, `${A}:4711`],
    ]) {
      const raw = await upgradeBehind(t, port, [line(named)], { headers: { 'X-Forwarded-For': `127.0.0.1, ${B}` } });
      assert.equal(await addressOf(gateway, (await raw.json()).session), client);
    }
  });

  test('closes on who is not trusted, without a word and counted, before anything is read', async (t) => {
    await started();
    const before = await refused('untrusted');
    const raw = new RawSocket(port, { localAddress: STRANGER });
    await within(raw.ended, 5000, 'the end');
    await gateway.counted((metrics) => metrics.sum('spillway_refused_total', { reason: 'untrusted' }) === before + 1, 'a refusal');
    const said = await gateway.log(({ event }) => event === 'proxy_refused');
    assert.match(said.why, /--trusted-proxy/);
    assert.match(said.peer, /^127\.0\.0\.9:/);
  });

  test('closes on what is no header, and counts it', async (t) => {
    await started();
    for (const bytes of [
      upgradeRequest(),
      'PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n',
      `PROXY UNKNOWN ${'x'.repeat(100)}`,
      binary(A, 1, { extension: 509 }),
      binary(A, 1, { command: 0x11 }),
    ]) {
      const before = await refused('proxy_header');
      const raw = await RawSocket.connect(t, port);
      raw.write(bytes);
      await within(raw.ended, 5000, 'the end');
      assert.equal(await refused('proxy_header'), before + 1, String(bytes));
    }
    const before = await refused('proxy_header');
    const early = await RawSocket.connect(t, port);
    early.write('PROXY TCP4');
    early.socket.end();
    await within(early.ended, 5000, 'the end');
    assert.equal(await refused('proxy_header'), before + 1);
  });

  test('takes a health check that only connects for what it is', async (t) => {
    await started();
    const before = await refused('proxy_header');
    const raw = await RawSocket.connect(t, port);
    raw.socket.end();
    await within(raw.ended, 5000, 'the end');
    assert.equal(await refused('proxy_header'), before);
  });

  test('is the only one that reads such headers', async (t) => {
    await started();
    for (const [header, status] of [
      [line(A), 405], // a request, of a method that nobody knows
      [binary(A, 1), 400],
    ]) {
      const raw = await RawSocket.connect(t, gateway.port);
      raw.write(header);
      assert.equal((await raw.response()).status, status);
    }
  });

  test('gives a header as long as a request’s head', { skip: (!LONG || SANITIZED) && 'takes 10 s: only in long runs' }, async (t) => {
    await started();
    const before = await refused('proxy_header');
    const raw = await RawSocket.connect(t, port);
    raw.write('PROXY TCP4 ');
    await within(raw.ended, 15000, 'the end');
    assert.equal(await refused('proxy_header'), before + 1);
  });

  test('counts a connection also while its header is still to come', async (t) => {
    const listen = ['--listen', '127.0.0.1:0,proxy'];
    const node = await Gateway.start(t, [...listen, '--trusted-proxy', TRUSTED, '--max-connections', '1', '--workers', '1']);
    const first = await RawSocket.connect(t, node.port);
    first.write('PROXY');
    const second = await RawSocket.connect(t, node.port);
    assert.equal((await second.response()).status, 503);
    first.write(`${line(A).slice(5)}${upgradeRequest()}`);
    assert.equal((await first.response()).status, 101);
  });

  test('holds up no drain', async (t) => {
    const node = await Gateway.start(t, ['--listen', '127.0.0.1:0,proxy', '--trusted-proxy', TRUSTED, '--linger-ms', '100']);
    const raw = await RawSocket.connect(t, node.port);
    raw.write('PROXY');
    const upgraded = await upgradeBehind(t, node.port, [line(A)]);
    assert.equal((await upgraded.json()).type, 'welcome');
    assert.equal(await node.stop(), 0);
    await within(raw.ended, 5000, 'the end');
  });
});

describe('connections of one address', () => {
  const LIMIT = 3;
  const args = ['--max-connections-per-address', `${LIMIT}`];

  // One more client of this address: its welcome, or the code it is closed with.
  async function come(t, gateway, address, options) {
    const raw = await upgradeBehind(t, gateway.port, [], { headers: address && { 'X-Forwarded-For': address }, ...options });
    assert.equal(raw.upgraded.status, 101);
    const first = await raw.frame();
    if (first.opcode === OPCODE.close) {
      raw.write(close(first.code));
      return first;
    }
    assert.equal(JSON.parse(first.payload).type, 'welcome');
    return { raw };
  }

  test('are so many on all workers together, and again when one has left; the neighbour does not feel it', async (t) => {
    const gateway = await Gateway.start(t, [...args, '--trusted-proxy', TRUSTED, '--workers', '3']);
    const inside = [];
    for (let count = 0; count < LIMIT; count++) inside.push(await come(t, gateway, A));
    for (let count = 0; count < 2; count++) {
      const { code, reason } = await come(t, gateway, A);
      assert.deepEqual([code, reason], [4504, 'too many connections from this address']);
    }
    assert.ok((await come(t, gateway, B)).raw);
    await gateway.counted((metrics) => metrics.sum('spillway_closed_total', { reason: 'address' }) === 2, 'two closed');

    inside[0].raw.write(close(1000));
    await within(inside[0].raw.ended, 5000, 'the end');
    await gateway.counted((metrics) => metrics.sum('spillway_closed_total', { reason: 'client' }) === 1, 'one left');
    await until(async () => (await come(t, gateway, A)).raw, 5000, 'room again'); // it is counted, and then its place is free
    assert.equal((await come(t, gateway, A)).code, 4504);
    inside[1].raw.socket.resetAndDestroy();
    await gateway.counted((metrics) => metrics.sum('spillway_closed_total', { reason: 'gone' }) === 1, 'one is gone');
    await until(async () => (await come(t, gateway, A)).raw, 5000, 'room again');
    assert.equal((await come(t, gateway, A)).code, 4504);
  });

  test('are counted without proxies, too, and by the network in IPv6', async (t) => {
    const gateway = await Gateway.start(t, [...args, '--trusted-proxy', TRUSTED]);
    for (let count = 0; count < LIMIT; count++) {
      assert.ok((await come(t, gateway, undefined, { localAddress: STRANGER })).raw);
      assert.ok((await come(t, gateway, `2001:db8:0:1::${count + 1}`)).raw);
    }
    assert.equal((await come(t, gateway, undefined, { localAddress: STRANGER })).code, 4504);
    assert.equal((await come(t, gateway, '2001:db8:0:1:ffff::')).code, 4504);
    assert.ok((await come(t, gateway, '2001:db8:0:2::1')).raw);
    assert.ok((await come(t, gateway, undefined, { localAddress: '127.0.0.8' })).raw);
  });

  test('count when they ask by HTTP alone, too; above the number each is answered once', async (t) => {
    const gateway = await Gateway.start(t, args);
    const inside = [];
    const ask = async () => {
      const raw = await RawSocket.connect(t, gateway.port, { localAddress: STRANGER });
      raw.write('GET /v1/nothing HTTP/1.1\r\nHost: a\r\n\r\n');
      return { raw, ...(await raw.response()) };
    };
    for (let count = 0; count < LIMIT; count++) {
      const { raw, headers } = await ask();
      assert.equal(headers.connection, undefined);
      inside.push(raw);
    }
    const { raw, status, headers } = await ask();
    assert.deepEqual([status, headers.connection], [404, 'close']);
    await within(raw.ended, 5000, 'the end');
    assert.equal((await come(t, gateway, undefined, { localAddress: STRANGER })).code, 4504);
    inside[0].write(upgradeRequest());
    assert.equal((await inside[0].response()).status, 101);
    assert.equal((await come(t, gateway, undefined, { localAddress: STRANGER })).code, 4504);
    inside[1].destroy();
    await until(async () => (await come(t, gateway, undefined, { localAddress: STRANGER })).raw, 5000, 'room again');
  });

  test('have a number of their own where there are proxies, which loopback and proxies are spared', async (t) => {
    const gateway = await Gateway.start(t, ['--trusted-proxy', TRUSTED]);
    const said = await gateway.log(({ event }) => event === 'address_limits');
    assert.deepEqual([said.connections, said.handshakes, said.trusted_networks], [1024, 50, 1]);
    const clients = [];
    for (let count = 0; count < 110; count++) clients.push(Client.connect(t, gateway.url));
    await Promise.all(clients);
  });
});

describe('handshakes of one address', () => {
  const args = ['--handshakes-per-address', '2']; // four at once
  const AT_ONCE = 4;

  // Comes again and again until it is refused; gives how often it came in, and the refusal. A slow machine lets more come in.
  async function knock(t, connect) {
    const began = performance.now();
    for (let count = 0; ; count++) {
      const answer = await connect(t);
      if (answer.status === 429) {
        const most = AT_ONCE + ((performance.now() - began) / 1000) * 2 + 1;
        assert.ok(count >= AT_ONCE && count <= most, `${count} came in, of ${most}`);
        return { count, answer };
      }
      assert.equal(answer.status, 101);
    }
  }

  function expectRefusal({ headers, body }) {
    const { error } = JSON.parse(body);
    assert.deepEqual([error.code, error.retry], ['rate_limited', true]);
    assert.ok(error.retry_ms > 0 && error.retry_ms <= 1000, body);
    assert.equal(headers['retry-after'], '1');
  }

  const refused = async (gateway) => (await gateway.metrics()).sum('spillway_refused_total', { reason: 'address' });

  test('are refused by 429 before they cost anything, and come in again; the neighbour does not feel it', async (t) => {
    const gateway = await Gateway.start(t, [...args, '--trusted-proxy', TRUSTED, '--workers', '2']);
    const from = (address) => async (owner) =>
      (await upgradeBehind(owner, gateway.port, [], { headers: { 'X-Forwarded-For': address } })).upgraded;
    expectRefusal((await knock(t, from(A))).answer);
    assert.equal(await refused(gateway), 1);
    assert.equal((await from(B)(t)).status, 101);
    await until(async () => (await from(A)(t)).status === 101, 5000, 'room again');
  });

  test('of who comes by no proxy are refused as they are accepted', async (t) => {
    const gateway = await Gateway.start(t, [...args, '--trusted-proxy', TRUSTED, '--workers', '2']);
    const from = (localAddress) => async (owner) => {
      const raw = await RawSocket.connect(owner, gateway.port, { localAddress });
      raw.write(upgradeRequest());
      return raw.response();
    };
    const { count, answer } = await knock(t, from(STRANGER));
    expectRefusal(answer);
    assert.equal(await refused(gateway), 1);
    assert.equal((await gateway.metrics()).sum('spillway_accepted_total'), count);
    assert.equal((await from('127.0.0.8')(t)).status, 101);
  });

  test('are what bad tokens over HTTP count as, also on one connection', async (t) => {
    const guests = await Guests.start(t, [...args, '--trusted-proxy', TRUSTED]);
    const { gateway } = guests;
    const publish = (address, token) =>
      gateway.public('POST', '/v1/publish', {
        headers: { 'X-Forwarded-For': address, Authorization: `Bearer ${token}` },
        body: { topic: 'a', data: 1 },
      });
    const good = guests.token('ann', { pub: ['a'] });
    for (let count = 0; count < 2 * AT_ONCE; count++) assert.equal((await publish(A, good)).status, 200);
    let tried = 0;
    await until(async () => (tried++, (await publish(A, `${good}x`)).status === 429), 5000, 'too often');
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('spillway_tokens_total', { outcome: 'bad_signature' }), tried - 1);
    assert.ok(tried > AT_ONCE);
    assert.equal(metrics.sum('spillway_refused_total', { reason: 'address' }), 1);
    assert.equal((await publish(B, `${good}x`)).status, 401);
    await until(async () => (await publish(A, good)).status === 200, 5000, 'room again');
  });

  test('of whom a PROXY header names are refused when it is read', async (t) => {
    const gateway = await Gateway.start(t, [...args, '--listen', '127.0.0.1:0,proxy', '--trusted-proxy', TRUSTED]);
    const from = (address) => async (owner) => (await upgradeBehind(owner, gateway.port, [line(address)])).upgraded;
    expectRefusal((await knock(t, from(A))).answer);
    assert.equal(await refused(gateway), 1);
    assert.equal((await from(B)(t)).status, 101);
  });
});

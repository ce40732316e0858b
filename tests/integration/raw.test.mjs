// SPDX-License-Identifier: Apache-2.0
//
// spillway.v1.raw: payloads alone, for code that exists. What another client would be told ends such a one.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Guests } from '../harness/guests.mjs';
import { source } from '../harness/library.mjs';
import { OPCODE, RawSocket } from '../harness/raw.mjs';
import { Redis } from '../harness/redis.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { Mailbox, within } from '../harness/until.mjs';

const RAW = 'spillway.v1.raw';

// A client that knows no protocol: each message is its bytes and whether they came as binary.
class Plain {
  messages = [];
  #mail = new Mailbox();

  constructor(url, { protocols = [], ...options } = {}) {
    this.ws = new WebSocket(url, protocols, { perMessageDeflate: false, ...options });
    this.closed = new Promise((resolve) =>
      this.ws.on('close', (code, reason) => {
        this.#mail.end(`closed by ${code} ${reason}`);
        resolve({ code, reason: reason.toString(), at: performance.now() });
      }),
    );
    this.ws.on('error', () => {});
    this.ws.on('message', (data, binary) => {
      this.messages.push({ data, binary });
      this.#mail.put({ data, binary, raw: data.toString('latin1') });
    });
  }

  // One that reads its topic, which is seen by its gateway's counter.
  static async connect(t, gateway, query, options) {
    const plain = new Plain(gateway.url + query, options);
    atEnd(t, () => plain.ws.terminate());
    await within(Promise.race([new Promise((resolve) => plain.ws.on('open', resolve)), plain.closed]), 10000, 'an upgrade');
    return plain;
  }

  next() {
    return this.#mail.take(() => true, 10000, 'a message');
  }
}

const reads = (gateway, count) =>
  gateway.counted((metrics) => metrics.sum('spillway_subscriptions') === count, `${count} subscriptions`);

// A reader of a topic of its own, on a gateway that others of the suite use too.
async function reader(t, gateway, query, options) {
  const before = (await gateway.metrics()).sum('spillway_subscriptions');
  const plain = await Plain.connect(t, gateway, query, options);
  await gateway.counted((metrics) => metrics.sum('spillway_subscriptions') === before + 1, 'one more subscription');
  atEnd(t, async () => {
    plain.ws.terminate();
    await reads(gateway, before);
  });
  return plain;
}

const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, at) => at));

describe('frames and publishes', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--max-message-bytes', '70000'], {
      config: {
        topics: [
          { match: 'shut.>', client_publish: false },
          { match: 'small.>', max_message_bytes: 16 },
          { match: 'latest.>', mode: 'latest', modes_allowed: ['latest'], max_hz: 1 },
          { match: 'kept.>', retain: true },
        ],
      },
    });
  });

  const PAYLOADS = [
    ['{\r\n  "a": [1,\n 2.50],\t"b":"\\u0041"\r\n}', false],
    ['two\r\nlines', false],
    ['', false],
    ['{"type":"msg"}', false],
    ['snow \u2603 and \u0000 nothing', false],
    [ALL_BYTES, true],
    [Buffer.of(0xff), true],
    [Buffer.concat([ALL_BYTES, Buffer.alloc(65536, 0x80)]), true],
    ['x'.repeat(126), false],
    ['1', false],
  ];

  test('each payload is one frame, byte for byte, as text where it is UTF-8 and else as binary; nothing else comes', async (t) => {
    for (const [query, options, protocol] of [
      ['?topic=bytes.a', { protocols: [RAW] }, RAW],
      ['?raw=1&topic=bytes.b', {}, ''],
      ['?raw=1&topic=bytes.c', { protocols: [RAW, 'spillway.v1.json'] }, RAW],
    ]) {
      const topic = /topic=(.*)/.exec(query)[1];
      const earlier = await gateway.metrics();
      const plain = await reader(t, gateway, query, options);
      assert.equal(plain.ws.protocol, protocol);
      for (const [payload] of PAYLOADS) await gateway.publish(topic, payload);
      for (const [at, [payload, binary]] of PAYLOADS.entries()) {
        const message = await plain.next();
        assert.deepEqual(message.data, Buffer.from(payload), `payload ${at} of ${topic}`);
        assert.equal(message.binary, binary, `payload ${at} of ${topic}`);
      }
      assert.equal(plain.messages.length, PAYLOADS.length);
      const counted = await gateway.metrics();
      assert.equal(counted.sum('spillway_sent_total') - earlier.sum('spillway_sent_total'), PAYLOADS.length);
      assert.equal(counted.get('spillway_connections{transport="raw",state="open"}') >= 1, true);
    }
  });

  test('a reader of JSON beside it gets the same payload on one line', async (t) => {
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('beside.a');
    const plain = await Plain.connect(t, gateway, '?raw=1&topic=beside.a');
    await reads(gateway, 2);
    await gateway.publish('beside.a', '{\n"n":1\r\n}');
    assert.equal((await client.received('beside.a', 1))[0].raw, '{"type":"msg","topic":"beside.a","data":{ "n":1  }}');
    assert.equal((await plain.next()).data.toString(), '{\n"n":1\r\n}');
    plain.ws.terminate();
    client.terminate();
    await reads(gateway, 0);
  });

  test('a rule of mode latest and max_hz does not hold for it: nothing is left out', async (t) => {
    const plain = await reader(t, gateway, '?raw=1&topic=latest.a');
    for (let n = 0; n < 50; n++) await gateway.publish('latest.a', String(n));
    for (let n = 0; n < 50; n++) assert.equal((await plain.next()).data.toString(), String(n));
  });

  test('last=1 brings what is retained', async (t) => {
    const first = await reader(t, gateway, '?raw=1&topic=kept.a');
    await gateway.publish('kept.a', ALL_BYTES);
    await first.next();
    const second = await reader(t, gateway, '?raw=1&topic=kept.a&last=1');
    assert.deepEqual((await second.next()).data, ALL_BYTES);
  });

  const REFUSED = [
    ['?raw=1', /exactly one topic/],
    ['?raw=1&topic=a&topic=b', /exactly one topic/],
    ['?raw=1&topic=a.*', /not a pattern/],
    ['?raw=1&topic=a.%3E', /not a pattern/],
    ['?raw=1&topic=', /./],
    ['?raw=1&topic=a..b', /empty/],
    ['?raw=1&topic=a&from=a@Qx7:4', /"from"/],
    ['?raw=1&topic=a&mode=all', /"mode"/],
    ['?raw=1&topic=a&max_hz=5', /"max_hz"/],
    ['?raw=1&topic=a&last=0', /"last"/],
    ['?raw=1&topic=a&last=x', /"last"/],
    ['?raw=2&topic=a', /"raw" is 1/],
  ];
  test('what it cannot be answered is refused at the door, in words', async () => {
    for (const [query, words] of REFUSED) {
      const client = new Client(gateway.url + query);
      await client.closed;
      assert.equal(client.refused?.status, 400, query);
      const { error } = JSON.parse(client.refused.text);
      assert.equal(error.code, 'bad_request', query);
      assert.match(error.message, words, query);
    }
    const torn = new Client(`${gateway.url}?raw=1&topic=a`, { protocols: ['spillway.v1.json'] });
    await torn.closed;
    assert.equal(torn.refused?.status, 400);
    const both = new Client(`${gateway.url}?topic=a&mode=all`, { protocols: [RAW] });
    await both.closed;
    assert.match(JSON.parse(both.refused?.text).error.message, /"mode"/);
  });

  test('what it sends is published to its topic, whatever the opcode and however it is cut', async (t) => {
    const plain = await reader(t, gateway, '?raw=1&topic=chat.a');
    const sent = ['{"type":"ping"}', ALL_BYTES, '', 'plain'];
    for (const payload of sent) plain.ws.send(payload);
    plain.ws.send('in ', { fin: false });
    plain.ws.send('two', { fin: true });
    for (const payload of [...sent, 'in two']) assert.deepEqual((await plain.next()).data, Buffer.from(payload));
  });

  test('more than may wait for the bus are read later, and none is lost', async (t) => {
    const plain = await reader(t, gateway, '?raw=1&topic=burst.a');
    const COUNT = 2000;
    for (let n = 0; n < COUNT; n++) plain.ws.send(String(n));
    for (let n = 0; n < COUNT; n++) assert.equal((await plain.next()).data.toString(), String(n));
    assert.equal((await gateway.metrics()).sum('spillway_raw_ignored_total'), 0);
  });

  test('what it may not publish is ignored, counted and named in the log; it stays', async (t) => {
    const ignored = async () => (await gateway.metrics()).sum('spillway_raw_ignored_total');
    for (const [topic, payload, words] of [
      ['shut.a', 'x', /may not publish/],
      ['small.a', 'x'.repeat(17), /max_message_bytes/],
    ]) {
      const before = await ignored();
      const plain = await reader(t, gateway, `?raw=1&topic=${topic}`);
      plain.ws.send(payload);
      plain.ws.send(payload);
      await gateway.counted((metrics) => metrics.sum('spillway_raw_ignored_total') === before + 2, 'two ignored');
      assert.match((await gateway.log(({ event }) => event === 'raw_ignored')).why, words);
      await gateway.publish(topic, 'served');
      assert.equal((await plain.next()).data.toString(), 'served');
      assert.equal(plain.messages.length, 1);
    }
  });

  test('limits.frame holds: 1009', async (t) => {
    const plain = await reader(t, gateway, '?raw=1&topic=big.a');
    plain.ws.send(Buffer.alloc(65536, 1));
    assert.equal((await plain.next()).data.length, 65536);
    plain.ws.send(Buffer.alloc(65537, 1));
    assert.equal((await plain.closed).code, 1009);
  });

  test('a ping is answered', async (t) => {
    const plain = await reader(t, gateway, '?raw=1&topic=ping.a');
    const ponged = new Promise((resolve) => plain.ws.on('pong', resolve));
    plain.ws.ping('beat');
    assert.equal((await within(ponged, 5000, 'a pong')).toString(), 'beat');
  });
});

describe('grants', () => {
  test('the upgrade settles who it is, and a grant what it reads and publishes', async (t) => {
    const guests = await Guests.start(t);
    const { gateway } = guests;
    const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });
    const grant = { sub: ['a.>'], pub: ['a.chat'], auto: ['a.own'] };

    const unknown = await Plain.connect(t, gateway, '?raw=1&topic=a.b');
    const { code, reason } = await unknown.closed;
    assert.deepEqual([code, reason], [4501, 'unauthorized no token was shown']);
    const expired = await Plain.connect(t, gateway, '?raw=1&topic=a.b', bearer(guests.token('ann', grant, { exp: 1 })));
    assert.equal((await expired.closed).code, 4501);
    const foreign = await Plain.connect(t, gateway, '?raw=1&topic=b.c', bearer(guests.token('ann', grant)));
    assert.equal((await foreign.closed).code, 4503);
    await guests.closed('unauthorized', 2);
    await guests.closed('forbidden', 1);

    for (const show of ['token', 'costly']) {
      const listener = await reader(t, gateway, '?topic=a.b', { protocols: [RAW, `bearer.${guests[show]('ann', grant)}`] });
      const chatter = await reader(t, gateway, '?raw=1&topic=a.chat', bearer(guests[show]('ben', grant)));
      const before = (await gateway.metrics()).sum('spillway_raw_ignored_total');
      listener.ws.send('no right');
      chatter.ws.send('hello');
      assert.equal((await chatter.next()).data.toString(), 'hello');
      await gateway.counted((metrics) => metrics.sum('spillway_raw_ignored_total') === before + 1, 'one ignored');
      await gateway.publish('a.own', 'not subscribed');
      await gateway.publish('a.b', 'seen');
      assert.equal((await listener.next()).data.toString(), 'seen');
    }
  });

  test('it ends with its token: 4001', async (t) => {
    const guests = await Guests.start(t);
    const exp = Math.ceil(Date.now() / 1000) + 2;
    const token = guests.token('ann', { sub: ['a'] }, { exp });
    const plain = await Plain.connect(t, guests.gateway, '?raw=1&topic=a', { headers: { Authorization: `Bearer ${token}` } });
    assert.equal((await within(plain.closed, 10000, 'the end of its token')).code, 4001);
    assert.equal(plain.messages.length, 0);
  });
});

// Each at a moment of its own: they are not closed in one turn, nor later than was promised.
async function closedApart(readers, code) {
  const ends = await within(Promise.all(readers.map(({ closed }) => closed)), 10000, `all closed by ${code}`);
  assert.deepEqual([...new Set(ends.map((end) => end.code))], [code]);
  const at = ends.map((end) => end.at);
  assert.ok(Math.max(...at) - Math.min(...at) > 500, 'they leave one by one');
  return ends;
}

describe('what would be told ends it', { concurrency: 3 }, () => {
  test('a message that is too large: 4033, and who can be told stays', async (t) => {
    const redis = await Redis.start(t);
    const gateway = await Gateway.start(t, ['--bus', redis.url, '--max-message-bytes', '1024', '--workers', '2']);
    const readers = [];
    for (let n = 0; n < 20; n++) readers.push(await Plain.connect(t, gateway, '?raw=1&topic=a'));
    const other = await Plain.connect(t, gateway, '?raw=1&topic=b');
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('a');
    await reads(gateway, 22);
    const resp = await redis.client(t);
    await resp.publish('a', 'before');
    for (const plain of readers) assert.equal((await plain.next()).data.toString(), 'before');
    await resp.publish('a', 'x'.repeat(1025));
    const [first] = await closedApart(readers, 4033);
    assert.match(first.reason, /^gap/);
    const [, dropped] = await client.received('a', 2);
    assert.deepEqual([dropped.type, dropped.count, dropped.reason], ['dropped', 1, 'too_large']);
    await gateway.counted((metrics) => metrics.sum('spillway_closed_total', { reason: 'gap' }) === 20, '20 closed: gap');
    assert.equal((await gateway.metrics()).sum('spillway_shed_total', { reason: 'too_large' }), 21);
    await resp.publish('b', 'on');
    assert.equal((await other.next()).data.toString(), 'on');
  });

  test('Redis away: 4033 when it is back, also where nothing follows', async (t) => {
    const redis = await Redis.start(t);
    const gateway = await Gateway.start(t, ['--bus', redis.url]);
    const readers = [];
    for (let n = 0; n < 20; n++) readers.push(await Plain.connect(t, gateway, '?raw=1&topic=a'));
    await reads(gateway, 20);
    await redis.kill();
    await gateway.counted((metrics) => metrics.sum('spillway_bus_up') === 0, 'the loss seen');
    assert.equal((await gateway.metrics()).sum('spillway_closed_total', { reason: 'gap' }), 0, 'not while it is away');
    await redis.start();
    await closedApart(readers, 4033);
    assert.ok(readers.every(({ messages }) => messages.length === 0));
  });

  test('a topic that the bus does not have in time: 1013', async (t) => {
    const redis = await Redis.start(t);
    const gateway = await Gateway.start(t, ['--bus', redis.url]);
    redis.freeze();
    atEnd(t, () => redis.thaw());
    const plain = await Plain.connect(t, gateway, '?raw=1&topic=a');
    assert.equal((await within(plain.closed, 15000, 'the end of its patience')).code, 1013);
    redis.thaw();
    await gateway.counted((metrics) => metrics.sum('spillway_closed_total', { reason: 'unavailable' }) === 1, 'it is counted');
  });

  test('who does not read: 4030, whatever the rule, and its neighbour gets all', async (t) => {
    const gateway = await Gateway.start(t, ['--max-queued-bytes', '1048576', '--queue-high-bytes', '262144']);
    const slow = await RawSocket.upgrade(t, gateway.port, '/v1/ws?raw=1&topic=a');
    const plain = await Plain.connect(t, gateway, '?raw=1&topic=a');
    await reads(gateway, 2);
    slow.pause();
    const payload = 'x'.repeat(200000);
    let count = 0;
    const open = async () => (await gateway.metrics()).sum('spillway_connections', { transport: 'raw', state: 'open' });
    while ((await open()) === 2) {
      assert.ok(count < 200, 'it is too far behind long before');
      await gateway.publish('a', payload);
      count++;
    }
    slow.resume();
    await slow.ended;
    slow.destroy();
    await gateway.counted((metrics) => metrics.sum('spillway_closed_total', { reason: 'slow' }) === 1, 'it is counted');
    for (let n = 0; n < count; n++) assert.equal((await plain.next()).data.length, payload.length);
  });

  test('a drain: 1012, each at a moment of its own, in time for the node to end by itself', async (t) => {
    const gateway = await Gateway.start(t, ['--drain-ms', '4000']);
    const readers = [];
    for (let n = 0; n < 20; n++) readers.push(await Plain.connect(t, gateway, '?raw=1&topic=a'));
    await reads(gateway, 20);
    gateway.signal('SIGTERM');
    const ends = await closedApart(readers, 1012);
    assert.match(ends[0].reason, /^drain retry_ms=/);
    assert.equal(readers.flatMap(({ messages }) => messages).length, 0);
    assert.equal((await within(gateway.exited, 15000, 'the end of the node')).code, 0);
  });
});

describe('topics with history', () => {
  const config = { topics: [{ match: 'orders.>', history: { size: 100, ttl_ms: 60000 } }] };
  const history = (topic, ...args) => ['FCALL', 'spillway_publish', '1', topic, ...args];

  test('messages are the payloads alone, an epoch is silent, and a reset closes', async (t) => {
    const redis = await Redis.start(t);
    const gateway = await Gateway.start(t, ['--bus', redis.url], { config });
    const resp = await redis.client(t);
    const plain = await Plain.connect(t, gateway, '?raw=1&topic=orders.a');
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('orders.a');
    await reads(gateway, 2);
    await resp.command(...history('orders.a', '{\n"n":1}'));
    await resp.command(...history('orders.a', ALL_BYTES, 'KEY', 'k'));
    assert.equal((await plain.next()).data.toString(), '{\n"n":1}');
    assert.deepEqual((await plain.next()).data, ALL_BYTES);

    const late = await Plain.connect(t, gateway, '?raw=1&topic=orders.a&last=2');
    assert.equal((await late.next()).data.toString(), '{\n"n":1}');
    assert.deepEqual((await late.next()).data, ALL_BYTES);

    await resp.command('FUNCTION', 'LOAD', 'REPLACE', source);
    await resp.command(...history('orders.a', 'renamed'));
    await client.next('epoch');
    assert.equal((await plain.next()).data.toString(), 'renamed');

    await resp.command('DEL', '{orders.a}:m', '{orders.a}:h');
    await resp.command(...history('orders.a', 'anew'));
    await client.next('reset');
    assert.equal((await within(plain.closed, 10000, 'the end')).code, 4033);
    assert.equal((await within(late.closed, 10000, 'the end')).code, 4033);
    await gateway.counted((metrics) => metrics.sum('spillway_closed_total', { reason: 'gap' }) === 2, 'both are counted');
    assert.ok(plain.messages.length >= 3 && plain.messages.every(({ data }) => !data.includes('"type"')));
  });
});

test('what is no message is a pong that nobody asked for, on the wire', async (t) => {
  const redis = await Redis.start(t);
  const gateway = await Gateway.start(t, ['--bus', redis.url, '--max-message-bytes', '1024']);
  const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws?topic=a', { 'Sec-WebSocket-Protocol': RAW });
  assert.equal(raw.upgraded.headers['sec-websocket-protocol'], RAW);
  await reads(gateway, 1);
  const resp = await redis.client(t);
  await resp.publish('a', 'one');
  await resp.publish('a', 'x'.repeat(1025));
  const frames = [await raw.frame(), await raw.frame()];
  assert.deepEqual(
    frames.map(({ opcode, payload }) => [opcode, payload.toString()]),
    [
      [OPCODE.text, 'one'],
      [OPCODE.pong, ''],
    ],
  );
  assert.equal((await raw.closeFrame()).code, 4033);
});

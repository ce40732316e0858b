// SPDX-License-Identifier: Apache-2.0
//
// Streams over Server-Sent Events: the same sessions, policies and accounts as over WebSocket, in bytes that any EventSource reads; and
// refusals that one understands.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { before, describe, test } from 'node:test';
import { EventSource } from 'eventsource';
import { Client } from '../harness/client.mjs';
import { EventStream } from '../harness/events.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Guests } from '../harness/guests.mjs';
import { seconds } from '../harness/jwt.mjs';
import { RawSocket } from '../harness/raw.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { Mailbox, until, within } from '../harness/until.mjs';

const total = (frames, reason) =>
  frames.filter((frame) => frame.type === 'dropped' && frame.reason === reason).reduce((sum, { count }) => sum + count, 0);
const messages = (stream, topic) => stream.frames.filter((frame) => frame.type === 'msg' && frame.topic === topic);

// A stream that has its subscriptions.
async function stream(t, gateway, query, options) {
  const opened = await EventStream.open(t, gateway.port, query, options);
  assert.equal(opened.status, 200);
  await opened.next('welcome');
  while (!(await opened.next('subscribed')).done);
  return opened;
}

async function publish(gateway, topic, count, { key = () => undefined, pad = 0, from = 0 } = {}) {
  const padding = 'x'.repeat(pad);
  for (let at = from; at < from + count; at += 100) {
    const batch = Array.from({ length: Math.min(100, from + count - at) }, (_, i) => ({
      topic,
      key: key(at + i),
      data: { n: at + i, pad: padding },
    }));
    assert.equal((await gateway.post('/v1/publish', batch)).status, 200);
  }
}

const open = (metrics) => metrics.sum('spillway_connections', { transport: 'sse' });
const closed = (gateway, reason, count) =>
  gateway.counted((metrics) => metrics.sum('spillway_closed_total', { reason }) === count, `${count} closed: ${reason}`);

describe('a stream', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--ping-ms', '1000', '--linger-ms', '1000']);
  });

  test('is these bytes, and not one more', async (t) => {
    const raw = await RawSocket.connect(t, gateway.port);
    raw.write('GET /v1/sse?topic=bytes.a&topic=bytes.%3E HTTP/1.1\r\nHost: x\r\nOrigin: http://elsewhere\r\n\r\n');
    const head = await raw.until('\r\n\r\n');
    assert.deepEqual(head.split('\r\n').slice(0, -2), [
      'HTTP/1.1 200 OK',
      'Content-Type: text/event-stream',
      'Connection: close',
      'Access-Control-Allow-Origin: *',
      'Cache-Control: no-store',
      'X-Accel-Buffering: no',
    ]);
    assert.match(await raw.until('\n\n'), /^retry: \d{3,4}\n\n$/);
    const welcome = await raw.until('\n\n');
    assert.match(welcome, /^data: \{"type":"welcome","session":"\w{11}","node":"[\w-]+","heartbeat_ms":1000,/);
    assert.match(welcome, /"limits":\{"frame":65536,"topics":32\}/);
    const entries = ['bytes.a', 'bytes.>'].map((topic) => `{"topic":"${topic}","recoverable":false}`);
    assert.equal(await raw.until('\n\n'), `data: {"type":"subscribed","done":true,"subs":[${entries}]}\n\n`);
    await gateway.publish('bytes.a', '{"px":\r\n1.250}');
    const bytes = '{"type":"msg","topic":"bytes.a","data":{"px":  1.250}}';
    const both = [await raw.until('\n\n'), await raw.until('\n\n')].sort();
    assert.deepEqual(both, [`data: ${bytes.replace('"data"', '"sub":"bytes.>","data"')}\n\n`, `data: ${bytes}\n\n`].sort());
    await gateway.publish('bytes.b', 'two\nlines');
    assert.equal(await raw.until('\n\n'), 'data: {"type":"msg","topic":"bytes.b","sub":"bytes.>","text":"two\\nlines"}\n\n');
    const listed = (await gateway.get('/v1/connections')).json.connections;
    assert.deepEqual(
      listed.map(({ transport, topics, state }) => ({ transport, topics, state })),
      [{ transport: 'sse', topics: 2, state: 'open' }],
    );
  });

  test('is one more reader of a topic, beside the WebSocket ones, and counted alike', async (t) => {
    const before = await gateway.metrics();
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('both');
    const events = await stream(t, gateway, 'topic=both');
    await publish(gateway, 'both', 200);
    await client.received('both', 200);
    await until(() => messages(events, 'both').length === 200, 5000, 'all messages');
    assert.deepEqual(
      messages(events, 'both').map(({ data }) => data.n),
      Array.from({ length: 200 }, (_, n) => n),
    );
    const metrics = await gateway.counted(({ law }) => law.holds && law.behind === 0, 'all sent');
    assert.equal(metrics.sum('spillway_sent_total') - before.sum('spillway_sent_total'), 400);
    const { topics } = (await gateway.get('/v1/topics?match=both')).json;
    assert.deepEqual([topics.length, topics[0].topic, topics[0].subscribers], [1, 'both', 2]);
    assert.equal((await gateway.get('/v1/topics?match=both&limit=1')).json.topics[0].subscribers, 2);
  });

  test('hears comments while nothing else comes, and is not pinged', async (t) => {
    const events = await stream(t, gateway, 'topic=idle');
    await until(() => events.comments >= 2, 10000, 'two comments');
    assert.match(events.text, /\n\n:\n\n:\n\n$/);
    assert.ok(!events.frames.some(({ type }) => type === 'hb'));
  });

  test('that its client leaves is gone at once; what it says is counted, and not heard', async (t) => {
    const alone = await gateway.counted((metrics) => open(metrics) === 0, 'the streams of other tests gone');
    const before = alone.sum('spillway_closed_total', { reason: 'gone' });
    const raw = await RawSocket.connect(t, gateway.port);
    const behind = 'GET /v1/sse?topic=again HTTP/1.1\r\nHost: x\r\n\r\n';
    raw.write(`GET /v1/sse?topic=gone HTTP/1.1\r\nHost: x\r\n\r\n${behind}`);
    await raw.until('"subscribed"');
    raw.write(behind);
    const ignored = (metrics) => metrics.sum('spillway_sse_ignored_bytes_total');
    await gateway.counted((metrics) => ignored(metrics) === 2 * behind.length, 'bytes that were ignored');
    assert.equal(open(await gateway.metrics()), 1);
    raw.socket.end();
    await closed(gateway, 'gone', before + 1);
    assert.equal(open(await gateway.metrics()), 0);
    assert.equal((await gateway.metrics()).sum('spillway_bad_requests_total'), 0);
  });

  test('more of it than client_bytes is 4029', async (t) => {
    const own = await Gateway.start(t, ['--workers', '1', '--client-bytes', '2000', '--linger-ms', '500']);
    const raw = await RawSocket.connect(t, own.port);
    raw.write('GET /v1/sse?topic=flood HTTP/1.1\r\nHost: x\r\n\r\n');
    await raw.until('"subscribed"');
    raw.write('x'.repeat(20000));
    await own.counted((metrics) => metrics.sum('spillway_sse_ignored_bytes_total') === 20000, 'what may come at once');
    await own.publish('flood', '"still there"');
    await raw.until('"still there"');
    raw.write('x');
    assert.match(await raw.until('rate limit client_messages or client_bytes'), /"code":4029/);
    await closed(own, 'rate', 1);
    assert.equal((await own.metrics()).sum('spillway_sse_ignored_bytes_total'), 20001);
  });

  test('reads up to 32 topics; what is wrong with one of them is told in its entry', async (t) => {
    const topics = Array.from({ length: 31 }, (_, at) => `many.${at}`);
    const events = await EventStream.open(t, gateway.port, ['a..b', ...topics].map((topic) => `topic=${topic}`).join('&'));
    const entries = [];
    for (let frame = {}; !frame.done; entries.push(...frame.subs)) frame = await events.next('subscribed');
    assert.deepEqual(entries.filter(({ error }) => error).map(({ topic, error }) => [topic, error.code]), [['a..b', 'bad_topic']]);
    assert.equal(entries.length, 32);
    for (const topic of topics) await gateway.publish(topic, '1');
    await until(() => events.frames.filter(({ type }) => type === 'msg').length === 31, 5000, 'one of each');
  });

  const WRONG = [
    ['no topic', '', 'bad_request', /topic=/],
    ['33 topics', 'topic=a&'.repeat(33), 'too_many_topics', /32/],
    ['a cursor of another length', 'topic=a&from=Qx7:1,Qx7:2', 'bad_request', /from/],
    ['no cursor', 'topic=a&from=a@Qx7:1', 'bad_request', /from/],
    ['a ticket', 'topic=a&ticket=x', 'unsupported', /tokens/],
  ];
  for (const [name, query, code, words] of WRONG) {
    test(`with ${name} is 400 in words, and the connection goes on`, async () => {
      const answer = await gateway.public('GET', `/v1/sse?${query}`, { headers: { Connection: 'keep-alive' } });
      assert.deepEqual([answer.status, answer.code, answer.headers.connection], [400, code, undefined]);
      assert.equal(answer.headers['access-control-allow-origin'], '*');
      assert.match(answer.json.error.message, words);
    });
  }

  test('is asked for by GET; a page may ask whether it may', async () => {
    const head = await gateway.public('HEAD', '/v1/sse?topic=a');
    assert.deepEqual([head.status, head.headers['content-type'], head.headers['content-length']], [200, 'text/event-stream', undefined]);
    const post = await gateway.public('POST', '/v1/sse?topic=a', { body: '' });
    assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD, OPTIONS']);
    const preflight = await gateway.public('OPTIONS', '/v1/sse', { headers: { Origin: 'http://x' } });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers['access-control-allow-headers'], 'Authorization, Content-Type, Last-Event-ID');
  });

  test('is closed by an operator, who has the last word in it', async (t) => {
    const events = await stream(t, gateway, 'topic=closed');
    const { session } = events.frames[0];
    const order = { session, code: 4700, reason: 'say "bye"' };
    assert.equal((await gateway.post('/v1/disconnect', order)).json.disconnected, 1);
    assert.equal((await events.next('closed')).raw, '{"type":"closed","code":4700,"reason":"say \\"bye\\"","retry":false}');
    assert.equal(await events.end(), 'end');
    const topic = await stream(t, gateway, 'topic=closed');
    assert.equal((await gateway.post('/v1/disconnect', { topic: 'closed' })).json.disconnected, 1);
    const last = await topic.next('closed');
    assert.deepEqual([last.code, last.retry], [4000, true]);
    assert.equal(await topic.end(), 'end');
  });
});

describe('readers of other makes', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope);
  });

  test('curl -N shows each event as it comes', async (t) => {
    const curl = spawn('curl', ['-sN', `http://127.0.0.1:${gateway.port}/v1/sse?topic=curl`], { stdio: ['ignore', 'pipe', 'inherit'] });
    atEnd(t, () => curl.kill());
    let out = '';
    curl.stdout.on('data', (chunk) => (out += chunk));
    await until(() => out.includes('"subscribed"'), 5000, 'the subscription');
    for (const n of [1, 2]) {
      await gateway.publish('curl', `${n}`);
      await until(() => out.endsWith(`data: {"type":"msg","topic":"curl","data":${n}}\n\n`), 5000, `message ${n} in ${out}`);
    }
  });

  test('EventSource of npm: frames by onmessage, and it comes back by itself', async (t) => {
    const source = new EventSource(`http://127.0.0.1:${gateway.port}/v1/sse?topic=npm&mode=latest`);
    atEnd(t, () => source.close());
    const inbox = new Mailbox();
    source.onmessage = ({ data, type, lastEventId }) => inbox.put({ ...JSON.parse(data), event: type, lastEventId });
    const next = (type) => inbox.take((frame) => frame.type === type, 10000, type);
    const welcome = await next('welcome');
    await next('subscribed');
    await gateway.publish('npm', '{"a":1}');
    const { data, event, lastEventId } = await next('msg');
    assert.deepEqual([data, event, lastEventId], [{ a: 1 }, 'message', '']);
    await gateway.post('/v1/disconnect', { session: welcome.session });
    assert.equal((await next('closed')).code, 4000);
    assert.notEqual((await next('welcome')).session, welcome.session);
    await next('subscribed');
    await gateway.publish('npm', '{"a":2}');
    assert.deepEqual((await next('msg')).data, { a: 2 });
  });
});

describe('a reader that is behind', () => {
  const pads = 2000;

  // A stream that stops reading, and goes on when it is told.
  async function stuck(t, gateway, query) {
    const events = await stream(t, gateway, query);
    events.response.pause();
    return events;
  }

  test('is told what it missed, where it is missing', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1']);
    const events = await stuck(t, gateway, 'topic=slow');
    let n = 0;
    await until(
      async () => {
        await publish(gateway, 'slow', 200, { pad: pads, from: n });
        n += 200;
        return (await gateway.metrics()).sum('spillway_shed_total', { reason: 'slow' }) > 0;
      },
      15000,
      'something was shed',
    );
    events.response.resume();
    await until(() => messages(events, 'slow').length + total(events.frames, 'slow') === n, 10000, `all of ${n}`);
    let expected = 0;
    for (const frame of events.frames.filter(({ type }) => type === 'msg' || type === 'dropped')) {
      if (frame.type === 'msg') assert.equal(frame.data.n, expected);
      expected += frame.type === 'msg' ? 1 : frame.count;
    }
    const { law } = await gateway.counted(({ law: { behind } }) => behind === 0, 'nothing behind');
    assert.deepEqual([law.due, law.sent, law.shed], [n, messages(events, 'slow').length, total(events.frames, 'slow')]);
  });

  test('with mode=latest gets the newest of each key', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1']);
    const events = await stuck(t, gateway, 'topic=board&mode=latest');
    let n = 0;
    await until(
      async () => {
        await publish(gateway, 'board', 200, { pad: pads, from: n, key: (at) => `k${at % 10}` });
        n += 200;
        return (await gateway.metrics()).sum('spillway_pressured_sessions') > 0;
      },
      15000,
      'pressure',
    );
    await publish(gateway, 'board', 200, { pad: pads, from: n, key: (at) => `k${at % 10}` });
    n += 200;
    events.response.resume();
    await until(() => messages(events, 'board').length + total(events.frames, 'conflated') === n, 10000, `all of ${n}`);
    assert.ok(total(events.frames, 'conflated') > 0);
    const newest = new Map(messages(events, 'board').map(({ key, data }) => [key, data.n]));
    assert.deepEqual([...newest].sort(), Array.from({ length: 10 }, (_, at) => [`k${at}`, n - 10 + at]));
  });

  test('or asks for max_hz is paced', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1']);
    const events = await stream(t, gateway, 'topic=pace&max_hz=5');
    await publish(gateway, 'pace', 300);
    await until(() => messages(events, 'pace').length + total(events.frames, 'paced') === 300, 5000, 'all, or told');
    assert.equal(messages(events, 'pace').at(-1).data.n, 299);
    assert.ok(messages(events, 'pace').length < 30, `${messages(events, 'pace').length} messages`);
  });

  test('and takes nothing for stall_ms is given up', async (t) => {
    const gateway = await Gateway.start(t, ['--ping-ms', '1000', '--pong-ms', '1000', '--stall-ms', '1500', '--linger-ms', '200']);
    const events = await stuck(t, gateway, 'topic=dead');
    await publish(gateway, 'dead', 3000, { pad: pads });
    await closed(gateway, 'stalled', 1);
    events.response.resume();
    assert.notEqual(await events.end(), undefined);
    await gateway.counted((metrics) => open(metrics) === 0, 'nobody left');
  });
});

describe('tokens', () => {
  const scope = suiteScope();
  let guests;
  before(async () => {
    guests = await Guests.start(scope, ['--workers', '1']);
  });
  const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });
  const refusal = async (query, options) => {
    const { status, json, headers } = await guests.gateway.public('GET', `/v1/sse?${query}`, options);
    assert.equal(headers['access-control-allow-origin'], '*');
    return [status, json.error.code, json.error.retry];
  };

  test('open a stream of what they grant', async (t) => {
    const token = guests.token('ann', { sub: ['a.*'], auto: ['mine'] }, { exp: seconds(600) });
    const events = await EventStream.open(t, guests.gateway.port, 'topic=a.b&topic=c', bearer(token));
    const welcome = await events.next('welcome');
    assert.ok(welcome.expires_in > 590 && welcome.expires_in <= 600, welcome.raw);
    const entries = [];
    await until(
      async () => {
        entries.push(...(await events.next('subscribed')).subs);
        return entries.length === 3;
      },
      5000,
      'three entries',
    );
    const byTopic = Object.fromEntries(entries.map(({ topic, error }) => [topic, error?.code]));
    assert.deepEqual(byTopic, { mine: undefined, 'a.b': undefined, c: 'forbidden' });
    const listed = (await guests.gateway.get('/v1/connections')).json.connections;
    assert.equal(listed.find(({ session }) => session === welcome.session).user, 'ann');
    await guests.gateway.publish('mine', '1');
    assert.equal((await events.next('msg')).topic, 'mine');
  });

  test('say nothing of what is no topic: that is told in its own entry', async (t) => {
    const token = guests.token('ann', { sub: ['a.*'] });
    for (const bad of ['a..b', '%zz', '%ff']) {
      const events = await EventStream.open(t, guests.gateway.port, `topic=${bad}`, bearer(token));
      const { subs } = await events.next('subscribed');
      assert.deepEqual(subs.map(({ error }) => error?.code), ['bad_topic']);
    }
  });

  test('that are missing, bad, expired or of no use are refused for good', async () => {
    assert.deepEqual(await refusal('topic=a'), [401, 'unauthorized', false]);
    assert.deepEqual(await refusal('topic=a', bearer('bad')), [401, 'unauthorized', false]);
    const late = guests.token('ann', { sub: ['a'] }, { exp: seconds(-60) });
    assert.deepEqual(await refusal('topic=a', bearer(late)), [401, 'token_expired', false]);
    const leeway = guests.token('ann', { sub: ['a'] }, { exp: seconds(-1) });
    assert.deepEqual(await refusal('topic=a', bearer(leeway)), [401, 'token_expired', false]);
    const other = guests.token('ann', { sub: ['b'] });
    assert.deepEqual(await refusal('topic=a&topic=c', bearer(other)), [403, 'forbidden', false]);
    assert.deepEqual(await refusal('topic=a&ticket=x', bearer(other)), [400, 'unsupported', false]);
    assert.equal(open(await guests.gateway.metrics()), 0);
  });

  test('that end while the stream lasts are told before, and are its end', async (t) => {
    const token = guests.token('ann', { sub: ['a'] }, { exp: seconds(3) });
    const events = await EventStream.open(t, guests.gateway.port, 'topic=a', bearer(token));
    assert.ok((await events.next('expiring')).in_ms > 0);
    assert.equal((await events.next('closed')).raw, '{"type":"closed","code":4001,"reason":"token_expired","retry":true}');
    assert.equal(await events.end(), 'end');
    await guests.closed('token_expired', 1);
  });
});

describe('who may come', () => {
  test('pages of the allow-list only, where there is one', async (t) => {
    const gateway = await Gateway.start(t, ['--origin', 'https://app.example']);
    const options = (origin) => ({ headers: { Origin: origin } });
    const events = await EventStream.open(t, gateway.port, 'topic=a', options('https://app.example'));
    assert.deepEqual([events.headers['access-control-allow-origin'], events.headers.vary], ['https://app.example', 'Origin']);
    const refused = await gateway.public('GET', '/v1/sse?topic=a', options('https://evil.example'));
    assert.deepEqual([refused.status, refused.code], [403, 'forbidden']);
    assert.equal(refused.headers['access-control-allow-origin'], undefined);
  });

  test('no more of one address than it may have', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1', '--max-connections-per-address', '2']);
    const two = [await stream(t, gateway, 'topic=a'), await stream(t, gateway, 'topic=a')];
    const refused = await gateway.public('GET', '/v1/sse?topic=a');
    assert.deepEqual([refused.status, refused.code], [429, 'rate_limited']);
    assert.equal((await gateway.metrics()).sum('spillway_refused_total', { reason: 'address' }), 1);
    two[0].leave();
    await closed(gateway, 'gone', 1);
    await stream(t, gateway, 'topic=a');
  });

  test('a full node puts streams off, each for a time of its own, and an EventSource comes back', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1', '--max-connections', '1']);
    const first = await stream(t, gateway, 'topic=a');
    const retries = new Set();
    for (let n = 0; n < 5; n++) {
      const refused = await EventStream.open(t, gateway.port, 'topic=a');
      assert.deepEqual([refused.status, refused.headers['content-type']], [200, 'text/event-stream']);
      assert.equal((await refused.next()).raw, '{"type":"closed","code":1013,"reason":"overloaded","retry":true}');
      assert.equal(await refused.end(), 'end');
      assert.ok(refused.retries[0] >= 5000 && refused.retries[0] < 10000, `${refused.retries}`);
      retries.add(refused.retries[0]);
    }
    assert.ok(retries.size > 1, `all in ${[...retries]} ms`);
    assert.equal((await gateway.public('GET', '/v1/ws')).status, 503);
    assert.equal((await gateway.metrics()).sum('spillway_refused_total', { reason: 'full' }), 6);
    first.leave();
  });

  test('behind a balancer a full node says so to it', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1', '--max-connections', '1', '--trusted-proxy', '10.0.0.0/8']);
    await stream(t, gateway, 'topic=a');
    assert.equal((await gateway.public('GET', '/v1/sse?topic=a')).status, 503);
  });

  test('who comes too often by a trusted proxy is put off', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1', '--trusted-proxy', '127.0.0.1', '--handshakes-per-address', '1']);
    const options = { headers: { 'X-Forwarded-For': '203.0.113.7' } };
    await stream(t, gateway, 'topic=a', options);
    await stream(t, gateway, 'topic=a', options);
    const late = await EventStream.open(t, gateway.port, 'topic=a', options);
    assert.deepEqual([(await late.next()).code, await late.end()], [1013, 'end']);
    assert.ok(late.retries[0] > 0 && late.retries[0] <= 2000, `${late.retries}`);
  });
});

test('a node that leaves tells each stream when to come back, delivers, and ends it behind its data', async (t) => {
  const gateway = await Gateway.start(t, ['--workers', '1', '--drain-ms', '2000']);
  const streams = [];
  while (streams.length < 8) streams.push(await stream(t, gateway, 'topic=leaving'));
  gateway.signal('SIGTERM');
  for (const events of streams) {
    const { raw } = await events.next('drain');
    assert.equal(raw, '{"type":"drain","reason":"shutdown","reconnect_ms":[480,960],"close_ms":1200}');
    assert.equal(events.retries.length, 2);
  }
  await gateway.publish('leaving', '"late"');
  const drawn = streams.map(({ retries }) => retries[1]);
  assert.ok(drawn.every((ms) => ms >= 480 && ms <= 960) && new Set(drawn).size > 1, `${drawn}`);
  for (const events of streams) {
    assert.equal((await events.next('msg')).data, 'late');
    assert.equal((await events.next('closed')).raw, '{"type":"closed","code":1012,"reason":"drain retry_ms=500-8000","retry":true}');
    assert.equal(await events.end(), 'end');
  }
  const end = await gateway.log(({ event }) => event === 'drained');
  assert.deepEqual([end.left, end.closed, end.reset, end.other], [0, 8, 0, 0]);
  assert.deepEqual(await within(gateway.exited, 10000, 'the end'), { code: 0, signal: null });
});

// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1 on both listeners: what is served, what is refused and with which words, and who may ask the admin listener.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { RawSocket, upgradeRequest } from '../harness/raw.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { LONG } from '../harness/setting.mjs';
import { within } from '../harness/until.mjs';

const suite = (name, args, tests) =>
  describe(name, () => {
    const scope = suiteScope();
    let gateway;
    before(async () => {
      gateway = await Gateway.start(scope, args);
    });
    tests(() => gateway);
  });

// Sends a request by hand and returns its response; `closes` insists that the connection ends behind it.
async function byHand(t, port, request, { closes = false, ...options } = {}) {
  const raw = await RawSocket.connect(t, port);
  raw.write(request);
  const response = await raw.response(options);
  if (closes) await within(raw.ended, 5000, 'the end of the connection');
  return response;
}

suite('the public listener', [], (gateway) => {
  test('an unknown path is 404 with an error in JSON', async () => {
    const answer = await gateway().public('GET', '/v1/nothing');
    assert.equal(answer.status, 404);
    assert.equal(answer.code, 'not_found');
    assert.equal(answer.json.error.retry, false);
    assert.equal(typeof answer.json.error.message, 'string');
  });

  test('a wrong method is 405 and Allow names the right one', async () => {
    for (const [method, path, allow] of [
      ['POST', '/v1/ws', 'GET'],
      ['GET', '/v1/publish', 'POST'],
      ['DELETE', '/v1/publish', 'POST'],
    ]) {
      const answer = await gateway().public(method, path);
      assert.equal(answer.status, 405, `${method} ${path}`);
      assert.equal(answer.code, 'bad_method');
      assert.ok(answer.headers.allow.split(/, */).includes(allow), answer.headers.allow);
    }
  });

  test('POST /v1/topics on the public port says where the admin listener is', async () => {
    const answer = await gateway().public('POST', '/v1/topics/orders.eu', { body: '{"id":7}' });
    assert.equal(answer.status, 404);
    assert.match(answer.json.error.message, /admin/);
    assert.ok(answer.text.includes(gateway().admin), answer.text);
  });

  test('but not to who comes from elsewhere', async () => {
    const headers = { 'X-Forwarded-For': '192.0.2.1' };
    const answer = await gateway().public('POST', '/v1/topics/orders.eu', { body: '{"id":7}', headers });
    assert.equal(answer.status, 404);
    assert.equal(answer.json.error.message, "this is the admin listener's");
  });

  test('a GET on /v1/ws that is no upgrade is refused in words', async () => {
    const answer = await gateway().public('GET', '/v1/ws');
    assert.ok([400, 426].includes(answer.status), String(answer.status));
    assert.ok(answer.code);
  });

  test('a wrong WebSocket version is 426 and names 13', async (t) => {
    for (const version of ['8', '12', '14']) {
      const { status, headers } = await byHand(t, gateway().port, upgradeRequest('/v1/ws', { 'Sec-WebSocket-Version': version }));
      assert.equal(status, 426);
      assert.equal(headers['sec-websocket-version'], '13');
    }
  });

  test('an upgrade without a key, or with a bad one, is 400', async (t) => {
    for (const key of [undefined, 'short', 'not*base64*not*base64*==']) {
      const { status } = await byHand(t, gateway().port, upgradeRequest('/v1/ws', { 'Sec-WebSocket-Key': key }));
      assert.equal(status, 400, String(key));
    }
  });

  test('a token is unsupported, never ignored, wherever it stands', async (t) => {
    const protocol = (value) => ({ 'Sec-WebSocket-Protocol': value });
    for (const [path, headers] of [
      ['/v1/ws', { Authorization: 'Bearer a.b.c' }],
      ['/v1/ws', { authorization: 'bearer a.b.c' }],
      ['/v1/ws', protocol('bearer.a.b.c')],
      ['/v1/ws', protocol('spillway.v1.json, bearer.a.b.c')],
      ['/v1/ws?ticket=abc', {}],
      ['/v1/ws?topic=a&ticket=', {}],
    ]) {
      const { status, body } = await byHand(t, gateway().port, upgradeRequest(path, headers));
      const { error } = JSON.parse(body);
      assert.deepEqual([status, error.code, error.retry], [400, 'unsupported', false], `${path} ${JSON.stringify(headers)}`);
      assert.match(error.message, /takes no tokens/);
    }
    const publish = { headers: { Authorization: 'Bearer a.b.c' }, body: { topic: 'http.token', data: 1 } };
    assert.equal((await gateway().public('POST', '/v1/publish', publish)).code, 'unsupported');
  });

  test('what a proxy in front says for itself does not break an upgrade', async (t) => {
    for (const headers of [
      { Authorization: 'Basic dXNlcjpwYXNz' },
      { Authorization: 'BearerLike x' },
      { 'Sec-WebSocket-Protocol': 'bearers, spillway.v1.json' },
    ]) {
      const { status } = await byHand(t, gateway().port, upgradeRequest('/v1/ws?tickets=1', headers));
      assert.equal(status, 101, JSON.stringify(headers));
    }
  });

  test('an upgrade in HTTP/1.0 is 400', async (t) => {
    const { status } = await byHand(t, gateway().port, upgradeRequest('/v1/ws', {}, { version: '1.0' }), { closes: true });
    assert.equal(status, 400);
  });

  test('header names and the words of an upgrade are read without regard to case', async (t) => {
    const headers = { Upgrade: undefined, Connection: undefined, upgrade: 'WebSocket', connection: 'keep-alive, UPGRADE' };
    assert.equal((await byHand(t, gateway().port, upgradeRequest('/v1/ws', headers))).status, 101);
  });

  test('framing in doubt is 400 and the connection is closed', async (t) => {
    const body = 'Host: x\r\nContent-Length: 5\r\n';
    const doubtful = {
      'Content-Length beside Transfer-Encoding': `POST /v1/publish HTTP/1.1\r\n${body}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      'two different Content-Lengths': `POST /v1/publish HTTP/1.1\r\n${body}Content-Length: 6\r\n\r\nhello`,
      'a Content-Length that is no number': 'POST /v1/publish HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello',
      'a folded header': 'GET /v1/ws HTTP/1.1\r\nHost: x\r\nX-Folded: one\r\n two\r\n\r\n',
      'a space before the colon': 'GET /v1/ws HTTP/1.1\r\nHost : x\r\n\r\n',
      'a bare line feed': 'GET /v1/ws HTTP/1.1\nHost: x\n\n',
      'a chunk size that is no number': 'POST /v1/publish HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      'no HTTP at all': 'hello there\r\n\r\n',
    };
    for (const [name, request] of Object.entries(doubtful)) {
      const { status } = await byHand(t, gateway().port, request, { closes: true });
      assert.equal(status, 400, name);
    }
  });

  test('a head above 16 KB, or of more than 64 headers, is 431 and the connection is closed', async (t) => {
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`X-${at}`, '1']));
    for (const headers of [{ 'X-Long': 'x'.repeat(17000) }, many]) {
      const { status } = await byHand(t, gateway().port, upgradeRequest('/v1/ws', headers), { closes: true });
      assert.equal(status, 431);
    }
    const fits = { 'X-Long': 'x'.repeat(15000), ...Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`X-${at}`, '1'])) };
    assert.equal((await byHand(t, gateway().port, upgradeRequest('/v1/ws', fits))).status, 101);
  });

  test('a path above 16 KB is refused and the connection is closed', async (t) => {
    const { status } = await byHand(t, gateway().port, upgradeRequest(`/v1/ws?topic=${'x'.repeat(17000)}`), { closes: true });
    assert.ok([414, 431].includes(status), String(status));
  });

  test('a request that comes byte by byte is served', async (t) => {
    const raw = await RawSocket.connect(t, gateway().port);
    await raw.trickle(upgradeRequest('/v1/ws'));
    assert.equal((await raw.response()).status, 101);
  });

  test('pipelined requests are answered in order, one after another', async (t) => {
    const raw = await RawSocket.connect(t, gateway().port);
    raw.write('GET /v1/none HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/publish HTTP/1.1\r\nHost: x\r\n\r\n' + upgradeRequest('/v1/ws'));
    assert.deepEqual(
      [(await raw.response()).status, (await raw.response()).status, (await raw.response()).status],
      [404, 405, 101],
    );
    assert.equal((await raw.json()).type, 'welcome');
  });

  test('who asks and resets the connection is not waited for', async (t) => {
    for (let i = 0; i < 300; i++) {
      const raw = await RawSocket.connect(t, gateway().port);
      raw.write('GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n');
      raw.socket.resetAndDestroy();
    }
    await gateway().counted((metrics) => metrics.sum('spillway_connections', { transport: 'http' }) === 0, 'nobody is left');
  });

  test('a body that is announced far too large is 413 before it is sent, and the connection is closed', async (t) => {
    const request = 'POST /v1/publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n';
    const { status } = await byHand(t, gateway().port, request, { closes: true });
    assert.equal(status, 413);
  });

  test('a preflight allows what a page needs', async () => {
    const headers = {
      Origin: 'https://example.com',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'content-type',
    };
    const answer = await gateway().public('OPTIONS', '/v1/publish', { headers });
    assert.ok([200, 204].includes(answer.status), String(answer.status));
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    const allowed = answer.headers['access-control-allow-headers'].toLowerCase().split(/, */);
    for (const name of ['authorization', 'content-type', 'last-event-id']) assert.ok(allowed.includes(name), name);
    assert.match(answer.headers['access-control-allow-methods'], /POST/);
  });

  test('POST /v1/publish is open to loopback, and closed to pages of foreign origins', async (t) => {
    const client = await Client.connect(t, gateway().url);
    await client.subscribe('http.public');
    const body = { topic: 'http.public', data: 1 };
    for (const [headers, status] of [
      [{}, 200],
      [{ Origin: 'http://localhost:5173' }, 200],
      [{ Origin: 'https://example.com' }, 403],
      [{ Origin: 'null' }, 403],
    ]) {
      const answer = await gateway().public('POST', '/v1/publish', { headers, body });
      assert.equal(answer.status, status, JSON.stringify(headers));
      if (headers.Origin) assert.equal(answer.headers['access-control-allow-origin'], '*');
    }
    await client.received('http.public', 2);
    await client.flushed();
    assert.equal(client.of('http.public').length, 2);
  });

  test('who may not publish is told on the head, and its body is not read', async (t) => {
    const raw = await RawSocket.connect(t, gateway().port);
    raw.write('POST /v1/publish HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://example.com\r\nContent-Length: 8000000\r\n\r\n');
    const { status, headers, body } = await raw.response();
    assert.equal(status, 403);
    assert.equal(JSON.parse(body).error.code, 'forbidden');
    assert.equal(headers['access-control-allow-origin'], '*');
    assert.equal(headers.connection, 'close');
    // What still comes is thrown away, so that no reset overtakes the answer.
    raw.write(Buffer.alloc(4_000_000, 0x20));
    assert.equal(await within(raw.ended, 5000, 'the end of the connection'), 'end');
  });

  test('a half request is closed at the deadline of 10 s', { skip: !LONG && 'takes 10 s: only in long runs' }, async (t) => {
    const raw = await RawSocket.connect(t, gateway().port);
    const silent = await RawSocket.connect(t, gateway().port);
    const began = performance.now();
    raw.write('GET /v1/ws HTTP/1.1\r\nHost: x\r\n');
    await within(Promise.all([raw.ended, silent.ended]), 15000, 'the deadline of a head');
    assert.ok(performance.now() - began > 8000);
  });
});

suite('the public listener with --origin', ['--origin', 'https://app.example', '--client-publish'], (gateway) => {
  const preflight = (origin) =>
    gateway().public('OPTIONS', '/v1/publish', {
      headers: { Origin: origin, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'content-type' },
    });
  const publish = (origin) =>
    gateway().public('POST', '/v1/publish', { headers: origin && { Origin: origin }, body: { topic: 'http.origin', data: 1 } });

  test('a page on the list gets its preflight and its answer, each with its own name', async () => {
    const asked = await preflight('https://app.example');
    assert.equal(asked.status, 204);
    assert.match(asked.headers['access-control-allow-methods'], /POST/);
    assert.match(asked.headers['access-control-allow-headers'], /Content-Type/);
    const answer = await publish('https://app.example');
    assert.equal(answer.status, 200);
    for (const { headers } of [asked, answer]) {
      assert.equal(headers['access-control-allow-origin'], 'https://app.example');
      assert.equal(headers.vary, 'Origin');
    }
  });

  test('a page that is not on the list gets 403 to both, and nothing that lets it read', async () => {
    for (const origin of ['https://example.com', 'https://app.example.com', 'null']) {
      for (const answer of [await preflight(origin), await publish(origin)]) {
        assert.equal(answer.status, 403, origin);
        assert.equal(answer.code, 'forbidden');
        assert.equal(answer.headers['access-control-allow-origin'], undefined);
        assert.equal(answer.headers.vary, 'Origin');
      }
    }
    assert.equal((await publish()).status, 200, 'who sends no Origin is no page');
  });
});

suite('the admin listener', [], (gateway) => {
  const listening = async (t, topic) => {
    const client = await Client.connect(t, gateway().url);
    await client.subscribe(topic);
    return client;
  };

  test('/live, /ready and /metrics answer', async () => {
    assert.equal((await gateway().get('/live')).status, 200);
    const ready = await gateway().get('/ready');
    assert.equal(ready.status, 200);
    assert.deepEqual(ready.json, { status: 'ready', bus: 'up' });
    const metrics = await gateway().get('/metrics');
    assert.match(metrics.headers['content-type'], /^text\/plain/);
  });

  test('the metrics that may be relied on are there', async (t) => {
    const client = await listening(t, 'http.metrics');
    await gateway().publish('http.metrics', '1');
    await client.received('http.metrics', 1);
    const metrics = await gateway().counted((seen) => seen.sum('spillway_deliver_seconds_count') > 0, 'a delivery timed');
    const names = [
      'connections',
      'subscriptions',
      'messages_total',
      'due_total',
      'sent_total',
      'shed_total',
      'behind',
      'queued_bytes',
      'closed_total',
      'bus_up',
      'deliver_seconds',
      'build_info',
    ];
    for (const name of names) assert.ok(metrics.knows(`spillway_${name}`), `spillway_${name}`);
    assert.equal(metrics.sum('spillway_bus_up'), 1);
    assert.equal(metrics.sum('spillway_build_info'), 1);
    assert.ok(metrics.text.endsWith('\n'));
    const typed = [...metrics.text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name]) => name);
    assert.equal(new Set(typed).size, typed.length, 'each family is declared once');
    const buckets = [...metrics].filter(([series]) => series.startsWith('spillway_deliver_seconds_bucket'));
    assert.equal(buckets.at(-1)[1], metrics.sum('spillway_deliver_seconds_count'));
    assert.match(buckets.at(-1)[0], /le="\+Inf"/);
  });

  test('POST /v1/topics takes the bytes of any content type', async (t) => {
    const client = await listening(t, 'http.any');
    for (const type of [
      'application/json',
      'application/x-www-form-urlencoded',
      'text/plain',
      'application/octet-stream',
      undefined,
    ]) {
      assert.deepEqual(await gateway().publish('http.any', '{"id":7}', type && { 'Content-Type': type }), { topic: 'http.any' });
      assert.equal((await client.next('msg')).raw, '{"type":"msg","topic":"http.any","data":{"id":7}}');
    }
  });

  test('a chunked body is a body', async (t) => {
    const client = await listening(t, 'http.chunked');
    const request =
      'POST /v1/topics/http.chunked HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"i\r\n6;x=y\r\nd":42}\r\n0\r\n\r\n';
    assert.equal((await byHand(t, gateway().adminPort, request)).status, 200);
    assert.deepEqual((await client.next('msg')).data, { id: 42 });
  });

  test('a topic in the path is percent-decoded and judged', async (t) => {
    const client = await listening(t, 'büro.a[b]?');
    assert.equal((await gateway().publish('büro.a[b]?', '1')).topic, 'büro.a[b]?');
    await client.received('büro.a[b]?', 1);
    for (const path of ['a..b', 'a.*', 'a%00b', 'a%20b', '%ff', 'a%7Bb', '']) {
      const answer = await gateway().post(`/v1/topics/${path}`, '1');
      assert.ok(path === '' ? [400, 404].includes(answer.status) : answer.status === 400, `${path}: ${answer.status}`);
      if (path) assert.equal(answer.code, 'bad_topic', path);
    }
  });

  test('a payload of max_message_bytes is taken, one byte more is 413 too_large', async (t) => {
    const client = await listening(t, 'http.large');
    await gateway().publish('http.large', 'x'.repeat(262144));
    assert.equal((await client.next('msg')).text.length, 262144);
    const answer = await gateway().post('/v1/topics/http.large', 'x'.repeat(262145));
    assert.equal(answer.status, 413);
    assert.equal(answer.code, 'too_large');
    const batched = await gateway().post('/v1/publish', [
      { topic: 'http.large', data: 'x'.repeat(262143) },
      { topic: 'http.large', data: 1 },
    ]);
    assert.equal(batched.status, 200);
    assert.equal(batched.json.results[0].error.code, 'too_large');
    assert.equal((await client.next('msg')).data, 1);
  });

  test('POST /v1/publish takes one message', async (t) => {
    const client = await listening(t, 'http.one');
    const answer = await gateway().post('/v1/publish', '{"topic":"http.one","data":{"n":1.0},"key":"k1"}');
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json, { results: [{}] });
    const message = await client.next('msg');
    assert.equal(message.key, 'k1');
    assert.match(message.raw, /"data":\{"n":1\.0\}/);
  });

  test('POST /v1/publish takes up to 1,000 in order, each with its own outcome', async (t) => {
    const client = await listening(t, 'http.batch');
    const batch = Array.from({ length: 1000 }, (_, n) =>
      n % 100 === 50 ? { topic: 'http..batch', data: n } : { topic: 'http.batch', data: n },
    );
    const answer = await gateway().post('/v1/publish', batch);
    assert.equal(answer.status, 200);
    const { results } = answer.json;
    assert.equal(results.length, 1000);
    results.forEach((result, n) =>
      n % 100 === 50 ? assert.equal(result.error.code, 'bad_topic') : assert.deepEqual(result, {}),
    );
    await client.received('http.batch', 990);
    assert.deepEqual(
      client.of('http.batch').map(({ data }) => data),
      batch.map(({ data }) => data).filter((n) => n % 100 !== 50),
    );
    const tooMany = await gateway().post('/v1/publish', [...batch, { topic: 'http.batch', data: 0 }]);
    assert.ok([400, 413].includes(tooMany.status), String(tooMany.status));
    assert.ok(tooMany.code);
  });

  test('a publish body that is malformed is 400 bad_request', async () => {
    for (const body of [
      '',
      'hello',
      '{"topic":"a"}',
      '{"data":1}',
      '{"topic":7,"data":1}',
      '{"topic":"a","data":1,"data":2}',
      '{"topic":"a","data":1}x',
      '7',
    ]) {
      const answer = await gateway().post('/v1/publish', body);
      assert.equal(answer.status, 400, body);
      assert.equal(answer.code, 'bad_request', body);
    }
  });

  test('an idempotency id is 1 to 64 plain characters, and a bad one is told', async () => {
    const most = '!'.repeat(64);
    for (const id of ['a b', 'a;b', 'é', `${most}!`, '']) {
      const header = await gateway().post('/v1/topics/http.id', '1', { headers: { 'Idempotency-Key': id } });
      assert.equal(header.status, 400, id);
      assert.equal(header.code, 'bad_request', id);
      assert.match(header.json.error.message, /an idempotency id is 1 to 64 of '!' to '~' without ';'/);
    }
    assert.deepEqual((await gateway().post('/v1/topics/http.id', '1', { headers: { 'Idempotency-Key': most } })).json, {
      topic: 'http.id',
    });
    const ids = ['a b', 7, null, most, undefined];
    const batch = await gateway().post(
      '/v1/publish',
      ids.map((id) => ({ topic: 'http.id', data: 1, id })),
    );
    const { results } = batch.json;
    assert.match(results[0].error.message, /an idempotency id is/);
    for (const n of [1, 2]) assert.match(results[n].error.message, /"id" is a string/);
    assert.deepEqual(results.slice(3), [{}, {}]);
  });

  test('what is kept of a topic is looked up where it has history; a question that is none is told', async () => {
    const ask = (path) => gateway().get(`/v1/topics/${path}`);
    const refused = async (path, status, code, says) => {
      const answer = await ask(path);
      assert.equal(answer.status, status, path);
      assert.equal(answer.code, code, path);
      assert.match(answer.json.error.message, says);
    };
    await refused('http.plain/history', 404, 'no_history', /no topic rule gives this topic a history/);
    await refused('http.plain/history?from=Qx7:40&limit=500', 404, 'no_history', /no topic rule gives this topic a history/);
    await refused('http.plain', 404, 'not_found', /history/);
    await refused('history', 404, 'not_found', /history/);
    await refused('/history', 400, 'bad_topic', /empty/);
    await refused('http..x/history', 400, 'bad_topic', /empty token/);
    await refused('http.%3E/history', 400, 'bad_topic', /pattern/);
    await refused('http.%zz/history', 400, 'bad_topic', /percent-encoded/);
    for (const from of ['', 'Qx7', 'Qx7:-1', 'Q-7:1', 'Qx7:9007199254740992']) {
      await refused(`http.a/history?from=${from}`, 400, 'bad_request', /from is a position; .*from=Qx7:40/);
    }
    for (const limit of ['0', '501', 'x', '']) {
      await refused(`http.a/history?limit=${limit}`, 400, 'bad_request', /limit is a whole number from 1 to 500/);
    }
    await refused('http.a/history?since=1', 400, 'bad_request', /unknown/);
    assert.equal((await gateway().public('GET', '/v1/topics/http.a/history')).status, 404);
  });

  test('HEAD has the head of GET and no body, and the connection goes on', async (t) => {
    const raw = await RawSocket.connect(t, gateway().adminPort);
    raw.write('HEAD /live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    assert.equal((await raw.response({ bodyless: true })).status, 200);
    assert.equal((await raw.response()).status, 200);
  });

  test('404, 405 and 401 speak the language of errors', async () => {
    assert.equal((await gateway().get('/v1/nothing')).code, 'not_found');
    const wrong = await gateway().get('/v1/publish');
    assert.equal(wrong.status, 405);
    assert.equal(wrong.headers.allow.includes('POST'), true);
    assert.equal((await gateway().post('/live')).status, 405);
  });

  test('connections are kept alive between requests, and closed when asked', async (t) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    atEnd(t, () => agent.destroy());
    for (let n = 0; n < 5; n++) assert.equal((await gateway().post('/v1/topics/http.keep', String(n), { agent })).status, 200);
    const { headers } = await byHand(
      t,
      gateway().adminPort,
      'GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      { closes: true },
    );
    assert.equal(headers.connection, 'close');
  });

  test('a foreign Origin is 403 for all but probes and metrics', async () => {
    const headers = { Origin: 'https://example.com' };
    const answer = await gateway().post('/v1/topics/http.csrf', '1', { headers });
    assert.equal(answer.status, 403);
    assert.equal(answer.code, 'forbidden');
    assert.equal((await gateway().post('/v1/publish', { topic: 'http.csrf', data: 1 }, { headers })).status, 403);
    for (const path of ['/live', '/ready', '/metrics']) assert.equal((await gateway().get(path, { headers })).status, 200, path);
  });

  test('a Host that is no loopback name is 403, so that a rebound name reaches nothing', async () => {
    for (const host of [
      'example.com',
      `example.com:${gateway().adminPort}`,
      '127.0.0.1.example.com',
      'localhost.example.com',
      '10.0.0.1',
    ]) {
      assert.equal((await gateway().post('/v1/topics/http.host', '1', { headers: { Host: host } })).status, 403, host);
    }
    for (const host of ['localhost', `127.0.0.1:${gateway().adminPort}`, '[::1]', `[::1]:${gateway().adminPort}`]) {
      assert.equal((await gateway().post('/v1/topics/http.host', '1', { headers: { Host: host } })).status, 200, host);
    }
    assert.equal((await gateway().get('/ready', { headers: { Host: '10.1.2.3:9000' } })).status, 200);
  });
});

describe('the admin listener with an API key', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    const directory = mkdtempSync(join(tmpdir(), 'spillway-key-'));
    scope.after(() => rmSync(directory, { recursive: true }));
    const file = join(directory, 'key');
    writeFileSync(file, 's3cret-key\n', { mode: 0o600 });
    gateway = await Gateway.start(scope, ['--api-key-file', file]);
  });

  test('without the key, or with a wrong one, all but probes and metrics is 401', async () => {
    for (const headers of [
      {},
      { Authorization: 'Bearer wrong' },
      { 'X-API-Key': 's3cret-ke' },
      { 'X-API-Key': 's3cret-key2' },
      { Authorization: 'Basic s3cret-key' },
    ]) {
      const answer = await gateway.post('/v1/topics/key.a', '1', { headers });
      assert.equal(answer.status, 401, JSON.stringify(headers));
      assert.equal(answer.code, 'unauthorized');
      assert.equal((await gateway.post('/v1/publish', { topic: 'key.a', data: 1 }, { headers })).status, 401);
    }
    for (const path of ['/live', '/ready', '/metrics']) assert.equal((await gateway.get(path)).status, 200, path);
  });

  test('Bearer and X-API-Key both carry it', async () => {
    for (const headers of [
      { Authorization: 'Bearer s3cret-key' },
      { authorization: 'bearer s3cret-key' },
      { 'X-API-Key': 's3cret-key' },
    ]) {
      assert.equal((await gateway.post('/v1/topics/key.a', '1', { headers })).status, 200, JSON.stringify(headers));
    }
  });
});

// SPDX-License-Identifier: Apache-2.0
//
// RFC 9110 and 9112 in tables, on the public port: requests that two servers in a row could read in two ways are refused, and nothing
// that stands behind them is read; all others are answered, each once. Each row is sent whole and byte by byte.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Gateway } from '../harness/gateway.mjs';
import { RawSocket } from '../harness/raw.mjs';
import { answersTo } from '../harness/pipeline.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { within } from '../harness/until.mjs';

const BODY = '{"topic":"wire.http","data":1}';
const HOST = 'Host: 127.0.0.1\r\n';
const SIZE = `Content-Length: ${BODY.length}\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const get = (headers = HOST, target = '/v1/nothing', version = 'HTTP/1.1') => `GET ${target} ${version}\r\n${headers}\r\n`;
const post = (headers, body = '') => `POST /v1/publish HTTP/1.1\r\n${HOST}${headers}\r\n${body}`;
const chunk = (text, size = text.length.toString(16)) => `${size}\r\n${text}\r\n`;
const CHUNKS = `${chunk(BODY.slice(0, 9))}${chunk(BODY.slice(9))}0\r\n\r\n`;
// What a smuggler would like to be read as a request of its own.
const SMUGGLED = get(HOST, '/v1/smuggled');

const scope = suiteScope();
let gateway;
before(async () => {
  gateway = await Gateway.start(scope, ['--workers', '1']);
});

// Rows: name -> [bytes, statuses in order, options].
function table(name, rows) {
  describe(name, () => {
    for (const [what, [bytes, statuses, options = {}]] of Object.entries(rows))
      test(what, async (t) => {
        for (const chop of [0, 1]) {
          const answers = await answersTo(t, gateway.port, bytes, { chop, methods: [bytes.split(' ')[0]], ...options });
          assert.deepEqual(
            answers.map(({ status }) => status),
            statuses,
            `in writes of ${chop || 'all'}`,
          );
          for (const { status, body } of answers) if (status === 400) assert.equal(JSON.parse(body).error.code, 'bad_request');
          if (options.closes) assert.equal(answers.at(-1).headers.connection, 'close');
        }
      });
  });
}

// One 400, the end of the connection, and no word of what stands behind.
function refused(name, rows) {
  table(name, Object.fromEntries(Object.entries(rows).map(([what, bytes]) => [what, [bytes + SMUGGLED, [400], { closes: true }]])));
}

refused('how long a body is, said twice or not clearly', {
  'Content-Length beside Transfer-Encoding': post(SIZE + CHUNKED, CHUNKS),
  'Transfer-Encoding beside Content-Length': post(CHUNKED + SIZE, CHUNKS),
  'two Content-Lengths that differ': post(`${SIZE}Content-Length: 6\r\n`, BODY),
  'two that are equal': post(SIZE + SIZE, BODY),
  'a list of lengths': post(`Content-Length: ${BODY.length}, ${BODY.length}\r\n`, BODY),
  'a sign': post(`Content-Length: +${BODY.length}\r\n`, BODY),
  'a negative one': post('Content-Length: -1\r\n', BODY),
  'one in hex': post('Content-Length: 0x1e\r\n', BODY),
  'one with a fraction': post('Content-Length: 30.0\r\n', BODY),
  'two numbers': post('Content-Length: 30 30\r\n', BODY),
  'an empty one': post('Content-Length:\r\n', BODY),
  'one that wraps in 64 bits': post('Content-Length: 18446744073709551646\r\n', BODY),
  'one in other digits': post('Content-Length: \xb3\xb0\r\n', BODY),
  'one behind an underscore': post(`Content-Length: ${BODY.length}_0\r\n`, BODY),
});

refused('Transfer-Encoding in disguise', {
  'another coding': post('Transfer-Encoding: gzip\r\n', CHUNKS),
  identity: post('Transfer-Encoding: identity\r\n', CHUNKS),
  'chunked and then another': post('Transfer-Encoding: chunked, identity\r\n', CHUNKS),
  'another and then chunked': post('Transfer-Encoding: gzip, chunked\r\n', CHUNKS),
  'chunked twice in a list': post('Transfer-Encoding: chunked, chunked\r\n', CHUNKS),
  'chunked twice in two headers': post(CHUNKED + CHUNKED, CHUNKS),
  'another name that ends so': post('Transfer-Encoding: xchunked\r\n', CHUNKS),
  'a name that begins so': post('Transfer-Encoding: chunkedx\r\n', CHUNKS),
  'a parameter': post('Transfer-Encoding: chunked;q=1\r\n', CHUNKS),
  quotes: post('Transfer-Encoding: "chunked"\r\n', CHUNKS),
  'a comma in front': post('Transfer-Encoding: ,chunked\r\n', CHUNKS),
  'a vertical tab': post('Transfer-Encoding: \x0bchunked\r\n', CHUNKS),
  'a form feed behind': post('Transfer-Encoding: chunked\x0c\r\n', CHUNKS),
  'a NUL behind': post('Transfer-Encoding: chunked\0\r\n', CHUNKS),
  'nothing': post('Transfer-Encoding:\r\n', CHUNKS),
  'a space before the colon': post('Transfer-Encoding : chunked\r\n', CHUNKS),
  'a tab before the colon': post('Transfer-Encoding\t: chunked\r\n', CHUNKS),
  'a space before the name': post(` ${CHUNKED}`, CHUNKS),
  'in the line that folds another': post(`X: y\r\n ${CHUNKED}`, CHUNKS),
  'behind a bare CR': post(`X: y\r${CHUNKED}`, CHUNKS),
  'behind a bare LF': post(`X: y\n${CHUNKED}`, CHUNKS),
  'in HTTP/1.0': post(CHUNKED, CHUNKS).replace('HTTP/1.1', 'HTTP/1.0'),
});

refused('lines and names', {
  'obs-fold with a space': get(`${HOST}X: one\r\n two\r\n`),
  'obs-fold with a tab': get(`${HOST}X: one\r\n\ttwo\r\n`),
  'the first header folded': get(` ${HOST}`),
  'a bare LF behind the request': `GET /v1/nothing HTTP/1.1\n${HOST}\r\n`,
  'a bare LF behind a header': get(`${HOST}X: y\n`),
  'bare LFs at the end': `GET /v1/nothing HTTP/1.1\r\n${HOST}\n\n`,
  'a bare CR in a value': get(`${HOST}X: a\rb\r\n`),
  'a bare CR behind a value': get(`${HOST}X: a\r\r\n`),
  'a CR in the request line': get(HOST, '/v1/no\rthing'),
  'a NUL in a value': get(`${HOST}X: a\0b\r\n`),
  'a NUL in a name': get(`${HOST}X\0: a\r\n`),
  'a control byte in a value': get(`${HOST}X: a\x01b\r\n`),
  'a DEL in a value': get(`${HOST}X: a\x7fb\r\n`),
  'a space in a name': get(`${HOST}X Y: a\r\n`),
  'a space before the colon': get('Host : 127.0.0.1\r\n'),
  'a byte above ASCII in a name': get(`${HOST}X\xe9: a\r\n`),
  'a bracket in a name': get(`${HOST}X(y): a\r\n`),
  'no name': get(`${HOST}: a\r\n`),
  'no colon': get(`${HOST}X\r\n`),
});

refused('request lines and hosts', {
  'HTTP/0.9': 'GET /v1/nothing\r\n\r\n',
  'HTTP/1.2': get(HOST, '/v1/nothing', 'HTTP/1.2'),
  'HTTP/2.0, by its preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'HTTP/11': get(HOST, '/v1/nothing', 'HTTP/11'),
  'http/1.1': get(HOST, '/v1/nothing', 'http/1.1'),
  RTSP: get(HOST, '/v1/nothing', 'RTSP/1.0'),
  'a space behind the version': get(HOST, '/v1/nothing', 'HTTP/1.1 '),
  'two spaces before the target': get(HOST, ' /v1/nothing'),
  'two spaces behind it': get(HOST, '/v1/nothing '),
  'a tab before it': `GET\t/v1/nothing HTTP/1.1\r\n${HOST}\r\n`,
  'a space in it': get(HOST, '/v1/no thing'),
  'no target': 'GET  HTTP/1.1\r\n\r\n',
  'a target that is no path': get(HOST, 'v1/nothing'),
  'a fragment': get(HOST, '/v1/nothing#part'),
  'a method in lower case': get().replace('GET', 'get'),
  'no Host': get(''),
  'two Hosts': get(HOST + HOST),
  'a Host with a path': get('Host: 127.0.0.1/v1\r\n'),
  'a Host with a user': get('Host: user@127.0.0.1\r\n'),
  'a Host that is a list': get('Host: 127.0.0.1, example.com\r\n'),
  'a Host with a space': get('Host: 127.0.0.1 example.com\r\n'),
  'an absolute target of another host': get(HOST, 'http://example.com/v1/nothing'),
  'one with a user': get(HOST, 'http://user@127.0.0.1/v1/nothing'),
  'one of another scheme': get(HOST, 'ftp://127.0.0.1/v1/nothing'),
  'an asterisk in a GET': get(HOST, '*'),
});

refused('chunks', {
  'a size that is no number': post(CHUNKED, `zz\r\n${BODY}\r\n0\r\n\r\n`),
  'a negative size': post(CHUNKED, `-1\r\n${BODY}\r\n0\r\n\r\n`),
  'a size with a prefix': post(CHUNKED, chunk(BODY, '0x1e')),
  'a size with a sign': post(CHUNKED, chunk(BODY, '+1e')),
  'a space before the size': post(CHUNKED, chunk(BODY, ' 1e')),
  'a space behind it': post(CHUNKED, chunk(BODY, '1e ')),
  'no size': post(CHUNKED, `\r\n${BODY}\r\n0\r\n\r\n`),
  'a size of 16 digits': post(CHUNKED, chunk(BODY, '000000000000001e')),
  'a size that ends in LF': post(CHUNKED, `1e\n${BODY}\r\n0\r\n\r\n`),
  'a chunk that ends in LF': post(CHUNKED, `1e\r\n${BODY}\n0\r\n\r\n`),
  'a chunk that ends in other bytes': post(CHUNKED, `1e\r\n${BODY}xx0\r\n\r\n`),
  'a chunk that is longer than it says': post(CHUNKED, chunk(BODY, '1d')),
  'a bare LF in an extension': post(CHUNKED, `1e;a\nb\r\n${BODY}\r\n0\r\n\r\n`),
  'a NUL in an extension': post(CHUNKED, chunk(BODY, '1e;a=\0')),
  'a bare CR in an extension': post(CHUNKED, chunk(BODY, '1e;a\rb')),
  'a last line that ends in LF': post(CHUNKED, `${chunk(BODY)}0\r\n\n`),
  'a trailer that is folded': post(CHUNKED, `${chunk(BODY)}0\r\n X: y\r\n\r\n`),
});

table('bodies that are read', {
  'by Content-Length': [post(SIZE, BODY), [200]],
  'with space around it': [post(`Content-Length:  ${BODY.length}  \r\n`, BODY), [200]],
  'in chunks': [post(CHUNKED, CHUNKS), [200]],
  'in chunks of a byte': [post(CHUNKED, `${[...BODY].map((c) => chunk(c)).join('')}0\r\n\r\n`), [200]],
  'chunked in capitals': [post('TRANSFER-ENCODING: Chunked\r\n', CHUNKS), [200]],
  'sizes in capitals, with zeros and extensions': [post(CHUNKED, `${chunk(BODY, '001E;a=b;c="d"')}0\r\n\r\n`), [200]],
  'with trailers, which are thrown away': [post(CHUNKED, `${chunk(BODY)}0\r\nX-A: 1\r\nContent-Length: 7\r\n\r\n`), [200]],
  'with Expect: 100-continue': [post(`Expect: 100-continue\r\n${SIZE}`, BODY), [200], { chop: 0 }],
  'too large by its length': [post('Content-Length: 999999999999\r\n'), [413]],
  'too large by a chunk': [post(CHUNKED, 'ffffffffff\r\n'), [413]],
  'none at all': [post('Content-Length: 0\r\n'), [400]],
});

table('targets, methods and versions', {
  'a path': [get(), [404]],
  'an absolute target': [get(HOST, 'http://127.0.0.1/v1/nothing'), [404]],
  'an absolute target without a path': [get(HOST, 'http://127.0.0.1?x=1'), [404]],
  'an absolute target in capitals': [get(HOST, 'HTTP://127.0.0.1/v1/publish'), [405]],
  'an asterisk': [get(HOST, '*').replace('GET', 'OPTIONS'), [204]],
  'an authority': [get(HOST, 'example.com:443').replace('GET', 'CONNECT'), [405]],
  'a method that nobody knows': [get().replace('GET', 'BREW'), [405]],
  'a method that is known and not served': [get(HOST, '/v1/publish').replace('GET', 'DELETE'), [405]],
  'empty lines before the request': [`\r\n\r\n${get()}`, [404]],
  'HTTP/1.0 without a Host': [get('', '/v1/nothing', 'HTTP/1.0'), [404]],
  'HTTP/1.0 closes': [get('', '/v1/nothing', 'HTTP/1.0') + SMUGGLED, [404]],
  'HTTP/1.0 that stays': [get('Connection: keep-alive\r\n', '/v1/nothing', 'HTTP/1.0') + get(), [404, 404]],
  'HEAD has no body': [get(HOST, '/client.js').replace('GET', 'HEAD') + get(), [200, 404], { methods: ['HEAD', 'GET'] }],
  'HEAD of what is POSTed': [get(HOST, '/v1/publish').replace('GET', 'HEAD'), [405]],
  'OPTIONS of what pages may read': [get(HOST, '/v1/publish').replace('GET', 'OPTIONS'), [204]],
  'OPTIONS of what they may not': [get(HOST, '/v1/ws').replace('GET', 'OPTIONS'), [405]],
});

table('one behind another', {
  'three, each answered in its turn': [get() + post(SIZE, BODY) + get(HOST, '/v1/publish'), [404, 200, 405]],
  'behind chunks': [post(CHUNKED, CHUNKS) + post(CHUNKED, CHUNKS) + get(), [200, 200, 404]],
  'behind Connection: close none is read': [get(`${HOST}Connection: close\r\n`) + SMUGGLED, [404]],
  'close in a list of words': [get(`${HOST}Connection: foo, CLOSE\r\n`) + SMUGGLED, [404]],
  'behind a body that nobody reads': [`GET /v1/nothing HTTP/1.1\r\n${HOST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`, [413]],
  'a hundred': [get().repeat(100), Array(100).fill(404)],
  'a good one, then one in doubt': [get() + post(SIZE + CHUNKED, CHUNKS) + SMUGGLED, [404, 400]],
});

table('halves, whose other half never comes', {
  nothing: ['', []],
  'of a method': ['GE', []],
  'of a target': ['GET /v1/no', []],
  'of a header': [`GET /v1/nothing HTTP/1.1\r\n${HOST.slice(0, 9)}`, []],
  'without the last line end': [get().slice(0, -2), []],
  'of a body': [post(SIZE, BODY.slice(0, 5)), []],
  'of a chunk': [post(CHUNKED, '1e\r\n{"to'), []],
  'without the last chunk': [post(CHUNKED, chunk(BODY)), []],
  'behind a whole one': [get() + get().slice(0, 20), [404]],
});

describe('what a request says never becomes a header of the answer', () => {
  for (const target of ['/v1/nothing%0d%0aX-Injected:%20yes', '/v1/ws?topic=a%0d%0aX-Injected:%20yes', '/%0aX-Injected:yes'])
    test(target, async (t) => {
      const [answer] = await answersTo(t, gateway.port, get(HOST, target));
      assert.ok(answer.status >= 400 && answer.status < 500, String(answer.status));
      assert.equal(answer.headers['x-injected'], undefined);
      assert.doesNotMatch(answer.head, /injected/i);
    });
  for (const header of ['Origin: https://a.example%0d%0aX-Injected: yes', 'Sec-WebSocket-Protocol: x%0d%0aX-Injected: yes'])
    test(header.split(':')[0], async (t) => {
      const [answer] = await answersTo(t, gateway.port, get(`${HOST}${header}\r\n`, '/v1/ws'));
      assert.doesNotMatch(answer.head, /injected/i);
    });
});

test('who asks and asks and never reads an answer holds up nobody, and is not read further', async (t) => {
  const greedy = await RawSocket.connect(t, gateway.port);
  greedy.pause();
  greedy.socket.on('error', () => {});
  const script = get(HOST, '/client.mjs').repeat(2000);
  greedy.write(script);
  const answer = await gateway.public('GET', '/v1/nothing');
  assert.equal(answer.status, 404);
  greedy.destroy();
  await gateway.counted((metrics) => metrics.sum('spillway_connections', { transport: 'http' }) === 0, 'nobody is left');
});

describe('pages of other origins', () => {
  const preflight = { 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization' };
  for (const [args, origin, allowed] of [
    [[], 'https://any.example', '*'],
    [[], 'null', '*'],
    [['--origin', 'https://app.example'], 'https://app.example', 'https://app.example'],
    [['--origin', 'https://app.example'], 'https://app.example.evil.example', undefined],
    [['--origin', 'https://app.example'], 'http://app.example', undefined],
    [['--origin', 'https://app.example'], 'https://app.example:8443', undefined],
    [['--origin', 'https://app.example'], 'null', undefined],
    [['--origin', 'https://app.example', '--origin', 'http://localhost:3000'], 'http://localhost:3000', 'http://localhost:3000'],
  ]) {
    test(`${origin}, where ${args.join(' ') || 'all'} may: ${allowed ?? 'no'}`, async (t) => {
      const node = await Gateway.start(t, ['--workers', '1', '--client-publish', ...args]);
      const asked = await node.public('OPTIONS', '/v1/publish', { headers: { Origin: origin, ...preflight } });
      assert.equal(asked.status, allowed ? 204 : 403);
      if (allowed) assert.match(asked.headers['access-control-allow-headers'], /Authorization/);
      const script = await node.public('GET', '/client.mjs', { headers: { Origin: origin } });
      const published = await node.public('POST', '/v1/publish', { headers: { Origin: origin }, body: BODY });
      assert.equal(published.status, allowed ? 200 : 403);
      for (const { headers } of [asked, script, published]) {
        assert.equal(headers['access-control-allow-origin'], allowed);
        assert.equal(headers['access-control-allow-credentials'], undefined, 'no cookie is read');
        assert.equal(headers.vary, args.length ? 'Origin' : undefined);
      }
      const upgrade = await RawSocket.connect(t, node.port);
      upgrade.write(
        `GET /v1/ws HTTP/1.1\r\n${HOST}Upgrade: websocket\r\nConnection: Upgrade\r\nOrigin: ${origin}\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      assert.equal((await upgrade.response()).status, allowed ? 101 : 403);
      upgrade.destroy();
      await within(upgrade.ended, 5000, 'its end');
    });
  }
});

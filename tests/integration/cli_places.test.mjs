// SPDX-License-Identifier: Apache-2.0
//
// What the command line says and remembers of positions: sub against a server that plays frames, pub against one that listens.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { describe, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { environment, run } from '../harness/gateway.mjs';
import { atEnd } from '../harness/scope.mjs';
import { BINARY } from '../harness/setting.mjs';
import { until, within } from '../harness/until.mjs';

const WELCOME = { type: 'welcome', session: 's', node: 'n', heartbeat_ms: 25000, limits: { frame: 65536, topics: 256 }, features: [] };

// Plays `parts`, one for each connection: the frames that follow the subscribe, and an end if that is what it is. What sub asked
// for each time is in `asked`.
async function stage(t, parts) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  atEnd(t, () => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  await once(server, 'listening');
  const asked = [];
  server.on('connection', (socket) => {
    const say = (frame) => socket.send(JSON.stringify(frame));
    say(WELCOME);
    socket.on('message', (text) => {
      const { frames, ends } = parts[asked.push(JSON.parse(text).subs) - 1];
      frames.forEach(say);
      if (ends) socket.close(1012);
    });
  });
  return { url: ['--url', `ws://127.0.0.1:${server.address().port}`], asked };
}

const subscribed = (...subs) => ({ type: 'subscribed', id: 1, done: true, subs });
const message = (topic, offset, data) => ({ type: 'msg', topic, offset, data });

async function play(t, parts, args) {
  const { url, asked } = await stage(t, parts);
  const child = spawn(BINARY, ['sub', ...args, ...url], { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
  atEnd(t, () => child.kill('SIGKILL'));
  const closed = new Promise((resolve) => child.on('close', resolve));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  assert.equal(await within(closed, 15000, () => `the end of sub: ${stderr}`), 0, stderr);
  return { asked, stdout, stderr };
}

describe('sub and positions', () => {
  test('it begins behind --from and goes on where it was, through every frame that moves it', async (t) => {
    const parts = [
      {
        frames: [
          subscribed({ topic: 'a', epoch: 'Qx7', offset: 44, resumed: true, replay: 3 }, { topic: 'p', recoverable: false }),
          message('a', 42, 1),
          { type: 'msg', topic: 'a', data: 'without a place' },
          { type: 'msg', topic: 'p', data: 2 },
        ],
        ends: true,
      },
      {
        frames: [
          subscribed({ topic: 'a', epoch: 'Qx7', offset: 44, resumed: true, replay: 2 }, { topic: 'p', recoverable: false }),
          { type: 'dropped', topic: 'a', count: 2, reason: 'node', epoch: 'Qx7', from: 43, to: 44 },
          { type: 'epoch', topic: 'a', epoch: 'Rk3', offset: 50 },
        ],
        ends: true,
      },
      { frames: [subscribed({ topic: 'a', epoch: 'Rk3', offset: 50, resumed: false, why: 'trimmed' })], ends: true },
      {
        frames: [
          subscribed({ topic: 'a', epoch: 'Rk3', offset: 50, resumed: true, replay: 0 }),
          { type: 'reset', topic: 'a', epoch: 'Zz1', offset: 7 },
          message('a', 8, 'end'),
        ],
      },
    ];
    const { asked, stdout, stderr } = await play(t, parts, ['a', 'p', '--from', 'a@Qx7:41', '--count', '4']);
    const from = (subs) => subs.find(({ topic }) => topic === 'a').from;
    assert.deepEqual(asked.map(from), [
      { epoch: 'Qx7', offset: 41 },
      { epoch: 'Qx7', offset: 42 },
      { epoch: 'Rk3', offset: 44 },
      { epoch: 'Rk3', offset: 50 },
    ]);
    assert.deepEqual(
      asked.map((subs) => subs.find(({ topic }) => topic === 'p')),
      Array(4).fill({ topic: 'p' }),
    );
    assert.equal(stdout, 'a 1\na "without a place"\np 2\na "end"\n');
    assert.match(stderr, /a: not resumed \(trimmed\): messages may be missing here\n/);
    assert.match(stderr, /"type":"dropped".*"from":43,"to":44/);
    assert.ok(stderr.endsWith('spillway sub: --from a@Zz1:8 goes on from here\n'), stderr);
  });

  test('--last asks for the newest where no position is known, and a lost replay is asked for again', async (t) => {
    const parts = [
      {
        frames: [
          subscribed({ topic: 'a', epoch: 'Qx7', offset: 9, replay: 3 }, { topic: 'p', recoverable: false, replay: 1 }),
          message('a', 7, 7),
          { type: 'msg', topic: 'p', data: 'kept' },
        ],
        ends: true,
      },
      { frames: [subscribed({ topic: 'a', epoch: 'Qx7', offset: 9, resumed: true, replay: 2 }), message('a', 8, 8)] },
    ];
    const { asked, stderr } = await play(t, parts, ['a', 'p', '--last', '3', '--count', '3']);
    assert.deepEqual(asked, [
      [
        { topic: 'a', last: 3 },
        { topic: 'p', last: 3 },
      ],
      [
        { topic: 'a', from: { epoch: 'Qx7', offset: 7 } },
        { topic: 'p', last: 3 },
      ],
    ]);
    assert.ok(stderr.endsWith('--from a@Qx7:8 goes on from here\n'), stderr);
  });

  test('--last of what keeps nothing is said', async (t) => {
    const entries = [{ topic: 'a', epoch: '0', offset: 0, replay: 0 }, { topic: 'b.>', recoverable: false, replay: 0 }];
    const { stderr } = await play(t, [{ frames: [subscribed(...entries), message('a', 1, 1)] }], ['a', 'b.>', '--last', '3', '--count', '1']);
    assert.deepEqual(stderr.match(/.*nothing of it is kept.*/g), ['spillway sub: b.>: nothing of it is kept for --last']);
  });

  test('a position or number that is none ends with 2', async () => {
    for (const from of ['a', 'b@Qx7:1', 'a@Qx7', 'a@Q-7:1', '@Qx7:1']) {
      const { code, stderr } = await run(['sub', 'a', '--from', from]);
      assert.equal(code, 2, from);
      assert.match(stderr, /--from is one of the topics and a position of it, like orders\.eu@Qx7:44, not /);
    }
    for (const last of ['0', 'x', '100001', '-1']) {
      const { code, stderr } = await run(['sub', 'a', '--last', last]);
      assert.equal(code, 2, last);
      assert.equal(stderr, `spillway sub: --last takes a number from 1 to 100000, not ${last}\n`);
    }
  });
});

describe('pub and ids', () => {
  async function listen(t) {
    const requests = [];
    const server = http.createServer(async (request, response) => {
      let body = '';
      for await (const piece of request) body += piece;
      requests.push({ url: request.url, id: request.headers['idempotency-key'], body });
      response.end(request.url === '/v1/publish' ? '{"results":[{"position":"Qx7:1"}]}' : '{"topic":"a","position":"Qx7:1"}');
    });
    atEnd(t, () => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { requests, at: `http://127.0.0.1:${server.address().port}` };
  }

  test('--id goes along as a header, or with a token inside the body', async (t) => {
    const { requests, at } = await listen(t);
    const sent = [
      ['--admin-url', at, '--id', 'x"1'],
      ['--url', at, '--token', 'x', '--id', 'x"1'],
      ['--admin-url', at],
    ];
    for (const args of sent) {
      const { code, stderr } = await run(['pub', 'a', '{"n":1}', ...args]);
      assert.equal(code, 0, stderr);
      assert.equal(stderr, '');
    }
    await until(
      () => requests.length === 3,
      5000,
      () => 'three requests',
    );
    assert.deepEqual(requests, [
      { url: '/v1/topics/a', id: 'x"1', body: '{"n":1}' },
      { url: '/v1/publish', id: undefined, body: '{"topic":"a","data":{"n":1},"id":"x\\"1"}' },
      { url: '/v1/topics/a', id: undefined, body: '{"n":1}' },
    ]);
  });

  test('an id that is none, or is for more than one message, ends with 2', async () => {
    for (const id of ['a b', 'a;b', 'a\r\nX: y', '!'.repeat(65)]) {
      const { code, stderr } = await run(['pub', 'a', '1', '--id', id]);
      assert.equal(code, 2, id);
      assert.match(stderr, /--id: is 1 to 64 of '!' to '~' without ';'/);
    }
    const { code, stderr } = await run(['pub', 'a', '--id', 'x'], { input: '1\n2\n' });
    assert.equal(code, 2);
    assert.match(stderr, /--id: is for one message/);
  });
});

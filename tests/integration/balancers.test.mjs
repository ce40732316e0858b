// SPDX-License-Identifier: Apache-2.0
//
// Behind nginx and behind HAProxy, each real and with the files of deploy/ as they are: clients are spread and come through, a node
// that dies is passed over, nothing is published twice, and nothing but what clients use comes in.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { describe, test } from 'node:test';
import { Haproxy, inOneFile, Nginx, noStream } from '../harness/balancer.mjs';
import { Certificate } from '../harness/certificate.mjs';
import { FakeNode } from '../harness/fake_node.mjs';
import { EventStream } from '../harness/events.mjs';
import { Gateway, run } from '../harness/gateway.mjs';
import { Redis } from '../harness/redis.mjs';
import { LONG, ROOT } from '../harness/setting.mjs';
import { pause, stays, until, within } from '../harness/until.mjs';

const THREE = [0, 1, 2];

const three = (start) => Promise.all(THREE.map(start));

// Three nodes on one Redis, and the balancer before them.
async function fleet(t, Kind, args = []) {
  const redis = await Redis.start(t);
  const nodes = await three(() => Gateway.start(t, ['--bus', redis.url, ...Kind.listen(), ...args]));
  for (const node of nodes) await node.busUp();
  return { redis, nodes, balancer: await Kind.start(t, nodes) };
}

// Some clients, one after another: each finds those before it counted.
async function clients(t, balancer, count) {
  const list = [];
  while (list.length < count) list.push(await balancer.connect(t));
  return list;
}

// How many clients each node has; one that is gone has none.
const spread = (nodes) =>
  Promise.all(
    nodes.map(async (node) => (node.exit ? 0 : (await node.metrics()).sum('spillway_connections', { transport: 'ws' }))),
  );

// Another process in the place of one that is gone.
const again = (t, redis, Kind, node) =>
  Gateway.start(t, ['--bus', redis.url, ...Kind.listen(node.port), '--admin-listen', `127.0.0.1:${node.adminPort}`]);

// From now on its end by a signal is meant.
async function kill(node) {
  node.exitCode = null;
  node.signal('SIGKILL');
  await node.exited;
}

// Who is still sending when the answer comes may lose it with the connection.
const statusOrCut = (answer) =>
  answer.then(
    ({ status }) => status,
    () => 'cut',
  );

for (const Kind of [Nginx, Haproxy]) {
  const fake = (t, manner) => FakeNode.start(t, { proxy: Kind === Haproxy, ...manner });

  describe(`behind ${Kind.name}`, () => {
    test('clients are spread evenly, and each message reaches all of them', async (t) => {
      const { nodes, balancer } = await fleet(t, Kind);
      const list = await clients(t, balancer, 30);
      assert.deepEqual(await spread(nodes), [10, 10, 10]);
      await Promise.all(list.map((client) => client.subscribe('orders.eu')));
      await nodes[1].publish('orders.eu', '{"id":7}');
      for (const client of list) {
        assert.equal((await client.next('msg')).raw, '{"type":"msg","topic":"orders.eu","data":{"id":7}}');
      }
      const { code } = await list[0].close(1000);
      assert.equal(code, 1000);
      await until(async () => (await spread(nodes)).reduce((sum, count) => sum + count) === 29, 5000, 'one client less');
    });

    test('a node that is killed is passed over, and gets clients when it is back', async (t) => {
      const { redis, nodes, balancer } = await fleet(t, Kind);
      const list = await clients(t, balancer, 12);
      assert.deepEqual(await spread(nodes), [4, 4, 4]);
      await kill(nodes[0]);
      await until(() => list.filter(({ code }) => code === 1006).length === 4, 5000, 'its clients cut');
      await clients(t, balancer, 4);
      assert.deepEqual(await spread(nodes), [0, 6, 6], 'nobody was refused, and nobody else was touched');

      if (balancer.checked) await balancer.checked(false, true, true);
      const back = await again(t, redis, Kind, nodes[0]);
      if (balancer.checked) await balancer.checked(true, true, true);
      await clients(t, balancer, 6);
      const [first, ...others] = await spread([back, nodes[1], nodes[2]]);
      // HAProxy lets it begin slowly.
      if (Kind === Nginx) assert.deepEqual([first, ...others], [6, 6, 6]);
      else assert.ok(first >= 1 && first + others[0] + others[1] === 18, `${first} and ${others}`);
    });

    test('whatever dies meanwhile, a publish happens once where it was answered, and never twice', async (t) => {
      const { redis, nodes, balancer } = await fleet(t, Kind, ['--client-publish']);
      const seen = new Map();
      const watcher = await redis.client(t);
      await watcher.subscribe('SUBSCRIBE', 'chat.1', ({ payload }) => {
        const { n } = JSON.parse(payload);
        seen.set(n, (seen.get(n) ?? 0) + 1);
      });
      const answers = new Map();
      let next = 0;
      const lane = async () => {
        while (next < 300) {
          const n = next++;
          if (n === 100) await kill(nodes[0]);
          if (n === 200) {
            // Of two that are gone and not yet known to be, HAProxy tries now one, now the other.
            if (balancer.checked) await balancer.checked(false, true, true);
            await kill(nodes[1]);
          }
          const answer = await balancer.ask('POST', '/v1/publish', { body: { topic: 'chat.1', data: { n } } });
          answers.set(n, answer.status);
        }
      };
      await Promise.all(Array.from({ length: 16 }, lane));
      await nodes[2].publish('chat.1', '{"n":-1}');
      await until(() => seen.has(-1), 5000, 'the last message');
      for (const [n, status] of answers) {
        const count = seen.get(n) ?? 0;
        assert.ok(status === 200 ? count === 1 : count <= 1, `message ${n}: answered ${status}, published ${count} times`);
      }
      const refused = [...answers.values()].filter((status) => status !== 200);
      assert.ok(refused.length <= 32, `at most what was under way is unanswered: ${refused}\n${balancer.said.slice(-2000)}`);
      assert.ok(refused.every((status) => status === 502), `${refused}`);
      t.diagnostic(`${refused.length} of ${answers.size} were not answered`);
    });

    test('a publish whose node goes away in the middle is not sent to another', async (t) => {
      const cutWhole = { answer: ({ socket }) => socket.destroy() };
      const cutHead = { atHead: ({ socket }) => socket.destroy() };
      for (const [manner, body] of [[cutWhole, 'small'], [cutWhole, 'x'.repeat(300_000)], [cutHead, 'x'.repeat(300_000)]]) {
        const nodes = await three(() => fake(t, manner));
        const balancer = await Kind.start(t, nodes);
        for (let n = 0; n < 6; n++) {
          const answer = balancer.ask('POST', '/v1/publish', { body, headers: { 'X-Number': n } });
          const status = await statusOrCut(answer);
          assert.ok(status === 502 || (status === 'cut' && body.length > 1000), `${status}`);
        }
        const numbers = nodes.flatMap(({ requests }) => requests.map(({ headers }) => headers['x-number']));
        assert.deepEqual(numbers.sort(), ['0', '1', '2', '3', '4', '5']);
        assert.ok(nodes.every(({ requests }) => requests.length > 0), 'each of them had its turn');
      }
    });

    test('a node that refuses connections costs no publish, one that answers 503 is heard', async (t) => {
      const busy = (_, response) => response.writeHead(503, { 'Retry-After': '1' }).end('{"error":{}}');
      const nodes = await three((at) => fake(t, at === 2 ? { answer: busy } : {}));
      const balancer = await Kind.start(t, nodes);
      await nodes[0].stop();
      const statuses = [];
      for (let n = 0; n < 8; n++) statuses.push((await balancer.ask('POST', '/v1/publish', { body: '{}' })).status);
      assert.equal(nodes[0].requests.length, 0);
      assert.equal(nodes[1].requests.length + nodes[2].requests.length, 8);
      assert.deepEqual(statuses.filter((status) => status === 200).length, nodes[1].requests.length);
      assert.deepEqual(statuses.filter((status) => status === 503).length, nodes[2].requests.length);
      assert.ok(nodes[1].requests.length > 0 && nodes[2].requests.length > 0);
    });

    test('a node hears who the client is, whatever the client says, and the rest as it was said', async (t) => {
      const nodes = await three(() => fake(t));
      const balancer = await Kind.start(t, nodes);
      const path = '/v1/ws?topic=orders.%3E&from=a@Qx7:44';
      const headers = { 'X-Forwarded-For': ['6.6.6.6', '7.7.7.7'], 'X-Forwarded-Proto': 'gopher', Host: 'live.example.com:8443' };
      await balancer.ask('GET', path, { headers });
      await balancer
        .connect(t, { path, headers, origin: 'https://example.com' })
        .then(() => assert.fail('upgraded'))
        .catch(({ refused }) => assert.equal(refused.status, 200));
      const requests = nodes.flatMap((node) => node.requests);
      assert.equal(requests.length, 2);
      for (const request of requests) {
        assert.equal(request.url, path);
        if (Kind === Haproxy) assert.match(request.client, /^127\.0\.0\.1:\d+$/);
        assert.equal(request.headers['x-forwarded-for'], '127.0.0.1');
        assert.equal(request.rawHeaders.filter((name) => /^x-forwarded-for$/i.test(name)).length, 1);
        assert.equal(request.headers['x-forwarded-proto'], 'https');
        assert.equal(request.headers.host, 'live.example.com:8443');
      }
      const upgrade = requests.find((request) => request.headers.upgrade);
      assert.equal(upgrade.headers.upgrade, 'websocket');
      assert.equal(upgrade.headers.connection.toLowerCase(), 'upgrade');
      assert.equal(upgrade.headers['sec-websocket-version'], '13');
      assert.equal(upgrade.headers.origin, 'https://example.com');
    });

    test('a node knows clients by their own addresses', async (t) => {
      const { nodes, balancer } = await fleet(t, Kind);
      const headers = { 'X-Forwarded-For': '6.6.6.6', Forwarded: 'for=6.6.6.6' };
      await balancer.connect(t, { localAddress: '127.0.0.9', headers });
      const rows = await Promise.all(nodes.map(async (node) => (await node.get('/v1/connections')).json.connections));
      const [{ address }, ...others] = rows.flat();
      assert.match(address, /^127\.0\.0\.9(:\d+)?$/);
      assert.deepEqual(others, []);
    });

    // HAProxy sees that a client has left when it next writes to it.
    test('a stream comes through, and leaves its node when its client does', async (t) => {
      const { nodes, balancer } = await fleet(t, Kind, ['--ping-ms', '1000']);
      const events = await EventStream.open(t, balancer.port, 'topic=a', { ca: balancer.ca });
      await events.next('subscribed');
      for (const n of [1, 2]) {
        await nodes[n].publish('a', `${n}`);
        assert.equal((await events.next('msg')).raw, `{"type":"msg","topic":"a","data":${n}}`);
      }
      events.leave();
      const streams = async () => {
        const all = await Promise.all(nodes.map((node) => node.metrics()));
        return all.reduce((sum, metrics) => sum + metrics.sum('spillway_connections', { transport: 'sse' }), 0);
      };
      await until(async () => (await streams()) === 0, 15000, 'the stream gone from its node');
    });

    test('events go out as they come', async (t) => {
      let stream;
      const answer = (_, response) => {
        stream = response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        stream.write('data: 1\n\n');
      };
      const balancer = await Kind.start(t, await three(() => fake(t, { answer })));
      const options = { port: balancer.port, host: '127.0.0.1', path: '/v1/sse?topic=a', agent: balancer.agent };
      const response = await within(new Promise((resolve) => http.get(options, resolve)), 5000, 'the head');
      const chunks = response[Symbol.asyncIterator]();
      assert.equal(String((await within(chunks.next(), 5000, 'an event')).value), 'data: 1\n\n');
      stream.write('data: 2\n\n');
      assert.equal(String((await within(chunks.next(), 5000, 'the next event')).value), 'data: 2\n\n');
      response.destroy();
    });

    test('an EventSource that no node takes hears when to come back, and everybody else that it cannot be', async (t) => {
      const busy = (_, response) => response.writeHead(503, { 'Retry-After': '1' }).end('{"error":{}}');
      const nodes = await three(() => fake(t, { answer: busy }));
      const balancer = await Kind.start(t, nodes);
      const put = async () => {
        const { status, headers, text } = await balancer.ask('GET', '/v1/sse?topic=a');
        assert.deepEqual([status, headers['content-type'], headers['access-control-allow-origin']], [200, 'text/event-stream', '*']);
        assert.match(text, /^retry: [5-9]\d{3}\n\n$/);
      };
      await put();
      assert.equal((await balancer.ask('GET', '/v1/poll?topic=a')).status, 503);
      await Promise.all(nodes.map((node) => node.stop()));
      if (balancer.checked) await balancer.checked(false, false, false);
      await put();
      assert.ok((await balancer.ask('GET', '/v1/poll?topic=a')).status >= 502);
    });

    test('only what clients use comes in', async (t) => {
      const nodes = await three(() => fake(t));
      const balancer = await Kind.start(t, nodes);
      const admin = ['/metrics', '/live', '/ready', '/', '/v1/topics', '/v1/topics/a', '/v1/connections', '/v1/drain', '/v1/reload'];
      const tricks = ['/v1/ws/../../metrics', '/v1/ws/../topics/a', '/v1/ws%2f..%2ftopics%2fa', '/v1/ws/', '/V1/ws', '/client.js.map'];
      for (const path of [...admin, ...tricks]) {
        for (const method of ['GET', 'POST']) {
          const { status } = await balancer.ask(method, path, { body: method === 'POST' ? '{}' : undefined });
          assert.ok(status === 404, `${method} ${path}: ${status}`);
        }
      }
      assert.deepEqual(nodes.flatMap(({ requests }) => requests), []);
      for (const path of ['/v1/ws', '/v1/sse', '/v1/poll', '/v1/publish', '/client.js', '/client.mjs']) {
        assert.equal((await balancer.ask('GET', `${path}?a=b`)).status, 200, path);
      }
      assert.equal(nodes.flatMap(({ requests }) => requests).length, 6);
      assert.doesNotMatch(balancer.said, /a=b/, 'queries, which may hold tickets, are not logged');
    });

    test('a publish may be as large as a node takes, and no larger', async (t) => {
      const { nodes, balancer } = await fleet(t, Kind, ['--client-publish']);
      const batch = (bytes) => {
        const text = JSON.stringify(Array.from({ length: 1000 }, () => ({ topic: 'a', data: 'x'.repeat(8300) })));
        return text + ' '.repeat(bytes - text.length);
      };
      const taken = await balancer.ask('POST', '/v1/publish', { body: batch(8 << 20) });
      assert.equal(taken.status, 200, taken.text);
      const larger = await statusOrCut(balancer.ask('POST', '/v1/publish', { body: batch((8 << 20) + 1) }));
      assert.ok(larger === 413 || larger === 'cut', `${larger}`);
      const published = await Promise.all(nodes.map(async (node) => (await node.metrics()).sum('spillway_published_total')));
      assert.equal(published.reduce((sum, count) => sum + count), 1000);
    });

    // What stands in the balancer's kernel for a slow client is old when it arrives: without its bound it was 4.6 MB here.
    test('little waits in the balancer for a client that does not read', async (t) => {
      const node = await Gateway.start(t, Kind.listen());
      const balancer = await Kind.start(t, [node, node, node]);
      const client = await balancer.connect(t);
      await client.subscribe('a');
      client.ws.pause();
      const batch = Array.from({ length: 50 }, () => ({ topic: 'a', data: 'x'.repeat(1000) }));
      const shedding = (metrics) => metrics.sum('spillway_shed_total', { reason: 'slow' }) > 0;
      for (let batches = 0; batches < 60 && !shedding(await node.metrics()); batches++) {
        await node.post('/v1/publish', batch);
        await pause(10);
      }
      const { law } = await node.counted(shedding, 'messages shed');
      assert.ok(law.sent < 1000, `${law.sent} KB left the node for a client that reads nothing`);
      client.ws.resume();
      let accounted = 0;
      while (accounted < law.due) accounted += (await client.next(({ type }) => type === 'msg' || type === 'dropped')).count ?? 1;
      assert.equal(accounted, law.due, 'what it missed, it is told');
    });

    test('pings keep a quiet client; without them its connection ends', async (t) => {
      const shorter = (text) => text.replace(/\b3m\b/g, '2s').replace(/\b1m\b/g, '2s');
      const connected = async (pingMs) => {
        const node = await Gateway.start(t, [...Kind.listen(), '--ping-ms', pingMs]);
        return (await Kind.start(t, [node, node, node], { edit: shorter })).connect(t);
      };
      const [pinged, silent] = await Promise.all([connected('1000'), connected('600000')]);
      assert.equal((await within(silent.closed, 10000, 'the cut')).code, 1006);
      await stays(() => !pinged.code, 4000, 'connected');
      await pinged.flushed();
    });

    test('the same at full length', { skip: !LONG && 'four minutes' }, async (t) => {
      const { balancer } = await fleet(t, Kind);
      const client = await balancer.connect(t);
      await stays(() => !client.code, 240_000, 'connected');
      await client.flushed();
    });

    test('a reload cuts nobody, and new clients are served', async (t) => {
      const { nodes, balancer } = await fleet(t, Kind);
      const list = await clients(t, balancer, 6);
      await Promise.all(list.map((client) => client.subscribe('a')));
      await balancer.reload();
      list.push(...(await clients(t, balancer, 6)));
      await Promise.all(list.slice(6).map((client) => client.subscribe('a')));
      await nodes[0].publish('a', '1');
      for (const client of list) await client.next('msg');
      assert.equal((await spread(nodes)).reduce((sum, count) => sum + count), 12);
    });
  });
}

// The nodes have the certificate, and know clients by a PROXY header: version 1 from nginx, 2 from HAProxy.
for (const Kind of [Nginx, Haproxy]) {
  test(`TLS is passed through ${Kind.name} to the nodes`, { skip: Kind === Nginx && noStream() }, async (t) => {
    const certificate = new Certificate(t);
    const redis = await Redis.start(t);
    const listen = ['--listen', '127.0.0.1:0,tls,proxy', '--trusted-proxy', '127.0.0.1', ...certificate.flags];
    const nodes = await three(() => Gateway.start(t, ['--bus', redis.url, ...listen]));
    for (const node of nodes) await node.busUp();
    const balancer = await Kind.start(t, nodes, { passthrough: true, ca: certificate.ca });
    const list = await clients(t, balancer, 6);
    assert.deepEqual(await spread(nodes), [2, 2, 2]);
    await Promise.all(list.map((client) => client.subscribe('a')));
    await nodes[1].publish('a', '1');
    for (const client of list) await client.next('msg');

    await kill(nodes[0]);
    await until(() => list.filter(({ code }) => code === 1006).length === 2, 5000, 'its clients cut');
    await clients(t, balancer, 2);
    assert.deepEqual(await spread(nodes), [0, 3, 3], 'nobody was refused');

    await balancer.connect(t, { localAddress: '127.0.0.9' });
    const rows = await Promise.all(nodes.slice(1).map(async (node) => (await node.get('/v1/connections')).json.connections));
    assert.equal(rows.flat().filter(({ address }) => /^127\.0\.0\.9(:|$)/.test(address)).length, 1);
    const { status } = await balancer.ask('GET', '/metrics');
    assert.equal(status, 404, 'what is not for clients the nodes refuse by themselves');
  });
}

const shipped = (path) => readFileSync(`${ROOT}deploy/${path}`, 'utf8');

test('the shipped patience is longer than that of a node', async () => {
  const { stdout } = await run(['docs', 'config']);
  const defaults = (key) => Number(new RegExp(`"${key}".*\`(\\d+)\``).exec(stdout)[1]) / 1000;
  const seconds = (text, words) => {
    const found = [...text.matchAll(new RegExp(`^ *${words} (\\d+)(s|m);?$`, 'gm'))];
    assert.equal(found.length, 1, words);
    return found[0][1] * (found[0][2] === 'm' ? 60 : 1);
  };
  const silence = [
    ['nginx/spillway.conf', 'proxy_read_timeout', 'proxy_send_timeout', 'send_timeout'],
    ['nginx/passthrough.conf', 'proxy_timeout'],
    ['haproxy/haproxy.cfg', 'timeout tunnel'],
    ['haproxy/passthrough.cfg', 'timeout client', 'timeout server'],
  ];
  for (const [path, ...names] of silence) {
    for (const name of names) {
      const value = seconds(shipped(path), name);
      assert.ok(value > defaults('stall_ms') && value > 2 * defaults('ping_ms'), `${path}: ${name} ${value} s`);
    }
  }
  // Streams of events have no tunnel; a heartbeat passes at least as often as a ping.
  for (const name of ['timeout client', 'timeout server']) {
    assert.ok(seconds(shipped('haproxy/haproxy.cfg'), name) > 2 * defaults('ping_ms'), name);
  }
});

test('HAProxy takes the files with no more than a certificate', (t) => {
  const env = { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, CERTIFICATE: inOneFile(new Certificate(t)) };
  for (const name of ['haproxy', 'passthrough']) {
    execFileSync('haproxy', ['-c', '-q', '-f', `${ROOT}deploy/haproxy/${name}.cfg`], { env, stdio: 'pipe' });
  }
});

// SPDX-License-Identifier: Apache-2.0
//
// TLS on public listeners: versions, what is served over it, clients that do not keep up, and certificates that are renewed while
// everybody stays.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { describe, test } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { Certificate } from '../harness/certificate.mjs';
import { Client } from '../harness/client.mjs';
import { Gateway, environment, run } from '../harness/gateway.mjs';
import { RawSocket, upgradeRequest } from '../harness/raw.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { BINARY, SANITIZED, size } from '../harness/setting.mjs';
import { until, within } from '../harness/until.mjs';

const secure = (gateway) => `wss://127.0.0.1:${gateway.port}/v1/ws`;
const handshakes = (metrics, labels) => metrics.sum('spillway_tls_handshakes_total', labels);

// A bare TLS connection; what came stands in `text`, and `over` tells how it ended.
function connect(t, port, options = {}) {
  const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  atEnd(t, () => socket.destroy());
  socket.text = '';
  socket.on('data', (chunk) => (socket.text += chunk));
  socket.over = new Promise((resolve) => {
    socket.on('error', (error) => resolve(error.code ?? error.message));
    socket.on('close', () => resolve('closed'));
  });
  socket.shaken = new Promise((resolve) => socket.on('secureConnect', resolve));
  return socket;
}

// The common name that a server shows who connects now.
async function shownName(t, port) {
  const socket = connect(t, port);
  await within(Promise.race([socket.shaken, socket.over]), 5000, 'a handshake');
  return socket.getPeerCertificate().subject.CN;
}

describe('a listener with a certificate', () => {
  const scope = suiteScope();
  let certificate;
  let gateway;
  const started = async () => {
    certificate ??= new Certificate(scope);
    return (gateway ??= await Gateway.start(scope, ['--workers', '2', ...certificate.flags]));
  };

  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    test(`carries what is published over https to a wss client byte for byte, ${version}`, async (t) => {
      await started();
      const client = await Client.connect(t, secure(gateway), { ca: certificate.ca, minVersion: version, maxVersion: version });
      assert.equal(client.ws._socket.getProtocol(), version);
      await client.subscribe(`orders.${version}`);
      const body = `{"topic":"orders.${version}","data":{"n": 1.50,"v":"${version}"}}`;
      const curl = ['-sS', '--cacert', certificate.cert, '-d', body, `https://localhost:${gateway.port}/v1/publish`];
      const { stdout } = await promisify(execFile)('curl', curl);
      assert.equal(stdout, '{"results":[{}]}');
      const message = await client.next('msg');
      assert.equal(message.raw, `{"type":"msg","topic":"orders.${version}","data":{"n": 1.50,"v":"${version}"}}`);
      const metrics = await gateway.metrics();
      assert.ok(handshakes(metrics, { outcome: 'ok', version: version.slice(4) }) >= 1);
      assert.ok(metrics.sum('spillway_budget_used_bytes', { part: 'tls' }) > 0, 'what TLS holds is charged');
      assert.equal((await client.close(1000)).code, 1000);
    });
  }

  test('speaks HTTP/1.1 to who offers it, and to who offers h2 alone', async (t) => {
    await started();
    for (const [offered, chosen] of [[['h2', 'http/1.1'], 'http/1.1'], [['h2'], false], [undefined, false]]) {
      const socket = connect(t, gateway.port, { ALPNProtocols: offered });
      await within(socket.shaken, 5000, 'a handshake');
      assert.equal(socket.alpnProtocol, chosen);
      socket.write('GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      assert.equal(await within(socket.over, 5000, 'the end'), 'closed');
      assert.match(socket.text, /^HTTP\/1\.1 404 /);
    }
  });

  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    test(`knows who comes back by its ticket, on any worker, ${version}`, async (t) => {
      await started();
      const first = connect(t, gateway.port, { minVersion: version, maxVersion: version });
      const ticket = new Promise((resolve) => first.once('session', resolve));
      await within(first.shaken, 5000, 'a handshake');
      const session = await within(ticket, 5000, 'a ticket');
      for (let n = 0; n < 4; n++) {
        const again = connect(t, gateway.port, { minVersion: version, maxVersion: version, session });
        await within(again.shaken, 5000, 'a handshake');
        assert.ok(again.isSessionReused());
      }
    });
  }

  test('refuses what is older, and what is no TLS, and says so', async (t) => {
    await started();
    const before = await gateway.metrics();
    const old = connect(t, gateway.port, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
    assert.match(await within(old.over, 5000, 'a refusal'), /PROTOCOL_VERSION/);

    const plain = await RawSocket.connect(t, gateway.port);
    plain.write(upgradeRequest());
    const answer = await plain.response();
    assert.equal(answer.status, 400);
    assert.match(answer.body, /this is a TLS port: use https:\/\/ or wss:\/\//);
    assert.equal(await plain.ended, 'end');

    const noise = await RawSocket.connect(t, gateway.port);
    noise.write('\x00\x01 no TLS at all');
    await within(noise.ended, 5000, 'a refusal');
    const leaves = await RawSocket.connect(t, gateway.port);
    leaves.destroy();
    const more = (metrics, outcome) => handshakes(metrics, { outcome }) - handshakes(before, { outcome });
    await gateway.counted((now) => more(now, 'failed') === 2 && more(now, 'plain') === 1 && more(now, 'gone') === 1, 'outcomes');
  });

  test('takes a handshake that comes byte by byte', async (t) => {
    await started();
    const raw = net.connect({ port: gateway.port, host: '127.0.0.1', noDelay: true });
    atEnd(t, () => raw.destroy());
    const { port, server } = await new Promise((resolve) => {
      const relay = net.createServer((client) => {
        client.on('data', async (chunk) => {
          client.pause();
          for (const byte of chunk) await new Promise((sent) => raw.write(Buffer.of(byte), sent));
          client.resume();
        });
        raw.pipe(client);
      });
      relay.listen(0, '127.0.0.1', () => resolve({ port: relay.address().port, server: relay }));
    });
    atEnd(t, () => server.close());
    const client = await Client.connect(t, `wss://127.0.0.1:${port}/v1/ws`, { ca: certificate.ca });
    await client.subscribe('slow.hand');
    await gateway.publish('slow.hand', '7');
    assert.equal((await client.next('msg')).data, 7);
  });

  test('takes a crowd that connects at once', async (t) => {
    await started();
    const before = await gateway.metrics();
    const count = size({ long: 300, short: 150, sanitized: 60 });
    const clients = await Promise.all(
      Array.from({ length: count }, () => Client.connect(t, `${secure(gateway)}?topic=crowd`, { ca: certificate.ca })),
    );
    await Promise.all(clients.map((client) => client.next('subscribed')));
    await gateway.publish('crowd', '1');
    await Promise.all(clients.map((client) => client.received('crowd', 1)));
    const now = await gateway.metrics();
    assert.equal(handshakes(now, { outcome: 'ok' }) - handshakes(before, { outcome: 'ok' }), count);
  });

  test('carries bursts on many topics in order, and the law holds', async (t) => {
    await started();
    const topics = Array.from({ length: 12 }, (_, at) => `burst.${at}`);
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => Client.connect(t, secure(gateway), { ca: certificate.ca })),
    );
    await Promise.all(clients.map((client) => client.subscribe(...topics)));
    const rounds = 20;
    for (let n = 0; n < rounds; n++) {
      const batch = topics.flatMap((topic) => Array.from({ length: 10 }, (_, at) => ({ topic, data: n * 10 + at })));
      assert.equal((await gateway.post('/v1/publish', batch)).status, 200);
    }
    for (const client of clients) {
      for (const topic of topics) {
        const got = await client.received(topic, rounds * 10);
        assert.deepEqual(got.map(({ data }) => data), Array.from({ length: rounds * 10 }, (_, at) => at));
      }
    }
    await gateway.counted(({ law }) => law.holds && law.behind === 0, 'the law at rest');
  });
});

test('messages of 300 KB span records, and nobody misses one', async (t) => {
  const certificate = new Certificate(t);
  const sizes = ['--max-message-bytes', '400000', '--max-queued-bytes', '8000000', '--queue-high-bytes', '7000000'];
  const gateway = await Gateway.start(t, [...certificate.flags, ...sizes]);
  const clients = [];
  for (let at = 0; at < 3; at++) clients.push(await Client.connect(t, `${secure(gateway)}?topic=large`, { ca: certificate.ca }));
  await Promise.all(clients.map((client) => client.next('subscribed')));
  for (let n = 0; n < 10; n++) await gateway.publish('large', `{"n":${n},"pad":"${String(n).repeat(300_000)}"}`);
  for (const client of clients) {
    const got = await client.received('large', 10);
    got.forEach(({ data }, n) => assert.ok(data.n === n && data.pad === String(n).repeat(300_000), `message ${n}`));
  }
});

test('who stops reading is told exactly what it missed, and costs little', async (t) => {
  const certificate = new Certificate(t);
  const gateway = await Gateway.start(t, ['--workers', '1', ...certificate.flags]);
  const slow = await Client.connect(t, `${secure(gateway)}?topic=feed`, { ca: certificate.ca });
  const quick = await Client.connect(t, `${secure(gateway)}?topic=feed`, { ca: certificate.ca });
  await slow.next('subscribed');
  await quick.next('subscribed');
  slow.ws._socket.pause();
  const pad = 'x'.repeat(4000);
  let published = 0;
  const shed = async () => (await gateway.metrics()).sum('spillway_shed_total', { reason: 'slow' });
  await until(
    async () => {
      const batch = Array.from({ length: 50 }, () => ({ topic: 'feed', data: { n: published++, pad } }));
      assert.equal((await gateway.post('/v1/publish', batch)).status, 200);
      return (await shed()) > 0;
    },
    15000,
    'something is shed',
  );
  await quick.received('feed', published);
  assert.ok(quick.of('feed').every(({ type, data }, n) => type === 'msg' && data.n === n));
  const tlsBytes = (await gateway.metrics()).sum('spillway_budget_used_bytes', { part: 'tls' });
  assert.ok(tlsBytes < 3 * 48 * 1024, `${tlsBytes} bytes for two TLS connections, one of which does not read`);

  slow.ws._socket.resume();
  const account = () => slow.of('feed').reduce((sum, { type, count }) => sum + (type === 'msg' ? 1 : count), 0);
  await until(() => account() === published, 15000, () => `received and told are ${account()} of ${published}`);
  let next = 0;
  for (const { type, data, count, reason } of slow.of('feed')) {
    if (type === 'dropped') assert.equal(reason, 'slow');
    else assert.equal(data.n, next, 'what is missing is told where it is missing');
    next += type === 'msg' ? 1 : count;
  }
  await gateway.counted(({ law }) => law.holds && law.behind === 0, 'the law at rest');
});

test('a client that ends in the middle of a record leaves its deliveries accounted for', async (t) => {
  const certificate = new Certificate(t);
  const gateway = await Gateway.start(t, ['--workers', '1', ...certificate.flags]);
  const client = await Client.connect(t, `${secure(gateway)}?topic=feed`, { ca: certificate.ca });
  await client.next('subscribed');
  client.ws._socket.pause();
  const pad = 'x'.repeat(8000);
  await until(
    async () => {
      const batch = Array.from({ length: 50 }, (_, n) => ({ topic: 'feed', data: { n, pad } }));
      assert.equal((await gateway.post('/v1/publish', batch)).status, 200);
      return (await gateway.metrics()).law.behind > 0;
    },
    15000,
    'something waits',
  );
  client.terminate(); // with unread bytes: a RST
  const ended = await gateway.counted(({ law }) => law.behind === 0, 'nothing waits for who has gone');
  assert.ok(ended.law.holds && ended.sum('spillway_shed_total', { reason: 'closed' }) > 0);
  assert.equal(ended.sum('spillway_budget_used_bytes', { part: 'tls' }), 0);
});

// The deadline is 10 s, so this is for builds that are quick enough.
test('who is slow with its handshake is closed at the deadline', { skip: SANITIZED && 'takes 10 s' }, async (t) => {
  const certificate = new Certificate(t);
  const gateway = await Gateway.start(t, certificate.flags);
  const silent = await RawSocket.connect(t, gateway.port);
  const slow = await RawSocket.connect(t, gateway.port);
  const hello = Buffer.from('16030101000100', 'hex');
  let at = 0;
  const trickle = setInterval(() => slow.write(hello.subarray(at, ++at)), 1000);
  atEnd(t, () => clearInterval(trickle));
  await within(Promise.all([silent.ended, slow.ended]), 15000, 'the deadline');
  const metrics = await gateway.counted((now) => handshakes(now, { outcome: 'timeout' }) === 2, 'two handshakes out of time');
  assert.equal(metrics.sum('spillway_connections'), 0);
  assert.equal(metrics.sum('spillway_budget_used_bytes', { part: 'tls' }), 0);
});

test('a draining node says goodbye over TLS', async (t) => {
  const certificate = new Certificate(t);
  const gateway = await Gateway.start(t, certificate.flags);
  const client = await Client.connect(t, secure(gateway), { ca: certificate.ca });
  const stopped = gateway.stop();
  assert.equal((await within(client.closed, 5000, 'the close of a drain')).code, 1012);
  assert.equal(await stopped, 0);
});

test('a full node refuses with an alert', async (t) => {
  const certificate = new Certificate(t);
  const gateway = await Gateway.start(t, ['--max-connections', '1', ...certificate.flags]);
  await Client.connect(t, secure(gateway), { ca: certificate.ca });
  const refused = connect(t, gateway.port);
  assert.match(await within(refused.over, 5000, 'a refusal'), /INTERNAL_ERROR/);
  assert.equal((await gateway.metrics()).sum('spillway_refused_total', { reason: 'full' }), 1);
});

test('with one listener that says tls the others are plain, and a PROXY header stands before TLS', async (t) => {
  const certificate = new Certificate(t);
  const listens = ['127.0.0.1:0,tls,proxy', '127.0.0.1:0'].flatMap((listen) => ['--listen', listen]);
  const gateway = await Gateway.start(t, [...listens, '--trusted-proxy', '127.0.0.1', ...certificate.flags]);
  const [both, plain] = gateway.listen.map((address) => Number(address.split(':')[1]));
  await Client.connect(t, `ws://127.0.0.1:${plain}/v1/ws`);
  const under = net.connect({ port: both, host: '127.0.0.1' });
  atEnd(t, () => under.destroy());
  under.write('PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n');
  const client = await Client.connect(t, `wss://127.0.0.1:${both}/v1/ws`, {
    ca: certificate.ca,
    createConnection: (options) => tls.connect({ ...options, socket: under, host: undefined, servername: 'localhost' }),
  });
  const rows = (await gateway.get('/v1/connections')).json.connections;
  assert.equal(rows.find(({ session }) => session === client.welcome.session).address, '203.0.113.7:4711');
});

describe('a certificate is renewed', () => {
  test('twice under load: nobody is closed, nothing is missed, and who comes sees the new one', async (t) => {
    const [first, second, third] = ['first', 'second', 'third'].map((name) => new Certificate(t, name));
    const gateway = await Gateway.start(t, ['--workers', '2', ...first.flags]);
    const count = size({ short: 40, sanitized: 15 });
    const ca = [first, second, third].map((certificate) => certificate.ca);
    const clients = await Promise.all(Array.from({ length: count }, () => Client.connect(t, `${secure(gateway)}?topic=load`, { ca })));
    await Promise.all(clients.map((client) => client.next('subscribed')));
    assert.equal(await shownName(t, gateway.port), 'first');

    let published = 0;
    let ended = false;
    const load = (async () => {
      while (!ended) await gateway.publish('load', `${published++}`);
    })();
    for (const certificate of [second, third]) {
      certificate.replace(first);
      gateway.signal('SIGHUP');
      await gateway.log(({ event, what }) => event === 'reloaded' && what === 'tls', 'the reload');
      await until(async () => (await shownName(t, gateway.port)) === certificate.name, 5000, `${certificate.name} is shown`);
      const seen = published;
      await until(() => published > seen + 20, 5000, 'the load goes on');
    }
    ended = true;
    await load;
    for (const client of clients) {
      const got = await client.received('load', published);
      assert.ok(got.every(({ data }, n) => data === n));
      assert.equal(client.code, undefined);
    }
    assert.equal((await gateway.metrics()).sum('spillway_closed_total'), 0);
  });

  test('by one that is no good: the old one stays, and the log says which file and why', async (t) => {
    const certificate = new Certificate(t, 'old');
    const other = new Certificate(t, 'other');
    const gateway = await Gateway.start(t, certificate.flags);
    const client = await Client.connect(t, secure(gateway), { ca: certificate.ca });
    const ca = certificate.ca;

    writeFileSync(certificate.cert, 'nonsense\n');
    gateway.signal('SIGHUP');
    const nonsense = await gateway.log(({ event }) => event === 'reload_failed', 'a failed reload');
    assert.deepEqual([nonsense.level, nonsense.what], ['error', 'tls']);
    assert.ok(nonsense.why.startsWith(`${certificate.cert} holds no certificate in PEM`), nonsense.why);
    assert.equal(await shownName(t, gateway.port), 'old');

    writeFileSync(certificate.cert, other.ca);
    const answer = await gateway.post('/v1/reload');
    assert.equal(answer.status, 500);
    assert.match(answer.text, /does not belong to the certificate in/);
    assert.doesNotMatch(answer.text, /PRIVATE KEY/);
    await Client.connect(t, secure(gateway), { ca });
    await client.flushed();
  });
});

describe('spillway sub and pub', () => {
  const scope = suiteScope();
  let certificate;
  let gateway;
  const started = async () => {
    certificate ??= new Certificate(scope);
    const listens = ['127.0.0.1:0', '127.0.0.2:0'].flatMap((address) => ['--listen', address]);
    return (gateway ??= await Gateway.start(scope, [...listens, ...certificate.flags]));
  };

  test('speak TLS to who shows a certificate that is trusted', async (t) => {
    await started();
    const ca = ['--ca', certificate.cert];
    const child = spawn(BINARY, ['sub', 'cli.tls', '--count', '3', '--url', `wss://localhost:${gateway.port}`, ...ca], {
      env: environment(),
    });
    atEnd(t, () => child.kill('SIGKILL'));
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr']) child[stream].on('data', (text) => (said[stream] += text));
    const ended = new Promise((resolve) => child.on('close', resolve));
    await until(() => said.stderr.includes('subscribed to cli.tls'), 10000, () => `subscribed: ${said.stderr}`);
    for (const data of ['1', `"${'x'.repeat(100_000)}"`, '3']) await gateway.publish('cli.tls', data);
    assert.equal(await within(ended, 10000, () => `three messages: ${said.stderr}`), 0);
    // the same for HTTP, as far as the public listener goes
    const pub = await run(['pub', 'cli.tls', '4', '--admin-url', `https://localhost:${gateway.port}`, ...ca]);
    assert.equal(pub.code, 1);
    assert.match(pub.stderr, /this is the admin listener's/);
    assert.equal(said.stdout, `cli.tls 1\ncli.tls "${'x'.repeat(100_000)}"\ncli.tls 3\n`);
  });

  test('refuse one that is not, or is for another host, and say what to do', async () => {
    await started();
    const url = (at) => ['--url', `wss://${gateway.listen[at]}`];
    const unknown = await run(['sub', 'a', ...url(0)]);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /its certificate is not trusted: self.signed certificate \(--ca FILE says whom to trust\)/);
    const other = await run(['sub', 'a', ...url(1), '--ca', certificate.cert]);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /its certificate is not trusted: IP address mismatch/);
    const nothing = await run(['sub', 'a', ...url(0), '--ca', '/nonexistent']);
    assert.match(nothing.stderr, /\/nonexistent cannot be read/);
    const plain = await run(['sub', 'a', '--url', `wss://${gateway.admin}`]);
    assert.equal(plain.code, 1);
    assert.match(plain.stderr, /no TLS handshake: /);
  });
});

test('a certificate and a key that do not belong together end the start in words', async (t) => {
  const [one, two] = [new Certificate(t, 'one'), new Certificate(t, 'two')];
  const words = `--tls-key ${two.key} does not belong to the certificate in ${one.cert}: give the two that were made together`;
  const args = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--tls-cert', one.cert, '--tls-key', two.key];
  const started = await run(args);
  assert.deepEqual(started, { stdout: '', stderr: `spillway: ${words}\n`, code: 2, signal: null });
});

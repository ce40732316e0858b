// SPDX-License-Identifier: Apache-2.0
//
// docker/compose.yaml and docker/up: what they say is read, and started part by part (compose.mjs); a message reaches a client on each
// node through nginx.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Client } from '../harness/client.mjs';
import { run } from '../harness/gateway.mjs';
import { send } from '../harness/http.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { readEnv, read, startAll, up } from './compose.mjs';

const sum = (values) => values.reduce((all, value) => all + value, 0);

describe('compose', () => {
  const scope = suiteScope();
  const directory = mkdtempSync(join(tmpdir(), 'spillway-up-'));
  scope.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'env');
  const name = { SPILLWAY_ENV_FILE: file };

  test('docker/up makes a key once, which its owner alone can read', async () => {
    const first = await up(['--key-only'], name);
    assert.equal(first.code, 0, first.stderr);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const { SPILLWAY_API_KEY: key } = readEnv(file);
    assert.match(key, /^[0-9a-f]{48}$/);
    assert.ok(!first.stderr.includes(key), 'it is not shown');
    assert.equal((await up(['--key-only'], name)).code, 0);
    assert.equal(readEnv(file).SPILLWAY_API_KEY, key);
  });

  test('a disk that cannot be written, and a file without a key, are said with the fix', async () => {
    const readOnly = await up(['--key-only'], { SPILLWAY_ENV_FILE: '/proc/spillway.env' });
    assert.equal(readOnly.code, 1);
    assert.match(readOnly.stderr, /\/proc\/spillway\.env cannot be written: .*SPILLWAY_ENV_FILE=FILE docker\/up/);
    const empty = join(directory, 'empty');
    writeFileSync(empty, 'SPILLWAY_API_KEY=short\n');
    const short = await up(['--key-only'], { SPILLWAY_ENV_FILE: empty });
    assert.equal(short.code, 1);
    assert.match(short.stderr, /holds no SPILLWAY_API_KEY of 16 bytes at least/);
    assert.throws(() => read({}), /start with docker\/up/);
  });

  test('every service is bound: no rights, a root that cannot be written, loopback ports', async () => {
    const { services } = read(readEnv(file));
    assert.deepEqual(Object.keys(services).sort(), ['nginx', 'node-1', 'node-2', 'redis']);
    for (const [service, { read_only, cap_drop, security_opt, ports = [], privileged, user }] of Object.entries(services)) {
      assert.equal(read_only, true, service);
      assert.deepEqual(cap_drop, ['ALL'], service);
      assert.deepEqual(security_opt, ['no-new-privileges:true'], service);
      assert.equal(privileged, undefined, service);
      assert.ok(user || service.startsWith('node-'), `${service} is not root`);
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:/, service);
    }
    // Who is stopped has the time that it needs to drain.
    const { stdout } = await run(['docs', 'config']);
    const usual = (setting) => Number(new RegExp(`^\\| \`--${setting}\` .*?\`(\\d+)\``, 'm').exec(stdout)[1]);
    const needs = usual('drain-delay-ms') + usual('drain-ms') + usual('linger-ms') + 500;
    for (const node of ['node-1', 'node-2']) assert.ok(parseInt(services[node].stop_grace_period, 10) * 1000 > needs);
  });

  test('a node without the key does not start, and says what to do', async () => {
    const { services } = read(readEnv(file));
    const { SPILLWAY_API_KEY, ...rest } = services['node-1'].environment;
    const { code, stderr } = await run([], { env: { ...rest, SPILLWAY_LISTEN: '127.0.0.1:0', SPILLWAY_ADMIN_LISTEN: '0.0.0.0:0' } });
    assert.equal(code, 2);
    assert.match(stderr, /SPILLWAY_ADMIN_LISTEN .*needs keys.*SPILLWAY_API_KEY/);
    assert.ok(SPILLWAY_API_KEY);
  });

  test('what Redis gets and what curl sends reaches a client on each node, through nginx', async (t) => {
    const { redis, nodes, nginx } = await startAll(t, read(readEnv(file)));
    const clients = [];
    // Least connections: they take turns.
    while (clients.length < 4) clients.push(await Client.connect(t, `ws://127.0.0.1:${nginx.port}/v1/ws?topic=orders.eu`));
    for (const client of clients) await client.next('subscribed');
    const counts = await Promise.all(nodes.map(async (node) => (await node.metrics()).sum('spillway_connections', { transport: 'ws' })));
    assert.deepEqual(counts, [2, 2]);

    const publisher = await redis.client(t);
    await publisher.publish('orders.eu', '{"id":7}');
    for (const client of clients) assert.deepEqual((await client.next('msg')).data, { id: 7 });

    // As the README says, with docker/.env.
    const { SPILLWAY_API_KEY: key } = readEnv(file);
    const curl = (...words) => promisify(execFile)('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', ...words]);
    const topic = `http://${nodes[0].admin}/v1/topics/orders.eu`;
    assert.equal((await curl(topic, '-d', '{"id":8}')).stdout, '401');
    assert.equal((await curl(topic, '-H', `Authorization: Bearer ${key}`, '-d', '{"id":8}')).stdout, '200');
    for (const client of clients) assert.deepEqual((await client.next('msg')).data, { id: 8 });

    const sent = await Promise.all(nodes.map(async (node) => (await node.metrics()).sum('spillway_sent_total')));
    assert.ok(sum(sent) >= 8, `${sent}`);
    for (const node of nodes) assert.doesNotMatch(node.stderr, new RegExp(key), 'no key in a log');
  });

  test('the live page comes through nginx, what is for operators does not, and its prices are on both nodes', async (t) => {
    const { nodes, nginx } = await startAll(t, read(readEnv(file)));
    const status = async (path) => (await send(nginx.port, 'GET', path)).status;
    for (const path of ['/', '/demo.js', '/demo.css', '/demo-chart.js', '/favicon.svg', '/client.mjs']) assert.equal(await status(path), 200, path);
    for (const path of ['/metrics', '/ready', '/v1/connections', '/v1/drain']) assert.equal(await status(path), 404, path);
    for (const { port } of nodes) {
      const client = await Client.connect(t, `ws://127.0.0.1:${port}/v1/ws?topic=${encodeURIComponent('demo.>')}`);
      await client.next('msg');
    }
    for (const node of nodes) {
      const { code, stdout } = await run(['health'], { env: node.env });
      assert.equal(code, 0);
      assert.match(stdout, /^200 {"status":"live"}/);
    }
  });

  test('what Redis keeps is there after its restart', async (t) => {
    const { redis } = await startAll(t, read(readEnv(file)));
    await (await redis.client(t)).command('SET', 'last:price', '5');
    await redis.stop();
    await redis.start();
    assert.equal((await (await redis.client(t)).command('GET', 'last:price')).toString(), '5');
    assert.ok(existsSync(join(redis.directory, 'appendonlydir')));
  });
});

// SPDX-License-Identifier: Apache-2.0
//
// docker/Dockerfile, built and run: small, without a shell, and with nothing but its network it serves a thousand clients.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { send } from '../harness/http.mjs';
import { freePort } from '../harness/redis.mjs';
import { ROOT } from '../harness/setting.mjs';
import { until } from '../harness/until.mjs';
import { Container, HARDENED, haveImage, IMAGE, packagesOf, podman, runOnce } from './engine.mjs';

const dockerfile = readFileSync(`${ROOT}docker/Dockerfile`, 'utf8');
const [, version] = /^project\(spillway VERSION (\S+)/m.exec(readFileSync(`${ROOT}CMakeLists.txt`, 'utf8'));
const PROGRAM = '/usr/local/bin/spillway';
const KEY = '0123456789abcdef0123';
const OPEN = ['-e', 'SPILLWAY_AUTH=none', '-e', `SPILLWAY_API_KEY=${KEY}`];
const authorized = { Authorization: `Bearer ${KEY}` };

const tested = (name, run) => test(name, async (t) => ((await haveImage(t, dockerfile)) ? run(t) : undefined));

// On loopback ports of the machine; both are free.
async function startNode(t, args = []) {
  const [port, adminPort] = [await freePort(), await freePort()];
  const listen = ['-e', `SPILLWAY_LISTEN=127.0.0.1:${port}`, '-e', `SPILLWAY_ADMIN_LISTEN=127.0.0.1:${adminPort}`];
  const node = await Container.start(t, ['--network', 'host', ...HARDENED, ...listen, ...OPEN, ...args]);
  Object.assign(node, { port, adminPort });
  await until(async () => (await send(adminPort, 'GET', '/ready')).status === 200, 10000, 'the node ready');
  return node;
}

describe('the image', () => {
  test('has the version of the build', () => {
    assert.equal(/^ARG VERSION=(\S+)$/m.exec(dockerfile)[1], version);
  });

  test('is built with the packages that a build needs elsewhere', () => {
    const [, words] = /^build_packages=\(([^)]*)\)/m.exec(readFileSync(`${ROOT}deploy/prepare.sh`, 'utf8'));
    const here = packagesOf(dockerfile);
    for (const name of words.split(/\s+/)) assert.ok(here.includes(name) || name === 'build-essential', name);
  });

  tested('is below 60 MB and says what it is', async (t) => {
    const [{ Size, Config, HealthCheck, Healthcheck }] = JSON.parse(await podman('image', 'inspect', IMAGE));
    t.diagnostic(`${(Size / 1e6).toFixed(1)} MB`);
    assert.ok(Size < 60e6, `${Size} bytes`);
    assert.equal(Config.User, '65532:65532');
    assert.deepEqual(Config.Entrypoint, [PROGRAM]);
    assert.deepEqual(Object.keys(Config.ExposedPorts), ['8000/tcp', '9000/tcp']);
    assert.equal(Config.StopSignal, 'SIGTERM');
    assert.deepEqual((HealthCheck ?? Healthcheck ?? Config.Healthcheck).Test, ['CMD', PROGRAM, 'health']);
    const label = (name) => Config.Labels[`org.opencontainers.image.${name}`];
    assert.equal(label('version'), version);
    assert.equal(label('licenses'), 'Apache-2.0');
    assert.equal(label('revision'), 'abc123');
    assert.equal(label('source'), 'https://spillway.example/source');
    assert.equal(await runOnce('--version'), `spillway ${version}`);
  });

  tested('holds no shell, no interpreter and nothing that raises rights, and lists what it is made of', async () => {
    const container = await podman('create', IMAGE);
    try {
      const root = await podman('mount', container);
      const find = (...words) => execFileSync('find', [root, ...words]).toString().trim();
      const shells = ['sh', 'bash', 'dash', 'busybox', 'perl', 'python*', 'apt', 'dpkg'].flatMap((name) => ['-o', '-name', name]);
      assert.equal(find('-type', 'f', '-perm', '/111', '(', ...shells.slice(1), ')'), '');
      assert.equal(find('-type', 'f', '-perm', '/6000'), '');
      const doc = `${root}/usr/local/share/doc/spillway`;
      const sbom = JSON.parse(readFileSync(`${doc}/sbom.cdx.json`, 'utf8'));
      const names = sbom.components.map(({ name }) => name);
      for (const name of ['libuv1', 'libwslay1', 'libhiredis0.14', 'libssl3', 'libcjson1', 'zlib1g', 'libc6', 'node-llhttp'])
        assert.ok(names.includes(name), `${name} in ${names}`);
      const digest = createHash('sha256').update(readFileSync(root + PROGRAM)).digest('hex');
      assert.equal(sbom.metadata.component.hashes[0].content, digest);
      for (const name of ['libuv1', 'libwslay1', 'libhiredis0.14', 'libcjson1', 'zlib1g', 'node-llhttp'])
        assert.match(readFileSync(`${root}/usr/local/share/doc/${name}/copyright`, 'utf8'), /Copyright/i);
      assert.match(readFileSync(`${doc}/LICENCES`, 'utf8'), /libwslay1 \S+: MIT/);
      assert.match(readFileSync(`${doc}/LICENSE`, 'utf8'), /Apache License/);
    } finally {
      await podman('rm', '-f', container);
    }
  });

  tested('serves 1,000 clients within 64 MB, without rights and on a disk that cannot be written, and leaves with 0', async (t) => {
    const node = await startNode(t);
    const pid = await node.inspect('{{.State.Pid}}');
    const status = () => readFileSync(`/proc/${pid}/status`, 'utf8');
    assert.match(status(), /^Uid:\s+65532\s+65532/m);
    assert.match(status(), /^CapEff:\s+0+$/m);
    assert.match(status(), /^CapBnd:\s+0+$/m);
    assert.match(status(), /^NoNewPrivs:\s+1$/m);
    assert.match(readFileSync(`/proc/${pid}/mounts`, 'utf8'), /^\S+ \/ \S+ ro,/m);

    const clients = [];
    while (clients.length < 1000) {
      const some = Array.from({ length: 50 }, () => Client.connect(t, `ws://127.0.0.1:${node.port}/v1/ws?topic=orders.eu`));
      clients.push(...(await Promise.all(some)));
    }
    await Promise.all(clients.map((client) => client.next('subscribed')));
    const refused = await send(node.adminPort, 'POST', '/v1/topics/orders.eu', { body: '{"id":6}' });
    assert.equal(refused.status, 401);
    const answer = await send(node.adminPort, 'POST', '/v1/topics/orders.eu', { body: '{"id":7}', headers: authorized });
    assert.equal(answer.status, 200);
    for (const client of clients) assert.deepEqual((await client.next('msg')).data, { id: 7 });

    const resident = Number(/^VmRSS:\s+(\d+)/m.exec(status())[1]);
    t.diagnostic(`${(resident / 1024).toFixed(1)} MB resident with 1,000 clients`);
    assert.ok(resident < 64 * 1024, `${resident} KB`);
    assert.equal(await node.inspect('{{.State.OOMKilled}}'), 'false');
    const closed = clients.map((client) => client.closed);
    assert.equal(await node.stop(), 0);
    for (const { code } of await Promise.all(closed)) assert.equal(code, 1012);
  });

  tested('its own commands find its admin listener: health, and drain as a preStop hook', async (t) => {
    const node = await Container.start(t, ['--network', 'none', ...HARDENED, ...OPEN]);
    await until(async () => (await node.exec(PROGRAM, 'health')).code === 0, 10000, 'health');
    assert.match((await node.exec(PROGRAM, 'health', '--ready')).output, /200 {"status":"ready"/);
    await node.exec(PROGRAM, 'drain');
    assert.equal(await node.code(), 0);
  });

  tested('what is missing is said, with the fix', async (t) => {
    const none = ['--network', 'none', ...HARDENED];
    const ends = async (args) => {
      const node = await Container.start(t, [...none, ...args]);
      assert.equal(await node.code(), 2);
      return node.said();
    };
    assert.match(await ends([]), /SPILLWAY_LISTEN 0\.0\.0\.0:8000 .*add --auth none .*or --jwt-key-file/);
    assert.match(await ends(['-e', 'SPILLWAY_AUTH=none']), /SPILLWAY_ADMIN_LISTEN .*(api-key-file|SPILLWAY_API_KEY)/);
    assert.match(await ends([...OPEN, '-e', 'SPILLWAY_CONFIG=/absent.json']), /\/absent\.json: .*No such file/);
    assert.match(await ends([...OPEN, '-e', 'SPILLWAY_API_KEY_FILE=/etc/shadow-key']), /\/etc\/shadow-key/);
  });
});

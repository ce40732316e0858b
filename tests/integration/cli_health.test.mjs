// SPDX-License-Identifier: Apache-2.0
//
// What a container's own commands do: they find the admin listener, and a key for it, in the environment of the node.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Gateway, run } from '../harness/gateway.mjs';
import { freePort, Redis } from '../harness/redis.mjs';
import { atEnd } from '../harness/scope.mjs';

const KEY = '0123456789abcdef';

function keyFile(t) {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-key-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  const path = join(directory, 'keys');
  writeFileSync(path, `${KEY}\n`, { mode: 0o600 });
  return path;
}

describe('health', () => {
  test('a node that is well: 0, and its words', async (t) => {
    const gateway = await Gateway.start(t);
    const env = { SPILLWAY_ADMIN_LISTEN: gateway.admin };
    for (const [args, options, words] of [
      [[], { env }, '200 {"status":"live"}\n'],
      [['--ready'], { env }, '200 {"status":"ready","bus":"up"}\n'],
      [['--admin-url', `http://${gateway.admin}`], {}, '200 {"status":"live"}\n'],
    ]) {
      const { code, stdout, stderr } = await run(['health', ...args], options);
      assert.deepEqual([code, stdout, stderr], [0, words, '']);
    }
  });

  test('one that takes nobody yet is live and not ready', async (t) => {
    const redis = await Redis.start(t);
    await redis.stop();
    const gateway = await Gateway.start(t, ['--bus', redis.url]);
    const env = { SPILLWAY_ADMIN_LISTEN: gateway.admin };
    assert.equal((await run(['health'], { env })).code, 0);
    const { code, stdout, stderr } = await run(['health', '--ready'], { env });
    assert.deepEqual([code, stdout, stderr], [1, '', '503 {"status":"starting","bus":"down"}\n']);
  });

  test('nobody there, and a wrong command line', async () => {
    const env = { SPILLWAY_ADMIN_LISTEN: `127.0.0.1:${await freePort()}` };
    const nobody = await run(['health'], { env });
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /^spillway health: cannot connect to 127\.0\.0\.1:\d+: Connection refused\n$/);
    for (const args of [['now'], ['--url', 'x'], ['--admin-url', 'ftp://x']]) {
      const { code, stderr } = await run(['health', ...args]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /^spillway health: /);
    }
    assert.equal((await run(['health', '--help'])).code, 0);
  });
});

describe('in the environment of a node', () => {
  test('all addresses are asked on loopback, with the key of the file', async (t) => {
    const file = keyFile(t);
    const gateway = await Gateway.start(t, ['--admin-listen', '0.0.0.0:0', '--api-key-file', file]);
    const env = { SPILLWAY_ADMIN_LISTEN: `0.0.0.0:${gateway.adminPort}` };
    assert.equal((await run(['health'], { env })).code, 0, 'a probe needs no key');
    const refused = await run(['pub', 'health.a', '1'], { env });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /unauthorized/);
    const taken = await run(['pub', 'health.a', '1'], { env: { ...env, SPILLWAY_API_KEY_FILE: file } });
    assert.equal(taken.code, 0, taken.stderr);
    const stronger = await run(['pub', 'health.a', '1'], { env: { ...env, SPILLWAY_API_KEY_FILE: '/absent', SPILLWAY_API_KEY: KEY } });
    assert.equal(stronger.code, 0, stronger.stderr);
    const absent = await run(['pub', 'health.a', '1'], { env: { ...env, SPILLWAY_API_KEY_FILE: '/absent' } });
    assert.equal(absent.code, 2);
    assert.match(absent.stderr, /\/absent/);

    const { code, stdout } = await run(['drain'], { env: { ...env, SPILLWAY_API_KEY_FILE: file } });
    assert.equal(code, 0);
    assert.match(stdout, /^draining: 0 connections left/);
    assert.equal((await gateway.exited).code, 0);
  });
});

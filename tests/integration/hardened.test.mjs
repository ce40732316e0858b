// SPDX-License-Identifier: Apache-2.0
//
// A gateway without privileges, where nothing can be written: every mount is read-only, the user is nobody (or, where the tests
// run as one, an ordinary user), and no capability is left. It serves as ever.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { BINARY } from '../harness/setting.mjs';

const ROOT_USER = process.getuid() === 0;

// In a mount namespace of its own each mount is made read-only; what cannot be (a virtual one of the kernel) may stay as it is, but
// not where a file could be made. Then the words behind it become the process.
const SCRIPT = `
  while read -r _ _ _ _ place _; do mount -o remount,bind,ro "$place" 2>/dev/null; done </proc/self/mountinfo
  for folder in / /tmp "$PWD" "$HOME"; do
    if touch "$folder/spillway-was-here" 2>/dev/null; then echo "$folder can be written" >&2; exit 99; fi
  done
  exec setpriv ${ROOT_USER ? '--reuid 65534 --regid 65534 --clear-groups' : ''} --inh-caps=-all --bounding-set=-all --no-new-privs "$@"`;
const WORDS = ['unshare', ...(ROOT_USER ? [] : ['--map-root-user', '--user']), '--mount', 'sh', '-c', SCRIPT, 'sh'];

// A container may allow no namespaces, and nobody may not read a build in somebody's home.
const tried = spawnSync(WORDS[0], [...WORDS.slice(1), BINARY, '--version'], { encoding: 'utf8' });
const skip = tried.status === 0 ? false : `no read-only namespace here: ${`${tried.error ?? tried.stderr}`.trim().split('\n').at(-1)}`;

const O_ACCMODE = 0o3;

// Regular files that the process has open to be written.
const writtenFiles = (pid) =>
  readdirSync(`/proc/${pid}/fd`)
    .filter((fd) => (parseInt(/^flags:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))[1], 8) & O_ACCMODE) !== 0)
    .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
    .filter((path) => path.startsWith('/') && !path.startsWith('/dev/'));

test('an ordinary user, on a read-only root, is enough', { skip }, async (t) => {
  const gateway = await Gateway.start(t, ['--workers', '2'], { words: WORDS });
  const status = readFileSync(`/proc/${gateway.pid}/status`, 'utf8');
  const field = (name) => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)[1];
  assert.notEqual(field('Uid'), '0', 'not root outside of its namespace');
  assert.equal(field('NoNewPrivs'), '1');
  if (ROOT_USER) assert.match(field('CapEff'), /^0+$/);

  const client = await Client.connect(t, `${gateway.url}?topic=a`);
  await client.next('subscribed');
  await gateway.publish('a', '{"id":7}');
  assert.deepEqual((await client.next('msg')).data, { id: 7 });
  assert.deepEqual(writtenFiles(gateway.pid), []);
  assert.equal((await gateway.get('/ready')).status, 200);
});

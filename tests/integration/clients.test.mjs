// SPDX-License-Identifier: Apache-2.0
//
// Libraries that others wrote and people use: each connects, subscribes, reads a thousand messages in their order and to the byte,
// pings, publishes and leaves by the closing handshake. One that is not installed is skipped, with a word.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import * as javascript from '../harness/clients/javascript.mjs';
import { Client, converse } from '../harness/clients/talk.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { ROOT } from '../harness/setting.mjs';

const HERE = `${ROOT}tests/harness/clients/`;

const failure = ({ status, stderr, error }) => (status === 0 ? null : `${error?.message ?? stderr}`.trim().split('\n').at(-1));

// Debian's Python, whatever other one comes first in the path: its packages are those that prepare.sh installs.
const PYTHON = '/usr/bin/python3';
const python = (module) => {
  const missing = failure(spawnSync(PYTHON, ['-c', `import ${module}`], { encoding: 'utf8' }));
  return { skip: missing && `no ${module}: ${missing}`, words: () => [PYTHON, `${HERE}${module}_client.py`] };
};

// Each test has a folder of its own for the program that it builds.
function build(t, command, args, cwd) {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-client-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  const program = join(directory, 'client');
  const built = spawnSync(command, args(program), { cwd, encoding: 'utf8' });
  assert.equal(built.status, 0, built.stderr);
  return [program];
}

// Where Go and what it fetches are to be had.
function gorilla() {
  const cwd = `${HERE}gorilla`;
  const missing = failure(spawnSync('go', ['mod', 'download'], { cwd, encoding: 'utf8', timeout: 30000 }));
  return {
    skip: missing && `no Go or no module: ${missing}`,
    words: (t) => build(t, 'go', (program) => ['build', '-o', program, '.'], cwd),
  };
}

function libwebsockets() {
  const found = spawnSync('pkg-config', ['--cflags', '--libs', 'libwebsockets'], { encoding: 'utf8' });
  const flags = found.status === 0 ? found.stdout.trim().split(/\s+/) : [];
  return {
    skip: failure(found) && 'no libwebsockets-dev',
    code: '0', // what the node answers it does not tell
    words: (t) => build(t, 'cc', (program) => ['-o', program, `${HERE}libwebsockets.c`, ...flags]),
  };
}

describe('clients', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--client-publish']);
  });

  for (const [name, connect] of Object.entries(javascript)) {
    test(`npm: ${name}`, async () => converse(gateway, await Client.inside(name, connect, gateway.url)));
  }

  const programs = { websockets: python('websockets'), aiohttp: python('aiohttp'), gorilla: gorilla(), libwebsockets: libwebsockets() };
  for (const [name, { skip, words, code }] of Object.entries(programs)) {
    test(name, { skip: skip ?? false }, (t) => converse(gateway, Client.outside(t, name, words(t), gateway.url), code));
  }
});

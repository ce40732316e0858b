// SPDX-License-Identifier: Apache-2.0
//
// What a delivery costs in system calls and user instructions, on the release build, is no dearer than bench/baseline.json says: figures
// that do not depend on how fast the machine is.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { environment } from '../harness/gateway.mjs';
import { within } from '../harness/until.mjs';

test('a delivery costs no more than the baseline', async (t) => {
  const child = spawn(fileURLToPath(new URL('../../bench/run', import.meta.url)), ['turn', '--check'], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGTERM'));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const exited = new Promise((resolve) => child.on('close', resolve));
  assert.equal(await within(exited, 300000, () => said), 0, said);
});

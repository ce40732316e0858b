// SPDX-License-Identifier: Apache-2.0
//
// The drills of deploy/LAUNCH.md: each fires the alert that it names, and ends it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { BINARY, ROOT } from '../harness/setting.mjs';
import { within } from '../harness/until.mjs';

const DRILLS = { redis: ['SpillwayFeedStale'], node: ['SpillwayDown'], slow: ['SpillwayClientsSlow', 'SpillwayShedding'] };

async function drill(t, name) {
  const child = spawn(`${ROOT}deploy/drills/${name}`, [], {
    env: { ...process.env, SPILLWAY_BIN: BINARY },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGTERM'));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const exited = new Promise((resolve) => child.on('close', resolve));
  assert.equal(await within(exited, 120000, () => said), 0, said);
  return said;
}

describe('a drill', { concurrency: true }, () => {
  for (const [name, alerts] of Object.entries(DRILLS)) {
    test(`${name} fires ${alerts.join(' and ')}, and it ends`, async (t) => {
      const said = await drill(t, name);
      for (const alert of alerts) {
        assert.match(said, new RegExp(`${alert} fires`));
        assert.match(said, new RegExp(`${alert} is over`));
      }
    });
  }
});

test('the checklist names each drill with its alerts', () => {
  const list = readFileSync(`${ROOT}deploy/LAUNCH.md`, 'utf8');
  for (const [name, alerts] of Object.entries(DRILLS)) {
    const row = list.split('\n').find((line) => line.includes(`deploy/drills/${name}`)) ?? '';
    for (const alert of alerts) assert.ok(row.includes(alert), `${alert} beside deploy/drills/${name}`);
  }
});

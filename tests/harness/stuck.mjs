// SPDX-License-Identifier: Apache-2.0
//
// Very many clients that do not read (stuck.c), and may do so later.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { atEnd } from './scope.mjs';
import { BINARY } from './setting.mjs';
import { Mailbox, until, within } from './until.mjs';

const PROGRAM = join(dirname(BINARY), 'stuck');
let addresses = 1;

export class Stuck {
  #lines = new Mailbox();

  // `path` may have a '%' that stands for the client's number.
  static async open(t, port, count, path) {
    const stuck = new Stuck();
    const address = `127.0.1.${addresses++}`;
    stuck.count = count;
    stuck.child = spawn(PROGRAM, [port, address, count, path].map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
    stuck.gone = new Promise((resolve) => stuck.child.once('close', resolve));
    stuck.gone.then((code) => stuck.#lines.end(`the stuck clients have ended (${code})`));
    atEnd(t, () => stuck.child.kill('SIGKILL'));
    createInterface({ input: stuck.child.stdout }).on('line', (line) => stuck.#lines.put({ raw: line }));
    const opened = await stuck.#lines.take(() => true, 60000, `${count} connections`);
    assert.equal(opened.raw, 'open');
    return stuck;
  }

  read() {
    this.child.stdin.write('read\n');
  }

  // {messages, told, open, closes: {code: count}} of all.
  async report() {
    this.child.stdin.write('report\n');
    return JSON.parse((await this.#lines.take(() => true, 10000, 'a report')).raw);
  }

  // Waits until `holds` is true of the report, and returns it.
  async reported(holds, what, ms = 20000) {
    let seen;
    await until(
      async () => holds((seen = await this.report())),
      ms,
      () => `${what}: ${JSON.stringify(seen)}`,
    );
    return seen;
  }

  // Everybody leaves.
  leave() {
    this.child.stdin.end();
    return within(this.gone, 20000, 'the end of the stuck clients');
  }
}

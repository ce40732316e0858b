// SPDX-License-Identifier: Apache-2.0
//
// What the kernel holds for connections of a server on the loopback, as `ss` (iproute2) tells.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

// Memory of the server's end of each connection, by the client's port: what is received and not read, what is sent and not
// acknowledged, what is reserved for either, options and the backlog. Bytes as the kernel charges them, which is more than the data.
export async function socketMemory(port) {
  const args = ['-tmnHO', 'state', 'connected', `( sport = :${port} )`];
  const { stdout } = await promisify(execFile)('ss', args, { maxBuffer: 64 << 20 });
  const held = new Map();
  for (const line of stdout.split('\n')) {
    const peer = /:(\d+)\s+skmem:\((\S+)\)/.exec(line);
    if (!peer) continue;
    const field = Object.fromEntries(peer[2].split(',').map((part) => [part.replace(/\d+/, ''), Number(/\d+/.exec(part)[0])]));
    held.set(Number(peer[1]), field.r + field.w + field.f + field.o + field.bl);
  }
  return held;
}

// SPDX-License-Identifier: Apache-2.0
//
// A road to a port that can be cut: bytes go to and fro, until all connections on it break and new ones are refused for a while.

import net from 'node:net';
import { atEnd } from './scope.mjs';

export class Road {
  #pairs = new Set();

  static async start(t, to) {
    const road = new Road();
    road.to = to;
    road.server = net.createServer((socket) => road.#join(socket));
    await new Promise((resolve) => road.server.listen(0, '127.0.0.1', resolve));
    road.port = road.server.address().port;
    atEnd(t, () => {
      road.cut();
      return new Promise((resolve) => road.server.close(resolve));
    });
    return road;
  }

  #join(near) {
    if (this.blocked) return near.resetAndDestroy();
    const far = net.connect(this.to, '127.0.0.1');
    const pair = [near, far];
    this.#pairs.add(pair);
    near.pipe(far);
    far.pipe(near);
    const end = () => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    return undefined;
  }

  cut() {
    this.blocked = true;
    for (const [near, far] of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }
  mend() {
    this.blocked = false;
  }
}

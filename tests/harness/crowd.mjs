// SPDX-License-Identifier: Apache-2.0
//
// Very many idle connections from child processes: a process may hold only so many descriptors, and one address of the loopback only
// so many ports. Each child opens raw upgrades with one subscription each, from an address of its own, and drops what it reads.
//
// As a module: `Crowd`. As a program: one child.

import { fork } from 'node:child_process';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { upgradeRequest } from './raw.mjs';
import { atEnd } from './scope.mjs';
import { within } from './until.mjs';

const PER_CHILD = 5000;
const OPENING_AT_ONCE = 64;

export class Crowd {
  static async open(t, port, count, path) {
    const crowd = new Crowd();
    crowd.children = [];
    atEnd(t, () => crowd.children.forEach((child) => child.kill('SIGKILL')));
    const open = [];
    for (let opened = 0; opened < count; opened += PER_CHILD) {
      const child = fork(fileURLToPath(import.meta.url), { stdio: 'inherit' });
      crowd.children.push(child);
      const order = { port, path, count: Math.min(PER_CHILD, count - opened), address: `127.0.0.${crowd.children.length + 1}` };
      open.push(crowd.#ask(child, order));
    }
    await within(Promise.all(open), 120000, `${count} connections`);
    return crowd;
  }

  #ask(child, order) {
    return new Promise((resolve, reject) => {
      child.once('message', ({ error }) => (error ? reject(new Error(error)) : resolve()));
      child.once('exit', (code) => code && reject(new Error(`a child of the crowd ended (${code})`)));
      child.send(order);
    });
  }

  // Ends all connections and waits until the children are gone.
  async close() {
    const gone = this.children.map((child) => new Promise((resolve) => child.once('exit', resolve)));
    for (const child of this.children) child.send({ close: true });
    await within(Promise.all(gone), 60000, 'the end of the crowd');
  }
}

function openOne({ port, path, address }) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1', localAddress: address });
    let said = '';
    const onData = (chunk) => {
      said += chunk.toString('latin1');
      if (!said.includes('"subscribed"')) return;
      socket.off('data', onData);
      socket.resume();
      resolve(socket);
    };
    socket.on('connect', () => socket.write(upgradeRequest(path)));
    socket.on('data', onData);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after: ${said.slice(0, 200)}`)));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send) {
  const sockets = [];
  process.on('message', async (order) => {
    if (order.close) {
      sockets.forEach((socket) => socket.destroy());
      process.disconnect();
      return;
    }
    let left = order.count;
    const lane = async () => {
      while (left-- > 0) sockets.push(await openOne(order));
    };
    try {
      await Promise.all(Array.from({ length: OPENING_AT_ONCE }, lane));
      process.send({});
    } catch (error) {
      process.send({ error: error.message });
    }
  });
}

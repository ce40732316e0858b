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
import { until, within } from './until.mjs';

const PER_CHILD = 5000;
const OPENING_AT_ONCE = 64;

export class Crowd {
  // `tokens`: one for each, shown at the upgrade.
  static async open(t, port, count, path, { tokens } = {}) {
    const crowd = new Crowd();
    crowd.children = [];
    atEnd(t, () => crowd.children.forEach((child) => child.kill('SIGKILL')));
    const open = [];
    for (let opened = 0; opened < count; opened += PER_CHILD) {
      const child = fork(fileURLToPath(import.meta.url), { stdio: 'inherit' });
      crowd.children.push(child);
      const size = Math.min(PER_CHILD, count - opened);
      const address = `127.0.0.${crowd.children.length + 1}`;
      open.push(crowd.#ask(child, { port, path, count: size, address, tokens: tokens?.slice(opened, opened + size) }));
    }
    await within(Promise.all(open), 120000, `${count} connections`);
    return crowd;
  }

  // All connections are reset, then all connect and then all say who they are, in one moment; resolves when all are subscribed.
  comeBack() {
    return within(Promise.all(this.children.map((child) => this.#ask(child, { comeBack: true }))), 60000, 'the return of the crowd');
  }

  // Waits until each has heard this text since it was subscribed, or since the last such question: {whole} have heard it and nothing
  // else, but for `before`, where it came in between; {other} anything else.
  async heard(text, before) {
    const answers = await within(
      Promise.all(this.children.map((child) => this.#ask(child, { heard: text, before }))),
      20000,
      `everybody's ${text}`,
    );
    return answers.reduce((sum, { whole, other }) => ({ whole: sum.whole + whole, other: sum.other + other }), { whole: 0, other: 0 });
  }

  #ask(child, order) {
    return new Promise((resolve, reject) => {
      child.once('message', ({ error, answer }) => (error ? reject(new Error(error)) : resolve(answer)));
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

const headersOf = (token) => (token ? { Authorization: `Bearer ${token}` } : {});

// What a client hears behind `subscribed`.
function listen(socket, rest) {
  socket.heard = rest;
  socket.on('data', (chunk) => (socket.heard = Buffer.concat([socket.heard, chunk])));
}

function connectOne({ port, address }) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1', localAddress: address });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

// From the upgrade to `subscribed`, which comes once.
function upgradeOne(socket, { path }, token) {
  return new Promise((resolve, reject) => {
    let said = Buffer.alloc(0);
    const onData = (chunk) => {
      said = Buffer.concat([said, chunk]);
      const done = said.indexOf('"done":true');
      const end = done < 0 ? -1 : said.indexOf(']}', done);
      if (end < 0) return;
      socket.off('data', onData);
      listen(socket, said.subarray(end + 2));
      resolve(socket);
    };
    socket.on('data', onData);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after: ${said.toString('latin1').slice(0, 200)}`)));
    socket.write(upgradeRequest(path, headersOf(token)));
  });
}

const openOne = async (order, token) => upgradeOne(await connectOne(order), order, token);

// Of the server's short texts.
const frameOf = (text) => Buffer.from([0x81, text.length, ...Buffer.from(text)]);

// Takes what was heard once everybody has heard the text.
async function heard(sockets, text, before) {
  const frame = frameOf(text);
  const both = before ? Buffer.concat([frameOf(before), frame]) : frame;
  await until(() => sockets.every(({ heard }) => heard.includes(frame)), 15000, 'a frame for everybody');
  const whole = sockets.filter(({ heard }) => heard.equals(frame) || heard.equals(both)).length;
  sockets.forEach((socket) => (socket.heard = Buffer.alloc(0)));
  return { whole, other: sockets.length - whole };
}

class Child {
  async open(order) {
    this.order = order;
    this.sockets = [];
    const waiting = Array.from({ length: order.count }, (_, at) => order.tokens?.[at]);
    const lane = async () => {
      while (waiting.length) this.sockets.push(await openOne(order, waiting.pop()));
    };
    await Promise.all(Array.from({ length: OPENING_AT_ONCE }, lane));
  }

  async comeBack() {
    const { order } = this;
    this.sockets.forEach((socket) => socket.resetAndDestroy());
    const connected = await Promise.all(this.sockets.map(() => connectOne(order)));
    this.sockets = await Promise.all(connected.map((socket, at) => upgradeOne(socket, order, order.tokens?.[at])));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send) {
  const child = new Child();
  process.on('message', async (order) => {
    if (order.close) {
      child.sockets.forEach((socket) => socket.destroy());
      process.disconnect();
      return;
    }
    try {
      if (order.heard) process.send({ answer: await heard(child.sockets, order.heard, order.before) });
      else process.send({ answer: await (order.comeBack ? child.comeBack() : child.open(order)) });
    } catch (error) {
      process.send({ error: error.message });
    }
  });
}

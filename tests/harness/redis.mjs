// SPDX-License-Identifier: Apache-2.0
//
// A real redis-server of the test's own, and just enough of its protocol to talk to it.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from './scope.mjs';
import { within } from './until.mjs';

const alive = new Set();
process.on('exit', () => alive.forEach((child) => child.kill('SIGKILL')));

// A port of the loopback that nobody has right now, and that no connection will be given meanwhile: below those that the kernel
// hands out.
export async function freePort() {
  for (;;) {
    const port = 12000 + Math.floor(Math.random() * 20000);
    const server = net.createServer();
    const free = await new Promise((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

export class Redis {
  constructor(args = []) {
    this.args = args;
  }

  static async start(t, args) {
    const redis = new Redis(args);
    atEnd(t, () => redis.end());
    return redis.start();
  }

  // Starts, or starts again on the port that it had.
  async start() {
    this.port ??= await freePort();
    this.url = `redis://127.0.0.1:${this.port}`;
    this.directory ??= mkdtempSync(join(tmpdir(), 'spillway-redis-'));
    const args = [
      '--port',
      this.port,
      '--bind',
      '127.0.0.1',
      '--dir',
      this.directory,
      '--save',
      '',
      '--appendonly',
      'no',
      ...this.args,
    ];
    this.child = spawn('redis-server', args.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
    const { child } = this;
    alive.add(child);
    let said = '';
    this.exited = new Promise((resolve) => child.on('close', () => resolve(alive.delete(child))));
    const ready = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.stdout.on('data', (text) => (said += text).includes('Ready to accept connections') && resolve());
      child.on('close', () => reject(new Error(`redis-server ended\n${said}`)));
    });
    await within(ready, 10000, () => `redis-server\n${said}`);
    return this;
  }

  async #end(signal) {
    if (!this.child) return;
    this.child.kill(signal);
    await within(this.exited, 10000, 'the end of redis-server');
    this.child = undefined;
  }
  stop() {
    return this.#end('SIGTERM');
  }
  kill() {
    return this.#end('SIGKILL');
  }
  // Silence without a word: the sockets stay, nothing answers from now on. (A signal is on its way for a moment.)
  freeze() {
    this.child.kill('SIGSTOP');
    const state = () => /\) (\w)/.exec(readFileSync(`/proc/${this.child.pid}/stat`, 'latin1'))[1];
    while (state() !== 'T');
  }
  thaw() {
    this.child.kill('SIGCONT');
  }

  async end() {
    await this.kill();
    if (this.directory) rmSync(this.directory, { recursive: true, force: true });
  }

  // A connection of the test's own, which ends with it.
  async client(t) {
    const client = await Resp.connect(this.port);
    atEnd(t, () => client.close());
    return client;
  }
}

// RESP2. Commands are pipelined: each call returns the promise of its own reply.
export class Resp {
  #waiting = [];
  #rest = Buffer.alloc(0);
  #ended;
  onpush; // with this set, `message` and `pmessage` arrays go here instead of answering a command

  static connect(port) {
    const client = new Resp();
    const socket = (client.socket = net.connect(port, '127.0.0.1'));
    socket.setNoDelay(true);
    socket.on('data', (chunk) => client.#onData(chunk));
    const fail = (error) => {
      client.#ended ??= error;
      for (const waiter of client.#waiting.splice(0)) waiter.reject(client.#ended);
    };
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('redis closed the connection')));
    const up = new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(client));
      socket.once('error', reject);
    });
    return within(up, 5000, `a connection to redis on port ${port}`);
  }

  command(...args) {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.socket.write(encode(args));
    });
  }

  publish(channel, payload) {
    return this.command('PUBLISH', channel, payload);
  }

  // Publishes `[channel, payload]` pairs in one write; the promise is of the last reply, and of every earlier one with it.
  publishAll(pairs) {
    if (this.#ended) return Promise.reject(this.#ended);
    const replies = pairs.map(() => new Promise((resolve, reject) => this.#waiting.push({ resolve, reject })));
    this.socket.write(Buffer.concat(pairs.map(([channel, payload]) => encode(['PUBLISH', channel, payload]))));
    return Promise.all(replies);
  }

  // SUBSCRIBE or PSUBSCRIBE, with a function for what comes. The promise settles when Redis has acknowledged.
  subscribe(command, name, onmessage) {
    this.onpush = (reply) => onmessage({ channel: reply.at(-2).toString(), payload: reply.at(-1) });
    return this.command(command, name);
  }

  close() {
    this.socket.destroy();
  }

  #onData(chunk) {
    this.#rest = this.#rest.length ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    for (;;) {
      const parsed = parse(this.#rest, at);
      if (!parsed) break;
      at = parsed.next;
      this.#onReply(parsed.value);
    }
    this.#rest = this.#rest.subarray(at);
  }

  #onReply(reply) {
    if (this.onpush && Array.isArray(reply) && /^p?message$/.test(String(reply[0]))) return this.onpush(reply);
    const waiter = this.#waiting.shift();
    if (reply instanceof Error) waiter?.reject(reply);
    else waiter?.resolve(reply);
  }
}

function encode(args) {
  const parts = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

// One reply at `at`: {value, next}, or undefined while it is not whole. Bulk strings are buffers, because payloads are bytes.
function parse(bytes, at) {
  const end = bytes.indexOf('\r\n', at);
  if (end < 0) return undefined;
  const line = bytes.toString('latin1', at + 1, end);
  let next = end + 2;
  switch (bytes[at]) {
    case 0x2b: // +
      return { value: line, next };
    case 0x2d: // -
      return { value: new Error(line), next };
    case 0x3a: // :
      return { value: Number(line), next };
    case 0x24: {
      // $
      const length = Number(line);
      if (length < 0) return { value: null, next };
      if (bytes.length < next + length + 2) return undefined;
      return { value: bytes.subarray(next, next + length), next: next + length + 2 };
    }
    default: {
      // *
      const value = [];
      for (let left = Number(line); left > 0; left--) {
        const item = parse(bytes, next);
        if (!item) return undefined;
        value.push(item.value);
        next = item.next;
      }
      return { value, next };
    }
  }
}

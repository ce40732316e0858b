// SPDX-License-Identifier: Apache-2.0
//
// A socket with bad manners: HTTP requests by hand, halves of them, and WebSocket frames with any bit set or forgotten.

import { createHash, randomBytes } from 'node:crypto';
import net from 'node:net';
import { atEnd } from './scope.mjs';
import { within } from './until.mjs';

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

// Any frame. `length` announces another length than the payload has; `lengthBytes` (0, 2 or 8) forces the form of the length.
export function frame(opcode, payload = '', { fin = true, rsv = 0, mask = true, length, lengthBytes } = {}) {
  const body = Buffer.from(payload);
  const announced = length ?? body.length;
  const wide = lengthBytes ?? (announced < 126 ? 0 : announced < 65536 ? 2 : 8);
  const head = Buffer.alloc(2 + wide + (mask ? 4 : 0));
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (mask ? 0x80 : 0) | (wide === 0 ? announced : wide === 2 ? 126 : 127);
  if (wide === 2) head.writeUInt16BE(announced, 2);
  if (wide === 8) head.writeBigUInt64BE(BigInt(announced), 2);
  if (!mask) return Buffer.concat([head, body]);
  const key = randomBytes(4);
  key.copy(head, 2 + wide);
  return Buffer.concat([head, body.map((byte, at) => byte ^ key[at & 3])]);
}

export const text = (payload, options) =>
  frame(OPCODE.text, typeof payload === 'string' ? payload : JSON.stringify(payload), options);

// A close frame with a status code and words, or with exactly these bytes.
export function close(code, reason = '') {
  const body = Buffer.alloc(2);
  body.writeUInt16BE(code);
  return frame(OPCODE.close, Buffer.concat([body, Buffer.from(reason)]));
}

// The request of an upgrade, with headers added, replaced, or left out (undefined).
export function upgradeRequest(path = '/v1/ws', headers = {}, { method = 'GET', version = '1.1' } = {}) {
  const all = {
    Host: '127.0.0.1',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    ...headers,
  };
  const lines = Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/${version}\r\n${lines.join('')}\r\n`;
}

export const acceptOf = (key) => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

export class RawSocket {
  #bytes = Buffer.alloc(0);
  #wake = () => {};

  constructor(port, { host = '127.0.0.1', localAddress } = {}) {
    this.socket = net.connect({ port, host, localAddress, allowHalfOpen: true });
    this.socket.setNoDelay(true);
    this.socket.on('data', (chunk) => {
      this.#bytes = this.#bytes.length ? Buffer.concat([this.#bytes, chunk]) : chunk;
      this.#wake();
    });
    // How the other side left: 'end' for a FIN, otherwise the name of the error ('ECONNRESET').
    this.ended = new Promise((resolve) => {
      const end = (how) => {
        this.over ??= how;
        this.#wake();
        resolve(this.over);
      };
      this.socket.on('end', () => end('end'));
      this.socket.on('error', (error) => end(error.code));
      this.socket.on('close', () => end('close'));
    });
  }

  static async connect(t, port, options) {
    const raw = new RawSocket(port, options);
    atEnd(t, () => raw.destroy());
    const connected = new Promise((resolve) => raw.socket.once('connect', resolve));
    await within(Promise.race([connected, raw.ended]), 5000, `a connection to port ${port}`);
    if (raw.over) throw new Error(`no connection to port ${port}: ${raw.over}`);
    return raw;
  }

  // A connection that has been upgraded. `behind` goes out glued to the request.
  static async upgrade(t, port, path, headers, behind = '') {
    const raw = await RawSocket.connect(t, port);
    raw.write(Buffer.concat([Buffer.from(upgradeRequest(path, headers)), Buffer.from(behind)]));
    const response = await raw.response();
    if (response.status !== 101) throw new Error(`not upgraded: ${response.head}${response.body}`);
    raw.upgraded = response;
    return raw;
  }

  write(bytes) {
    this.socket.write(bytes);
    return this;
  }

  // One byte at a time, each in a write of its own.
  async trickle(bytes) {
    for (const byte of Buffer.from(bytes)) {
      await new Promise((resolve) => this.socket.write(Buffer.of(byte), resolve));
      await new Promise(setImmediate);
    }
  }

  pause() {
    this.socket.pause();
  }
  resume() {
    this.socket.resume();
  }
  destroy() {
    this.socket.destroy();
  }

  // Calls `parse(bytes)` as bytes come, until it gives {value, used}.
  async #read(parse, what, ms) {
    const reading = (async () => {
      for (;;) {
        const parsed = parse(this.#bytes);
        if (parsed) {
          this.#bytes = this.#bytes.subarray(parsed.used);
          return parsed.value;
        }
        if (this.over)
          throw new Error(`ended (${this.over}) before ${what}; unread: ${this.#bytes.toString('latin1').slice(0, 300)}`);
        await new Promise((resolve) => (this.#wake = resolve));
      }
    })();
    return within(reading, ms, what);
  }

  // The next HTTP response: status, head, headers (lower case), body by Content-Length, or none for a HEAD.
  response({ bodyless = false, ms = 10000 } = {}) {
    const parse = (bytes) => {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) return undefined;
      const head = bytes.toString('latin1', 0, end + 4);
      const headers = Object.fromEntries(
        head
          .split('\r\n')
          .slice(1, -2)
          .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
      );
      const length = bodyless ? 0 : Number(headers['content-length'] ?? 0);
      if (bytes.length < end + 4 + length) return undefined;
      const body = bytes.toString('utf8', end + 4, end + 4 + length);
      return { value: { status: Number(head.split(' ')[1]), head, headers, body }, used: end + 4 + length };
    };
    return this.#read(parse, 'an HTTP response', ms);
  }

  // The text up to these words, and with them.
  until(words, ms = 10000) {
    const parse = (bytes) => {
      const at = bytes.indexOf(words);
      const used = at + Buffer.byteLength(words);
      return at < 0 ? undefined : { value: bytes.toString('utf8', 0, used), used };
    };
    return this.#read(parse, JSON.stringify(words), ms);
  }

  // The next frame from the server.
  frame(ms = 10000) {
    const parse = (bytes) => {
      if (bytes.length < 2) return undefined;
      let length = bytes[1] & 0x7f;
      let at = 2;
      if (length === 126) {
        if (bytes.length < 4) return undefined;
        length = bytes.readUInt16BE(2);
        at = 4;
      } else if (length === 127) {
        if (bytes.length < 10) return undefined;
        length = Number(bytes.readBigUInt64BE(2));
        at = 10;
      }
      const masked = (bytes[1] & 0x80) !== 0;
      if (masked) at += 4;
      if (bytes.length < at + length) return undefined;
      const payload = Buffer.from(bytes.subarray(at, at + length));
      const value = { fin: (bytes[0] & 0x80) !== 0, rsv: (bytes[0] >> 4) & 7, opcode: bytes[0] & 15, masked, payload };
      if (value.opcode === OPCODE.close && length >= 2) {
        value.code = payload.readUInt16BE(0);
        value.reason = payload.toString('utf8', 2);
      }
      return { value, used: at + length };
    };
    return this.#read(parse, 'a frame', ms);
  }

  // The next text frame as JSON, passing over the server's pings.
  async json(ms) {
    for (;;) {
      const next = await this.frame(ms);
      if (next.opcode === OPCODE.text) return JSON.parse(next.payload);
      if (next.opcode === OPCODE.close) throw new Error(`closed by ${next.code} ${next.reason}`);
    }
  }

  // Reads on to the close frame, answers it as a client should, and waits for the end of the stream behind it; returns the frame.
  // Data in between is passed over.
  async closeFrame(ms = 10000) {
    for (;;) {
      const next = await this.frame(ms);
      if (next.opcode !== OPCODE.close) continue;
      this.write(frame(OPCODE.close, next.payload));
      await within(this.ended, ms, 'the end of the stream behind the close frame');
      return next;
    }
  }
}

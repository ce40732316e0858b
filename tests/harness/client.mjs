// SPDX-License-Identifier: Apache-2.0
//
// A client of the native protocol over npm `ws`, as a dashboard would be one: it keeps every frame in order, sorts messages by
// subscription, and lets a test await what it expects.

import { WebSocket } from 'ws';
import { atEnd } from './scope.mjs';
import { Mailbox, within } from './until.mjs';

export class Client {
  frames = []; // all that came, parsed; each has its bytes in `raw`
  streams = new Map(); // name of a subscription -> its `msg` and `dropped` frames, in order
  #mail = new Mailbox();
  #id = 0;

  constructor(url, { protocols = [], ...options } = {}) {
    this.ws = new WebSocket(url, protocols, { perMessageDeflate: false, ...options });
    this.closed = new Promise((resolve) => {
      this.ws.on('close', (code, reason) => {
        this.code = code;
        this.#mail.end(`closed by ${code} ${reason}${this.refused ? ` (HTTP ${this.refused.status})` : ''}`);
        resolve({ code, reason: reason.toString() });
      });
    });
    this.ws.on('message', (data, isBinary) => this.#onFrame(isBinary ? data : data.toString()));
    this.ws.on('unexpected-response', (request, response) => this.#onRefused(request, response));
    this.ws.on('error', (error) => (this.error = error));
  }

  // A client whose upgrade succeeded and who was welcomed. `t` closes it at the end of the test.
  static async connect(t, url, { welcome = true, ...options } = {}) {
    const client = new Client(url, options);
    atEnd(t, () => client.terminate());
    const opened = new Promise((resolve) => client.ws.on('open', resolve));
    await within(Promise.race([opened, client.closed]), 10000, `an upgrade at ${url}`);
    if (client.ws.readyState === WebSocket.CLOSED) {
      throw Object.assign(new Error(`not upgraded: ${client.error?.message}`), { client, refused: client.refused });
    }
    if (welcome) client.welcome = await client.next('welcome');
    return client;
  }

  #onRefused(request, response) {
    const chunks = [];
    response.on('data', (chunk) => chunks.push(chunk));
    response.on('end', () => {
      this.refused = { status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() };
      request.destroy();
      this.ws.terminate();
    });
  }

  #onFrame(raw) {
    const frame = typeof raw === 'string' ? JSON.parse(raw) : { binary: raw };
    Object.defineProperty(frame, 'raw', { value: raw });
    this.frames.push(frame);
    if (frame.type === 'msg' || frame.type === 'dropped') this.#stream(frame.sub ?? frame.topic).push(frame);
    this.#mail.put(frame);
  }

  #stream(name) {
    if (!this.streams.has(name)) this.streams.set(name, []);
    return this.streams.get(name);
  }

  // What came so far for one subscription.
  of(name) {
    return this.streams.get(name) ?? [];
  }
  // The same without what tells of gaps.
  messages(name) {
    return this.of(name).filter(({ type }) => type === 'msg');
  }

  // Takes the first frame not yet taken that is of this type, or that the function accepts.
  next(wanted = () => true, ms = 10000) {
    const wants = typeof wanted === 'string' ? ({ type }) => type === wanted : wanted;
    return this.#mail.take(wants, ms, typeof wanted === 'string' ? wanted : `a frame such that ${wanted}`);
  }
  // Waits until a subscription has `count` frames, and returns them.
  async received(name, count, ms = 10000) {
    while (this.of(name).length < count) {
      await this.next((frame) => (frame.type === 'msg' || frame.type === 'dropped') && (frame.sub ?? frame.topic) === name, ms);
    }
    return this.of(name);
  }

  // Sends text as it is, and anything else as JSON.
  send(frame) {
    this.ws.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  // What `send` says goes out in one write.
  together(send) {
    const { _socket: socket } = this.ws;
    socket.cork();
    send();
    socket.uncork();
  }

  // Sends a request with an id of its own and returns the reply that echoes it.
  request(type, fields = {}) {
    const id = ++this.#id;
    this.send({ type, id, ...fields });
    return this.next((frame) => frame.id === id);
  }

  // Subscribes and returns the entries by name, however many `subscribed` frames they came in.
  async subscribe(...subs) {
    const id = ++this.#id;
    this.send({ type: 'subscribe', id, subs: subs.map((sub) => (typeof sub === 'string' ? { topic: sub } : sub)) });
    const entries = {};
    for (;;) {
      const reply = await this.next((frame) => frame.id === id);
      if (reply.type !== 'subscribed') throw new Error(`not subscribed: ${reply.raw}`);
      for (const entry of reply.subs) entries[entry.topic] = entry;
      if (reply.done) return entries;
    }
  }
  unsubscribe(...topics) {
    return this.request('unsubscribe', { topics });
  }

  // A round trip: whatever the server said before it has come.
  async flushed() {
    return this.request('ping');
  }

  // The close handshake, from this side.
  async close(code, reason) {
    this.ws.close(code, reason);
    return within(this.closed, 5000, 'the close handshake');
  }
  terminate() {
    this.ws.terminate();
  }
}

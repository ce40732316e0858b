// SPDX-License-Identifier: Apache-2.0
//
// A server that plays the frames of PROTOCOL.md as a test says: over WebSocket, as Server-Sent Events, and as the answer to a
// publish. It does nothing by itself but welcome, and that only where it is asked to.

import http from 'node:http';
import { WebSocketServer } from 'ws';
import { atEnd } from './scope.mjs';
import { Mailbox, until } from './until.mjs';

const WELCOME = { type: 'welcome', session: 's', node: 'n', heartbeat_ms: 25000, limits: {}, features: [] };

export class Scripted {
  sockets = []; // Peer, in the order in which they came
  streams = []; // Stream
  posts = []; // {headers, body}, of publishes
  refused = 0; // upgrades and streams that got a status instead
  #server = http.createServer((request, response) => this.#onRequest(request, response));
  #upgrades = new WebSocketServer({ noServer: true, handleProtocols: () => 'spillway.v1.json' });

  // `sockets` and `streams`: are they let in? A number is the HTTP status that they get instead. `welcome`: each is welcomed.
  static async start(t, { sockets = true, streams = true, welcome = true, heartbeat = 25000 } = {}) {
    const scripted = new Scripted();
    Object.assign(scripted, { allows: { sockets, streams }, welcome, heartbeat });
    const server = scripted.#server;
    server.on('upgrade', (request, socket, head) => scripted.#onUpgrade(request, socket, head));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    scripted.url = `http://127.0.0.1:${server.address().port}`;
    atEnd(t, () => {
      scripted.sockets.forEach((peer) => peer.socket.terminate());
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    return scripted;
  }

  #onUpgrade(request, socket, head) {
    const { sockets } = this.allows;
    if (sockets !== true) {
      this.refused++;
      socket.on('error', () => {});
      socket.end(`HTTP/1.1 ${sockets} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    this.#upgrades.handleUpgrade(request, socket, head, (accepted) => {
      const peer = new Peer(accepted, request.headers);
      if (this.welcome) peer.say({ ...WELCOME, heartbeat_ms: this.heartbeat });
      this.sockets.push(peer);
    });
  }

  #onRequest(request, response) {
    response.setHeader('Access-Control-Allow-Origin', '*');
    if (request.method === 'POST') {
      let body = '';
      request.on('data', (text) => (body += text));
      request.on('end', () => {
        this.posts.push({ headers: request.headers, body });
        response.writeHead(200, { 'Content-Type': 'application/json' }).end(this.answer ?? '{"results":[{"position":"E1:7"}]}');
      });
      return;
    }
    const { streams } = this.allows;
    if (streams !== true) {
      this.refused++;
      const error = { code: 'refused', message: `status ${streams}`, retry: streams >= 500 };
      response.writeHead(streams, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error }));
      return;
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
    const stream = new Stream(request, response);
    if (this.welcome) stream.say({ ...WELCOME, heartbeat_ms: this.heartbeat });
    this.streams.push(stream);
  }

  // The nth that comes, from 0.
  socket(n) {
    return until(() => this.sockets[n], 10000, `socket ${n} of ${this.sockets.length}`);
  }
  stream(n) {
    return until(() => this.streams[n], 10000, `stream ${n} of ${this.streams.length}`);
  }
}

class Peer {
  heard = []; // all requests, in order
  bytes = []; // as they came
  left = false;
  #mail = new Mailbox();

  constructor(socket, headers) {
    this.socket = socket;
    this.protocols = headers['sec-websocket-protocol'].split(/, */);
    socket.on('message', (text) => {
      const frame = JSON.parse(text);
      this.heard.push(frame);
      this.bytes.push(String(text));
      this.#mail.put(frame);
    });
    socket.on('close', (code) => {
      this.code = code;
      this.left = true;
    });
  }

  say(...frames) {
    for (const frame of frames) this.socket.send(JSON.stringify(frame));
  }
  close(code, reason) {
    this.socket.close(code, reason);
  }
  // The next request of this type that no test has taken yet.
  asked(type) {
    return this.#mail.take((frame) => frame.type === type, 10000, `a ${type}`);
  }
  // Takes the next subscribe, answers each of its topics with `entries[topic]`, and returns what was asked for, by topic.
  async serve(entries = {}) {
    const { id, subs } = await this.asked('subscribe');
    this.say({ type: 'subscribed', id, done: true, subs: subs.map(({ topic }) => ({ topic, ...(entries[topic] ?? NO_HISTORY) })) });
    return Object.fromEntries(subs.map(({ topic, ...wish }) => [topic, wish]));
  }
}

const NO_HISTORY = { recoverable: false };

class Stream {
  left = false;

  constructor(request, response) {
    this.response = response;
    this.headers = request.headers;
    this.query = new URL(request.url, 'http://x').searchParams;
    request.on('close', () => (this.left = true));
    response.on('close', () => (this.left = true));
  }

  raw(text) {
    this.response.write(text);
  }
  say(...frames) {
    for (const frame of frames) this.raw(`data: ${JSON.stringify(frame)}\n\n`);
  }
  cursor(places) {
    this.raw(`id: ${places}\ndata: {"type":"cursor"}\n\n`);
  }
  end() {
    this.response.end();
  }
}

export const message = (topic, offset, data = offset) => ({ type: 'msg', topic, offset, data });
export const plain = (topic, data) => ({ type: 'msg', topic, data });

// SPDX-License-Identifier: Apache-2.0
//
// What a balancer takes for a node: it keeps every request that comes, whole or not, and answers or ends it as the test says. Its
// readiness is on a port of its own, as a node's is.

import http from 'node:http';
import net from 'node:net';
import { once } from 'node:events';
import { atEnd } from './scope.mjs';

const listening = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));

export class FakeNode {
  requests = []; // {method, url, headers, body}, when the head has come

  // `answer(request, response)` once a request is whole; `atHead(request)` before, with its socket: true takes it over. `proxy`: a PROXY
  // header stands before each connection, and its source is the request's `client`.
  static async start(t, { answer = (_, response) => response.end('{}'), atHead = () => false, proxy = false } = {}) {
    const node = new FakeNode();
    node.http = http.createServer((request, response) => node.#on(request, response, { answer, atHead }));
    node.http.on('upgrade', (request, socket) => node.#onUpgrade(request, socket, answer));
    node.server = proxy ? net.createServer((socket) => node.#onProxied(socket)) : node.http;
    node.probes = http.createServer((_, response) => response.end('{"status":"ready"}'));
    atEnd(t, () => node.stop());
    node.port = await listening(node.server);
    node.adminPort = await listening(node.probes);
    return node;
  }

  async #onProxied(socket) {
    socket.on('error', () => {});
    const head = await exactly(socket, 16);
    const rest = head && (await exactly(socket, head.readUInt16BE(14)));
    if (!rest) return;
    socket.client = `${rest.subarray(0, 4).join('.')}:${rest.readUInt16BE(8)}`;
    this.http.emit('connection', socket);
  }

  #keep({ method, url, headers, rawHeaders, socket }) {
    const kept = { method, url, headers, rawHeaders, socket, client: socket.client, body: '' };
    this.requests.push(kept);
    return kept;
  }

  #on(request, response, { answer, atHead }) {
    const kept = this.#keep(request);
    request.on('error', () => {});
    if (atHead(kept)) return;
    request.on('data', (chunk) => (kept.body += chunk));
    request.on('end', () => answer(kept, response));
  }

  #onUpgrade(request, socket, answer) {
    socket.on('error', () => {});
    const response = new http.ServerResponse(request);
    response.assignSocket(socket);
    response.on('finish', () => socket.end());
    answer(this.#keep(request), response);
  }

  // Its port refuses from now on, as that of a node that is gone.
  async stop() {
    const closed = [this.server, this.probes].map((server) => new Promise((resolve) => server.close(resolve)));
    for (const server of [this.http, this.probes]) server.closeAllConnections();
    await Promise.all(closed);
  }
}

// The next `size` bytes of a socket, or undefined where it ends before.
async function exactly(socket, size) {
  for (;;) {
    const bytes = socket.read(size);
    if (bytes || socket.readableEnded || socket.destroyed) return bytes ?? undefined;
    await Promise.race([once(socket, 'readable'), once(socket, 'close')]);
  }
}

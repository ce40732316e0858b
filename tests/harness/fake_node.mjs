// SPDX-License-Identifier: Apache-2.0
//
// What a balancer takes for a node: it keeps every request that comes, whole or not, and answers or ends it as the test says. Its
// readiness is on a port of its own, as a node's is.

import http from 'node:http';
import { atEnd } from './scope.mjs';

const listening = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));

export class FakeNode {
  requests = []; // {method, url, headers, body}, when the head has come

  // `answer(request, response)` once a request is whole; `atHead(request)` before, with its socket: true takes it over.
  static async start(t, { answer = (_, response) => response.end('{}'), atHead = () => false } = {}) {
    const node = new FakeNode();
    node.server = http.createServer((request, response) => node.#on(request, response, { answer, atHead }));
    node.server.on('upgrade', (request, socket) => node.#onUpgrade(request, socket, answer));
    node.probes = http.createServer((_, response) => response.end('{"status":"ready"}'));
    atEnd(t, () => node.stop());
    node.port = await listening(node.server);
    node.adminPort = await listening(node.probes);
    return node;
  }

  #keep({ method, url, headers, rawHeaders, socket }) {
    const kept = { method, url, headers, rawHeaders, socket, body: '' };
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
    for (const server of [this.server, this.probes]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }
}

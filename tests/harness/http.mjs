// SPDX-License-Identifier: Apache-2.0
//
// One HTTP request on one connection. node:http is used instead of fetch because a test must be able to send a Host or an Origin of
// its choice, and because no pooled connection may outlive the test.

import http from 'node:http';
import { within } from './until.mjs';

// Sends and reads whole. A body that is neither text nor bytes is sent as JSON. `agent` shares one connection between requests.
export function send(port, method, path, { headers = {}, body, host = '127.0.0.1', agent = false } = {}) {
  const bytes = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const length = bytes === undefined ? {} : { 'Content-Length': Buffer.byteLength(bytes) };
  const answer = new Promise((resolve, reject) => {
    const request = http.request({ host, port, method, path, agent, headers: { ...length, ...headers } }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve(new Answer(response, Buffer.concat(chunks))));
    });
    request.on('error', reject);
    request.end(bytes);
  });
  return within(answer, 10000, `an answer to ${method} ${path}`);
}

class Answer {
  constructor(response, bytes) {
    this.status = response.statusCode;
    this.headers = response.headers;
    this.bytes = bytes;
  }
  get text() {
    return this.bytes.toString();
  }
  get json() {
    return JSON.parse(this.text);
  }
  // The code of an error body, or undefined.
  get code() {
    try {
      return this.json.error?.code;
    } catch {
      return undefined;
    }
  }
}

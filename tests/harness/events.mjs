// SPDX-License-Identifier: Apache-2.0
//
// A reader of /v1/sse that hides nothing: the bytes as they came, and what a browser would make of them (WHATWG HTML, 9.2.6), so that
// an EventSource can be held against it.

import http from 'node:http';
import https from 'node:https';
import { atEnd } from './scope.mjs';
import { Mailbox, within } from './until.mjs';

export class EventStream {
  text = '';
  frames = []; // the JSON of each event, in order
  ids = []; // of each event that set one, in order
  retries = [];
  comments = 0;
  #unread = new Mailbox();
  #rest = '';

  // Resolves with the stream as soon as its head has come. `ca`: the port speaks TLS.
  static async open(t, port, query, { headers = {}, path = '/v1/sse', ...options } = {}) {
    const stream = new EventStream();
    const { request } = options.ca ? https : http;
    const asked = request({ host: '127.0.0.1', port, path: `${path}?${query}`, headers, agent: false, ...options });
    atEnd(t, () => stream.leave());
    stream.request = asked;
    asked.end();
    const answered = new Promise((resolve, reject) => asked.on('response', resolve).on('error', reject));
    stream.#read(await within(answered, 10000, `a stream: ${query}`));
    return stream;
  }

  #read(response) {
    Object.assign(this, { response, status: response.statusCode, headers: response.headers });
    response.setEncoding('utf8');
    response.on('data', (text) => this.#take(text));
    // How it ended: 'end' where all of it came, else the name of the error.
    this.ended = new Promise((resolve) => {
      response.on('end', () => resolve('end'));
      response.on('error', ({ code }) => resolve(code));
    });
    this.ended.then((how) => this.#unread.end(`the stream is over (${how}): ${this.text.slice(-500)}`));
  }

  #take(text) {
    this.text += text;
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop();
    for (const block of blocks) this.#dispatch(block.split('\n'));
  }

  #dispatch(lines) {
    const data = [];
    for (const line of lines) {
      const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
      if (line.startsWith(':')) this.comments++;
      else if (field === 'data') data.push(value);
      else if (field === 'id') this.ids.push(value);
      else if (field === 'retry') this.retries.push(Number(value));
      else throw new Error(`no field of ours: ${line}`);
    }
    if (!data.length) return;
    const frame = { raw: data.join('\n'), ...JSON.parse(data.join('\n')) };
    this.frames.push(frame);
    this.#unread.put(frame);
  }

  // The next frame that was not taken yet, of this type if one is named.
  next(type, ms = 5000) {
    return this.#unread.take((frame) => !type || frame.type === type, ms, type ?? 'a frame');
  }

  // Until the stream is over: how.
  end(ms = 10000) {
    return within(this.ended, ms, () => `the end of the stream: ${this.text.slice(-500)}`);
  }

  // As a page that is closed.
  leave() {
    this.request.on('error', () => {});
    this.request.destroy();
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// A client that is not ours (README.md), in this process or in one of its own, and what each of them must be able to do.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { atEnd } from '../scope.mjs';
import { Mailbox } from '../until.mjs';

const COUNT = 1000;

// JSON of many shapes and sizes: the short and both long forms of a frame's length, and characters of one to four bytes.
const payload = (i) => {
  const size = i === 500 ? 70000 : i % 100 === 0 ? 3000 : i % 10 === 0 ? 200 : 0;
  return JSON.stringify({ i, price: `${i}.50`, of: ['a', 'ü', '€', '😀', '\\"'][i % 5], fill: 'xü'.repeat(size / 3) });
};
const payloads = Array.from({ length: COUNT }, (_, i) => payload(i));

export class Client {
  #said = new Mailbox();
  texts = [];

  constructor(name) {
    this.name = name;
  }

  say(word, rest = '') {
    if (word === 'text') this.texts.push(rest);
    this.#said.put({ word, rest, raw: `${word} ${rest.slice(0, 100)}` });
  }

  // In this process: `connect` is given a URL and `say`.
  static async inside(name, connect, url) {
    const client = new Client(name);
    client.driver = await connect(url, (word, rest) => client.say(word, rest));
    return client;
  }

  // In one of its own, which ends by itself.
  static outside(t, name, words, url) {
    const client = new Client(name);
    const child = spawn(words[0], [...words.slice(1), url], { stdio: ['pipe', 'pipe', 'inherit'] });
    atEnd(t, () => child.kill('SIGKILL'));
    child.stdin.on('error', () => {});
    client.over = new Promise((resolve) => child.once('close', (code) => resolve(code)));
    client.over.then((code) => client.#said.end(`${name} has ended (${code})`));
    createInterface({ input: child.stdout }).on('line', (line) => client.say(...line.split(/ (.*)/s)));
    const order = (word) => (text) => child.stdin.write(text === undefined ? `${word}\n` : `${word} ${text}\n`);
    client.driver = { send: order('send'), ping: order('ping'), close: (_) => child.stdin.end('close\n') };
    return client;
  }

  async hears(word, wants = () => true) {
    return (await this.#said.take((said) => said.word === word && wants(said.rest), 15000, `${this.name}: ${word}`)).rest;
  }

  hearsType(type) {
    return this.hears('text', (text) => text.startsWith(`{"type":"${type}"`));
  }

  request(request) {
    this.driver.send(JSON.stringify(request));
  }
}

// Subscribes, reads a thousand messages in their order and to the byte, pings, publishes and leaves by the closing handshake.
export async function converse(gateway, client, code = '1000') {
  const topic = `clients.${client.name}`;
  const before = await gateway.metrics();
  await client.hears('open');
  await client.hearsType('welcome');
  client.request({ type: 'subscribe', id: 1, subs: [{ topic }] });
  await client.hearsType('subscribed');
  const body = `[${payloads.map((data) => `{"topic":"${topic}","data":${data}}`).join(',')}]`;
  const { json } = await gateway.post('/v1/publish', body);
  assert.equal(json.results.length, COUNT);
  await client.hears('text', (text) => text.includes(payloads.at(-1)));
  const expected = payloads.map((data) => `{"type":"msg","topic":"${topic}","data":${data}}`);
  assert.deepEqual(
    client.texts.filter((text) => text.startsWith('{"type":"msg"')),
    expected,
  );
  if (client.driver.ping) {
    client.driver.ping();
    await client.hears('pong');
  }
  client.request({ type: 'publish', id: 2, topic, data: { from: client.name, text: 'grüße 😀' } });
  await client.hearsType('published');
  await client.hears('text', (text) => text.includes(`{"from":"${client.name}","text":"grüße 😀"}`));
  client.driver.close();
  assert.equal(await client.hears('closed'), code);
  const closed = (metrics) => metrics.sum('spillway_closed_total', { reason: 'client' });
  await gateway.counted((metrics) => closed(metrics) === closed(before) + 1, 'one closed by its client, as it should be');
  if (client.over) assert.equal(await client.over, 0, 'its exit status');
}

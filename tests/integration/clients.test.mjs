// SPDX-License-Identifier: Apache-2.0
//
// Libraries that others wrote and people use: each connects, subscribes, reads a thousand messages in their order and to the byte,
// pings, publishes and leaves by the closing handshake. One that is not installed is skipped, with a word.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { before, describe, test } from 'node:test';
import * as javascript from '../harness/clients/javascript.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { ROOT } from '../harness/setting.mjs';
import { Mailbox } from '../harness/until.mjs';

const HERE = `${ROOT}tests/harness/clients/`;
const COUNT = 1000;

// JSON of many shapes and sizes: the short and both long forms of a frame's length, and characters of one to four bytes.
const payload = (i) => {
  const size = i === 500 ? 70000 : i % 100 === 0 ? 3000 : i % 10 === 0 ? 200 : 0;
  return JSON.stringify({ i, price: `${i}.50`, of: ['a', 'ü', '€', '😀', '\\"'][i % 5], fill: 'xü'.repeat(size / 3) });
};
const payloads = Array.from({ length: COUNT }, (_, i) => payload(i));

const failure = ({ status, stderr, error }) => (status === 0 ? null : `${error?.message ?? stderr}`.trim().split('\n').at(-1));

// Debian's Python, whatever other one comes first in the path: its packages are those that prepare.sh installs.
const PYTHON = '/usr/bin/python3';
const python = (module) => {
  const missing = failure(spawnSync(PYTHON, ['-c', `import ${module}`], { encoding: 'utf8' }));
  return { skip: missing && `no ${module}: ${missing}`, words: () => [PYTHON, `${HERE}${module}_client.py`] };
};

// Each test has a folder of its own for the program that it builds.
function build(t, command, args, cwd) {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-client-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  const program = join(directory, 'client');
  const built = spawnSync(command, args(program), { cwd, encoding: 'utf8' });
  assert.equal(built.status, 0, built.stderr);
  return [program];
}

// Where Go and what it fetches are to be had.
function gorilla() {
  const cwd = `${HERE}gorilla`;
  const missing = failure(spawnSync('go', ['mod', 'download'], { cwd, encoding: 'utf8', timeout: 30000 }));
  return {
    skip: missing && `no Go or no module: ${missing}`,
    words: (t) => build(t, 'go', (program) => ['build', '-o', program, '.'], cwd),
  };
}

function libwebsockets() {
  const found = spawnSync('pkg-config', ['--cflags', '--libs', 'libwebsockets'], { encoding: 'utf8' });
  const flags = found.status === 0 ? found.stdout.trim().split(/\s+/) : [];
  return {
    skip: failure(found) && 'no libwebsockets-dev',
    code: '0', // what the node answers it does not tell
    words: (t) => build(t, 'cc', (program) => ['-o', program, `${HERE}libwebsockets.c`, ...flags]),
  };
}

class Client {
  #said = new Mailbox();
  texts = [];

  constructor(name) {
    this.name = name;
  }

  say(word, rest = '') {
    if (word === 'text') this.texts.push(rest);
    this.#said.put({ word, rest, raw: `${word} ${rest.slice(0, 100)}` });
  }

  // In this process.
  static inside(t, name, url) {
    const client = new Client(name);
    client.driver = javascript[name](url, (word, rest) => client.say(word, rest));
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

describe('clients', () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--client-publish']);
  });

  async function converse(client, code = '1000') {
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

  for (const name of Object.keys(javascript)) {
    test(`npm: ${name}`, (t) => converse(Client.inside(t, name, gateway.url)));
  }

  const programs = { websockets: python('websockets'), aiohttp: python('aiohttp'), gorilla: gorilla(), libwebsockets: libwebsockets() };
  for (const [name, { skip, words, code }] of Object.entries(programs)) {
    test(name, { skip: skip ?? false }, (t) => converse(Client.outside(t, name, words(t), gateway.url), code));
  }
});

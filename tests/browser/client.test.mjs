// SPDX-License-Identifier: Apache-2.0
//
// The JavaScript client in a real browser, on a page of another origin: as a classic script and as a module, under a content policy
// that allows the gateway and nothing else.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { launch, skip } from '../harness/browser.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { Scripted, plain } from '../harness/scripted.mjs';
import { ROOT, patience } from '../harness/setting.mjs';
import { until } from '../harness/until.mjs';

let browser;
before(async () => {
  if (!skip) browser = await launch();
});
after(() => browser?.close());

// A page of another origin whose head holds this; `hosts` are what its policy allows. What it complains about fails the test.
async function open(t, head, hosts) {
  const context = await browser.newContext();
  const complaints = [];
  atEnd(t, async () => {
    await context.close();
    assert.deepEqual(complaints, []);
  });
  const page = await context.newPage();
  page.setDefaultTimeout(patience(5000));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  const policy = `default-src 'none'; img-src data:; script-src ${hosts.scripts}; connect-src ${hosts.connects}; require-trusted-types-for 'script'`;
  const headers = { 'Content-Type': 'text/html', 'Content-Security-Policy': policy, 'Cross-Origin-Embedder-Policy': 'require-corp' };
  const body = `<!doctype html><title>elsewhere</title><link rel="icon" href="data:,">${head}`;
  const elsewhere = http.createServer((_, response) => response.writeHead(200, headers).end(body));
  await new Promise((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => {
    elsewhere.closeAllConnections();
    elsewhere.close();
  });
  await page.goto(`http://127.0.0.1:${elsewhere.address().port}/`);
  return page;
}

// Subscribes on the page, and writes down what comes.
const listen = (page, url) =>
  page.evaluate(async (host) => {
    const Spillway = window.Spillway ?? (await import(`${host}/client.mjs`)).Spillway;
    window.heard = [];
    window.states = [];
    window.spillway = new Spillway(host);
    window.spillway.on('state', (state) => window.states.push(state));
    await window.spillway.subscribe('room', ({ data }) => window.heard.push(data)).ready;
  }, url);
const heard = (page) => page.evaluate(() => window.heard);

describe('on a page of another origin', { skip }, () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--client-publish']);
  });

  for (const [how, head] of Object.entries({
    'a script': (host) => `<script src="${host}/client.js"></script>`,
    'a module': () => '',
  })) {
    test(`${how} subscribes and publishes`, async (t) => {
      const host = `127.0.0.1:${gateway.port}`;
      const page = await open(t, head(`http://${host}`), { scripts: `http://${host}`, connects: `ws://${host}` });
      await listen(page, `http://${host}`);
      await gateway.publish('room', '"from outside"');
      await page.evaluate(() => window.spillway.publish('room', { from: 'the page' }));
      await until(async () => (await heard(page)).length === 2, 5000, 'two messages');
      assert.deepEqual(await heard(page), ['from outside', { from: 'the page' }]);
      assert.deepEqual(await page.evaluate(() => [typeof window.Spillway, typeof window.PATIENCE_MS]), [
        how === 'a script' ? 'function' : 'undefined',
        'undefined',
      ]);
      await page.evaluate(() => window.spillway.close());
      await gateway.counted((metrics) => metrics.sum('spillway_subscriptions') === 0, 'the end of the session');
    });
  }

  test('the page of the README logs what comes', async (t) => {
    const [, block] = /^```html page\n([\s\S]*?)^```/m.exec(readFileSync(`${ROOT}README.md`, 'utf8'));
    const host = `127.0.0.1:${gateway.port}`;
    const hosts = { scripts: `http://${host} 'unsafe-inline'`, connects: `ws://${host}` };
    const page = await open(t, block.replaceAll('127.0.0.1:8000', host), hosts);
    const lines = [];
    page.on('console', (message) => lines.push(message.text()));
    await gateway.counted((metrics) => metrics.sum('spillway_subscriptions') === 1, 'it has subscribed');
    await gateway.publish('orders.eu', '7');
    await until(() => lines.length, 5000, 'a line on its console');
    assert.deepEqual(lines, ['orders.eu 7']);
  });

  test('a stream carries it where no WebSocket gets through', async (t) => {
    const server = await Scripted.start(t, { sockets: 403 });
    const host = `http://127.0.0.1:${gateway.port}`;
    const page = await open(t, `<script src="${host}/client.js"></script>`, {
      scripts: host,
      connects: `${server.url} ${server.url.replace('http', 'ws')}`,
    });
    page.removeAllListeners('console'); // the browser itself tells of a WebSocket that is refused
    const listening = listen(page, server.url);
    const stream = await server.stream(0);
    assert.equal(stream.headers.origin, new URL(page.url()).origin);
    stream.say({ type: 'subscribed', done: true, subs: [{ topic: 'room', recoverable: false }] }, plain('room', 1));
    await listening;
    await until(async () => (await heard(page)).length === 1, 5000, 'a message');
    const states = await page.evaluate(() => window.states.map(({ state, transport }) => [state, transport]));
    assert.deepEqual(states.at(-1), ['open', 'sse']);
  });
});

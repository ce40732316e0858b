// SPDX-License-Identifier: Apache-2.0
//
// Chromium's own WebSocket, as the other libraries in tests/integration/clients.test.mjs: what a page writes itself.

import { before, describe, test } from 'node:test';
import { launch, skip } from '../harness/browser.mjs';
import { Client, converse } from '../harness/clients/talk.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';

// A page drives the socket, and calls `say` of this process.
async function connect(page, url, say) {
  await page.exposeFunction('say', say);
  await page.evaluate((url) => {
    const socket = new WebSocket(url, 'spillway.v1.json');
    socket.onopen = () => window.say('open');
    socket.onmessage = ({ data }) => window.say('text', data);
    socket.onclose = ({ code }) => window.say('closed', String(code));
    window.socket = socket;
  }, url);
  return {
    send: (text) => page.evaluate((text) => window.socket.send(text), text),
    close: () => page.evaluate(() => window.socket.close(1000)),
  };
}

describe('Chromium', { skip }, () => {
  const scope = suiteScope();
  let gateway;
  let browser;
  before(async () => {
    gateway = await Gateway.start(scope, ['--client-publish']);
    browser = await launch();
    atEnd(scope, () => browser.close());
  });

  test('reads a thousand messages, publishes and leaves', async () => {
    const page = await browser.newPage();
    await converse(gateway, await Client.inside('chromium', (url, say) => connect(page, url, say), gateway.url));
  });
});

// SPDX-License-Identifier: Apache-2.0
//
// A browser's own WebSocket takes permessage-deflate by itself: it reads what was compressed once for all, and what it compresses is read.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch, skip } from '../harness/browser.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { atEnd } from '../harness/scope.mjs';
import { until } from '../harness/until.mjs';

test('Chromium reads compressed messages and is read', { skip }, async (t) => {
  const gateway = await Gateway.start(t, ['--workers', '1', '--demo'], { config: { topics: [{ match: 'c.>', compress: true }] } });
  const browser = await launch();
  atEnd(t, () => browser.close());
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${gateway.port}/`);
  await page.evaluate((url) => {
    window.got = [];
    window.socket = new WebSocket(url);
    socket.onmessage = ({ data }) => got.push(JSON.parse(data));
  }, gateway.url);
  const type = async (wanted) => (await page.evaluate(() => window.got)).filter((frame) => frame.type === wanted);
  await until(async () => (await type('welcome')).length === 1, 10000, 'welcome');
  assert.match(await page.evaluate(() => socket.extensions), /^permessage-deflate/);
  await page.evaluate(() => socket.send(JSON.stringify({ type: 'subscribe', id: 1, subs: [{ topic: 'c.a' }] })));
  await until(async () => (await type('subscribed')).length === 1, 10000, 'subscribed');
  const payloads = [1, 'ü'.repeat(5000), { rows: Array.from({ length: 500 }, (_, i) => `row ${i}`) }, 2];
  for (const payload of payloads) await gateway.publish('c.a', JSON.stringify(payload));
  await until(async () => (await type('msg')).length === payloads.length, 10000, 'the messages');
  assert.deepEqual((await type('msg')).map(({ data }) => data), payloads);
  assert.equal((await gateway.metrics()).sum('spillway_compressed_total'), 2);
});

// SPDX-License-Identifier: Apache-2.0
//
// A browser's own EventSource, on a page of another origin: it reads, comes back by itself with what it was told last, and takes an
// error status as the end.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import { Gateway } from '../harness/gateway.mjs';
import { Guests } from '../harness/guests.mjs';
import { atEnd } from '../harness/scope.mjs';
import { until } from '../harness/until.mjs';

const CHROMIUM = process.env.SPILLWAY_CHROMIUM || '/usr/bin/chromium';
const skip = existsSync(CHROMIUM) ? false : 'no chromium on this machine (SPILLWAY_CHROMIUM names one)';

describe('an EventSource in Chromium', { skip }, () => {
  let browser;
  let elsewhere;
  before(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--headless', '--no-sandbox', '--disable-gpu'] });
    elsewhere = http.createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html>'));
    await new Promise((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    await browser?.close();
    elsewhere?.close();
  });

  // A page with an open EventSource: what it has got so far, and its state.
  async function open(t, gateway, query) {
    const page = await browser.newPage();
    atEnd(t, () => page.close());
    await page.goto(`http://127.0.0.1:${elsewhere.address().port}/`);
    await page.evaluate((url) => {
      window.got = [];
      window.source = new EventSource(url);
      source.onmessage = ({ data, lastEventId }) => got.push({ ...JSON.parse(data), lastEventId });
    }, `http://127.0.0.1:${gateway.port}/v1/sse?${query}`);
    return { got: () => page.evaluate(() => window.got), state: () => page.evaluate(() => source.readyState) };
  }

  test('reads on where it was, however often it is cut off', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1'], { config: { topics: [{ match: 'h.>', history: { size: 100, ttl_ms: 60000 } }] } });
    const page = await open(t, gateway, 'topic=h.a&topic=plain');
    const type = async (wanted) => (await page.got()).filter((frame) => frame.type === wanted);
    for (let round = 1; round <= 2; round++) {
      await until(async () => (await type('welcome')).length === round, 15000, `welcome ${round}`);
      await gateway.publish('h.a', `${3 * round - 2}`);
      await until(async () => (await type('msg')).at(-1)?.data === 3 * round - 2, 5000, 'a message');
      const { session } = (await type('welcome')).at(-1);
      assert.equal((await gateway.post('/v1/disconnect', { session })).json.disconnected, 1);
      await gateway.publish('h.a', `${3 * round - 1}`);
      await gateway.publish('h.a', `${3 * round}`);
    }
    await until(async () => (await type('msg')).length >= 6, 15000, 'six messages');
    assert.deepEqual((await type('msg')).map(({ data }) => data), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual((await type('closed')).map(({ code }) => code), [4000, 4000]);
    assert.match((await type('msg')).at(-1).lastEventId, /^\w+:\d+,-$/);
  });

  test('stays away where it is refused for good', async (t) => {
    const { gateway } = await Guests.start(t, ['--workers', '1']);
    const page = await open(t, gateway, 'topic=a');
    await until(async () => (await page.state()) === 2, 5000, 'the end');
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('spillway_http_errors_total'), 1);
    assert.deepEqual(await page.got(), []);
  });
});

// SPDX-License-Identifier: Apache-2.0
//
// The live page of --demo in a real browser. Part of it runs on a gateway's own stream; where a stream must say what a healthy
// gateway never does, the page is still the gateway's and only its WebSocket is played by the test. Screenshots are left under
// build/screenshots/, for people to look at.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { launch, skip } from '../harness/browser.mjs';
import { Certificate } from '../harness/certificate.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { keyFiles, makeSecret, seconds, sign } from '../harness/jwt.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { PRESET, ROOT, patience } from '../harness/setting.mjs';
import { stays, until } from '../harness/until.mjs';

const SCREENSHOTS = `${ROOT}build/screenshots`;
const TICKS = 'demo.ticks.>';

let browser;
before(async () => {
  if (skip) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  browser = await launch();
});
after(() => browser?.close());

// Opens the page. A page that complains (console, exception, content policy) fails its test, unless `complains` says that the
// browser itself will, as it does of a WebSocket that is refused.
async function open(t, gateway, { complains = false, stream, clock, scheme = 'http', hash = '', ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const complaints = [];
  atEnd(t, async () => {
    await context.close();
    if (!complains) assert.deepEqual(complaints, []);
  });
  const page = await context.newPage();
  page.setDefaultTimeout(patience(5000));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  if (clock) await page.clock.install();
  if (stream) await page.routeWebSocket('**/v1/ws', stream);
  const openedAt = performance.now();
  const response = await page.goto(`${scheme}://127.0.0.1:${gateway.port}/${hash}`);
  return { page, response, openedAt };
}

const text = (page, id) => page.locator(`#${id}`).innerText();
const prices = (page) => page.locator('#rows .price').allInnerTexts();
const feed = (page) => page.locator('#feed .payload').allInnerTexts();
const state = (page, kind, ms = 5000) =>
  until(async () => (await page.locator('#state').getAttribute('data-state')) === kind, ms, `the state ${kind}`);

async function publishBox(page, topic, data) {
  await page.fill('#publish-topic', topic);
  await page.fill('#publish-data', data);
  await page.click('#publish-button');
}

describe('the demo page on its own feed', { skip }, () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--demo']);
  });

  test('shows live data within two seconds of opening, and prices move', async (t) => {
    const { page, openedAt } = await open(t, gateway);
    await page.waitForSelector('#rows .price');
    await state(page, 'live');
    const took = performance.now() - openedAt;
    t.diagnostic(`live after ${took.toFixed(0)} ms`);
    assert.ok(took < patience(2000), `live after ${took.toFixed(0)} ms`);

    await until(async () => (await prices(page)).length === 12, 5000, 'twelve instruments');
    const first = await prices(page);
    await until(
      async () => (await prices(page)).filter((price, index) => price !== first[index]).length >= 10,
      10000,
      'most prices moved',
    );
    const symbols = await page.locator('#rows .symbol').allInnerTexts();
    assert.deepEqual(symbols, [...symbols].sort());
    assert.match(await page.locator('#rows .change').first().innerText(), /^[+−]?\d+\.\d\d %$/);
    await until(async () => Number(await text(page, 'rate')) > 10, 5000, 'a rate');
    assert.equal(await text(page, 'missed'), '0');
    assert.match(await text(page, 'round-trip'), /^[\d.]+ ms$/);
  });

  test('sparklines and the throughput chart are drawn', async (t) => {
    const { page } = await open(t, gateway);
    const inked = (selector) =>
      page.$$eval(selector, (canvases) =>
        canvases.map((canvas) => {
          // A copy is read, since reading would turn the page's own canvas into a slow one.
          const copy = document.createElement('canvas');
          Object.assign(copy, { width: canvas.width, height: canvas.height });
          const context = copy.getContext('2d', { willReadFrequently: true });
          if (!canvas.width) return 0;
          context.drawImage(canvas, 0, 0);
          const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
          return pixels.filter((value, index) => index % 4 === 3 && value > 0).length;
        }),
      );
    await until(
      async () => {
        const sparklines = await inked('#rows canvas');
        return sparklines.length === 12 && sparklines.every((count) => count > 100);
      },
      10000,
      'twelve sparklines',
    );
    await until(async () => (await inked('#rate-chart'))[0] > 1000, 5000, 'the throughput chart');
  });

  test('is served with a content policy that it keeps, and for revalidation', async (t) => {
    const { page, response } = await open(t, gateway);
    const headers = response.headers();
    assert.match(headers['content-type'], /^text\/html; charset=utf-8/);
    assert.match(headers['content-security-policy'], /default-src 'self'/);
    assert.doesNotMatch(headers['content-security-policy'], /unsafe/);
    await state(page, 'live');
    const { etag } = (await gateway.public('GET', '/demo.js')).headers;
    const again = await gateway.public('GET', '/demo.js', { headers: { 'If-None-Match': etag } });
    assert.equal(again.status, 304);
  });

  test('publishes and listens: JSON byte for byte, text as a string, markup as text', async (t) => {
    const { page } = await open(t, gateway);
    await until(async () => (await text(page, 'watch-note')) === 'subscribed', 5000, 'the second subscription');
    const markup = '{"text":"<img src=x onerror=alert(1)>"}';
    await publishBox(page, 'demo.chat', markup);
    await until(async () => (await feed(page)).includes(markup), 5000, 'the message in the list');
    assert.match(await text(page, 'publish-result'), /^Published to demo\.chat.* in [\d.]+ ms\.$/);
    assert.equal(await page.locator('#feed img').count(), 0);

    await page.fill('#publish-data', 'plain words');
    assert.equal(await text(page, 'payload-kind'), 'Text, sent as a JSON string');
    await page.press('#publish-data', 'Control+Enter');
    await until(async () => (await feed(page))[0] === '"plain words"', 5000, 'the newest message on top');
  });

  test('shows what the gateway says of a topic that it refuses', async (t) => {
    const { page } = await open(t, gateway);
    await state(page, 'live');
    await publishBox(page, 'demo..chat', '1');
    await until(async () => (await page.locator('#publish-result').getAttribute('data-kind')) === 'bad', 5000, 'a refusal');
    assert.ok((await text(page, 'publish-result')).length > 5);
    await page.fill('#watch-topic', 'a..b');
    await page.press('#watch-topic', 'Enter');
    await until(async () => (await page.locator('#watch-note').getAttribute('data-kind')) === 'bad', 5000, 'a refusal');
    await state(page, 'live');
  });

  test('listens to a topic, a pattern, or one instrument of the table', async (t) => {
    const { page } = await open(t, gateway);
    await until(async () => (await text(page, 'watch-note')) === 'subscribed', 5000, 'the second subscription');
    const watch = async (topic) => {
      await page.fill('#watch-topic', topic);
      await page.press('#watch-topic', 'Enter');
      await until(async () => (await text(page, 'watch-note')) === 'subscribed', 5000, `subscribed to ${topic}`);
    };
    await watch('desk.*');
    await gateway.publish('demo.chat', '"before"');
    await gateway.publish('desk.7', '{"n":1}');
    await until(async () => (await feed(page)).length === 1, 5000, 'a message by the pattern');
    assert.deepEqual(await feed(page), ['{"n":1}']);
    assert.equal(await page.locator('#feed .topic').innerText(), 'desk.7');

    await page.getByRole('button', { name: 'ACME' }).click();
    assert.equal(await page.inputValue('#watch-topic'), 'demo.ticks.ACME');
    await until(async () => (await feed(page)).length > 2, 5000, 'ticks of one instrument');
    assert.ok((await feed(page)).every((payload) => payload.includes('"symbol":"ACME"')));
  });

  for (const colorScheme of ['light', 'dark']) {
    for (const [size, viewport] of Object.entries({ desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } })) {
      test(`fits a ${size} in ${colorScheme}`, async (t) => {
        const { page } = await open(t, gateway, { colorScheme, viewport });
        await state(page, 'live');
        await until(async () => (await prices(page)).length === 12, 5000, 'twelve instruments');
        await publishBox(page, 'demo.chat', '{"text":"hello"}');
        await until(async () => (await feed(page)).length > 0, 5000, 'the message in the list');
        await until(async () => Number(await text(page, 'total')) > 200, 15000, 'a picture with something in it');
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wider <= 0, `${wider} px wider than the screen`);
        const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
        assert.equal(ground.every((part) => part > 128), colorScheme === 'light');
        await page.screenshot({ path: `${SCREENSHOTS}/demo-${size}-${colorScheme}-${PRESET}.png`, fullPage: true });
      });
    }
  }

  test('keeps still where motion is to be reduced', async (t) => {
    const { page } = await open(t, gateway, { reducedMotion: 'reduce' });
    await state(page, 'live');
    await page.waitForSelector('#rows .flash[data-way]');
    await stays(async () => (await page.evaluate(() => document.getAnimations().length)) === 0, 500, 'no animation');
  });
});

describe('the demo page on other settings', { skip }, () => {
  test('finds the topics under another separator', async (t) => {
    const gateway = await Gateway.start(t, ['--demo', '--topic-separator', ':']);
    const { page } = await open(t, gateway);
    await state(page, 'live');
    assert.equal(await page.inputValue('#publish-topic'), 'demo:chat');
    await publishBox(page, 'demo:chat', '7');
    await until(async () => (await feed(page)).includes('7'), 5000, 'the message in the list');
  });

  test('comes back by itself after a restart, and says that it saw nothing meanwhile', async (t) => {
    const first = await Gateway.start(t, ['--demo']);
    const { page } = await open(t, first, { complains: true });
    await state(page, 'live');
    await first.stop();
    await state(page, 'reconnecting');
    await Gateway.start(t, ['--demo', '--listen', `127.0.0.1:${first.port}`]);
    await state(page, 'live', 45000);
    await until(async () => /1 gap of unknown size/.test(await text(page, 'missed-note')), 5000, 'the gap');
    await until(async () => /^Reconnected/.test((await feed(page))[0]), 5000, 'the gap in the list');
  });

  test('is live over TLS', async (t) => {
    const certificate = new Certificate(t);
    const gateway = await Gateway.start(t, ['--demo', ...certificate.flags]);
    const { page } = await open(t, gateway, { scheme: 'https', ignoreHTTPSErrors: true });
    await state(page, 'live');
    await until(async () => (await prices(page)).length === 12, 5000, 'twelve instruments');
    await publishBox(page, 'demo.chat', '{"over":"TLS"}');
    await until(async () => (await feed(page)).includes('{"over":"TLS"}'), 5000, 'the message in the list');
  });

  test('shows the token of its address, and takes another', async (t) => {
    const secret = makeSecret();
    const token = sign({ sub: 'ann', exp: seconds() + 600, spillway: { sub: ['demo.>'] } }, { secret });
    const gateway = await Gateway.start(t, ['--demo', '--jwt-secret-file', keyFiles(t, { secret }).secret]);
    const { page } = await open(t, gateway, { hash: `#token=${token}x` });
    await state(page, 'ended');
    assert.match(await text(page, 'notice'), /does not take this page's token.*#token=TOKEN/);
    await page.evaluate((hash) => { location.hash = hash; }, `token=${token}`);
    await state(page, 'live');
    await page.waitForSelector('#notice', { state: 'hidden' });
  });

  test('is not there without --demo', async (t) => {
    const gateway = await Gateway.start(t);
    assert.equal((await gateway.public('GET', '/')).status, 404);
    assert.equal((await gateway.public('GET', '/demo.js')).status, 404);
  });
});

describe('the demo page on a stream that is played to it', { skip }, () => {
  const scope = suiteScope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(scope, ['--demo']);
  });

  // A quiet server: it welcomes, subscribes whoever asks, and hands out its sockets. The answers to subscribes behind the first
  // socket may be left to the test. One that is mute answers no ping.
  function quiet({ heartbeat = 25000, later = false, mute = false } = {}) {
    const sockets = [];
    const stream = (socket) => {
      const say = (frame) => socket.send(JSON.stringify(frame));
      const self = { say, close: (code, reason) => socket.close({ code, reason }), heard: [], left: false };
      const held = later && sockets.length > 0;
      const entries = (subs) => subs.map(({ topic }) => ({ topic, recoverable: false }));
      const subscribe = ({ id, subs }) => say({ type: 'subscribed', id, done: true, subs: entries(subs) });
      self.serve = () => self.heard.filter(({ type }) => type === 'subscribe').forEach(subscribe);
      socket.onClose(() => { self.left = true; });
      socket.onMessage((message) => {
        const frame = JSON.parse(message);
        self.heard.push(frame);
        if (frame.type === 'subscribe' && !held) subscribe(frame);
        if (frame.type === 'ping' && !mute) say({ type: 'pong', id: frame.id });
        if (frame.type === 'refresh') say({ type: 'refreshed', id: frame.id, expires_in: 60 });
      });
      say({ type: 'welcome', session: 's1', node: 'n1', heartbeat_ms: heartbeat, limits: {}, features: [] });
      sockets.push(self);
    };
    return { sockets, stream };
  }
  const tick = (symbol, data) => ({ type: 'msg', topic: `demo.ticks.${symbol}`, sub: TICKS, data });

  test('says in words how to feed it when nothing comes, and takes the first price', async (t) => {
    const { sockets, stream } = quiet();
    const { page } = await open(t, gateway, { stream });
    await page.waitForSelector('#hint', { state: 'visible' });
    const words = await text(page, 'hint');
    assert.ok(words.includes(`spillway pub demo.ticks.ACME '{"price":101.25}'`), words);
    assert.ok(words.includes('--demo-feed'), words);
    sockets[0].say(tick('ACME', { price: 101.25 }));
    sockets[0].say(tick('ACME', { price: 102 }));
    await page.waitForSelector('#hint', { state: 'hidden' });
    await until(async () => (await prices(page))[0] === '102.00', 5000, 'the price');
    assert.equal(await page.locator('#rows .change').innerText(), '+0.74 %');
    assert.equal(await page.locator('#rows .symbol').innerText(), 'ACME');
  });

  test('counts what it is told that it missed, and shows where', async (t) => {
    const { sockets, stream } = quiet();
    const { page } = await open(t, gateway, { stream });
    await until(async () => (await text(page, 'watch-note')) === 'subscribed', 5000, 'the second subscription');
    sockets[0].say({ type: 'dropped', sub: TICKS, count: 1200, reason: 'slow' });
    sockets[0].say({ type: 'dropped', topic: 'demo.chat', count: 1, reason: 'too_large' });
    sockets[0].say({ type: 'dropped', sub: TICKS, reason: 'feed' });
    await until(async () => (await text(page, 'missed')) === '1,201', 5000, 'the count');
    assert.equal(await text(page, 'missed-note'), 'slow 1,200 · too_large 1 · 1 gap of unknown size');
    assert.deepEqual(await feed(page), ['1 message missed here (too_large)']);
  });

  test('says when the gateway lost its bus', async (t) => {
    const { sockets, stream } = quiet();
    const { page } = await open(t, gateway, { stream });
    await state(page, 'quiet');
    sockets[0].say({ type: 'feed', state: 'stale', since_ms: 100 });
    await state(page, 'stale');
    assert.match(await text(page, 'notice'), /lost its bus/);
    sockets[0].say({ type: 'feed', state: 'live', gap: true });
    sockets[0].say(tick('ACME', { price: 1 }));
    await state(page, 'live');
    assert.equal(await text(page, 'missed-note'), '1 gap of unknown size');
    await page.waitForSelector('#notice', { state: 'hidden' });
  });

  test('survives payloads that are no prices', async (t) => {
    const { sockets, stream } = quiet();
    const { page } = await open(t, gateway, { stream });
    await state(page, 'quiet');
    for (const data of [null, 7, 'x', [], { price: '1' }, { price: null }]) sockets[0].say(tick('BAD', data));
    sockets[0].say({ type: 'msg', topic: 'demo.ticks.BAD', sub: TICKS, text: 'no json' });
    sockets[0].say({ type: 'something_new', value: 1 });
    sockets[0].say(tick('GOOD', { price: 5, symbol: '<b>G</b>' }));
    await until(async () => (await prices(page)).length === 1, 5000, 'one row');
    assert.equal(await page.locator('#rows .symbol').innerText(), '<b>G</b>');
    assert.equal(await text(page, 'total'), '8');
  });

  for (const code of [1008, 4501, 4999]) {
    test(`stays away after ${code}`, async (t) => {
      const { sockets, stream } = quiet();
      const { page } = await open(t, gateway, { stream });
      await state(page, 'quiet');
      sockets[0].close(code, 'no');
      await state(page, 'ended');
      assert.ok((await text(page, 'notice')).includes(`(${code})`));
      await stays(() => sockets.length === 1, 1500, 'no second connection');
    });
  }

  test('comes back after 4008, and draws its moment from the window that a close names', async (t) => {
    const { sockets, stream } = quiet();
    const { page } = await open(t, gateway, { stream });
    await state(page, 'quiet');
    sockets[0].close(4008, 'no hello');
    await until(() => sockets.length === 2, 5000, 'a second connection');
    await state(page, 'quiet');
    const closedAt = performance.now();
    sockets[1].close(1012, 'drain retry_ms=700-900');
    await until(() => sockets.length === 3, 5000, 'a third connection');
    assert.ok(performance.now() - closedAt >= 650, 'not before the window');
  });

  test('when the node leaves it connects elsewhere first, and leaves once it is served there', async (t) => {
    const { sockets, stream } = quiet({ later: true });
    const { page } = await open(t, gateway, { stream });
    await state(page, 'quiet');
    sockets[0].say({ type: 'drain', reason: 'shutdown', reconnect_ms: [100, 300], close_ms: 60000 });
    await until(() => sockets.length === 2, 5000, 'a second connection');
    sockets[0].say(tick('ACME', { price: 1 }));
    await until(async () => (await prices(page))[0] === '1.00', 5000, 'what the first still brings');
    assert.equal(sockets[0].left, false);
    sockets[1].serve();
    sockets[1].say(tick('ACME', { price: 2 }));
    await until(() => sockets[0].left, 5000, 'the first to be left');
    await until(async () => (await prices(page))[0] === '2.00', 5000, 'what the second brings');
    assert.match((await feed(page))[0], /^Moved to another node/);
    assert.equal(sockets.length, 2);
  });

  test('when the node is gone before it is served elsewhere it goes on with what it has begun', async (t) => {
    const { sockets, stream } = quiet({ later: true });
    const { page } = await open(t, gateway, { stream });
    await state(page, 'quiet');
    sockets[0].say({ type: 'drain', reason: 'shutdown', reconnect_ms: [100, 300], close_ms: 60000 });
    await until(() => sockets.length === 2, 5000, 'a second connection');
    sockets[0].close(1012, 'drain retry_ms=500-8000');
    await state(page, 'quiet');
    sockets[1].serve();
    sockets[1].say(tick('ACME', { price: 2 }));
    await until(async () => (await prices(page))[0] === '2.00', 5000, 'what the second brings');
    assert.equal(sockets.length, 2);
  });

  test('says when its token ends, and goes on with a new one', async (t) => {
    const { sockets, stream } = quiet();
    const { page } = await open(t, gateway, { stream, hash: '#token=a.b.c' });
    await state(page, 'quiet');
    sockets[0].say({ type: 'expiring', in_ms: 60000 });
    await until(async () => /^The token ends in 60 s/.test(await text(page, 'notice')), 5000, 'the notice');
    await page.evaluate(() => { location.hash = 'token=d.e.f'; });
    await page.waitForSelector('#notice', { state: 'hidden' });
    assert.equal(sockets[0].heard.find(({ type }) => type === 'refresh').token, 'd.e.f');
    assert.equal(sockets.length, 1);
  });

  test('takes a gateway that falls silent for dead', async (t) => {
    const { sockets, stream } = quiet({ mute: true });
    const { page } = await open(t, gateway, { stream, clock: true });
    await state(page, 'quiet');
    await page.clock.fastForward(32000);
    await stays(() => sockets.length === 1, 1200, 'patience for the heartbeat and ten seconds');
    await page.clock.fastForward(3000);
    await until(() => sockets.length === 2, 5000, 'a second connection');
    await state(page, 'quiet');
  });
});

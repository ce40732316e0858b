// SPDX-License-Identifier: Apache-2.0
//
// The client in Chromium, through nginx, to two nodes that ask for tokens, over a WebSocket and over SSE: whatever breaks on the way,
// a topic with history goes on without a hole, and on a plain one every hole is announced where it is.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import { Nginx } from '../harness/balancer.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { keyFiles, makeSecret, seconds, sign } from '../harness/jwt.mjs';
import { History } from '../harness/keepers.mjs';
import { freePort, Redis } from '../harness/redis.mjs';
import { Road } from '../harness/road.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { patience } from '../harness/setting.mjs';
import { pause, until } from '../harness/until.mjs';

const CHROMIUM = process.env.SPILLWAY_CHROMIUM || '/usr/bin/chromium';
const skip = existsSync(CHROMIUM) ? false : 'no chromium on this machine (SPILLWAY_CHROMIUM names one)';
const config = { topics: [{ match: 'h.>', history: { size: 5000, ttl_ms: 600000 } }] };
const EVERY_MS = 20;

let browser;
before(async () => {
  if (skip) return;
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
});
after(() => browser?.close());

// Two nodes behind nginx, which may be told to refuse what asks for an upgrade.
class Site {
  secret = makeSecret();
  life = 3600; // seconds of a token

  static async start(scope, { edit } = {}) {
    const site = new Site();
    site.redis = await Redis.start(scope);
    const files = keyFiles(scope, { secret: site.secret });
    site.args = ['--bus', site.redis.url, '--auth', 'jwt', '--jwt-secret-file', files.secret, '--drain-ms', '4000'];
    site.scope = scope;
    site.nodes = [await site.node(0), await site.node(0)];
    const third = { port: await freePort(), adminPort: await freePort() };
    site.balancer = await Nginx.start(scope, [...site.nodes, third], { edit });
    site.road = await Road.start(scope, site.balancer.port);
    const backend = await site.redis.client(scope);
    site.history = new History(backend, ['h.a']);
    await until(() => site.history.publish('h.a'), 10000, 'the function loaded by a node');
    return site;
  }
  node(port) {
    return Gateway.start(this.scope, [...this.args, ...Nginx.listen(port)], { config });
  }
  token() {
    return sign({ sub: 'kim', exp: seconds(this.life), spillway: { sub: ['h.*', 'p.*'] } }, { secret: this.secret });
  }

  // One message on each topic, again and again, numbered.
  begin() {
    let going = true;
    let n = 0;
    const running = (async () => {
      while (going) {
        await Promise.all([this.history.round(), this.history.client.publish('p.a', `{"n":${++n}}`)]);
        await pause(EVERY_MS);
      }
      return { plain: n };
    })();
    return () => {
      going = false;
      return running;
    };
  }

  // The node that has the one client.
  async serving() {
    return until(
      async () => {
        for (const node of this.nodes) {
          if (!node.exit && (await node.metrics()).sum('spillway_subscriptions') === 2) return node;
        }
        return undefined;
      },
      10000,
      'a node that serves the client',
    );
  }
}

// A page with the client on both topics, over this transport.
async function open(t, site, transport) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  atEnd(t, () => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(patience(10000));
  await page.exposeFunction('mint', () => site.token());
  await page.goto(`https://127.0.0.1:${site.road.port}/client.mjs`);
  await page.evaluate(
    async ({ url, plain }) => {
      const { Spillway } = await import('/client.mjs');
      const said = (window.said = []);
      const spillway = new Spillway(url, { getToken: () => window.mint(), ...(plain ? { WebSocket: null } : {}) });
      window.spillway = spillway;
      for (const name of ['state', 'gap', 'drain', 'error']) {
        spillway.on(name, (detail) => said.push({ name, ...JSON.parse(JSON.stringify(detail ?? {})), text: String(detail?.message ?? '') }));
      }
      await Promise.all(
        ['h.a', 'p.a'].map((topic) => spillway.subscribe(topic, {}, ({ data, offset }) => said.push({ name: 'msg', topic, n: data.n, offset })).ready),
      );
    },
    { url: `https://127.0.0.1:${site.road.port}`, plain: transport === 'sse' },
  );
  const said = () => page.evaluate(() => window.said);
  const heard = async (topic, n) => (await said()).some((item) => item.name === 'msg' && item.topic === topic && item.n >= n);
  return { page, said, heard };
}

// Each number of the history once, in order; where one of the plain topic is missing, a gap was announced between its neighbours.
async function assertWhole({ said }, site, { plain }) {
  const all = await said();
  const words = () => JSON.stringify(all.filter(({ name }) => name !== 'msg').slice(-12));
  const kept = all.filter(({ name, topic }) => name === 'msg' && topic === 'h.a');
  const last = site.history.acknowledged.at(-1);
  assert.equal(kept.at(-1).n, last.n, words());
  kept.forEach(({ n, offset }, at) => at && assert.deepEqual([n, offset], [kept[at - 1].n + 1, kept[at - 1].offset + 1], words()));
  assert.deepEqual(all.filter(({ name, topic }) => name === 'gap' && topic === 'h.a'), []);
  let before;
  let announced = false;
  let holes = 0;
  for (const item of all) {
    if (item.topic !== 'p.a') continue;
    if (item.name === 'gap') announced = true;
    if (item.name !== 'msg') continue;
    if (before !== undefined && item.n !== before + 1) {
      assert.ok(item.n > before, `${item.n} after ${before}: ${words()}`);
      assert.ok(announced, `${item.n} after ${before}, and no gap announced: ${words()}`);
      holes++;
    }
    before = item.n;
    announced = false;
  }
  assert.ok(before <= plain);
  return { messages: kept.length, holes };
}

for (const transport of ['ws', 'sse']) {
  describe(`over ${transport}`, { skip }, () => {
    const scope = suiteScope();
    let site;
    before(async () => {
      site = await Site.start(scope);
    });

    async function through(t, happens) {
      const stop = site.begin();
      const here = await open(t, site, transport);
      await until(() => here.heard('p.a', 1), 5000, 'messages');
      await pause(300);
      await happens(here);
      await pause(500);
      const end = await stop();
      const last = site.history.acknowledged.at(-1);
      await until(() => here.heard('h.a', last.n), 20000, async () => `the last message: ${JSON.stringify((await here.said()).slice(-5))}`);
      const result = await assertWhole(here, site, end);
      const states = (await here.said()).filter(({ name, state }) => name === 'state' && state === 'open');
      // Who finds no WebSocket tries a stream in between.
      if (transport === 'sse') assert.ok(states.every(({ transport: by }) => by === transport));
      t.diagnostic(`${result.messages} messages, ${result.holes} announced holes on the plain topic, ${states.length} connections`);
      return states;
    }

    test('the network is cut for a second', async (t) => {
      const states = await through(t, async () => {
        site.road.cut();
        await pause(1000);
        site.road.mend();
      });
      assert.ok(states.length >= 2);
    });

    test('its node is killed', async (t) => {
      const states = await through(t, async () => {
        const node = await site.serving();
        node.exitCode = null;
        node.signal('SIGKILL');
        await node.exited;
        await pause(500);
        site.nodes[site.nodes.indexOf(node)] = await site.node(node.port);
      });
      assert.ok(states.length >= 2);
    });

    test('its token ends, and it gets others', async (t) => {
      site.life = 3;
      try {
        await through(t, () => pause(7000));
      } finally {
        site.life = 3600;
      }
    });

    test('its node is drained', async (t) => {
      const states = await through(t, async () => {
        const node = await site.serving();
        node.signal('SIGTERM');
        await node.exited;
        site.nodes[site.nodes.indexOf(node)] = await site.node(node.port);
      });
      assert.ok(states.length >= 2);
    });
  });
}

describe('where a proxy knows no upgrade', { skip }, () => {
  test('the client goes on over SSE', async (t) => {
    const edit = (text) => text.replace('proxy_set_header Upgrade $http_upgrade;', 'if ($http_upgrade) { return 403; }');
    const site = await Site.start(t, { edit });
    const stop = site.begin();
    const here = await open(t, site, 'ws');
    await until(() => here.heard('h.a', site.history.acknowledged.at(-1).n - 5), 15000, 'messages');
    site.road.cut();
    await pause(500);
    site.road.mend();
    await pause(1000);
    const end = await stop();
    await until(() => here.heard('h.a', site.history.acknowledged.at(-1).n), 20000, 'the last message');
    const { holes } = await assertWhole(here, site, end);
    const states = (await here.said()).filter(({ name, state }) => name === 'state' && state === 'open');
    assert.ok(states.length >= 2 && states.every(({ transport }) => transport === 'sse'), JSON.stringify(states));
    t.diagnostic(`${holes} announced holes`);
  });
});

// SPDX-License-Identifier: Apache-2.0
//
// A picture of the dashboard, for people to look at, of a fleet on which much happens: build/screenshots/dashboard.png.
//
//   SPILLWAY_PRESET=release node tests/ship/picture.mjs [SECONDS]

import { mkdirSync, readFileSync } from 'node:fs';
import { Certificate } from '../harness/certificate.mjs';
import { launch } from '../harness/browser.mjs';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Guests } from '../harness/guests.mjs';
import { Prometheus } from '../harness/prometheus.mjs';
import { RawSocket } from '../harness/raw.mjs';
import { Redis } from '../harness/redis.mjs';
import { Scope } from '../harness/scope.mjs';
import { ROOT } from '../harness/setting.mjs';
import { pause } from '../harness/until.mjs';
import { draw } from './dashboard.mjs';

const SECONDS = Number(process.argv[2] ?? 90);
const OUT = `${ROOT}build/screenshots`;
const PAD = 'x'.repeat(20000);
const scope = new Scope();
const quietly = (promise) => promise.catch(() => {});

async function startFleet() {
  const certificate = new Certificate(scope);
  const redis = await Redis.start(scope);
  const config = { topics: [{ match: 'kept.>', history: { size: 100, ttl_ms: 600000 } }, { match: 'price.>' }] };
  const args = ['--bus', redis.url, '--service', 'shop', '--environment', 'test', '--workers', '2'];
  const plain = await Gateway.start(scope, [...args, '--max-connections', '60'], { config });
  const secure = await Gateway.start(scope, [...args, ...certificate.flags], { config });
  const guests = await Guests.start(scope, args, { config });
  return { certificate, redis, guests, plain, secure, nodes: [plain, secure, guests.gateway] };
}

// Clients that stay, on all nodes; three of them do not read.
async function settle({ certificate, guests, plain, secure }) {
  const topics = ['kept.a', 'price.eu', 'plain.a'];
  const token = () => guests.token('ann', { sub: ['>'], pub: ['>'] });
  const clients = [
    ...(await Promise.all(Array.from({ length: 20 }, () => Client.connect(scope, plain.url)))),
    ...(await Promise.all(Array.from({ length: 10 }, () => Client.connect(scope, `wss://127.0.0.1:${secure.port}/v1/ws`, { ca: certificate.ca })))),
    ...(await Promise.all(Array.from({ length: 15 }, () => guests.connect(scope, token())))),
  ];
  await Promise.all(clients.map((client) => client.subscribe(...topics)));
  for (let count = 0; count < 3; count++) {
    const raw = await RawSocket.upgrade(scope, plain.port, '/v1/ws?topic=busy');
    raw.pause();
  }
}

// Those that come and go: most as they should, some with a wrong token, and now and then more than there is room for.
async function come({ certificate, guests, plain, secure }, second) {
  const short = async (connecting) => (await connecting).close(1000);
  const coming = [
    short(Client.connect(undefined, plain.url)),
    short(Client.connect(undefined, `wss://127.0.0.1:${secure.port}/v1/ws`, { ca: certificate.ca })),
    short(guests.connect(undefined, guests.token(`u${second}`, { sub: ['>'] }))),
    second % 3 === 0 ? short(guests.connect(undefined, 'not.a.token')) : short(Client.connect(undefined, plain.url)),
  ];
  if (second % 30 === 20) coming.push(...Array.from({ length: 50 }, () => short(Client.connect(undefined, plain.url))));
  await Promise.all(coming.map(quietly));
}

async function live(fleet, backend, until) {
  for (let round = 0; Date.now() < until; round++) {
    const wave = 3 + Math.round(3 * Math.sin(round / 60));
    for (let count = 0; count < wave; count++) {
      void quietly(fleet.plain.publish('kept.a', '{"n":1}'));
      void quietly(fleet.secure.publish('price.eu', '2'));
      void quietly(backend.publish('plain.a', '2'));
      void quietly(backend.publish('busy', PAD));
    }
    if (round % 10 === 0) void come(fleet, round / 10);
    await pause(100);
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1)); // what was started ends with it

try {
  const fleet = await startFleet();
  const rules = readFileSync(`${ROOT}deploy/prometheus/rules.yaml`, 'utf8');
  const prometheus = await Prometheus.start(scope, { targets: fleet.nodes.map(({ admin }) => admin), rules });
  await settle(fleet);
  const began = Date.now();
  const [half, end] = [began + SECONDS * 500, began + SECONDS * 1000];
  await live(fleet, await fleet.redis.client(scope), half);
  await fleet.redis.kill();
  await pause(4000);
  await fleet.redis.start();
  await live(fleet, await fleet.redis.client(scope), end);

  const dashboard = JSON.parse(readFileSync(`${ROOT}deploy/grafana/spillway.json`, 'utf8'));
  const time = { from: began / 1000, to: end / 1000, step: 1, range: '10s', week: `${Math.round(SECONDS / 3)}s` };
  const { html, empty, width, height } = await draw(dashboard, prometheus, time);
  mkdirSync(OUT, { recursive: true });
  const browser = await launch();
  scope.after(() => browser.close());
  const page = await browser.newPage({ viewport: { width, height } });
  await page.setContent(html);
  await page.screenshot({ path: `${OUT}/dashboard.png` });
  console.log(`${OUT}/dashboard.png; panels that show nothing: ${empty.join(', ') || 'none'}`);
} finally {
  await scope.end();
}

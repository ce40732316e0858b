// SPDX-License-Identifier: Apache-2.0
//
// What clients cost who do nothing, who pause, and who never read.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Crowd } from '../harness/crowd.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { OPCODE, RawSocket, frame } from '../harness/raw.mjs';
import { SANITIZED, size } from '../harness/setting.mjs';
import { pause, until, within } from '../harness/until.mjs';

const CROWD = size({ long: 19_000, short: 2_000 });
const PAUSE_MS = size({ long: 60_000, short: 5_000, sanitized: 2_000 });
const RETURNS_WITHIN = 8 << 20;

test(
  `${CROWD} idle connections, then all closed: memory comes back to within 8 MB`,
  { skip: SANITIZED && 'a sanitizer keeps freed memory' },
  async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '2', '--max-connections', String(CROWD + 50)]);
    // One client first, so that what is made once is made.
    const first = await Client.connect(t, `${gateway.url}?topic=idle.first`);
    await first.next('subscribed');
    const start = gateway.rss();
    const crowd = await Crowd.open(t, gateway.port, CROWD, '/v1/ws?topic=idle.topic');
    await gateway.counted((metrics) => metrics.sum('spillway_subscriptions') === CROWD + 1, 'everybody subscribed', 20000);
    const full = gateway.rss();
    t.diagnostic(`${((full - start) / CROWD).toFixed(0)} bytes of RSS per idle client with one subscription`);

    await crowd.close();
    await gateway.counted(
      (metrics) => metrics.sum('spillway_connections') === 1 && metrics.sum('spillway_subscriptions') === 1,
      'everybody gone',
      30000,
    );
    await until(
      () => gateway.rss() - start < RETURNS_WITHIN,
      15000,
      () => `RSS ${start} at the start, ${full} full, ${gateway.rss()} now`,
    );
    t.diagnostic(
      `RSS ${(start / 2 ** 20).toFixed(1)} MB before, ${(full / 2 ** 20).toFixed(1)} MB full, ${(gateway.rss() / 2 ** 20).toFixed(1)} MB after`,
    );
    assert.equal((await first.flushed()).type, 'pong');
  },
);

test(`a reader that pauses for ${PAUSE_MS / 1000} s below the max mark goes on where it was`, async (t) => {
  const config = { queue_low_bytes: 1 << 20, queue_high_bytes: 1 << 20, queue_high_messages: 1000 };
  const gateway = await Gateway.start(t, [], { config });
  const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws?topic=idle.paused');
  assert.equal((await raw.json()).type, 'welcome');
  assert.equal((await raw.json()).type, 'subscribed');
  const swift = await Client.connect(t, gateway.url);
  await swift.subscribe('idle.paused');

  raw.pause();
  const count = 300;
  for (let n = 0; n < count; n++) await gateway.publish('idle.paused', `{"n":${n},"pad":"${'x'.repeat(2000)}"}`);
  const behind = await gateway.counted((metrics) => metrics.sum('spillway_behind') > 0, 'the paused reader behind');
  assert.ok(behind.sum('spillway_queued_bytes') > 0);
  assert.equal((await swift.received('idle.paused', count)).length, count, 'others do not wait');
  await pause(PAUSE_MS);
  assert.equal((await gateway.metrics()).sum('spillway_closed_total'), 0);

  raw.resume();
  for (let n = 0; n < count; n++) {
    let message = await raw.json();
    while (message.type === 'hb') message = await raw.json(); // from before it fell behind
    assert.equal(message.type, 'msg');
    assert.equal(message.data.n, n);
  }
  await gateway.publish('idle.paused', '{"n":"live"}');
  assert.equal((await raw.json()).data.n, 'live');
  // A client may hear a message before it is counted, and the law holds before it, too.
  const all = 2 * (count + 1);
  const rest = await gateway.counted((now) => now.law.sent >= all && now.sum('spillway_queued_bytes') === 0, 'all counted');
  assert.deepEqual(rest.law, { due: all, sent: all, shed: 0, behind: 0, holds: true });
});

test('under `disconnect` a reader that never reads is closed with 4030 above the max mark, and nobody else notices', async (t) => {
  const gateway = await Gateway.start(t, ['--linger-ms', '1000'], { config: { topics: [{ match: 'idle.never', mode: 'disconnect' }] } });
  const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws?topic=idle.never');
  assert.equal((await raw.json()).type, 'welcome');
  assert.equal((await raw.json()).type, 'subscribed');
  const swift = await Client.connect(t, gateway.url);
  await swift.subscribe('idle.never');
  raw.pause();

  let published = 0;
  const closed = async () => (await gateway.metrics()).sum('spillway_closed_total', { reason: 'slow' });
  // A session that is being closed lingers for a second, in which much can be published.
  const leaving = async () => (await gateway.metrics()).sum('spillway_connections', { state: 'closing' });
  while ((await closed()) + (await leaving()) === 0) {
    assert.ok(published < 200, 'behind by 20 MB and still not closed');
    await gateway.publish('idle.never', `{"n":${published++},"pad":"${'x'.repeat(100_000)}"}`);
    await swift.received('idle.never', published);
  }
  assert.ok(published > 10, `closed after only ${published} messages of 100 KB`);
  await gateway.log(({ reason }) => reason === 'slow', 'the line of the end of the session');
  assert.equal(await closed(), 1);

  // What the client finds when it looks at last: the messages in order, then 4030 if the frame found room, else a reset.
  raw.resume();
  let n = 0;
  let code;
  try {
    for (;;) {
      const next = await raw.frame();
      if (next.opcode === OPCODE.text) assert.equal(JSON.parse(next.payload).data.n, n++);
      if (next.opcode === OPCODE.close) {
        code = next.code;
        break;
      }
    }
  } catch (error) {
    if (error.code === 'ERR_ASSERTION') throw error;
  }
  assert.ok(code === undefined || code === 4030, `closed by ${code}`);
  raw.destroy();
  await within(raw.ended, 5000, 'the end of the connection');

  await gateway.publish('idle.never', '{"n":"after"}');
  assert.equal((await swift.received('idle.never', published + 1)).at(-1).data.n, 'after');
  const metrics = await gateway.counted(
    (now) => now.law.holds && now.law.behind === 0 && now.sum('spillway_queued_bytes') === 0,
    'the law at rest',
  );
  assert.ok(metrics.sum('spillway_shed_total', { reason: 'closed' }) > 0, 'what it was owed is shed');
});

test('a reader that takes nothing for stall_ms is closed with 4031, below the max mark too', async (t) => {
  const gateway = await Gateway.start(t, ['--ping-ms', '1000', '--pong-ms', '500', '--stall-ms', '3000', '--linger-ms', '200']);
  const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws?topic=idle.stalled');
  assert.equal((await raw.json()).type, 'welcome');
  assert.equal((await raw.json()).type, 'subscribed');
  raw.pause();
  for (let n = 0; n < 8; n++) await gateway.publish('idle.stalled', `"${'x'.repeat(100_000)}"`);
  await gateway.counted((metrics) => metrics.sum('spillway_behind') > 0, 'the reader behind');
  const end = await gateway.log(({ event }) => event === 'session_closed', 'the line of the end of the session');
  assert.equal(end.reason, 'stalled');
  const metrics = await gateway.counted(({ law }) => law.behind === 0, 'nobody behind');
  assert.equal(metrics.sum('spillway_closed_total', { reason: 'stalled' }), 1);
  assert.ok(metrics.sum('spillway_shed_total', { reason: 'closed' }) > 0);
  raw.destroy();
});

test('a reader that pauses behind a ping is not closed for the pong, though its kernel has taken all', async (t) => {
  const gateway = await Gateway.start(t, ['--ping-ms', '1000', '--pong-ms', '500']);
  const raw = await RawSocket.upgrade(t, gateway.port, '/v1/ws?topic=idle.behind');
  assert.equal((await raw.json()).type, 'welcome');
  assert.equal((await raw.json()).type, 'subscribed');
  raw.pause();
  // A ping comes within a second, and the next look behind its time within another one.
  let n = 0;
  for (const end = performance.now() + 2500; performance.now() < end; n++) {
    await gateway.publish('idle.behind', `{"n":${n}}`);
    await pause(50);
  }
  const metrics = await gateway.metrics();
  assert.equal(metrics.sum('spillway_behind'), 0);
  assert.equal(metrics.sum('spillway_connections', { transport: 'ws', state: 'open' }), 1);
  raw.resume();
  for (let at = 0, pinged = 0; at < n || !pinged; ) {
    const next = await raw.frame();
    if (next.opcode === OPCODE.ping) {
      raw.write(frame(OPCODE.pong, next.payload));
      pinged++;
    } else {
      const { type, data } = JSON.parse(next.payload);
      if (type === 'msg') assert.equal(data.n, at++);
    }
  }
});

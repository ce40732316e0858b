// SPDX-License-Identifier: Apache-2.0
//
// What an operator is told beside deliveries: the way of a message hop by hop, the process, the certificate, who the fleet is; and at
// start, one line for what the node depends on.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Certificate } from '../harness/certificate.mjs';
import { Client } from '../harness/client.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Redis } from '../harness/redis.mjs';

const KEPT = { topics: [{ match: 'kept.>', history: { size: 10, ttl_ms: 60000 } }] };

test('each hop is timed once for each message, and a stamp that is ahead counts as none', async (t) => {
  const redis = await Redis.start(t);
  const backend = await redis.client(t);
  const gateway = await Gateway.start(t, ['--bus', redis.url], { config: KEPT });
  await gateway.busUp();
  const client = await Client.connect(t, gateway.url);
  await client.subscribe('kept.a', 'plain');
  await gateway.publish('plain', '1');
  await gateway.publish('kept.a', '2');
  await backend.publish('plain', '\x1e1;;t=1000\x1e3');
  await backend.publish('plain', `\x1e1;;t=${Date.now() + 3600000}\x1e4`);
  await client.received('plain', 3);
  await client.received('kept.a', 1);
  const metrics = await gateway.counted((seen) => seen.sum('spillway_deliver_seconds_count') === 4, 'four deliveries');
  assert.equal(metrics.sum('spillway_publish_seconds_count'), 2);
  assert.equal(metrics.sum('spillway_travel_seconds_count'), 3, 'of those that are stamped');
  assert.equal(metrics.sum('spillway_stamps_ahead_total'), 1);
  assert.ok(metrics.sum('spillway_travel_seconds_sum') > 1e9, 'one was sent in 1970');
  const inFive = metrics.get('spillway_travel_seconds_bucket{le="5"}');
  assert.equal(inFive, 2, 'but not that of the future, nor that of Redis');
  await gateway.counted((seen) => seen.sum('spillway_bus_round_seconds_count') > 0, 'a ping came back');
});

test('the kernel says of the process what /proc says', async (t) => {
  const gateway = await Gateway.start(t);
  const metrics = await gateway.metrics();
  const files = readdirSync(`/proc/${gateway.pid}/fd`).length;
  assert.ok(Math.abs(metrics.get('process_open_fds') - files) <= 2, `${metrics.get('process_open_fds')} and ${files}`);
  const limit = /Max open files +(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/limits`, 'utf8'))[1];
  assert.equal(metrics.get('process_max_fds'), Number(limit));
  assert.ok(Math.abs(metrics.get('process_resident_memory_bytes') / gateway.rss() - 1) < 0.5);
  const age = Date.now() / 1000 - metrics.get('process_start_time_seconds');
  assert.ok(age > -5 && age < 300, `it has been there for ${age} s`);
  assert.ok(metrics.get('process_cpu_seconds_total') >= 0);
  assert.ok(metrics.get('process_virtual_memory_bytes') > metrics.get('process_resident_memory_bytes'));
});

test('who the fleet is stands in build_info and in the first line', async (t) => {
  const gateway = await Gateway.start(t, ['--service', 'shop', '--environment', 'staging']);
  const line = await gateway.log(({ event }) => event === 'starting');
  assert.deepEqual([line.service, line.environment], ['shop', 'staging']);
  assert.match((await gateway.metrics()).text, /^spillway_build_info\{version="[^"]+",service="shop",environment="staging"\} 1$/m);
});

test('readiness, places, and when the certificate ends', async (t) => {
  const certificate = new Certificate(t);
  const gateway = await Gateway.start(t, [...certificate.flags, '--max-connections', '7', '--drain-delay-ms', '2000']);
  const ends = Date.parse(new X509Certificate(certificate.ca).validTo) / 1000;
  const metrics = await gateway.counted((seen) => seen.get('spillway_ready') === 1, 'ready');
  assert.equal(metrics.get('spillway_tls_expires_timestamp_seconds'), ends);
  assert.equal(metrics.get('spillway_max_connections'), 7);
  writeFileSync(certificate.cert, 'no certificate');
  assert.equal((await gateway.post('/v1/reload')).status, 500);
  const after = await gateway.metrics();
  assert.equal(after.get('spillway_reload_failures_total'), 1);
  assert.equal(after.get('spillway_tls_expires_timestamp_seconds'), ends, 'the one before stays');
  const client = await Client.connect(t, `wss://127.0.0.1:${gateway.port}/v1/ws`, { ca: new Certificate(t).ca, rejectUnauthorized: false });
  await gateway.post('/v1/drain');
  const leaving = await gateway.metrics();
  assert.deepEqual([leaving.get('spillway_ready'), leaving.get('spillway_draining')], [0, 1]);
  client.terminate();
});

test('without a certificate its end is 0', async (t) => {
  const gateway = await Gateway.start(t);
  assert.equal((await gateway.metrics()).get('spillway_tls_expires_timestamp_seconds'), 0);
});

describe('at start the log says which Redis it is', () => {
  const serverLine = (gateway) => gateway.log(({ event }) => event === 'redis_server', 'the line redis_server');

  test('with its version and who asks', async (t) => {
    const redis = await Redis.start(t);
    const gateway = await Gateway.start(t, ['--bus', redis.url], { config: KEPT });
    const { level, version, mode, user, missing } = await serverLine(gateway);
    assert.match(version, /^\d+\.\d+\.\d+$/);
    assert.deepEqual({ level, mode, user, missing }, { level: 'info', mode: 'standalone', user: 'default', missing: undefined });
  });

  test('and once only, though the link comes and goes', async (t) => {
    const redis = await Redis.start(t);
    const gateway = await Gateway.start(t, ['--bus', redis.url]);
    await serverLine(gateway);
    await redis.kill();
    await gateway.counted((seen) => seen.get('spillway_bus_losses_total') === 1, 'the loss');
    await redis.start();
    await gateway.busUp();
    const round = async () => (await gateway.metrics()).sum('spillway_bus_round_seconds_count');
    const before = await round();
    await gateway.counted((seen) => seen.sum('spillway_bus_round_seconds_count') > before, 'a ping behind it');
    assert.equal(gateway.stderr.match(/"redis_server"/g).length, 1);
  });

  test('what its user may not do for histories is named, and no password', async (t) => {
    const redis = await Redis.start(t);
    const admin = await redis.client(t);
    const rights = '+subscribe +unsubscribe +psubscribe +punsubscribe +publish +ping +select +client|setname +fcall +function|load +multi +exec';
    await admin.command('ACL', 'SETUSER', 'gate', 'on', '>sesame', '~*', '&*', '-@all', ...rights.split(' '), '+hmget');
    const gateway = await Gateway.start(t, ['--bus', redis.url.replace('//', '//gate:sesame@')], { config: KEPT });
    const { level, version, user, missing, why, fix } = await serverLine(gateway);
    assert.deepEqual({ level, version, user, missing }, { level: 'warn', version: 'unknown', user: 'gate', missing: '+xrange +expire +info' });
    assert.match(why, /^NOPERM/);
    assert.match(fix, /ACL SETUSER/);
    assert.doesNotMatch(gateway.stderr, /sesame/);
  });

  test('without rules that need them those rights are not asked for', async (t) => {
    const redis = await Redis.start(t);
    const admin = await redis.client(t);
    const rights = '+subscribe +unsubscribe +psubscribe +punsubscribe +publish +ping +select +client|setname';
    await admin.command('ACL', 'SETUSER', 'gate', 'on', '>sesame', '&*', '-@all', ...rights.split(' '));
    const gateway = await Gateway.start(t, ['--bus', redis.url.replace('//', '//gate:sesame@')]);
    const { level, version, user, missing } = await serverLine(gateway);
    assert.deepEqual({ level, version, user, missing }, { level: 'info', version: 'unknown', user: 'gate', missing: undefined });
  });
});

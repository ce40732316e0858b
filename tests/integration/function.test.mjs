// SPDX-License-Identifier: Apache-2.0
//
// The function library on real servers: positions, what is kept and how long, and that a position stays good through every failure
// that loses nothing, and no longer than that through those that do.

import assert from 'node:assert/strict';
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Library } from '../harness/library.mjs';
import { freePort } from '../harness/redis.mjs';
import { until } from '../harness/until.mjs';

const RS = '\x1e';
const epochOf = (position) => position.split(':')[0];
const offsetOf = (position) => Number(position.split(':')[1]);

const each = async (library, positions, good) => {
  for (const position of positions) assert.equal(await library.holds(position), good, position);
};

describe('one call', () => {
  test('gives a position, keeps the message and publishes it', async (t) => {
    const library = await Library.start(t);
    const heard = [];
    const tap = await library.server.client(t);
    await tap.subscribe('SUBSCRIBE', library.topic, ({ payload }) => heard.push(payload.toString()));
    const positions = [
      await library.publish('{"id":7}'),
      await library.publish('text', 'ID', 'order-7', 'KEY', 'eu', 'SIZE', 500, 'TTL', 60000),
      (await library.command('FCALL', 'spillway_publish', 2, library.meta, library.stream, 'x')).toString(),
    ];
    assert.match(positions[0], /^[0-9a-zA-Z]{1,24}:1$/);
    assert.deepEqual(
      positions,
      [1, 2, 3].map((offset) => `${epochOf(positions[0])}:${offset}`),
    );
    const kept = await library.kept();
    assert.deepEqual(
      kept.map(({ id, field }) => [id, field]),
      [1, 2, 3].map((offset) => [`${offset}-0`, 'm']),
    );
    await until(() => heard.length === 3, 5000, 'what was published');
    assert.deepEqual(
      heard,
      kept.map(({ envelope }) => envelope),
    );
    const head = (i) => new RegExp(`^${RS}1;${positions[i]};t=\\d{13}`);
    for (const i of [0, 1, 2]) assert.match(heard[i], head(i));
    assert.ok(heard[0].endsWith(`${RS}{"id":7}`));
    assert.ok(heard[1].endsWith(`;k=eu;i=order-7${RS}text`));
  });

  test('with an id is one message, however often it is made', async (t) => {
    const library = await Library.start(t);
    const heard = [];
    const tap = await library.server.client(t);
    await tap.subscribe('PSUBSCRIBE', '*', ({ payload }) => heard.push(payload.toString()));
    const first = await library.publish('a', 'ID', 'one');
    assert.equal(await library.publish('b', 'ID', 'two'), `${epochOf(first)}:2`);
    assert.equal(await library.publish('again', 'ID', 'one'), first);
    assert.equal(await library.says(), '1=a 2=b');
    const left = await library.command('TTL', `{${library.topic}}:i:one`);
    assert.ok(left > 100 && left <= 120, `${left} s`);
    // A topic without history too: there is no position, and it is published once.
    for (let i = 0; i < 2; i++) {
      const answer = await library.command('FCALL', 'spillway_publish', 1, 'plain', 'x', 'ID', 'one', 'SIZE', 0);
      assert.equal(answer, null);
    }
    await library.publish('end');
    await until(() => heard.length >= 4, 5000, 'what was published');
    assert.equal(heard.length, 4);
    assert.match(heard[2], new RegExp(`^${RS}1;;t=\\d+;i=one${RS}x$`));
    assert.equal(await library.command('EXISTS', '{plain}:m', '{plain}:h'), 0);
  });

  test('says what is wrong with it, and does nothing', async (t) => {
    const library = await Library.start(t);
    const usage = /^Error: ERR spillway: FCALL spillway_publish 1 <channel> <bytes> \[ID id\]/;
    const table = [
      [[1, 'a'], usage],
      [[1, 'a', 'x', 'ID'], usage],
      [[1, 'a', 'x', 'SIZ', '1'], usage],
      [[1, 'a', 'x', 'ID', ''], /ID is 1 to 64 bytes/],
      [[1, 'a', 'x', 'ID', 'a;b'], /ID is 1 to 64 bytes/],
      [[1, 'a', 'x', 'ID', 'i'.repeat(65)], /ID is 1 to 64 bytes/],
      [[1, 'a', 'x', 'KEY', 'a b'], /KEY is 1 to 64 bytes/],
      [[1, 'a', 'x', 'KEY', 'é'], /KEY is 1 to 64 bytes/],
      [[1, 'a', 'x', 'SIZE', '-1'], /SIZE is 0 to/],
      [[1, 'a', 'x', 'SIZE', '1e3'], /SIZE is 0 to/],
      [[1, 'a', 'x', 'TTL', '0'], /TTL is 1 to/],
      [[1, 'a', 'x', 'TTL', '1.5'], /TTL is 1 to/],
      [[1, 'a', 'x'.repeat(4194305)], /at most 4194304 bytes/],
      [[0, 'x'], /the key is the channel/],
      [[1, '{a}', 'x'], /the key is the channel, without \{ and \}/],
      [[2, '{a}:m', '{b}:h', 'x'], /the two keys are/],
      [[2, 'a', 'b', 'x'], /the two keys are/],
      [[3, '{a}:m', '{a}:h', 'a', 'x'], /the key is the channel/],
    ];
    for (const [args, words] of table) {
      await assert.rejects(library.command('FCALL', 'spillway_publish', ...args), words, String(args).slice(0, 60));
    }
    assert.equal(await library.command('DBSIZE'), 0);
    for (const name of ['!', '~'.repeat(64), '<=>:']) await library.publish('x', 'ID', name, 'KEY', name);
  });
});

describe('what is kept', () => {
  test('is about as much as the call says, or the meta, or 100', async (t) => {
    const library = await Library.start(t);
    // Trimming takes whole pieces of up to 100.
    const keeps = async (size) => {
      const { length } = await library.kept();
      assert.ok(length >= size && length < size + 100, `${length} of ${size}`);
    };
    for (let i = 0; i < 400; i++) await library.publish('x', 'SIZE', 200);
    await keeps(200);
    await library.publish('x');
    await keeps(100);
    await library.command('HSET', library.meta, 'n', 300);
    for (let i = 0; i < 400; i++) await library.publish('x');
    await keeps(300);
  });

  // While a fleet is told of a new rule one by one, some nodes publish with it and some without.
  test('is nothing with size 0, and what others keep stays', async (t) => {
    const library = await Library.start(t);
    assert.equal(await library.publish('a', 'SIZE', 0), null);
    assert.equal(await library.command('EXISTS', library.stream), 0);
    const first = await library.publish('b');
    assert.equal(offsetOf(first), 1);
    assert.equal(await library.publish('c', 'SIZE', 0, 'ID', 'one'), null);
    assert.equal(await library.publish('d'), `${epochOf(first)}:2`);
    assert.equal(await library.says(), '1=b 2=d');
  });

  test('is forgotten after the ttl of silence; positions go on', async (t) => {
    const library = await Library.start(t);
    const first = await library.publish('a');
    const usual = await library.command('PTTL', library.stream);
    assert.ok(usual > 300000 && usual <= 338000, `${usual} ms`);
    // A shorter one is meant at once, not when the longer one would have been renewed.
    assert.equal(await library.publish('b', 'TTL', 800), `${epochOf(first)}:2`);
    assert.ok((await library.command('PTTL', library.stream)) <= 1000);
    assert.equal(await library.command('TTL', library.meta), 604800);
    await until(async () => (await library.command('EXISTS', library.stream)) === 0, 5000, 'the end of the stream');
    assert.equal(await library.publish('c', 'TTL', 400000000), `${epochOf(first)}:3`);
    assert.equal(await library.says(), '3=c');
    assert.equal(await library.command('TTL', library.stream), 450000);
    assert.equal(await library.command('TTL', library.meta), 800000, 'twice the ttl');
    await each(library, [first], true);
  });

  test('is renewed while messages come, but not with each', async (t) => {
    const library = await Library.start(t);
    await library.publish('a', 'TTL', 2000);
    const { x } = await library.metaFields();
    await library.publish('b', 'TTL', 2000);
    assert.equal((await library.metaFields()).x, x);
    await until(async () => (await library.publish('c', 'TTL', 2000)) && (await library.metaFields()).x > x, 5000, 'renewal');
    assert.ok((await library.command('PTTL', library.stream)) > 2000);
  });
});

describe('after a hand was at it', () => {
  test('a deleted meta begins anew, a deleted stream goes on', async (t) => {
    const library = await Library.start(t);
    const [first] = await library.publishAll('a', 'b');
    await library.command('DEL', library.stream);
    assert.equal(await library.publish('c'), `${epochOf(first)}:3`);
    assert.equal(await library.says(), '3=c');
    await library.command('DEL', library.meta);
    const next = await library.publish('d');
    assert.equal(offsetOf(next), 1);
    assert.notEqual(epochOf(next), epochOf(first));
    assert.equal(await library.says(), '1=d');
  });

  test('a stream ahead of its meta is told, and then begins anew', async (t) => {
    const library = await Library.start(t);
    const positions = await library.publishAll('a', 'b', 'c');
    await library.command('HSET', library.meta, 'o', 1);
    await assert.rejects(library.publish('d'), /^Error: TRYAGAIN spillway: \{orders\.eu\}:h was ahead of its meta/);
    const next = await library.publish('d');
    assert.equal(offsetOf(next), 1);
    await each(library, positions, false);
    assert.equal(await library.says(), '1=d');
  });

  test('a damaged meta is named, with the fix', async (t) => {
    const library = await Library.start(t);
    const damaged = /\{orders\.eu\}:m is damaged, or its offsets are used up: DEL \{orders\.eu\}:m begins the history anew/;
    for (const [field, value] of [
      ['o', '9007199254740991'],
      ['o', '9007199254740993'],
      ['o', '-1'],
      ['o', 'x'],
      ['e', 'Q-7'],
      ['e', 'e'.repeat(25)],
      ['e', ''],
    ]) {
      await library.command('DEL', library.meta);
      await library.publish('a');
      await library.command('HSET', library.meta, field, value);
      await assert.rejects(library.publish('b'), damaged, `${field} ${value}`);
    }
    await library.command('DEL', library.meta);
    assert.equal(offsetOf(await library.publish('c')), 1);
    await library.command('HSET', library.meta, 'o', '9007199254740990');
    assert.equal(offsetOf(await library.publish('d')), 9007199254740991);
    assert.equal((await library.kept()).at(-1).id, '9007199254740991-0');
  });

  test('keys of other types are named, with the fix', async (t) => {
    const library = await Library.start(t);
    const words = /^Error: WRONGTYPE spillway: \{orders\.eu\}:m is no hash, or \{orders\.eu\}:h no stream, .*rename or delete/;
    await library.command('SET', library.meta, 'x');
    await assert.rejects(library.publish('a'), words);
    await library.command('DEL', library.meta);
    await library.publish('a');
    await library.command('SET', library.stream, 'x');
    await assert.rejects(library.publish('b'), words);
    await library.command('LPUSH', '{orders.eu}:i:one', 'x');
    await assert.rejects(library.publish('c', 'ID', 'one'), words);
  });

  test('restored keys are another life once the library was loaded again', async (t) => {
    const library = await Library.start(t);
    const before = await library.publishAll('a', 'b', 'c');
    const dumps = [];
    for (const key of [library.meta, library.stream]) dumps.push([key, await library.command('DUMP', key)]);
    const lost = await library.publishAll('x', 'y');
    for (const [key, bytes] of dumps) await library.command('RESTORE', key, 0, bytes, 'REPLACE');
    await library.load();
    await library.publishAll('A', 'B', 'C');
    assert.equal(await library.says(), '1=a 2=b 3=c 4=A 5=B 6=C');
    await each(library, before, true);
    await each(library, lost, false);
  });
});

describe('a position', () => {
  test('outlives a restart that lost nothing', async (t) => {
    const library = await Library.start(t, { args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    const positions = await library.publishAll('a', 'b');
    for (let i = 0; i < 2; i++) {
      await library.restart(t);
      await each(library, positions, true);
      positions.push(...(await library.publishAll('c', 'd')));
      await each(library, positions, true);
    }
    assert.deepEqual(positions.map(offsetOf), [1, 2, 3, 4, 5, 6]);
    assert.equal(new Set(positions.map(epochOf)).size, 3);
    const [first, second] = [0, 2].map((i) => epochOf(positions[i]));
    assert.equal((await library.metaFields()).l, `${first}=2 ${second}=4 `);
    assert.equal(await library.holds(`${first}:3`), false, 'beyond the end of its epoch');
  });

  test('outlives the death of the process, not what a power loss took', async (t) => {
    const library = await Library.start(t, { args: ['--appendonly', 'yes', '--appendfsync', 'everysec'] });
    const log = () => {
      const directory = join(library.server.directory, 'appendonlydir');
      return join(directory, readdirSync(directory).find((name) => name.endsWith('.incr.aof')));
    };
    const kept = await library.publishAll('a', 'b', 'c');
    await library.restart(t);
    await each(library, kept, true);
    const { size } = statSync(log());
    const lost = await library.publishAll('x', 'y');
    await library.server.kill();
    truncateSync(log(), size + 20); // in the middle of a block: it is not loaded
    await library.restart(t);
    await library.publishAll('A', 'B', 'C');
    assert.equal(await library.says(), '1=a 2=b 3=c 4=A 5=B 6=C');
    await each(library, kept, true);
    await each(library, lost, false);
  });

  test('of a tail that a snapshot did not have is good in no later life, twice over', async (t) => {
    const library = await Library.start(t);
    const kept = await library.publishAll('a', 'b');
    await library.command('SAVE');
    const lost = [];
    for (const tail of [
      ['w1', 'w2', 'w3'],
      ['x1', 'x2'],
      ['y1', 'y2', 'y3', 'y4'],
    ]) {
      lost.push(...(await library.publishAll(...tail)));
      await library.restart(t);
    }
    const last = await library.publishAll('z1', 'z2', 'z3', 'z4', 'z5');
    assert.equal(await library.says(), '1=a 2=b 3=z1 4=z2 5=z3 6=z4 7=z5');
    await each(library, [...kept, ...last], true);
    await each(library, lost, false);
  });

  test('is good nowhere after everything was flushed', async (t) => {
    const library = await Library.start(t);
    const positions = await library.publishAll('a', 'b', 'c');
    await library.command('FLUSHALL');
    const next = await library.publishAll('d', 'e', 'f', 'g');
    assert.deepEqual(next.map(offsetOf), [1, 2, 3, 4]);
    await each(library, positions, false);
  });

  test('goes over to a replica, but for what that never had', async (t) => {
    const a = await Library.start(t);
    const kept = await a.publishAll('a', 'b', 'c');
    const b = await Library.replica(t, a);
    await b.promote();
    const lost = await a.publishAll('x', 'y'); // b hears no more of it
    const next = await b.publishAll('A', 'B', 'C');
    assert.equal(await b.says(), '1=a 2=b 3=c 4=A 5=B 6=C');
    await each(b, [...kept, ...next], true);
    await each(b, lost, false);
    // The former master takes over what it missed, and what it alone had is gone there too.
    await a.follow(b);
    await a.promote();
    await a.publish('D');
    await each(a, [...kept, ...next], true);
    await each(a, lost, false);
  });

  test('goes there and back again where nothing is lost', async (t) => {
    const a = await Library.start(t);
    const positions = await a.publishAll('a');
    const b = await Library.replica(t, a);
    for (const [from, to] of [
      [a, b],
      [b, a],
      [a, b],
    ]) {
      await to.promote();
      await from.follow(to);
      positions.push(...(await to.publishAll('x', 'y')));
      await from.command('PING');
      await to.command('WAIT', 1, 5000);
    }
    assert.deepEqual(positions.map(offsetOf), [1, 2, 3, 4, 5, 6, 7]);
    await each(b, positions, true);
    assert.equal(new Set(positions.map(epochOf)).size, 4);
  });

  test('under one of the last 16 names is known', async (t) => {
    const library = await Library.start(t);
    const positions = [];
    for (let i = 0; i < 19; i++) {
      positions.push(await library.publish('x'));
      await library.load();
    }
    positions.push(await library.publish('x'));
    await each(library, positions.slice(0, 3), false);
    await each(library, positions.slice(3), true);
    assert.equal((await library.metaFields()).l.split(' ').length, 17);
  });
});

describe('rights', () => {
  const rights = '+fcall +info +time +hmget +hset +hdel +get +set +xadd +expire +del +publish'.split(' ');

  const asUser = async (t, library, ...rules) => {
    await library.command('ACL', 'SETUSER', 'back', 'reset', 'on', '>p', ...rules);
    const client = await library.server.client(t);
    await client.command('AUTH', 'back', 'p');
    return client;
  };
  const publish = (client) => client.command('FCALL', 'spillway_publish', 1, 'app.eu', 'x', 'ID', 'one');

  test('those that are listed are enough', async (t) => {
    const library = await Library.start(t);
    const client = await asUser(t, library, ...rights, '~app.*', '~{app.*', '&app.*');
    assert.match((await publish(client)).toString(), /:1$/);
  });

  test('each that is missing is named, and nothing is kept or published', async (t) => {
    const library = await Library.start(t);
    const everywhere = ['~app.*', '~{app.*', '&app.*'];
    for (const missing of rights.slice(1)) {
      const client = await asUser(t, library, ...rights.filter((right) => right !== missing), ...everywhere);
      const escaped = missing.replace('+', '\\+');
      await assert.rejects(publish(client), new RegExp(`^Error: NOPERM spillway: the user lacks ${escaped}( |$)`), missing);
    }
    const keys = await asUser(t, library, ...rights, '~app.*', '&app.*');
    await assert.rejects(publish(keys), /^Error: NOPERM spillway: the user lacks \+\w+ on key \{app\.eu\}:/);
    const channels = await asUser(t, library, ...rights, '~app.*', '~{app.*', '&other.*');
    await assert.rejects(publish(channels), /^Error: NOPERM spillway: the user lacks \+publish on channel app\.eu$/);
    assert.equal(await library.command('DBSIZE'), 0);
  });

  test('a server out of memory refuses it whole', async (t) => {
    const library = await Library.start(t);
    await library.command('CONFIG', 'SET', 'maxmemory', 1);
    await assert.rejects(library.publish('x'), /^Error: OOM /);
    assert.equal((await library.command('FCALL', 'spillway_version', 0)) >= 1, true);
    await library.command('CONFIG', 'SET', 'maxmemory', 0);
    assert.equal(offsetOf(await library.publish('x')), 1);
  });
});

test('in Cluster both keys are named, and shards carry the message', async (t) => {
  // Its own choice, 10,000 above the other, is a port that the kernel hands out.
  const library = await Library.start(t, { args: ['--cluster-enabled', 'yes', '--cluster-port', await freePort()] });
  await library.command('CLUSTER', 'ADDSLOTSRANGE', 0, 16383);
  await until(async () => (await library.command('CLUSTER', 'INFO')).includes('cluster_state:ok'), 10000, 'the cluster');
  await assert.rejects(library.publish('x'), /in Cluster both keys are named: 2 \{orders\.eu\}:m \{orders\.eu\}:h/);
  const two = async (payload) =>
    (await library.command('FCALL', 'spillway_publish', 2, library.meta, library.stream, payload)).toString();
  assert.equal(offsetOf(await two('a')), 1);
  const calls = async (name) => {
    const stats = (await library.command('INFO', 'commandstats')).toString();
    return Number(stats.match(new RegExp(`cmdstat_${name}:calls=(\\d+)`))?.[1] ?? 0);
  };
  assert.deepEqual([await calls('spublish'), await calls('publish')], [1, 0]);
  await library.command('HSET', library.meta, 'p', 'classic');
  assert.equal(offsetOf(await two('b')), 2);
  assert.deepEqual([await calls('spublish'), await calls('publish')], [1, 1]);
  assert.equal(await library.says(), '1=a 2=b');
});

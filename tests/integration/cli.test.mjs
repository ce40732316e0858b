// SPDX-License-Identifier: Apache-2.0
//
// The command line that people type: pub, sub, check, --version, --help.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { environment, Gateway, run } from '../harness/gateway.mjs';
import { freePort } from '../harness/redis.mjs';
import { atEnd, suiteScope } from '../harness/scope.mjs';
import { BINARY } from '../harness/setting.mjs';
import { until, within } from '../harness/until.mjs';

describe('help and version', () => {
  test('--version names the program and its version', async () => {
    const { code, stdout, stderr } = await run(['--version']);
    assert.equal(code, 0);
    assert.match(stdout, /^spillway \d+\.\d+\.\d+/);
    assert.equal(stderr, '');
  });

  test('--help lists commands and flags', async () => {
    const { code, stdout } = await run(['--help']);
    assert.equal(code, 0);
    for (const word of ['--listen', '--admin-listen', '--bus', '--workers', 'pub', 'sub', 'check'])
      assert.ok(stdout.includes(word), word);
    assert.ok(
      stdout.split('\n').every((line) => line.length <= 120),
      'it fits a terminal',
    );
  });
});

describe('check', () => {
  let directory;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'spillway-check-'));
  });
  const scope = suiteScope();
  scope.after(() => rmSync(directory, { recursive: true }));
  const file = (text) => {
    const path = join(directory, 'spillway.json');
    writeFileSync(path, text);
    return path;
  };

  test('a good file ends with 0', async () => {
    const { code, stderr } = await run(['check', '--config', file('{"workers": 2, "bus": "redis://127.0.0.1:6379"}')]);
    assert.equal(code, 0, stderr);
  });

  test('a bad one ends with 2 and says where and what', async () => {
    const syntax = await run(['check', '--config', file('{\n  "workers": }\n')]);
    assert.equal(syntax.code, 2);
    assert.match(syntax.stderr, /(line\s*2\D+col\w*\s*\d+|:2:\d+)/i);
    const unknown = await run(['check', '--config', file('{"worker": 2}')]);
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /workers/);
    const together = await run(['check', '--config', file('{"listen": ["0.0.0.0:8000"]}')]);
    assert.equal(together.code, 2);
    assert.match(together.stderr, /auth/);
  });

  const rules = '{"topics": [{"match": "t.eu"}, {"match": "t.*", "mode": "latest", "max_hz": 5}, {"match": "t.*.x"}]}';

  test('--topic says which rule counts, and why no earlier one', async () => {
    const { code, stdout, stderr } = await run(['check', '--config', file(rules), '--topic', 't.us']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^topic "t\.us" falls under topics\[1\] "t\.\*"/);
    assert.match(stdout, /mode +latest\n +modes_allowed +all, latest\n +max_hz +5\n +max_message_bytes +262144/);
    assert.match(stdout, /not topics\[0\] "t\.eu", which does not match/);
    const pattern = await run(['check', '--topic=t.>', '--config', file(rules)]);
    assert.equal(pattern.code, 0, pattern.stderr);
    assert.match(pattern.stdout, /^pattern "t\.>" falls under the default rule\n/);
    assert.match(pattern.stdout, /not topics\[1\] "t\.\*", which does not cover all of it/);
  });

  test('a bad --topic ends with 2 and says why', async () => {
    const { code, stderr } = await run(['check', '--config', file(rules), '--topic', 't..x']);
    assert.equal(code, 2);
    assert.match(stderr, /"t\.\.x".*empty token/);
    assert.equal((await run(['check', '--config', file(rules), '--topic'])).code, 2);
  });

  test('a rule that nothing reaches is a warning', async () => {
    const text = '{"topics": [{"match": "t.>"}, {"match": "t.eu"}]}';
    const { code, stdout, stderr } = await run(['check', '--config', file(text)]);
    assert.equal(code, 0);
    assert.match(stdout, /^ok\n/);
    assert.match(stderr, /warning: topics\[1\] "t\.eu" is never reached/);
  });

  test('without a file it ends with 2', async () => {
    assert.equal((await run(['check'])).code, 2);
    assert.equal((await run(['check', '--config', join(directory, 'nowhere.json')])).code, 2);
  });
});

describe('pub and sub', () => {
  const scope = suiteScope();
  let gateway;
  let admin;
  let url;
  before(async () => {
    gateway = await Gateway.start(scope);
    admin = ['--admin-url', `http://${gateway.admin}`];
    url = ['--url', gateway.url];
  });
  const listener = async (t, topic) => {
    const client = await Client.connect(t, gateway.url);
    await client.subscribe(topic);
    return client;
  };

  test('pub TOPIC DATA publishes its bytes', async (t) => {
    const client = await listener(t, 'cli.a');
    for (const data of ['{"id": 7.0}', 'plain words', '']) {
      const { code, stderr } = await run(['pub', 'cli.a', data, ...admin]);
      assert.equal(code, 0, stderr);
    }
    await client.received('cli.a', 3);
    assert.deepEqual(
      client.of('cli.a').map(({ raw }) => raw),
      [
        '{"type":"msg","topic":"cli.a","data":{"id": 7.0}}',
        '{"type":"msg","topic":"cli.a","text":"plain words"}',
        '{"type":"msg","topic":"cli.a","text":""}',
      ],
    );
  });

  test('pub TOPIC publishes each line of standard input, in order', async (t) => {
    const client = await listener(t, 'cli.lines');
    const lines = Array.from({ length: 500 }, (_, n) => `{"n":${n}}`);
    const { code, stderr } = await run(['pub', 'cli.lines', ...admin], { input: lines.join('\n') });
    assert.equal(code, 0, stderr);
    await client.received('cli.lines', 500);
    assert.deepEqual(
      client.of('cli.lines').map(({ data }) => data.n),
      lines.map((_, n) => n),
    );
  });

  test('pub says why it could not', async () => {
    const topic = await run(['pub', 'cli..bad', '1', ...admin]);
    assert.equal(topic.code, 1);
    assert.match(topic.stderr, /topic/);
    const nobody = await run(['pub', 'cli.a', '1', '--admin-url', `http://127.0.0.1:${await freePort()}`]);
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /127\.0\.0\.1/);
    assert.equal((await run(['pub'])).code, 2);
    assert.equal((await run(['pub', 'cli.a', '1', '--admin-ulr', 'x'])).code, 2);
  });

  test('pub carries a key to an admin listener that wants one', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'spillway-key-'));
    atEnd(t, () => rmSync(directory, { recursive: true }));
    writeFileSync(join(directory, 'key'), 's3cret-key\n');
    const guarded = await Gateway.start(t, ['--api-key-file', join(directory, 'key')]);
    const target = ['--admin-url', `http://${guarded.admin}`];
    const without = await run(['pub', 'cli.a', '1', ...target]);
    assert.equal(without.code, 1);
    assert.match(without.stderr, /key/i);
    const { code, stderr } = await run(['pub', 'cli.a', '1', ...target, '--key', 's3cret-key']);
    assert.equal(code, 0, stderr);
  });

  test('sub prints what its topics bring, line by line, until it is interrupted', async (t) => {
    const child = spawn(BINARY, ['sub', 'cli.sub.>', 'cli.other', ...url], {
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    atEnd(t, () => child.kill('SIGKILL'));
    let printed = '';
    let said = '';
    child.stdout.on('data', (text) => (printed += text));
    child.stderr.on('data', (text) => (said += text));
    const exited = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
    await gateway.counted(
      (metrics) => metrics.sum('spillway_subscriptions') >= 2,
      () => `sub subscribed: ${said}`,
    );
    await gateway.publish('cli.sub.eu', '{"id":7}');
    await gateway.publish('cli.other', 'plain words');
    await gateway.publish('cli.none', '{"id":8}');
    await until(
      () => printed.split('\n').length >= 3,
      5000,
      () => `two lines: ${printed} ${said}`,
    );
    const lines = printed.trimEnd().split('\n');
    assert.equal(lines.length, 2);
    assert.match(lines[0], /cli\.sub\.eu.*\{"id":7\}/);
    assert.match(lines[1], /cli\.other.*plain words/);
    child.kill('SIGINT');
    const { code, signal } = await within(exited, 5000, 'the end of sub');
    assert.ok(code === 0 || code === 130 || signal === 'SIGINT', `exit ${code} ${signal}`);
  });

  test('sub asks for a mode and a pace, and says when it is subscribed', async (t) => {
    const child = spawn(BINARY, ['sub', 'cli.pace', '--mode', 'latest', '--max-hz', '1', '--count', '1', ...url], {
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    atEnd(t, () => child.kill('SIGKILL'));
    const exited = new Promise((resolve) => child.on('close', resolve));
    let said = '';
    let printed = '';
    child.stdout.on('data', (text) => (printed += text));
    child.stderr.on('data', (text) => (said += text));
    await until(() => /subscribed to cli\.pace at 127\.0\.0\.1:\d+\n/.test(said), 10000, () => said);
    await gateway.publish('cli.pace', '1');
    assert.equal(await within(exited, 5000, 'the end of sub'), 0);
    assert.equal(printed, 'cli.pace 1\n');
    for (const [flag, value, words] of [
      ['--mode', 'newest', /all, latest or disconnect/],
      ['--max-hz', '3', /1, 2, 5, 10 or 20/],
    ]) {
      const refused = await run(['sub', 'a', flag, value, ...url]);
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, words);
    }
  });

  test('sub says why it could not', async () => {
    const bad = await run(['sub', '*.bad', ...url]);
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /\*\.bad/);
    const shown = await run(['sub', 'a', ...url, '--token', 'x']);
    assert.equal(shown.code, 1);
    assert.match(shown.stderr, /no WebSocket was opened: unsupported: this node takes no tokens/);
    assert.equal((await run(['sub'])).code, 2);
  });
});

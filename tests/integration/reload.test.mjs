// SPDX-License-Identifier: Apache-2.0
//
// What a node reads again while it runs, at SIGHUP and POST /v1/reload: what is good counts at once, and what is not changes nothing.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway, run } from '../harness/gateway.mjs';
import { atEnd } from '../harness/scope.mjs';

const OLD = 'the-first-api-key-of-all';
const NEW = 'the-second-api-key-of-all';

function folder(t) {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-reload-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  return (name) => join(directory, name);
}

const shown = (key) => ({ headers: { Authorization: `Bearer ${key}` } });
const may = async (gateway, key) => (await gateway.get('/v1/connections', shown(key))).status === 200;
const reloaded = ({ event }) => event === 'reloaded' || event === 'reload_failed';

describe('the API keys of the admin listener', () => {
  async function keyed(t) {
    const file = folder(t)('keys');
    writeFileSync(file, `# of the operators\n${OLD}\n`);
    return { file, gateway: await Gateway.start(t, ['--api-key-file', file]) };
  }

  test('are read again at POST /v1/reload, and clients notice nothing', async (t) => {
    const { file, gateway } = await keyed(t);
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('r');
    writeFileSync(file, `${NEW}\n`);
    assert.ok(await may(gateway, OLD), 'not before it is said');
    const answer = await gateway.post('/v1/reload', undefined, shown(OLD));
    assert.equal(answer.status, 200);
    assert.equal(answer.text, '{"reloaded":["api_keys"],"failed":[]}');
    assert.equal((await gateway.log(reloaded)).what, 'api_keys');
    assert.ok(await may(gateway, NEW));
    assert.ok(!(await may(gateway, OLD)));
    assert.equal((await gateway.post('/v1/reload', undefined, shown(OLD))).status, 401);
    await gateway.publish('r', '1', { 'X-API-Key': NEW });
    assert.equal((await client.next('msg')).data, 1);
  });

  test('are read again at SIGHUP', async (t) => {
    const { file, gateway } = await keyed(t);
    writeFileSync(file, `${OLD}\n${NEW}\n`);
    gateway.signal('SIGHUP');
    assert.equal((await gateway.log(reloaded)).event, 'reloaded');
    assert.ok(await may(gateway, OLD));
    assert.ok(await may(gateway, NEW));
  });

  test('are not waited for where a pipe stands in place of the file', async (t) => {
    const { file, gateway } = await keyed(t);
    rmSync(file);
    execFileSync('mkfifo', [file]);
    gateway.signal('SIGHUP');
    const { event, why } = await gateway.log(reloaded);
    assert.equal(event, 'reload_failed');
    assert.ok(why.includes(`${file}: it is no regular file`), why);
    assert.ok(await may(gateway, OLD));
  });

  test('stay as they were where the file is gone or holds none, and it is said why', async (t) => {
    const { file, gateway } = await keyed(t);
    for (const spoil of [() => writeFileSync(file, '# none\n'), () => rmSync(file)]) {
      spoil();
      const answer = await gateway.post('/v1/reload', undefined, shown(OLD));
      assert.equal(answer.status, 500);
      assert.equal(answer.code, 'internal');
      assert.deepEqual(answer.json.reloaded, []);
      const [{ what, message }] = answer.json.failed;
      assert.equal(what, 'api_keys');
      assert.ok(message.includes(file), message);
      const { event, why } = await gateway.log(reloaded);
      assert.equal(event, 'reload_failed');
      assert.ok(why.includes(file), why);
      assert.ok(await may(gateway, OLD));
    }
    gateway.signal('SIGHUP');
    assert.equal((await gateway.log(reloaded)).event, 'reload_failed');
    assert.ok(await may(gateway, OLD));
    for (const key of [OLD, NEW]) assert.ok(!gateway.stderr.includes(key), 'no key in the log');
  });
});

describe('API keys of the environment', () => {
  test('let in whoever shows one, beside those of the file', async (t) => {
    const file = folder(t)('keys');
    writeFileSync(file, `${OLD}\n`);
    const env = { SPILLWAY_API_KEY: `${NEW}, third-api-key-of-all\n` };
    const gateway = await Gateway.start(t, ['--api-key-file', file], { env });
    for (const key of [OLD, NEW, 'third-api-key-of-all']) assert.ok(await may(gateway, key), key);
    assert.equal((await gateway.get('/v1/connections')).status, 401);
    gateway.signal('SIGHUP');
    assert.equal((await gateway.log(reloaded)).event, 'reloaded');
    for (const key of [OLD, NEW]) assert.ok(await may(gateway, key), key);
  });

  test('are enough for an admin listener that is not on loopback', async (t) => {
    const gateway = await Gateway.start(t, ['--admin-listen', '0.0.0.0:0'], { env: { SPILLWAY_API_KEY: OLD } });
    assert.ok(await may(gateway, OLD));
    assert.ok(!(await may(gateway, NEW)));
  });

  test('are refused where they are short, and never shown', async (t) => {
    const config = folder(t)('config.json');
    writeFileSync(config, '{}');
    const hush = { env: { SPILLWAY_API_KEY: `${OLD},hush-hush` } };
    const refused = await run(['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'], hush);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /SPILLWAY_API_KEY: key 2 has fewer than 16 bytes.*openssl rand -hex 16/);
    const good = await run(['check', '--config', config], { env: { SPILLWAY_API_KEY: OLD } });
    assert.equal(good.code, 0, good.stderr);
    for (const said of [refused.stdout, refused.stderr, good.stdout, good.stderr]) {
      assert.doesNotMatch(said, /hush|the-first/);
    }
  });

  test('serve pub, too', async (t) => {
    const env = { SPILLWAY_API_KEY: `${OLD},${NEW}` };
    const gateway = await Gateway.start(t, [], { env });
    const file = folder(t)('key');
    writeFileSync(file, `# mine\n${NEW}\n`);
    const pub = ['pub', 'r', '1', '--admin-url', `http://${gateway.admin}`];
    assert.equal((await run(pub)).code, 1);
    assert.equal((await run(pub, { env })).code, 0);
    assert.equal((await run([...pub, '--key-file', file])).code, 0);
    assert.equal((await run([...pub, '--key', 'wrong'], { env })).code, 1, 'the flag is the stronger');
  });
});

describe('the config file', () => {
  test('is looked at, and what it changed is named and waits for a restart', async (t) => {
    const config = folder(t)('config.json');
    writeFileSync(config, '{"ping_ms": 20000, "workers": 1}');
    const gateway = await Gateway.start(t, ['--config', config, '--workers', '2']);
    assert.equal((await gateway.post('/v1/reload')).text, '{"reloaded":[],"failed":[]}');
    writeFileSync(config, '{"ping_ms": 30000, "workers": 4, "topics": [{"match": "a"}]}');
    const answer = await gateway.post('/v1/reload');
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json, { reloaded: [], failed: [], restart: ['ping_ms', 'topics'] });
    assert.equal((await gateway.log(({ event }) => event === 'restart_needed')).changed, 'ping_ms,topics');
    writeFileSync(config, '{"ping_ms": }');
    const broken = await gateway.post('/v1/reload');
    assert.equal(broken.status, 500);
    assert.equal(broken.json.failed[0].what, 'config');
    assert.match(broken.json.failed[0].message, /config\.json:1:13/);
  });
});

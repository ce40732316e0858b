// SPDX-License-Identifier: Apache-2.0
//
// `spillway token`: what it signs is what node:crypto calls signed. And how pub and sub carry one.

import assert from 'node:assert/strict';
import http from 'node:http';
import { describe, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { run } from '../harness/gateway.mjs';
import { keyFiles, keyPair, makeSecret, seconds, sign, verify } from '../harness/jwt.mjs';
import { atEnd } from '../harness/scope.mjs';

// The token's text; every run that is meant to go well must.
async function make(...args) {
  const { code, stdout, stderr } = await run(['token', ...args]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  return stdout.trim();
}

const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

describe('what it signs', () => {
  for (const alg of ['HS256', 'HS384', 'HS512']) {
    test(`${alg}, by a secret`, async (t) => {
      const secret = makeSecret();
      const files = keyFiles(t, { secret: `${secret}\n` });
      const token = await make('--jwt-secret-file', files.secret, '--alg', alg, '--sub', 'ann');
      assert.deepEqual(verify(token, { secret, alg }).header, { alg, typ: 'JWT' });
      assert.throws(() => verify(token, { secret: makeSecret(), alg }), /not signed/);
    });
  }

  for (const alg of ['RS256', 'RS512', 'PS256', 'PS384', 'ES256', 'ES384', 'ES512', 'EdDSA']) {
    test(`${alg}, by a private key`, async (t) => {
      const { privatePem, publicKey } = keyPair(alg);
      const files = keyFiles(t, { 'private.pem': privatePem });
      const token = await make('--key', files['private.pem'], '--alg', alg, '--kid', 'k-1');
      assert.deepEqual(verify(token, { key: publicKey, alg }).header, { alg, typ: 'JWT', kid: 'k-1' });
      assert.throws(() => verify(token, { key: keyPair(alg).publicKey, alg }), /not signed/);
    });
  }

  test('without --alg each key has its usual one', async (t) => {
    for (const alg of ['RS256', 'ES384', 'EdDSA']) {
      const { privatePem, publicKey } = keyPair(alg);
      const files = keyFiles(t, { 'private.pem': privatePem });
      const token = await make('--key', files['private.pem']);
      assert.deepEqual(verify(token, { key: publicKey, alg }).header, { alg, typ: 'JWT' });
    }
  });
});

describe('what it says', () => {
  const secret = makeSecret();
  const made = (t, ...args) => make('--jwt-secret-file', keyFiles(t, { secret }).secret, ...args);

  test('every flag is a claim', async (t) => {
    const token = await made(
      t,
      ...['--sub', 'ann', '--issuer', 'https://id', '--audience', 'gw', '--expires', '2h'],
      ...['--subscribe', 'orders.*', '--subscribe=user.{sub}.>', '--publish', 'chat.*', '--auto', 'user.{sub}.>'],
      ...['--claim', 'tenant=eu', '--claim', 'level=3', '--claim', 'roles=["a","b"]', '--claim', 'say="7"', '--claim', 'q=a="b"'],
    );
    const { iat, exp, ...claims } = claimsOf(token);
    assert.equal(exp - iat, 7200);
    assert.ok(Math.abs(iat - seconds()) <= 60, `${iat} is not now`);
    assert.deepEqual(claims, {
      sub: 'ann',
      iss: 'https://id',
      aud: 'gw',
      spillway: { sub: ['orders.*', 'user.{sub}.>'], pub: ['chat.*'], auto: ['user.{sub}.>'] },
      tenant: 'eu',
      level: 3,
      roles: ['a', 'b'],
      say: '7',
      q: 'a="b"',
    });
  });

  test('without flags it grants nothing, for an hour', async (t) => {
    const { iat, exp, ...claims } = claimsOf(await made(t));
    assert.equal(exp - iat, 3600);
    assert.deepEqual(claims, {});
  });

  test('times have units', async (t) => {
    for (const [word, length] of [
      ['90s', 90],
      ['30m', 1800],
      ['7d', 604800],
    ]) {
      const { iat, exp } = claimsOf(await made(t, '--expires', word));
      assert.equal(exp - iat, length);
    }
  });
});

describe('what it refuses', () => {
  test('each with 2, and words', async (t) => {
    const { publicPem, privatePem } = keyPair('ES256');
    const files = keyFiles(t, { secret: makeSecret(), short: 'hush', 'public.pem': publicPem, 'private.pem': privatePem });
    const by = ['--jwt-secret-file', files.secret];
    for (const [args, words] of [
      [[], /--jwt-secret-file FILE or --key FILE\.pem/],
      [[...by, '--key', files['private.pem']], /Either/],
      [['--key', files['public.pem']], /public\.pem holds no private key/],
      [['--key', files['private.pem'], '--alg', 'RS256'], /does not sign with RS256, but with ES256/],
      [[...by, '--alg', 'none'], /does not sign with none/],
      [['--jwt-secret-file', files.short], /at least 32/],
      [['--jwt-secret-file', '/nonexistent/secret'], /\/nonexistent\/secret/],
      [[...by, '--expires', '0s'], /--expires/],
      [[...by, '--expires', '1'], /--expires/],
      [[...by, '--expires', '366d'], /--expires/],
      [[...by, '--claim', 'sub'], /NAME=VALUE/],
      [[...by, '--claim', '=x'], /NAME=VALUE/],
      [[...by, '--claim', 'exp=9999999999'], /exp would stand twice/],
      [[...by, '--sub', 'a', '--claim', 'sub=b'], /sub would stand twice/],
      [[...by, '--claim', `x=${'y'.repeat(9000)}`], /larger than 8192/],
      [[...by, '--subscrbe', 'a'], /did you mean --subscribe/],
      [[...by, 'ann'], /ann/],
    ]) {
      const { code, stdout, stderr } = await run(['token', ...args]);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, words);
      assert.equal(stdout, '');
    }
  });
});

describe('a node with keys', () => {
  test('check takes good ones and refuses others, each in words', async (t) => {
    const { publicPem, privatePem } = keyPair('EdDSA');
    const files = keyFiles(t, {
      secret: makeSecret(),
      'a.pem': publicPem,
      'private.pem': privatePem,
      'good.json': '{}',
      'none.json': '{"auth": "none"}',
    });
    const check = (...args) => run(['check', '--config', ...args]);
    const good = await check(files['good.json'], '--jwt-secret-file', files.secret, '--jwt-key-file', files['a.pem']);
    assert.equal(good.code, 0, good.stderr);
    const open = await check(files['good.json'], '--listen', '0.0.0.0:0', '--auth', 'jwt', '--jwt-key-file', files['a.pem']);
    assert.equal(open.code, 0, open.stderr);
    for (const [args, words] of [
      [['--jwt-key-file', files['private.pem']], /--jwt-key-file .*private\.pem holds a private key.*-pubout/],
      [['--jwt-key-file', files['a.pem'], '--jwt-key-file', files['a.pem']], /a second key is called a/],
      [['--auth', 'jwt'], /--auth jwt needs a key/],
      [['--auth', 'callback'], /--auth callback is not supported/],
      [['--jwt-audience', 'x'], /--jwt-audience means nothing without a key/],
    ]) {
      const { code, stderr } = await check(files['good.json'], ...args);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, words);
      assert.doesNotMatch(stderr, /PRIVATE KEY-----/);
    }
    const both = await check(files['none.json'], '--jwt-secret-file', files.secret);
    assert.equal(both.code, 2);
    assert.match(both.stderr, /leave one of the two out/);
    const started = await run(['--jwt-secret-file', '/nonexistent/secret']);
    assert.equal(started.code, 2);
    assert.match(started.stderr, /\/nonexistent\/secret/);
  });
});

describe('pub and sub', () => {
  const token = sign({ sub: 'ann' }, { secret: makeSecret() });

  // What sub sends at the upgrade, to a server that welcomes and closes it for good.
  async function asked(t, args, env) {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    atEnd(t, () => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const heard = new Promise((resolve) =>
      server.once('connection', (socket, request) => {
        socket.close(4501, 'unauthorized');
        resolve(request.headers);
      }),
    );
    const result = await run(['sub', 'a', '--url', `ws://127.0.0.1:${server.address().port}/v1/ws`, ...args], { env });
    assert.equal(result.code, 1);
    assert.match(result.stderr, /4501 unauthorized/);
    assert.doesNotMatch(result.stderr, new RegExp(token));
    return heard;
  }

  test('sub shows its token at the upgrade', async (t) => {
    assert.equal((await asked(t, ['--token', token])).authorization, `Bearer ${token}`);
    assert.equal((await asked(t, [], { SPILLWAY_TOKEN: token })).authorization, `Bearer ${token}`);
    assert.equal((await asked(t, ['--token', 'other'], { SPILLWAY_TOKEN: token })).authorization, 'Bearer other');
    assert.equal((await asked(t, [], { SPILLWAY_TOKEN: '' })).authorization, undefined);
    const bad = await run(['sub', 'a', '--token', 'a\r\nb']);
    assert.equal(bad.code, 2);
    assert.match(bad.stderr, /--token/);
  });

  // A server that answers each POST by `answer`, and notes what came.
  async function listener(t, answer) {
    const heard = [];
    const server = http.createServer((request, response) => {
      let body = '';
      request.on('data', (text) => (body += text));
      request.on('end', () => {
        heard.push({ path: request.url, authorization: request.headers.authorization, body });
        response.end(JSON.stringify(answer));
      });
    });
    atEnd(t, () => server.closeAllConnections());
    atEnd(t, () => server.close());
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { heard, address: `127.0.0.1:${server.address().port}` };
  }

  test('pub with a token is a client of the public listener', async (t) => {
    const { heard, address } = await listener(t, { results: [{ position: 'Qx7:1' }] });
    for (const [url, data, env, args] of [
      [`http://${address}`, '{"n":1.0}', {}, ['--token', token]],
      [`ws://${address}/v1/ws`, 'plain "words"', {}, ['--token', token]],
      [`http://${address}/below/`, '7', { SPILLWAY_TOKEN: token }, []],
    ]) {
      const { code, stderr } = await run(['pub', 't.é', data, '--url', url, ...args], { env });
      assert.equal(code, 0, stderr);
    }
    const authorization = `Bearer ${token}`;
    assert.deepEqual(heard, [
      { path: '/v1/publish', authorization, body: '{"topic":"t.é","data":{"n":1.0}}' },
      { path: '/v1/publish', authorization, body: '{"topic":"t.é","data":"plain \\"words\\""}' },
      { path: '/below/v1/publish', authorization, body: '{"topic":"t.é","data":7}' },
    ]);
  });

  test('pub says what became of a message that was refused', async (t) => {
    const refusal = { error: { code: 'forbidden', message: 'no grant', retry: false } };
    const { address } = await listener(t, { results: [refusal] });
    const { code, stderr } = await run(['pub', 't', '1', '--url', `http://${address}`, '--token', token]);
    assert.equal(code, 1);
    assert.match(stderr, /forbidden: no grant/);
    const odd = await listener(t, {});
    assert.equal((await run(['pub', 't', '1', '--url', `http://${odd.address}`, '--token', token])).code, 1);
  });

  test('a token of the environment does not turn away who asks for the admin listener', async (t) => {
    const { heard, address } = await listener(t, { topic: 't' });
    const env = { SPILLWAY_TOKEN: token };
    for (const key of [[], ['--key', 'k']]) {
      const { code, stderr } = await run(['pub', 't', '1', '--admin-url', `http://${address}`, ...key], { env });
      assert.equal(code, 0, stderr);
    }
    assert.deepEqual(heard, [
      { path: '/v1/topics/t', authorization: undefined, body: '1' },
      { path: '/v1/topics/t', authorization: 'Bearer k', body: '1' },
    ]);
    assert.equal((await run(['pub', 't', '1', '--key', 'k', '--token', token])).code, 2);
  });
});

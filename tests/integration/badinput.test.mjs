// SPDX-License-Identifier: Apache-2.0
//
// Everything that can be wrong before the first client comes, and the outcome that was promised for it: exit codes, and words on
// standard error that name the thing and the way out. (Bad frames: protocol.test.mjs and websocket.test.mjs; a bad Redis: redis.)

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client } from '../harness/client.mjs';
import { Gateway, run } from '../harness/gateway.mjs';
import { RawSocket, upgradeRequest } from '../harness/raw.mjs';
import { atEnd } from '../harness/scope.mjs';

const LOOPBACK = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];

async function refused(args, { code = 2, says }) {
  const result = await run(args);
  assert.equal(result.code, code, `${args.join(' ')}: exit ${result.code} (${result.signal})\n${result.stderr}`);
  for (const words of [says].flat()) assert.match(result.stderr, words, args.join(' '));
  assert.doesNotMatch(result.stdout, /^ready/m);
}

describe('the command line', () => {
  test('an unknown flag ends with 2 and names the nearest one', async () => {
    await refused(['--lisen', '127.0.0.1:0'], { says: [/--lisen/, /--listen/] });
    await refused([...LOOPBACK, '--admin-listn', 'x'], { says: /--admin-listen/ });
    await refused([...LOOPBACK, '--topic-seperator', '/'], { says: /--topic-separator/ });
    await refused([...LOOPBACK, '--max_connections', '5'], { says: /--max-connections/ });
  });

  test('an unknown command ends with 2 and names the nearest one', async () => {
    await refused(['chek'], { says: /check/ });
  });

  test('a flag without its value ends with 2', async () => {
    await refused([...LOOPBACK, '--bus'], { says: /--bus/ });
  });

  const values = [
    ['--workers', 'many'],
    ['--workers', '-1'],
    ['--workers', '99999'],
    ['--max-connections', '1e3'],
    ['--max-message-bytes', '0'],
    ['--drain-ms', '10s'],
    ['--listen', 'nonsense'],
    ['--listen', '127.0.0.1:65536'],
    ['--listen', '300.0.0.1:80'],
    ['--admin-listen', '127.0.0.1'],
    ['--topic-separator', '..'],
    ['--topic-separator', '*'],
    ['--prefix', 'a{b}'],
    ['--bus', 'reddis://127.0.0.1'],
    ['--bus', 'redis://127.0.0.1:port'],
    ['--auth', 'maybe'],
    ['--log-level', 'loud'],
  ];
  for (const [flag, value] of values) {
    test(`${flag} ${value} ends with 2 and names the flag`, async () => {
      const others = LOOPBACK.filter((_, at) => LOOPBACK[at & ~1] !== flag);
      await refused([...others, flag, value], { says: new RegExp(flag) });
    });
  }

  test('marks that contradict each other end with 2 and name both', async () => {
    const says = (...flags) => ({ says: flags.map((flag) => new RegExp(flag)) });
    await refused([...LOOPBACK, '--queue-low-bytes', '200k'], says('--queue-low-bytes', '--queue-high-bytes', 'raise'));
    await refused([...LOOPBACK, '--queue-high-bytes', '2m'], says('--queue-high-bytes', '--max-queued-bytes', 'raise'));
    await refused([...LOOPBACK, '--max-message-bytes', '1m'], says('--max-queued-bytes 2097152', '--max-message-bytes'));
  });

  test('a topic rule that is wrong ends with 2, with its place', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'spillway-rules-'));
    atEnd(t, () => rmSync(directory, { recursive: true }));
    const path = join(directory, 'config.json');
    const rows = [
      ['{"match": "a.>", "mode": "newest"}', [/config\.json:1:\d+: topics\[0\]/, /unknown mode "newest"/, /latest/]],
      ['{"match": "a.>", "max_hz": 3}', [/max_hz/, /1, 2, 5, 10 or 20/]],
      ['{"match": "a.>", "mode": "latest", "modes_allowed": ["all"]}', /modes_allowed.*latest/],
      ['{"match": "a..b"}', /topics\[0\] "a\.\.b".*empty token/],
      ['{"match": "a.b", "max_message_bytes": 262145}', /262145.*--max-message-bytes/],
      ['{"match": "a.b", "history": {"size": 100001}}', /topics\[0\]: "size" must be .* up to 100000/],
      ['{"match": "a.b", "history": {}, "retain": true}', /"retain" is for topics without "history"/],
      ['{"match": "a.b", "retain": true, "retain_key": "last"}', /"retain_key" must have one \{topic\}/],
    ];
    for (const [rule, says] of rows) {
      writeFileSync(path, `{"topics": [${rule}]}`);
      await refused([...LOOPBACK, '--config', path], { says });
    }
  });

  test('a listener off loopback without --auth ends with 2 and says what to do', async () => {
    for (const address of ['0.0.0.0:0', '[::]:0']) {
      await refused(['--listen', address, '--admin-listen', '127.0.0.1:0'], { says: [/--auth/, /loopback/] });
    }
  });

  test('a listener off loopback starts with --auth none', async (t) => {
    const gateway = await Gateway.start(t, ['--listen', '0.0.0.0:0', '--auth', 'none']);
    await Client.connect(t, gateway.url);
  });

  test('an API key file that is missing or empty ends with 2', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'spillway-key-'));
    atEnd(t, () => rmSync(directory, { recursive: true }));
    await refused([...LOOPBACK, '--api-key-file', join(directory, 'none')], { says: /none/ });
    writeFileSync(join(directory, 'empty'), '\n');
    await refused([...LOOPBACK, '--api-key-file', join(directory, 'empty')], { says: /empty/ });
  });
});

describe('ports', () => {
  test('a port in use ends with 1 and is named, whichever listener wanted it', async (t) => {
    const server = net.createServer();
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    atEnd(t, () => server.close());
    const address = `127.0.0.1:${server.address().port}`;
    await refused(['--listen', address, '--admin-listen', '127.0.0.1:0'], {
      code: 1,
      says: new RegExp(address.replaceAll('.', '\\.')),
    });
    await refused(['--listen', '127.0.0.1:0', '--admin-listen', address], {
      code: 1,
      says: new RegExp(address.replaceAll('.', '\\.')),
    });
  });

  test('a port of another gateway is in use too, although its workers share it', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '3']);
    const [address] = gateway.listen;
    await refused(['--listen', address, '--admin-listen', '127.0.0.1:0', '--workers', '3'], {
      code: 1,
      says: new RegExp(address.replaceAll('.', '\\.')),
    });
    await Client.connect(t, gateway.url);
  });

  test('several listeners serve the same node', async (t) => {
    const gateway = await Gateway.start(t, ['--listen', '127.0.0.1:0', '--listen', '127.0.0.2:0']);
    assert.equal(gateway.listen.length, 2);
    const clients = await Promise.all(gateway.listen.map((address) => Client.connect(t, `ws://${address}/v1/ws?topic=both`)));
    await Promise.all(clients.map((client) => client.next('subscribed')));
    await gateway.publish('both', '1');
    await Promise.all(clients.map((client) => client.received('both', 1)));
  });
});

describe('the config file', () => {
  let directory;
  before(() => (directory = mkdtempSync(join(tmpdir(), 'spillway-config-'))));
  after(() => rmSync(directory, { recursive: true }));

  const file = (text) => {
    const path = join(directory, 'spillway.json');
    writeFileSync(path, typeof text === 'string' ? text : JSON.stringify(text));
    return path;
  };

  test('a file that is no JSON ends with 2 and says line and column', async () => {
    const path = file('{\n  "workers": 1,\n  "bus" "memory"\n}\n');
    await refused([...LOOPBACK, '--config', path], { says: [/spillway\.json/, /(line\s*3\D+col\w*\s*\d+|:3:\d+)/i] });
  });

  test('an unknown key ends with 2 and names the nearest one', async () => {
    await refused([...LOOPBACK, '--config', file({ max_mesage_bytes: 5 })], { says: [/max_mesage_bytes/, /max_message_bytes/] });
  });

  test('a value of the wrong type, or out of range, ends with 2 and names its key', async () => {
    for (const config of [
      { workers: 'two' },
      { workers: -1 },
      { workers: 1.5 },
      { bus: 7 },
      { demo: 'yes' },
      { listen: 8000 },
      { listen: [8000] },
    ]) {
      await refused(['--config', file(config)], { says: new RegExp(Object.keys(config)[0]) });
    }
  });

  test('a file that is not there ends with 2 and is named', async () => {
    await refused([...LOOPBACK, '--config', join(directory, 'nowhere.json')], { says: /nowhere\.json/ });
  });

  test('a good file is obeyed, and the command line is stronger', async (t) => {
    const path = file({ workers: 1, topic_separator: '/', listen: ['127.0.0.1:0'], admin_listen: '127.0.0.1:0' });
    const gateway = await Gateway.start(t, ['--config', path]);
    const client = await Client.connect(t, gateway.url);
    assert.equal((await client.subscribe('a/>'))['a/>'].error, undefined);
    const other = await Gateway.start(t, ['--config', path, '--topic-separator', ':']);
    const second = await Client.connect(t, other.url);
    assert.equal((await second.subscribe('a:*'))['a:*'].error, undefined);
    await other.publish('a:b', '1');
    await second.received('a:*', 1);
  });

  test('the environment stands between the file and the command line', async (t) => {
    const path = file({ topic_separator: '/' });
    const gateway = await Gateway.start(t, ['--config', path], { env: { SPILLWAY_TOPIC_SEPARATOR: ':' } });
    const client = await Client.connect(t, gateway.url);
    await client.subscribe('a:*');
    await gateway.publish('a:b', '1');
    await client.received('a:*', 1);
  });
});

describe('too few file descriptors', () => {
  test('is said at start, clamps the connections, and those who come too many get 503', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '1', '--max-connections', '10000'], { shell: 'ulimit -n 128' });
    const { descriptors } = await gateway.log(({ event }) => event === 'connections_clamped', 'what the descriptors allow');
    assert.equal(descriptors, 128);
    const first = await Client.connect(t, gateway.url);
    const statuses = [];
    for (let count = 0; count < 140; count++) {
      const raw = await RawSocket.connect(t, gateway.port);
      raw.write(upgradeRequest());
      // A node that is out of everything may also reset whom it cannot answer.
      const { status, headers } = await raw.response().catch(() => ({ status: 'cut' }));
      statuses.push(status);
      if (status === 503) assert.ok(Number(headers['retry-after']) >= 0);
    }
    assert.ok(statuses.filter((status) => status === 101).length >= 32, `too few served: ${statuses}`);
    assert.ok(statuses.at(-1) === 503 || statuses.at(-1) === 'cut', `too many served: ${statuses}`);
    assert.equal((await first.flushed()).type, 'pong', 'the connected are not disturbed');
    assert.equal((await gateway.get('/live')).status, 200, 'the operator still gets in');
  });

  test('--max-connections is kept: above it 503 with Retry-After, and room again when one leaves', async (t) => {
    const gateway = await Gateway.start(t, ['--workers', '2', '--max-connections', '5']);
    const clients = [];
    for (let count = 0; count < 5; count++) clients.push(await Client.connect(t, gateway.url));
    await assert.rejects(
      Client.connect(t, gateway.url),
      ({ refused: answer }) => answer.status === 503 && Number(answer.headers['retry-after']) > 0,
    );
    const full = await gateway.get('/ready');
    assert.equal(full.status, 503);
    assert.equal(full.json.status, 'full');
    await clients[0].close(1000);
    await gateway.counted((metrics) => metrics.sum('spillway_connections') === 4, 'one has left');
    await Client.connect(t, gateway.url);
  });
});

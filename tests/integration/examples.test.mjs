// SPDX-License-Identifier: Apache-2.0
//
// What is written for people is run: the examples of gateway/PROTOCOL.md against a gateway, the commands of README.md as they
// stand there, and the names that the pages use. Each list of what is still to come fails its test when it has come.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { EventSource } from 'eventsource';
import { WebSocket } from 'ws';
import { Client } from '../harness/client.mjs';
import { environment, Gateway } from '../harness/gateway.mjs';
import { Guests } from '../harness/guests.mjs';
import { seconds } from '../harness/jwt.mjs';
import { freePort } from '../harness/redis.mjs';
import { atEnd } from '../harness/scope.mjs';
import { BINARY, ROOT } from '../harness/setting.mjs';
import { stays, until, within } from '../harness/until.mjs';

const read = (path) => readFileSync(join(ROOT, path), 'utf8');
const protocol = read('gateway/PROTOCOL.md');
const section = (number) => protocol.split(/^## /m).find((text) => text.startsWith(`${number}. `));
const words = (text) => text.trim().split(/\s+/);

// --- frames (section 2) ------------------------------------------------------------------------------------

// Every field that a frame may have, by its type; and those of a `subscribed` entry and of an error.
const FIELDS = {
  welcome: 'id session node heartbeat_ms expires_in limits features',
  subscribed: 'id done subs',
  unsubscribed: 'id topics reason retry',
  msg: 'topic sub offset data text b64 key ts',
  dropped: 'topic sub epoch from to count reason',
  epoch: 'topic epoch offset',
  reset: 'topic epoch offset',
  feed: 'state since_ms gap topics',
  published: 'id epoch offset',
  refreshed: 'id expires_in',
  expiring: 'in_ms',
  hb: '',
  pong: 'id',
  error: 'id error',
  drain: 'reason reconnect_ms close_ms',
};
const ENTRY = 'topic epoch offset resumed why replay recoverable error';
const ERROR = 'code message retry retry_ms outcome';

const only = (object, fields, what) => {
  const unknown = Object.keys(object).filter((name) => !words(fields).includes(name));
  assert.deepEqual(unknown, [], `fields of ${what}: ${JSON.stringify(object)}`);
};

function wellFormed(frame) {
  const text = JSON.stringify(frame);
  assert.ok(frame.type in FIELDS, `a type of the document: ${text}`);
  assert.equal(Object.keys(frame)[0], 'type', `type first: ${text}`);
  only(frame, `type ${FIELDS[frame.type]}`, frame.type);
  for (const entry of frame.subs ?? []) only(entry, ENTRY, 'an entry');
  for (const { error } of [frame, ...(frame.subs ?? [])]) if (error) only(error, ERROR, 'an error');
}

// The JSON object that begins at `from`.
function objectAt(text, from) {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    if (text[at] === '"') while (text[++at] !== '"') if (text[at] === '\\') at++;
    if (text[at] === '{') depth++;
    if (text[at] === '}' && --depth === 0) return text.slice(from, at + 1);
  }
  throw new Error(`no end: ${text.slice(from, from + 80)}`);
}

// `C {...}` and `S {...}`, at a line's start or behind a gap, in the order of the document.
const block = /^```\n([\s\S]*?)^```/m.exec(section(2))[1];
const examples = [...block.matchAll(/(?:^| {2,})([CS]) (?=\{)/gm)].map((match) => {
  const raw = objectAt(block, match.index + match[0].length).replace('[...]', '[]');
  return { from: match[1], raw, frame: JSON.parse(raw) };
});
const said = examples.filter(({ from }) => from === 'S').map(({ frame }) => frame);
const asked = examples.filter(({ from }) => from === 'C');

// What this version answers with `unsupported`.
const unsupportedRequest = ({ type, token }) => type === 'refresh' || (type === 'hello' && token !== undefined);

// All frames that answer a request, in one.
async function answer(client, raw) {
  const { id } = JSON.parse(raw);
  const next = () => client.next((frame) => frame.id === id);
  client.send(raw);
  const reply = await next();
  wellFormed(reply);
  const subs = [...(reply.subs ?? [])];
  for (let more = reply; more.type === 'subscribed' && !more.done; subs.push(...more.subs)) wellFormed((more = await next()));
  return { ...reply, subs };
}

function checkSubs(subs, entries) {
  assert.deepEqual(entries.map(({ topic }) => topic).sort(), subs.map(({ topic }) => topic).sort());
  for (const sub of subs) {
    const entry = entries.find(({ topic }) => topic === sub.topic);
    assert.equal(entry.error, undefined, JSON.stringify(entry));
    assert.equal(entry.recoverable, false, 'a plain topic');
    assert.equal(entry.why, 'from' in sub ? 'no_history' : undefined);
    assert.equal(entry.replay, 'last' in sub ? 0 : undefined);
  }
}

describe('the frames of PROTOCOL.md', () => {
  test('the document shows every type, each with its fields', () => {
    said.forEach(wellFormed);
    assert.deepEqual([...new Set(said.map(({ type }) => type))].sort(), Object.keys(FIELDS).sort());
  });

  test('each request is answered as the line behind it says, or with unsupported', async (t) => {
    const gateway = await Gateway.start(t);
    const client = await Client.connect(t, gateway.url);
    wellFormed(client.welcome);
    assert.ok(asked.length >= 6);
    for (const { raw, frame } of asked) {
      const documented = examples[examples.findIndex((example) => example.frame === frame) + 1];
      const reply = await answer(client, raw);
      if (unsupportedRequest(frame)) {
        assert.equal(reply.error?.code, 'unsupported', raw);
      } else {
        assert.equal(reply.type, documented.frame.type, raw);
      }
      if (frame.subs) checkSubs(frame.subs, reply.subs);
      if (frame.topics) assert.deepEqual(reply.topics, frame.topics);
    }
    assert.equal((await answer(client, '{"type":"hello","id":99}')).type, 'welcome');
  });

  test('with tokens: hello and refresh are answered as shown, and the server says what it says of them', async (t) => {
    const guests = await Guests.start(t);
    const token = (exp) => guests.token('ann', { sub: ['>'] }, { exp: seconds(exp) });
    const client = await guests.stranger(t);
    for (const { raw, frame } of asked.filter(({ frame: { type } }) => type === 'hello' || type === 'refresh')) {
      const documented = examples[examples.findIndex((example) => example.frame === frame) + 1];
      const reply = await answer(client, raw.replace('<jwt>', token(frame.type === 'hello' ? 3600 : 3)));
      assert.equal(reply.type, documented.frame.type, raw);
      assert.equal(typeof reply.expires_in, 'number');
    }
    wellFormed(await client.next('expiring'));
  });

  test('on topics with history the subscribe that is shown is answered as shown, and so is what follows', async (t) => {
    const topics = ['orders.*', 'board.*', 'chat.*'].map((match) => ({ match, history: {} }));
    const gateway = await Gateway.start(t, ['--client-publish'], { config: { topics } });
    const shown = said.find(({ type, topic }) => type === 'msg' && topic === 'orders.eu');
    const fill = async (topic, count) => {
      const batch = Array.from({ length: count }, (_, at) => ({ topic, data: at + 1 === shown.offset ? shown.data : at + 1 }));
      return (await gateway.post('/v1/publish', batch)).json.results[0].position.split(':')[0];
    };
    const entryOf = (topic) => said.find(({ type }) => type === 'subscribed').subs.find((sub) => sub.topic === topic);
    const orders = { ...entryOf('orders.eu'), epoch: await fill('orders.eu', entryOf('orders.eu').offset) };
    const board = { ...entryOf('board.7'), epoch: await fill('board.7', entryOf('board.7').offset) };

    const client = await Client.connect(t, gateway.url);
    const subscribe = asked.find(({ frame: { type } }) => type === 'subscribe');
    const { subs } = await answer(client, subscribe.raw.replace('Qx7', orders.epoch));
    const entries = Object.fromEntries(subs.map((entry) => [entry.topic, entry]));
    assert.deepEqual(entries['orders.eu'], orders);
    assert.deepEqual(entries['board.7'], board);
    assert.deepEqual(entries['ticker.>'], entryOf('ticker.>'));
    const offsets = [42, 43, 44];
    const frames = await client.received('orders.eu', offsets.length).then(() => client.of('orders.eu'));
    assert.deepEqual(
      frames.map(({ offset }) => offset),
      offsets,
    );
    assert.equal(frames[0].raw.replace(/"ts":\d+,/, ''), JSON.stringify(shown));

    client.send(asked.find(({ frame: { type } }) => type === 'publish').raw);
    const reply = await client.next('published');
    wellFormed(reply);
    assert.deepEqual(Object.keys(reply), Object.keys(said.find(({ type }) => type === 'published')));
    assert.equal(reply.offset, 1);
  });

  test('each message comes as it is shown, less its offset', async (t) => {
    const gateway = await Gateway.start(t);
    const client = await Client.connect(t, gateway.url);
    for (const { offset, ...shown } of said.filter(({ type }) => type === 'msg')) {
      await client.subscribe(shown.sub ?? shown.topic);
      await gateway.publish(shown.topic, shown.text ?? JSON.stringify(shown.data));
      const message = await client.next(({ type, sub, topic }) => type === 'msg' && sub === shown.sub && topic === shown.topic);
      assert.equal(message.raw, JSON.stringify(shown));
    }
  });

  test('the short forms and the subscription in a URL are understood', async (t) => {
    const gateway = await Gateway.start(t);
    const client = await Client.connect(t, gateway.url);
    const short = section(2).match(/(?<=`)\{"type":"(?:un)?subscribe"[^`]+/g);
    const [subscribe, unsubscribe] = short.map((text) => JSON.parse(text));
    const { subs } = await answer(client, JSON.stringify({ ...subscribe, id: 1 }));
    checkSubs([subscribe], subs);
    assert.deepEqual((await answer(client, JSON.stringify({ ...unsubscribe, id: 2 }))).topics, [unsubscribe.topic]);

    const [query] = /(?<=\/v1\/ws)\?topic=[^`\s]+(?=`)/.exec(section(2));
    const url = await Client.connect(t, gateway.url + query);
    const entries = [];
    for (let done = false; !done; ) {
      const frame = await url.next('subscribed');
      wellFormed(frame);
      entries.push(...frame.subs);
      ({ done } = frame);
    }
    checkSubs([{ topic: 'a', from: {} }, { topic: 'b' }], entries);
  });
});

// --- endpoints, metrics, codes (sections 1 and 5) ----------------------------------------------------------

const ENDPOINTS_TO_COME = words(`
  public:/v1/poll
  admin:/v1/revoke admin:/`);

// [listener, method, path] of every path in the two tables; a span without a method has the one before it.
function endpoints() {
  const found = [];
  let listener = '';
  let method = '';
  for (const line of section(1).split('\n')) {
    listener = /^(Public|Admin) listener/.exec(line)?.[1].toLowerCase() ?? listener;
    if (!line.startsWith('| `')) continue;
    for (const [, verb, path] of line.matchAll(/`(?:(GET|POST) )?(\/[^`\s]*)`/g)) {
      method = verb ?? method;
      found.push({ listener, method, path: path.replace('{topic}', 'orders.eu').replace(/\?.*/, '') });
    }
  }
  return found.sort((a, b) => (a.path === '/v1/drain') - (b.path === '/v1/drain')); // the last that is asked
}

describe('the rest of PROTOCOL.md', () => {
  test('each endpoint answers on its listener', async (t) => {
    const gateway = await Gateway.start(t, ['--demo']);
    const missing = [];
    assert.ok(endpoints().length >= 20);
    for (const { listener, method, path } of endpoints()) {
      const ask = (listener === 'public' ? gateway.public : gateway.ask).bind(gateway);
      const { status, code } = await ask(method, path, method === 'POST' ? { body: '{"topic":"orders.eu","data":1}' } : {});
      if (code === 'not_found' || status === 405) missing.push(`${listener}:${path}`);
      else assert.ok(status < 500, `${method} ${path}: ${status}`);
    }
    assert.deepEqual(missing, ENDPOINTS_TO_COME);
    await within(gateway.exited, 10000, 'the end that was asked for');
  });

  test('each metric that may be relied on is there', async (t) => {
    const metrics = await (await Gateway.start(t)).metrics();
    const names = new Set(section(1).match(/spillway_\w+(?=[`{])/g).filter((name) => name !== 'spillway_publish'));
    assert.ok(names.size >= 12);
    assert.deepEqual([...names].filter((name) => !metrics.knows(name)), []);
  });

  test('the error codes are those of errors.def', () => {
    const listed = words(/Error codes: `([^`]+)`/.exec(section(5))[1]);
    const rows = [...read('gateway/core/errors.def').matchAll(/^SW_ERROR\(\w+, (\w+),/gm)].map(([, code]) => code);
    assert.deepEqual(rows.sort(), listed.sort());
  });

  test('each close code is listed, and says whether to come back', () => {
    const [, back, stay] = /Come back after ([^;]+);\s+do\s+not\s+after ([^.]+)\./.exec(section(5));
    const covers = (ranges, code) =>
      ranges.split(',').some((range) => {
        const [low, high = low] = range.trim().split('-').map(Number);
        return low <= code && code <= high;
      });
    const rows = [...read('gateway/core/reasons.def').matchAll(/^SW_REASON\(\w+, \w+, (\d+), (true|false),/gm)];
    assert.ok(rows.length > 5);
    for (const [row, code, reconnect] of rows.filter(([, code]) => code !== '0')) {
      assert.ok(protocol.includes(code), row);
      assert.ok(read('gateway/CLIENTS.md').includes(code), `CLIENTS.md: ${row}`);
      assert.ok(covers(reconnect === 'true' ? back : stay, Number(code)), row);
    }
  });
});

describe('the client of PROTOCOL.md', () => {
  const code = /^```js client\n([\s\S]*?)^```/m.exec(section(11))[1];

  test('renews its token, goes elsewhere when its node leaves, and stays away when told to', async (t) => {
    const guests = await Guests.start(t, ['--drain-delay-ms', '0', '--drain-ms', '6000']);
    const second = await Gateway.start(t, ['--auth', 'jwt', '--jwt-secret-file', guests.files.secret]);
    const opened = [];
    let url = guests.gateway.url;
    class Page extends WebSocket {
      constructor(asked, protocols) {
        super(asked.replace('ws://page/v1/ws', url), protocols);
        opened.push(this);
        atEnd(t, () => this.terminate());
      }
    }
    let lives = 6;
    const token = async () => guests.token('ann', { sub: ['orders.*'] }, { exp: seconds() + lives });
    const frames = [];
    const ends = [];
    const client = { token, onFrame: (frame) => frames.push(frame), onEnd: (...end) => ends.push(end) };
    atEnd(t, new Function('WebSocket', `${code}; return connect;`)(Page)('ws://page/v1/ws', ['orders.eu'], client));
    const seen = (type, count = 1) =>
      until(() => frames.filter((frame) => frame.type === type).length === count, 10000, () => `${type}: ${JSON.stringify(frames)}`);

    await seen('subscribed');
    await guests.gateway.publish('orders.eu', '{"id":7}');
    await seen('msg');
    lives = 600;
    await seen('refreshed');

    url = second.url;
    await guests.gateway.post('/v1/drain');
    await seen('subscribed', 2);
    const { left, closed } = await guests.gateway.log(({ event }) => event === 'drained');
    assert.deepEqual({ left, closed }, { left: 1, closed: 0 });
    await second.publish('orders.eu', '{"id":8}');
    await seen('msg', 2);
    assert.equal(opened.length, 2);

    await second.post('/v1/disconnect', '{"user":"ann","code":4700,"reason":"no more"}');
    await until(() => ends.length, 5000, 'the end for good');
    assert.deepEqual(ends, [[4700, 'no more']]);
    assert.equal(opened.length, 2);
  });

  test('comes back where it may, with a fresh token', async (t) => {
    const guests = await Guests.start(t);
    let minted = 0;
    const token = async () => guests.token('ann', { sub: ['orders.*'] }, { jti: minted++ });
    const frames = [];
    class Page extends WebSocket {
      constructor(...args) {
        super(...args);
        atEnd(t, () => this.terminate());
      }
    }
    const client = { token, onFrame: (frame) => frames.push(frame.type), onEnd: (...end) => frames.push(...end) };
    atEnd(t, new Function('WebSocket', `${code}; return connect;`)(Page)(guests.gateway.url, ['orders.eu'], client));
    await until(() => frames.length === 1, 5000, 'subscribed');
    await guests.gateway.post('/v1/disconnect', '{"user":"ann"}');
    await until(() => frames.length === 2, 5000, 'subscribed again');
    assert.equal(minted, 2);
  });
});

// --- README.md ---------------------------------------------------------------------------------------------

const readme = read('README.md');
const fenced = (info) => new RegExp(`^\`\`\`${info}\n([\\s\\S]*?)^\`\`\``, 'm').exec(readme)[1];

// A command of the README, with this run's binary and ports.
const adapt = (text, ports) => {
  const own = text.replaceAll('build/release/spillway', BINARY);
  // In one pass: what was put in is not looked at again.
  const names = Object.keys(ports).map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return own.replace(new RegExp(names.join('|'), 'g'), (name) => ports[name]);
};

// A script that runs on begins with `exec`, so that a signal reaches the program and not its shell.
function shell(t, script, env = {}) {
  const child = spawn('bash', ['-ec', script], { cwd: ROOT, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] });
  const run = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => (run.stdout += text));
  child.stderr.on('data', (text) => (run.stderr += text));
  run.exited = new Promise((resolve) => child.on('close', resolve));
  atEnd(t, async () => {
    child.kill('SIGTERM');
    await within(run.exited, 15000, () => `the end of ${script}`).finally(() => child.kill('SIGKILL'));
  });
  return run;
}

async function succeeds(t, script, env) {
  const run = shell(t, script, env);
  assert.equal(await within(run.exited, 15000, script), 0, `${script}\n${run.stderr}`);
}

describe('README.md', () => {
  test('publish and subscribe', async (t) => {
    const gateway = await Gateway.start(t);
    const ports = {
      '127.0.0.1:9000': gateway.admin,
      [`${BINARY} pub`]: `${BINARY} pub --admin-url http://${gateway.admin}`,
      [`${BINARY} sub`]: `exec ${BINARY} sub --url ${gateway.url}`,
    };
    const sub = shell(t, adapt(fenced('sh subscribe'), ports));
    await gateway.counted(
      (metrics) => metrics.sum('spillway_subscriptions') === 1,
      () => `sub subscribed: ${sub.stderr}`,
    );
    await succeeds(t, adapt(fenced('sh publish'), ports));
    const all = 'orders.eu {"id":7}\norders.eu {"id":8}\norders.us 1\norders.eu {"id":9}\n';
    await until(() => sub.stdout.length >= all.length, 5000, () => `all that was published: ${sub.stdout}`);
    assert.equal(sub.stdout, all);
  });

  test('the script for a page', async (t) => {
    const gateway = await Gateway.start(t);
    class Page extends WebSocket {
      constructor(url) {
        super(url);
        atEnd(t, () => this.terminate());
      }
    }
    const lines = [];
    const console = { log: (...line) => lines.push(line), warn: (...line) => lines.push(line) };
    const code = fenced('js').replaceAll('127.0.0.1:8000', gateway.listen[0]);
    assert.ok(code.trim().split('\n').length <= 6, 'it is short');
    new Function('WebSocket', 'console', code)(Page, console);
    await gateway.counted((metrics) => metrics.sum('spillway_subscriptions') === 1, 'it has subscribed');
    await gateway.publish('orders.eu', '{"id":7}');
    await until(() => lines.length, 5000, 'a line on its console');
    assert.deepEqual(lines, [['orders.eu', { id: 7 }]]);
  });

  test('the same as a stream', async (t) => {
    const gateway = await Gateway.start(t);
    class Source extends EventSource {
      constructor(url) {
        super(url);
        atEnd(t, () => this.close());
      }
    }
    const lines = [];
    const code = fenced('js stream').replaceAll('127.0.0.1:8000', gateway.listen[0]);
    new Function('EventSource', 'console', code)(Source, { log: (...line) => lines.push(line) });
    await gateway.counted((metrics) => metrics.sum('spillway_subscriptions') === 1, 'it has subscribed');
    await gateway.publish('orders.eu', '{"id":7}');
    await until(() => lines.length, 5000, 'a line on its console');
    assert.deepEqual(lines, [['orders.eu', { id: 7 }]]);
    const [{ session }] = (await gateway.get('/v1/connections')).json.connections;
    await gateway.post('/v1/disconnect', { session, code: 4503 });
    await gateway.counted((metrics) => metrics.sum('spillway_closed_total', { reason: 'disconnected' }) === 1, 'it was closed');
    await stays(async () => (await gateway.metrics()).sum('spillway_subscriptions') === 0, 1000, 'not back');
  });

  test('a history', async (t) => {
    const ports = { 8000: String(await freePort()), 9000: String(await freePort()) };
    const env = { SPILLWAY_LISTEN: `127.0.0.1:${ports[8000]}`, SPILLWAY_ADMIN_LISTEN: `127.0.0.1:${ports[9000]}` };
    const directory = mkdtempSync(join(tmpdir(), 'spillway-readme-'));
    atEnd(t, () => rmSync(directory, { recursive: true }));
    ports['/tmp/rules.json'] = join(directory, 'rules.json');
    ports[`${BINARY} pub`] = `${BINARY} pub --admin-url http://${env.SPILLWAY_ADMIN_LISTEN}`;
    ports[`${BINARY} sub`] = `exec ${BINARY} sub --url ws://${env.SPILLWAY_LISTEN}`;
    const [rules, node, pub, history, sub] = fenced('sh history').trim().split('\n').map((line) => adapt(line, ports));
    await succeeds(t, rules);
    const run = shell(t, `exec ${node.slice(0, -2)}`, env);
    await until(() => run.stdout.startsWith('ready '), 10000, () => run.stderr);
    await succeeds(t, pub);
    const reader = shell(t, sub);
    await until(() => reader.stdout, 5000, () => `what was kept: ${reader.stderr}`);
    assert.equal(reader.stdout, 'orders.eu {"id":7}\n');
    const asked = shell(t, history);
    assert.equal(await within(asked.exited, 5000, history), 0, asked.stderr);
    const { last, msgs } = JSON.parse(asked.stdout);
    assert.deepEqual([last, msgs.map(({ data }) => data)], [1, [{ id: 7 }]]);
  });

  test('two nodes on one Redis', async (t) => {
    const ports = {};
    for (const port of [6379, 8000, 8001, 9000, 9001]) {
      ports[port] = String(await freePort());
    }
    const env = { SPILLWAY_LISTEN: `127.0.0.1:${ports[8000]}`, SPILLWAY_ADMIN_LISTEN: `127.0.0.1:${ports[9000]}` };
    const lines = fenced('sh two-nodes').trim().split('\n').map((line) => adapt(line, ports));
    let sub;
    for (const line of lines.filter((text) => text.endsWith(' &'))) {
      const run = shell(t, `exec ${line.slice(0, -2)}`, env);
      if (line.includes(' sub ')) sub = run;
      if (!line.includes(' --bus ')) continue;
      await until(
        () => run.stdout.startsWith('ready '),
        10000,
        () => `${line}\n${run.stderr}`,
      );
    }
    const published = lines.filter((text) => !text.endsWith(' &'));
    assert.equal(published.length, 2);
    // Typed by hand all is up long before; here it is tried until it is.
    await until(
      async () => {
        for (const line of published) await succeeds(t, line);
        return sub.stdout.includes('orders.eu {"id":7}\n') && sub.stdout.includes('orders.eu {"id":8}\n');
      },
      10000,
      () => `both messages through the second node: ${sub.stdout}${sub.stderr}`,
    );
  });
});

// --- names -------------------------------------------------------------------------------------------------

describe('the names that the pages use', () => {
  const list = (folder) =>
    readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? list(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
    );
  const sources = [...list('gateway'), ...list('common')].filter((path) => !path.endsWith('.md'));
  const code = sources.filter((path) => /\.(c|h|def)$/.test(path)).map(read).join('\n');
  const running = ['deploy/README.md', 'deploy/UPGRADING.md', 'deploy/CHANGES.md'];
  const pages = ['README.md', 'gateway/README.md', 'gateway/CLIENTS.md', ...running, ...list('deploy/decisions')];
  const all = ['gateway', 'deploy', 'helm', 'bench'].flatMap(list).filter((path) => path.endsWith('.md') && !path.includes('node_modules'));
  const spans = (page) => [...read(page).replace(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, text]) => text);

  for (const page of pages) {
    test(page, () => {
      for (const span of spans(page)) {
        if (/^[\w./-]+\.(c|h|def|list|cmake)$/.test(span)) {
          assert.ok(sources.some((path) => `/${path}`.endsWith(`/${span}`)), `a file: ${span}`);
        } else if (/^[a-z]+_\w+$/i.test(span) && !span.startsWith('spillway_')) {
          assert.ok(new RegExp(`\\b${span}\\b`).test(code), `a name: ${span}`);
        }
      }
    });
  }

  test('every link leads to a file, and to a heading or a point of it that is named', () => {
    for (const page of ['README.md', ...all]) {
      for (const [, link, name] of read(page).matchAll(/\]\(([^)#:]+)\)(?:,\s+"([^"]+)")?/g)) {
        const path = join(dirname(page), link);
        assert.ok(existsSync(join(ROOT, path)), `${page}: a link to ${link}`);
        const words = name?.replace(/\s+/g, ' ');
        if (name) assert.ok([`\n## ${words}\n`, `- **${words}**`].some((text) => read(path).includes(text)), `${page}: ${link}, "${words}"`);
      }
    }
  });

  test('README.md is short, and leads to every page beside it', () => {
    assert.ok(read('README.md').split('\n').length <= 230);
    const indexes = `${read('README.md')}${read('deploy/README.md')}`;
    for (const page of all.filter((path) => /^(gateway|deploy)\/[^/]+$/.test(path))) {
      assert.ok([page, page.split('/')[1]].some((link) => indexes.includes(`(${link})`)), page);
    }
  });

  test('gateway/README.md names every folder', () => {
    const map = read('gateway/README.md');
    const folders = new Set(sources.map((path) => path.split('/').slice(0, -1).pop()));
    for (const folder of folders) assert.ok(map.includes(`${folder}/`), folder);
  });
});

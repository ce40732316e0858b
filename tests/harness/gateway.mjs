// SPDX-License-Identifier: Apache-2.0
//
// One gateway process: started on ports of its own choice, asked over its admin listener, ended by its process id. Ending is part of
// every test: an unexpected exit code or a sanitizer's report fails it even if everything else went well.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { send } from './http.mjs';
import { atEnd } from './scope.mjs';
import { BINARY } from './setting.mjs';
import { Mailbox, until, within } from './until.mjs';

const SANITIZER = /(?:ERROR|WARNING): \w+Sanitizer|SUMMARY: \w+Sanitizer|runtime error: /;

// Test settings share the prefix of the gateway's own environment and must not reach it.
export function environment(extra = {}) {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('SPILLWAY_'));
  return {
    ASAN_OPTIONS: 'detect_stack_use_after_return=1',
    UBSAN_OPTIONS: 'print_stacktrace=1',
    ...Object.fromEntries(own),
    ...extra,
  };
}

// What a test does not say. Draining is quick, because most tests end with clients connected.
const DEFAULTS = {
  '--listen': '127.0.0.1:0',
  '--admin-listen': '127.0.0.1:0',
  '--drain-delay-ms': '0',
  '--drain-ms': '200',
};

const withDefaults = (args) => [
  ...Object.entries(DEFAULTS).flatMap(([flag, value]) => (args.includes(flag) ? [] : [flag, value])),
  ...args,
];

function configFile(t, config) {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-config-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  const path = join(directory, 'config.json');
  writeFileSync(path, JSON.stringify(config));
  return path;
}

const alive = new Set();
process.on('exit', () => alive.forEach((child) => child.kill('SIGKILL')));

// Runs the binary to its end, for command lines that end by themselves.
export async function run(args, { input, env } = {}) {
  const child = spawn(BINARY, args, { env: environment(env) });
  alive.add(child);
  const result = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => (result.stdout += text));
  child.stderr.on('data', (text) => (result.stderr += text));
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  try {
    const ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal }));
    });
    Object.assign(result, await within(ended, 10000, () => `the end of spillway ${args.join(' ')}\n${result.stderr}`));
  } finally {
    child.kill('SIGKILL');
    alive.delete(child);
  }
  assert.doesNotMatch(result.stderr, SANITIZER);
  return result;
}

export class Gateway {
  stderr = '';
  exitCode = 0; // the one that is expected
  #lines = new Mailbox();

  // `shell` is a command run by the shell that then becomes the gateway: for limits such as `ulimit -n`. `words` stand before the
  // binary, as `ip netns exec` does, and become it too; `agent` then knows how to reach it. `binary` is another build than the one tested.
  constructor(args = [], { env, shell, words = [], agent, binary = BINARY } = {}) {
    Object.assign(this, { args: withDefaults(args), env, shell, words, agent, binary });
  }

  // A gateway for one test, which ends with it. `config` is what stands in its config file.
  static async start(t, args = [], { config, ...options } = {}) {
    const gateway = new Gateway(config ? ['--config', configFile(t, config), ...args] : args, options);
    atEnd(t, () => gateway.end());
    return gateway.start();
  }

  async start() {
    const { binary, words } = this;
    assert.ok(existsSync(binary), `no gateway at ${binary}: build it, or set SPILLWAY_BIN`);
    const options = { env: environment(this.env), stdio: ['ignore', 'pipe', 'pipe'] };
    this.child = this.shell
      ? spawn('/bin/sh', ['-c', `${this.shell}; exec "$0" "$@"`, binary, ...this.args], options)
      : spawn([...words, binary][0], [...words, binary, ...this.args].slice(1), options);
    alive.add(this.child);
    this.exited = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        alive.delete(this.child);
        this.exit = { code, signal };
        this.#lines.end(`the gateway ended (${signal ?? code})\n${this.stderr.slice(-2000)}`);
        resolve(this.exit);
      });
    });
    createInterface({ input: this.child.stderr }).on('line', (line) => this.#onLog(line));
    createInterface({ input: this.child.stdout }).on('line', (line) => this.#lines.put({ raw: line }));
    const ready = await this.#lines.take(({ raw }) => raw.startsWith('ready '), 10000, 'the ready line');
    this.#onReady(ready.raw);
    return this;
  }

  #onLog(line) {
    this.stderr += `${line}\n`;
    try {
      this.#lines.put({ raw: line, entry: JSON.parse(line) });
    } catch {
      this.#lines.put({ raw: line });
    }
  }

  // "ready listen=127.0.0.1:8000,[::1]:8000 admin=127.0.0.1:9000 pid=123"
  #onReady(line) {
    const fields = Object.fromEntries(
      line
        .split(' ')
        .slice(1)
        .map((field) => field.split(/=(.*)/s)),
    );
    this.ready = line;
    this.listen = fields.listen.split(',');
    this.admin = fields.admin;
    this.pid = Number(fields.pid);
    this.port = portOf(this.listen[0]);
    this.adminPort = portOf(this.admin);
    this.url = `ws://127.0.0.1:${this.port}/v1/ws`;
  }

  // The next log line (an object) that `wants` accepts, whether it was written already or comes within `ms`.
  async log(wants, what = 'a log line', ms = 10000) {
    return (await this.#lines.take(({ entry }) => entry && wants(entry), ms, what)).entry;
  }

  public(method, path, options) {
    return send(this.port, method, path, options);
  }
  ask(method, path, options) {
    return send(this.adminPort, method, path, { agent: this.agent, ...options });
  }
  get(path, options) {
    return this.ask('GET', path, options);
  }
  post(path, body, options) {
    return this.ask('POST', path, { ...options, body });
  }

  // Publishes over the admin listener and insists that it was taken.
  async publish(topic, payload, headers) {
    const answer = await this.post(`/v1/topics/${encodeURIComponent(topic)}`, payload, { headers });
    assert.equal(answer.status, 200, `publish to ${topic}: ${answer.text}`);
    return answer.json;
  }

  async metrics() {
    return new Metrics((await this.get('/metrics')).text);
  }

  // Waits until the counters say what `holds` asks for, and returns them.
  async counted(holds, what, ms = 5000) {
    let seen;
    await until(
      async () => holds((seen = await this.metrics())),
      ms,
      () => `${typeof what === 'function' ? what() : what}\n${seen?.text}`,
    );
    return seen;
  }
  busUp() {
    return this.counted((metrics) => metrics.sum('spillway_bus_up') === 1, 'the bus up');
  }

  // Resident bytes of the process.
  rss() {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))[1]) * 1024;
  }

  signal(name) {
    process.kill(this.pid, name);
  }

  // SIGTERM, and the exit code.
  async stop(ms = 15000) {
    if (!this.exit) this.child.kill('SIGTERM');
    return (await within(this.exited, ms, () => `the end of the gateway\n${this.stderr.slice(-2000)}`)).code;
  }

  // The last word of every test about its gateway: the law of deliveries holds, it leaves cleanly, and no sanitizer spoke.
  async end() {
    if (!this.child) return;
    try {
      if (this.ready && !this.exit) await this.counted(({ law }) => law.holds, 'due = sent + shed + behind');
      assert.equal(await this.stop(), this.exitCode, `exit code (signal ${this.exit.signal})\n${this.stderr.slice(-4000)}`);
      assert.doesNotMatch(this.stderr, SANITIZER);
    } finally {
      if (!this.exit) this.child.kill('SIGKILL');
      await this.exited;
    }
  }
}

const portOf = (address) => Number(address.slice(address.lastIndexOf(':') + 1));

// A scrape: `name{labels}` -> number, as written.
export class Metrics extends Map {
  constructor(text) {
    super();
    this.text = text;
    for (const line of text.split('\n')) {
      const match = /^([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)/.exec(line);
      if (match) this.set(match[1], Number(match[2]));
    }
  }

  // The sum over every series of this name that carries these labels; no such series is 0, as in a query.
  sum(name, labels = {}) {
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    let sum = 0;
    for (const [series, value] of this) {
      const [own, rest = ''] = series.split(/\{(.*)\}$/s);
      if (own === name && wanted.every((pair) => `,${rest},`.includes(`,${pair},`))) sum += value;
    }
    return sum;
  }

  // Is there a series, or at least a declared type, of this name? A counter with labels has no series before its first event.
  knows(name) {
    return this.text.includes(`# TYPE ${name} `) || [...this.keys()].some((series) => series.split('{')[0] === name);
  }

  // The law of deliveries: what was due was sent, shed or is still behind.
  get law() {
    const due = this.sum('spillway_due_total');
    const sent = this.sum('spillway_sent_total');
    const shed = this.sum('spillway_shed_total');
    const behind = this.sum('spillway_behind');
    return { due, sent, shed, behind, holds: due === sent + shed + behind };
  }
}

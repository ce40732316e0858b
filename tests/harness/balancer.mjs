// SPDX-License-Identifier: Apache-2.0
//
// A real nginx or HAProxy in front of three nodes, with the files of deploy/ as they are: a test gives only what differs from site to
// site. It runs in the foreground, as root or not, and ends with the test by its process id. What it said, the lines of its access log
// too, is kept in build/*/logs/.

import { spawn } from 'node:child_process';
import { chmodSync, closeSync, cpSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import tls from 'node:tls';
import { Certificate } from './certificate.mjs';
import { Client } from './client.mjs';
import { send } from './http.mjs';
import { freePort } from './redis.mjs';
import { atEnd } from './scope.mjs';
import { PRESET, ROOT } from './setting.mjs';
import { until, within } from './until.mjs';

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const LOGS = `${ROOT}build/${PRESET}/logs`;

const begun = new Set(); // logs of this run

// Both end their own processes at SIGTERM; killed, they would leave them behind.
const alive = new Set();
process.on('exit', () => alive.forEach((child) => child.kill('SIGTERM')));

// For requests to a TLS port, one connection each.
class TlsAgent extends http.Agent {
  constructor(ca) {
    super();
    this.ca = ca;
  }
  createConnection({ port, host }) {
    return tls.connect({ port, host, ca: this.ca });
  }
}

class Balancer {
  // `nodes`: three of {port, adminPort}. `edit` gets the text of each shipped file and returns another, where a test cannot wait for
  // the shipped times; `passthrough` takes the variant that leaves TLS to the nodes, whose certificate `ca` is.
  static async start(t, nodes, { edit = (text) => text, passthrough = false, ca } = {}) {
    const balancer = new this();
    atEnd(t, () => balancer.end());
    Object.assign(balancer, { nodes, edit, passthrough, port: await freePort() });
    balancer.directory = mkdtempSync(join(tmpdir(), 'spillway-balancer-'));
    chmodSync(balancer.directory, 0o755);
    balancer.certificate = new Certificate(t);
    balancer.ca = ca ?? balancer.certificate.ca;
    balancer.agent = new TlsAgent(balancer.ca);
    balancer.#openLog(t);
    return balancer.#start();
  }

  // One log for each test file and kind of balancer.
  #openLog(t) {
    mkdirSync(LOGS, { recursive: true });
    this.log = join(LOGS, `${basename(process.argv[1], '.test.mjs')}.${this.constructor.name.toLowerCase()}.log`);
    writeFileSync(this.log, `--- ${t.name}\n`, { flag: begun.has(this.log) ? 'a' : 'w' });
    begun.add(this.log);
    this.heard = statSync(this.log).size;
  }
  // What it said so far.
  get said() {
    return readFileSync(this.log).subarray(this.heard).toString();
  }

  async #start() {
    const { words, env } = this.prepare();
    const log = openSync(this.log, 'a');
    this.child = spawn(words[0], words.slice(1), { env: { ...process.env, PATH, ...env }, stdio: ['ignore', log, log] });
    closeSync(log);
    alive.add(this.child);
    this.exited = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code, signal) => {
        alive.delete(this.child);
        resolve((this.exit = { code, signal }));
      });
    });
    const reached = until(
      () => connects(this.port),
      10000,
      () => `a connection to ${words[0]}: ${this.said.slice(-2000)}`,
    );
    const ended = this.exited.then(() => {
      throw new Error(`${words[0]} ended: ${this.said.slice(-2000)}`);
    });
    await Promise.race([reached, ended]);
    return this;
  }

  url(path = '/v1/ws') {
    return `wss://127.0.0.1:${this.port}${path}`;
  }
  // A client of the native protocol through it.
  connect(t, { path, ...options } = {}) {
    return Client.connect(t, this.url(path), { ca: this.ca, ...options });
  }
  ask(method, path, options) {
    return send(this.port, method, path, { agent: this.agent, ...options });
  }

  async end() {
    try {
      if (!this.child) return;
      if (!this.exit) this.child.kill('SIGTERM');
      await within(this.exited, 10000, () => `the end of the balancer\n${this.said.slice(-2000)}`);
    } finally {
      if (!this.exit) this.child?.kill('SIGKILL');
      if (this.directory) rmSync(this.directory, { recursive: true });
    }
  }
}

function connects(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(Boolean(socket.destroy())));
    socket.on('error', () => resolve(false));
  });
}

// Where nginx keeps bodies: its own folders are root's.
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

// Why its TLS cannot be passed through here, or false.
export function noStream() {
  try {
    readFileSync('/usr/lib/nginx/modules/ngx_stream_module.so');
    return false;
  } catch {
    return 'libnginx-mod-stream is not installed';
  }
}

export class Nginx extends Balancer {
  // How a node listens behind it.
  static listen(port = 0) {
    return ['--listen', `127.0.0.1:${port}`, '--trusted-proxy', '127.0.0.1'];
  }

  prepare() {
    const { directory, certificate, port, nodes, log } = this;
    cpSync(`${ROOT}deploy/nginx`, directory, { recursive: true });
    for (const name of ['nginx.conf', 'spillway.conf', 'passthrough.conf']) this.#rewrite(name, this.edit);
    const here = (text) => text.replace('listen 443', `listen 127.0.0.1:${port}`).replace(/^listen \[::\].*\n/m, '');
    this.#rewrite('passthrough.listen', here);
    this.#rewrite('spillway.listen', (text) =>
      here(text)
        .replace('/etc/nginx/tls/fullchain.pem', certificate.cert)
        .replace('/etc/nginx/tls/key.pem', certificate.key)
        .replace('/var/log/nginx/spillway.log', log)
        .concat(...TEMPORARY.map((name) => `${name}_temp_path ${directory}/${name};\n`)),
    );
    this.#rewrite('spillway.nodes', (text) => text.replace(/10\.0\.0\.1(\d):8000/g, (_, at) => `127.0.0.1:${nodes[at - 1].port}`));
    const file = join(directory, this.passthrough ? 'passthrough.conf' : 'nginx.conf');
    return { words: ['nginx', '-c', file, '-e', 'stderr', '-g', `daemon off; pid ${directory}/pid; error_log stderr notice;`] };
  }

  #rewrite(name, edit) {
    const path = join(this.directory, name);
    writeFileSync(path, edit(readFileSync(path, 'utf8')));
  }

  // Reads its files again; the promise is of new worker processes in the place of the old.
  async reload() {
    const workers = () => [...this.said.matchAll(/start worker process (\d+)/g)].length;
    const before = workers();
    this.child.kill('SIGHUP');
    await until(() => workers() >= 2 * before, 10000, () => `other worker processes: ${this.said.slice(-2000)}`);
  }
}

// Certificate and key in one file, as HAProxy wants them.
export function inOneFile({ cert, key }) {
  const path = join(dirname(cert), 'both.pem');
  writeFileSync(path, readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'), { mode: 0o600 });
  return path;
}

export class Haproxy extends Balancer {
  static listen(port = 0) {
    return ['--listen', `127.0.0.1:${port},proxy`, '--trusted-proxy', '127.0.0.1'];
  }

  prepare() {
    const { directory, certificate, port, nodes } = this;
    const shipped = `${ROOT}deploy/haproxy/${this.passthrough ? 'passthrough' : 'haproxy'}.cfg`;
    const text = readFileSync(shipped, 'utf8');
    const edited = this.edit(text);
    const file = edited === text ? shipped : join(directory, 'haproxy.cfg');
    if (file !== shipped) writeFileSync(file, edited);
    this.control = join(directory, 'control');
    const env = { LISTEN: `127.0.0.1:${port}`, CERTIFICATE: inOneFile(certificate), CONTROL: this.control };
    nodes.forEach((node, at) => {
      env[`NODE_${at + 1}`] = `127.0.0.1:${node.port}`;
      env[`NODE_${at + 1}_ADMIN`] = String(node.adminPort);
    });
    if (process.getuid() !== 0) Object.assign(env, ownUser());
    return { words: ['haproxy', '-W', '-db', '-f', file], env };
  }

  // An answer on its stats socket.
  async tell(command) {
    const socket = net.connect(this.control);
    socket.end(`${command}\n`);
    const chunks = [];
    for await (const chunk of socket) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  // Waits until its checks say of each node that it takes clients (true) or not.
  checked(...takes) {
    const seen = async () => {
      const rows = (await this.tell('show servers state spillway')).split('\n').filter((line) => /^\d+ spillway /.test(line));
      return rows.every((row, at) => (row.split(' ')[5] !== '0') === takes[at]);
    };
    return until(seen, 10000, () => `checks that see ${takes}: ${this.said.slice(-2000)}`);
  }

  // Reads its file again; the promise is of a new process that takes the connections.
  async reload() {
    const workers = () => [...this.said.matchAll(/New worker \((\d+)\) forked/g)].length;
    const before = workers();
    this.child.kill('SIGUSR2');
    await until(() => workers() > before && /Loading success/.test(this.said), 10000, () => `another process: ${this.said.slice(-2000)}`);
  }
}

// Only root can become somebody else.
function ownUser() {
  const { username, gid } = userInfo();
  const groups = readFileSync('/etc/group', 'utf8').split('\n');
  return { RUN_USER: username, RUN_GROUP: groups.find((line) => line.split(':')[2] === String(gid)).split(':')[0] };
}

// SPDX-License-Identifier: Apache-2.0
//
// A slow link: two network namespaces with a pair of interfaces between them, the server's behind a token bucket. Only root can make
// it. In each namespace lives a helper that connects there and hands the sockets out, so a test can stand on both sides; the server's
// also reads, again and again, what its kernel holds unacknowledged for the connections to the other side.
//
// As a module: `Link`. As a program: one helper.

import { execFile, execFileSync, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { atEnd } from './scope.mjs';
import { pause, within } from './until.mjs';

const SERVER = '10.77.0.1';
const CLIENT = '10.77.0.2';
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const SAMPLE_MS = 30;

const exec = promisify(execFile);
const command = (...args) => execFileSync(args[0], args.slice(1), { env: { ...process.env, PATH }, stdio: 'pipe' });
const tolerant = (...args) => {
  try {
    command(...args);
    return true;
  } catch {
    return false;
  }
};

// Why there can be no link here, or false.
export function noLink() {
  if (process.getuid() !== 0) return 'only root may make network namespaces';
  if (!tolerant('ip', '-V') || !tolerant('tc', '-V')) return 'iproute2 is not installed';
  const probe = `spw${process.pid}`;
  if (!tolerant('ip', 'netns', 'add', probe)) return 'no network namespaces here';
  const shaped = tolerant('ip', '-n', probe, 'link', 'set', 'lo', 'up') && tolerant('tc', '-n', probe, 'qdisc', 'add', 'dev', 'lo', 'root', ...bucket(256));
  tolerant('ip', 'netns', 'del', probe);
  return shaped ? false : 'this kernel has no tbf';
}

const bucket = (kbit) => ['tbf', 'rate', `${kbit}kbit`, 'burst', '4kb', 'limit', '32kb'];

// Namespaces are kept by name: they go also where a test ends without its hooks.
const made = new Set();
const unmake = (name) => {
  if (made.delete(name)) tolerant('ip', 'netns', 'del', name);
};
process.on('exit', () => [...made].forEach(unmake));
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => process.exit(1));
}

// Those of a run that was killed.
function sweep() {
  for (const line of command('ip', 'netns', 'list').toString().split('\n')) {
    const [, name, pid] = /^(spw(\d+)x\d+[sc])\b/.exec(line) ?? [];
    if (name && !existsSync(`/proc/${pid}`)) tolerant('ip', 'netns', 'del', name);
  }
}

let links = 0;

export class Link {
  server = SERVER;
  client = CLIENT;
  #asked = 0;

  static async make(t, { kbit }) {
    sweep();
    const link = new Link();
    const name = `spw${process.pid}x${links++}`;
    link.sides = { server: `${name}s`, client: `${name}c` };
    link.helpers = {};
    atEnd(t, () => link.end());
    const { server, client } = link.sides;
    for (const side of [server, client]) {
      command('ip', 'netns', 'add', side);
      made.add(side);
      command('ip', '-n', side, 'link', 'set', 'lo', 'up');
    }
    command('ip', 'link', 'add', 'wire', 'netns', server, 'type', 'veth', 'peer', 'name', 'wire', 'netns', client);
    command('ip', '-n', server, 'addr', 'add', `${SERVER}/24`, 'dev', 'wire');
    command('ip', '-n', client, 'addr', 'add', `${CLIENT}/24`, 'dev', 'wire');
    for (const side of [server, client]) command('ip', '-n', side, 'link', 'set', 'wire', 'up');
    command('tc', '-n', server, 'qdisc', 'add', 'dev', 'wire', 'root', ...bucket(kbit));
    for (const side of ['server', 'client']) link.helpers[side] = link.#help(side);
    return link;
  }

  // The words before a command that make it run on that side.
  on(side) {
    return ['ip', 'netns', 'exec', this.sides[side]];
  }

  #help(side) {
    return fork(fileURLToPath(import.meta.url), {
      execPath: 'ip',
      execArgv: ['netns', 'exec', this.sides[side], process.execPath],
      env: { ...process.env, PATH },
      stdio: 'inherit',
    });
  }

  #ask(side, order, what) {
    const helper = this.helpers[side];
    const id = ++this.#asked;
    return within(
      new Promise((resolve, reject) => {
        const onMessage = (answer, handle) => {
          if (answer.id !== id) return;
          helper.off('message', onMessage);
          if (answer.error) reject(new Error(answer.error));
          else resolve(handle ?? answer.result);
        };
        helper.on('message', onMessage);
        helper.send({ id, ...order });
      }),
      10000,
      what,
    );
  }

  // A connected socket of that side.
  connect(side, port, host = side === 'server' ? '127.0.0.1' : SERVER) {
    return this.#ask(side, { connect: { port, host } }, `a connection to ${host}:${port} from the ${side}'s side`);
  }

  // For requests from that side.
  agent(t, side) {
    const link = this;
    class Agent extends http.Agent {
      createConnection({ port }, done) {
        link.connect(side, port).then(
          (socket) => done(null, socket),
          (error) => done(error),
        );
      }
    }
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    atEnd(t, () => agent.destroy());
    return agent;
  }

  // From now on the server's kernel is looked at each SAMPLE_MS; `held` gives what was seen, as {at, bytes, memory}, at in ms of the one clock.
  watch() {
    return this.#ask('server', { watch: true }, 'the first look at the queue');
  }
  held() {
    return this.#ask('server', { held: true }, 'the looks at the queue');
  }

  end() {
    for (const helper of Object.values(this.helpers)) helper.kill('SIGKILL');
    Object.values(this.sides).forEach(unmake);
  }
}

// Milliseconds of the machine's monotonic clock: the same in every process.
export const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6;

/* ---- a helper ---- */

// What the kernel holds for connections to the other side, again and again: bytes that are not acknowledged (Send-Q), and the memory
// that they take (skmem's w).
async function look(looks) {
  for (;;) {
    const at = monotonicMs();
    const { stdout } = await exec('ss', ['-tnmH', 'dst', CLIENT]);
    let bytes = 0;
    let memory = 0;
    for (const line of stdout.split('\n')) {
      bytes += Number(/^ESTAB\s+\d+\s+(\d+)/.exec(line)?.[1] ?? 0);
      memory += Number(/skmem:\(.*,w(\d+),/.exec(line)?.[1] ?? 0);
    }
    looks.push({ at, bytes, memory });
    await pause(SAMPLE_MS);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send) {
  const looks = [];
  process.on('message', ({ id, connect, watch }) => {
    if (connect) {
      const socket = net.connect(connect);
      socket.on('error', (error) => process.send({ id, error: error.message }));
      socket.on('connect', () => process.send({ id }, socket));
      return;
    }
    if (watch) look(looks);
    process.send({ id, result: watch ? undefined : looks });
  });
  process.on('disconnect', () => process.exit());
}

// SPDX-License-Identifier: Apache-2.0
//
// What docker/compose.yaml says, started without an engine: each service as a process with the environment, the command and the files
// that stand there, on free loopback ports in place of the names and ports of its network. nginx and Redis are this machine's.

import { execFile, spawn } from 'node:child_process';
import { chmodSync, chownSync, closeSync, cpSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import { Gateway } from '../harness/gateway.mjs';
import { freePort, Redis } from '../harness/redis.mjs';
import { atEnd } from '../harness/scope.mjs';
import { ROOT } from '../harness/setting.mjs';
import { until, within } from '../harness/until.mjs';

const DOCKER = `${ROOT}docker/`;

// ${NAME:?words}, the one form that the file has.
const interpolate = (text, env) =>
  text.replace(/\$\{(\w+):\?([^}]*)\}/g, (_, name, words) => {
    if (!env[name]) throw new Error(`${name}: ${words}`);
    return env[name];
  });

export const read = (env) => parse(interpolate(readFileSync(`${DOCKER}compose.yaml`, 'utf8'), env), { merge: true });

// NAME=VALUE lines of a file as docker/up writes it.
export const readEnv = (path) => Object.fromEntries(readFileSync(path, 'utf8').trim().split('\n').map((line) => line.split(/=(.*)/s)));

// The ENV of the image, which an environment of compose overrides.
function imageEnvironment() {
  const [, words] = /^ENV ((?:.*\\\n)*.*)$/m.exec(readFileSync(`${DOCKER}Dockerfile`, 'utf8'));
  return Object.fromEntries([...words.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]));
}

// docker/up, with the file of its key where the test wants it.
export function up(args, env) {
  return new Promise((resolve) => {
    execFile(`${DOCKER}up`, args, { env: { ...process.env, ...env } }, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stderr }));
  });
}

// The environment of a node, with where it is here. `where` gives each address of the file its own.
function nodeEnvironment(service, where) {
  const env = { ...imageEnvironment(), ...service.environment };
  env.SPILLWAY_CONFIG = `${DOCKER}config.json`;
  env.SPILLWAY_BUS = where(env.SPILLWAY_BUS);
  env.SPILLWAY_LISTEN = '127.0.0.1:0';
  env.SPILLWAY_ADMIN_LISTEN = '127.0.0.1:0';
  env.SPILLWAY_TRUSTED_PROXY += ',127.0.0.1';
  return env;
}

class Nginx {
  static async start(t, service, where) {
    const nginx = new Nginx();
    atEnd(t, () => nginx.end());
    nginx.directory = mkdtempSync(join(tmpdir(), 'spillway-compose-'));
    chmodSync(nginx.directory, 0o755);
    nginx.port = await freePort();
    nginx.#place(service, where);
    return nginx.#start(service);
  }

  // Its files as they are mounted, all of which stand in /etc/nginx.
  #place({ volumes }, where) {
    for (const volume of volumes) {
      const [source, target] = volume.split(':');
      const path = join(this.directory, basename(target));
      cpSync(join(DOCKER, source), path);
      let text = where(readFileSync(path, 'utf8'));
      if (basename(path) === 'spillway.listen') {
        text = text.replace('listen 8000', `listen 127.0.0.1:${this.port}`).replace('/dev/stdout', `${this.directory}/access.log`);
        for (const name of ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) text += `${name}_temp_path ${this.directory}/${name};\n`;
      }
      writeFileSync(path, text);
    }
  }

  // As the user that stands there, where that can be changed.
  async #start({ user, command: [program, flag, globals] }) {
    const [uid, gid] = process.getuid() === 0 ? user.split(':').map(Number) : [];
    if (uid) chownSync(this.directory, uid, gid);
    this.log = join(this.directory, 'error.log');
    const said = openSync(this.log, 'w');
    const args = ['-c', join(this.directory, 'nginx.conf'), '-e', 'stderr', flag, `${globals} pid ${this.directory}/pid; error_log stderr notice;`];
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
    this.child = spawn(program, args, { env, uid, gid, stdio: ['ignore', said, said] });
    closeSync(said);
    this.exited = new Promise((resolve) => this.child.on('close', resolve));
    await until(() => connects(this.port), 10000, () => `nginx: ${readFileSync(this.log, 'utf8').slice(-2000)}`);
    return this;
  }

  async end() {
    this.child?.kill('SIGTERM');
    await within(this.exited ?? Promise.resolve(), 10000, 'the end of nginx');
    rmSync(this.directory, { recursive: true });
  }
}

function connects(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(Boolean(socket.destroy())));
    socket.on('error', () => resolve(false));
  });
}

// {redis, nodes, nginx}, everything up.
export async function startAll(t, { services }) {
  const [program, ...args] = services.redis.command;
  if (program !== 'redis-server') throw new Error(`redis is started as ${program}`);
  const redis = await Redis.start(t, args);
  const ports = { 'redis:6379': `127.0.0.1:${redis.port}` };
  const where = (text) => Object.entries(ports).reduce((all, [name, at]) => all.replaceAll(name, at), text);
  const nodes = [];
  for (const name of ['node-1', 'node-2']) {
    const env = nodeEnvironment(services[name], where);
    // The harness's own flags would be stronger than what is tested.
    const node = new Gateway([], { env });
    node.args = [];
    atEnd(t, () => node.end());
    await node.start();
    ports[`${name}:8000`] = `127.0.0.1:${node.port}`;
    nodes.push(Object.assign(node, { env: { ...env, SPILLWAY_ADMIN_LISTEN: node.admin } }));
  }
  for (const node of nodes) await node.busUp();
  return { redis, nodes, nginx: await Nginx.start(t, services.nginx, where) };
}

// SPDX-License-Identifier: Apache-2.0
//
// Starts what is measured, each on a port of its own and on the first CPU, and says of what cannot be
// had on this machine why. What feeds them (the load, Redis, second nodes) runs on the second CPU.
import { spawn, spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

export const out = "build/bench";
const binary = process.env.SPILLWAY_BINARY || "build/release/spillway";
const manyCpus = availableParallelism() > 1;
export const serverCpu = "0";
export const loadCpu = "1";

const running = new Set();
export function killAll() {
  for (const child of running) {
    child.kill("SIGTERM"); // nginx's master takes its worker with it
  }
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// A child process, and its standard output line by line.
class Process {
  // `log`: a file for its standard error, where that is much.
  constructor(cpus, command, log) {
    const pinned = manyCpus ? ["taskset", "-c", cpus, ...command] : command;
    this.child = spawn(pinned[0], pinned.slice(1), { stdio: ["pipe", "pipe", log ? openSync(log, "w") : "pipe"] });
    this.errors = "";
    this.lines = [];
    this.waiting = [];
    running.add(this.child);
    this.child.stdin.on("error", () => {});
    this.child.stderr?.on("data", (text) => {
      this.errors = (this.errors + text).slice(-2000);
    });
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      this.lines.push(line);
      this.#wake();
    });
    this.ended = new Promise((done) => {
      const over = () => {
        running.delete(this.child);
        this.isOver = true;
        setTimeout(() => this.#wake(), 50); // what it said last is still to come
        done();
      };
      this.child.on("exit", over); // "close" would wait for its children, too
      this.child.on("error", (error) => {
        this.errors = error.message;
        over();
      });
    });
  }

  #wake() {
    while (this.waiting.length && (this.lines.length || this.isOver)) {
      const { done, fail } = this.waiting.shift();
      if (this.lines.length) {
        done(this.lines.shift());
      } else {
        fail(new Error(this.errors.trim().split("\n").slice(-3).join("; ") || "it ended without a word"));
      }
    }
  }

  line() {
    return new Promise((done, fail) => {
      this.waiting.push({ done, fail });
      this.#wake();
    });
  }

  async stop(signal = "SIGTERM") {
    const family = this.isOver ? [] : descendants(this.child.pid);
    this.child.kill(signal);
    await Promise.race([this.ended, sleep(2000)]);
    this.child.kill("SIGKILL");
    await this.ended;
    for (const pid of family.slice(1).filter((one) => existsSync(`/proc/${one}`))) {
      process.kill(pid, "SIGKILL"); // nginx's worker outlives a master that was killed
    }
  }
}

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

function descendants(pid) {
  const found = [pid];
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    for (const child of readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ")) {
      if (child.trim()) {
        found.push(...descendants(Number(child)));
      }
    }
  }
  return found;
}

export class Server {
  constructor(kind, process_, fields) {
    Object.assign(this, { kind, name: kind.name, process: process_, others: [] }, fields);
    this.pids = descendants(process_.child.pid);
  }

  get pid() {
    return this.process.child.pid;
  }

  // What all its threads ran, in nanoseconds.
  cpuNs() {
    let sum = 0;
    for (const pid of this.pids) {
      for (const task of readdirSync(`/proc/${pid}/task`)) {
        sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
      }
    }
    return sum;
  }

  rssBytes() {
    let sum = 0;
    for (const pid of this.pids) {
      sum += Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s*(\d+)/)[1]) * 1024;
    }
    return sum;
  }

  // A metric's sum over its labels; Spillway's alone.
  async metric(name) {
    const text = await (await fetch(`http://${this.admin}/metrics`)).text();
    return text
      .split("\n")
      .filter((line) => line.replace(/[{ ].*/, "") === `spillway_${name}`)
      .reduce((sum, line) => sum + Number(line.split(" ").pop()), 0);
  }

  // A histogram's buckets as [upper bound in ms, how many up to it]; Spillway's alone.
  async histogram(name) {
    const text = await (await fetch(`http://${this.admin}/metrics`)).text();
    const buckets = text.matchAll(new RegExp(`^spillway_${name}_bucket{le="([^"]+)"} (\\d+)`, "gm"));
    return [...buckets].map(([, bound, count]) => [1000 * (bound === "+Inf" ? Infinity : bound), Number(count)]);
  }

  async stop() {
    await this.process.stop();
    for (const other of this.others) {
      await other.stop("SIGKILL");
    }
  }
}

// ---- what is needed for it ----

function run(command, directory) {
  const result = spawnSync(command[0], command.slice(1), { cwd: directory, encoding: "utf8" });
  if (result.error) {
    return `${command[0]}: ${result.error.message}`;
  }
  return result.status === 0 ? "" : `${result.stderr}${result.stdout}`.trim() || `${command[0]} failed`;
}

const firstLine = (text) => text.split("\n").find((line) => /error|go:|ERR/i.test(line)) ?? text.split("\n")[0];

function npmPackage(name) {
  const directory = `${out}/peers/${name}`;
  mkdirSync(directory, { recursive: true });
  for (const file of readdirSync(`bench/peers/${name}`, { withFileTypes: true })) {
    if (file.isFile()) {
      copyFileSync(`bench/peers/${name}/${file.name}`, `${directory}/${file.name}`);
    }
  }
  const stamp = `${directory}/.installed`;
  const lock = readFileSync(`${directory}/package-lock.json`, "utf8");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) {
    return "";
  }
  const failure = run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], directory);
  if (!failure) {
    writeFileSync(stamp, lock);
  }
  return failure && `npm ci: ${firstLine(failure)}`;
}

function goProgram(name) {
  const failure = run(["go", "build", "-o", resolve(out, name), "."], `bench/peers/${name}`);
  return failure && `go build: ${firstLine(failure)}`;
}

const nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so";
const nginx = ["/usr/sbin/nginx", "/usr/bin/nginx"].find(existsSync);
const haveNchan = () => (nginx && existsSync(nchanModule) ? "" : "not installed (libnginx-mod-nchan)");

async function nchanCommand(redisPort) {
  const port = await freePort();
  const directory = mkdtempSync(`${out}/nchan-`);
  const upstream = redisPort ? `upstream bus { nchan_redis_server redis://127.0.0.1:${redisPort}; }` : "";
  const text = readFileSync("bench/peers/nchan/nginx.conf", "utf8")
    .replaceAll("PORT", port)
    .replaceAll("MODULE", nchanModule)
    .replaceAll("DIR", resolve(directory))
    .replaceAll("USE_REDIS", redisPort ? "nchan_redis_pass bus;" : "")
    .replaceAll("REDIS", upstream);
  writeFileSync(`${directory}/nginx.conf`, text);
  return { command: [nginx, "-e", "stderr", "-p", resolve(directory), "-c", resolve(directory, "nginx.conf")], port };
}

// ---- the kinds ----

const redisFlags = (redisPort) => (redisPort ? ["--redis", String(redisPort)] : []);

// Made once, in build/bench.
function certificate() {
  const files = [`${out}/cert.pem`, `${out}/key.pem`];
  if (!existsSync(files[0])) {
    const failure = run([
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
      "-subj", "/CN=bench", "-out", files[0], "-keyout", files[1],
    ]);
    if (failure) {
      throw new Error(failure);
    }
  }
  return files;
}

// What speaks TLS listens twice: the publisher's port comes first, and is plain.
const families = {
  floor: { command: () => [`${out}/floor`] },
  "batch floor": { command: () => [`${out}/floor`, "--batch"] },
  "tls floor": { command: () => [`${out}/floor`, "--tls", ...certificate()] },
  "spillway over tls": {
    command: () => {
      const [cert, key] = certificate();
      return [
        binary, "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0,tls", "--tls-cert", cert, "--tls-key", key,
        "--admin-listen", "127.0.0.1:0", "--workers", "1", "--drain-ms", "0",
      ];
    },
  },
  spillway: {
    command: (redisPort, { workers = 1, flags = [] }) => [
      binary, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--workers", String(workers),
      "--drain-ms", "0", ...(redisPort ? ["--bus", `redis://127.0.0.1:${redisPort}`] : []), ...flags,
    ],
    publishesOnRedis: true,
  },
  nchan: { needs: haveNchan, command: nchanCommand, dialect: "nchan", publish: "http", secondNode: true },
  ws: {
    needs: () => npmPackage("ws"),
    command: (redisPort) => ["node", `${out}/peers/ws/server.js`, ...redisFlags(redisPort)],
    publishesOnRedis: true,
  },
  "socket.io": {
    needs: () => npmPackage("socket.io"),
    command: (redisPort) => ["node", `${out}/peers/socket.io/server.js`, ...redisFlags(redisPort)],
    dialect: "socket.io",
    secondNode: true,
  },
  gorilla: {
    needs: () => goProgram("gorilla"),
    command: (redisPort) => [`${out}/gorilla`, ...redisFlags(redisPort)],
    publishesOnRedis: true,
  },
  centrifuge: {
    needs: () => goProgram("centrifuge"),
    command: (redisPort) => [`${out}/centrifuge`, ...redisFlags(redisPort)],
    dialect: "centrifuge",
    secondNode: true,
  },
};

export const peers = ["nchan", "ws", "socket.io", "gorilla", "centrifuge"];
export const isPeer = (name) => peers.some((peer) => name === peer || name.startsWith(`${peer} `));
export const overRedis = (names) => names.map((name) => `${name} + redis`);

// "ws", or "ws + redis": the same with Redis between the publisher and it.
function kindOf(name) {
  const family = name.replace(/ \+ redis$/, "");
  return { ...families[family], family, name, redis: family !== name };
}

const reasons = new Map();
// Why it cannot be measured here; "" where it can.
export function missing(name) {
  const { family, needs, redis } = kindOf(name);
  if (!reasons.has(family)) {
    reasons.set(family, needs ? needs() : "");
  }
  if (redis && run(["redis-server", "--version"])) {
    return "no redis-server";
  }
  return reasons.get(family);
}

async function startRedis() {
  const port = await freePort();
  const child = new Process(loadCpu, [
    "redis-server", "--port", String(port), "--bind", "127.0.0.1", "--protected-mode", "no", "--save", "", "--appendonly", "no",
    "--client-output-buffer-limit", "pubsub 256mb 128mb 30", "--dir", out,
  ]);
  for (;;) {
    if (/Ready to accept connections/.test(await child.line())) {
      return { child, port };
    }
  }
}

const idly = ["chrt", "--idle", "0"];

async function startNode(kind, cpus, redisPort, options) {
  const made = await kind.command(redisPort, options);
  if (made.port) {
    const child = new Process(cpus, made.command);
    for (let i = 0; i < 100 && !child.isOver; i++) {
      await sleep(50);
      if (await fetch(`http://127.0.0.1:${made.port}/`).then(() => true, () => false)) {
        return { child, port: made.port };
      }
    }
    throw new Error(child.errors || "nginx does not answer");
  }
  const child = new Process(cpus, options.idle ? [...idly, ...made] : made, options.log);
  const line = await child.line();
  const port = Number(line.match(/(?: port=| listen=[^ ]*:)(\d+)/)[1]);
  const publish = line.match(/ (?:publish=|listen=[^ ,]*:)(\d+)/)?.[1];
  return { child, port, publishPort: publish ? Number(publish) : port, admin: line.match(/ admin=(\S+)/)?.[1] };
}

// options: workers, flags (Spillway's), cpus, log (a file), idle: it runs while nobody else wants its CPU.
export async function start(name, options = {}) {
  const kind = kindOf(name);
  const redis = kind.redis ? await startRedis() : null;
  const node = await startNode(kind, options.cpus ?? serverCpu, redis?.port, options);
  await sleep(100); // nginx's workers, Go's threads
  const server = new Server(kind, node.child, {
    port: node.port,
    admin: node.admin,
    dialect: kind.dialect ?? "native",
    publish: kind.publish ?? "ws",
    publishPort: node.publishPort ?? node.port,
  });
  if (redis) {
    server.others.push(redis.child);
    if (kind.publishesOnRedis) {
      server.publish = "redis";
      server.publishPort = redis.port;
    } else if (kind.secondNode) {
      const second = await startNode(kind, loadCpu, redis.port, options);
      server.others.push(second.child);
      server.publishPort = second.port;
    }
  }
  return server;
}

// ---- the load ----

// Something beside the servers that is told what to do, a line each, and answers in JSON. `flags` without dashes.
class Helper {
  constructor(command, flags) {
    this.process = new Process(loadCpu, [...command, ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)])]);
  }

  async answer() {
    const result = JSON.parse(await this.process.line());
    if (result.errors) {
      throw new Error(`deliveries were wrong: ${this.process.errors.trim()}`);
    }
    return result;
  }

  say(command) {
    this.process.child.stdin.write(`${command}\n`);
  }

  ask(command) {
    this.say(command);
    return this.answer();
  }

  stop() {
    return this.process.stop("SIGKILL");
  }
}

// A load generator that is connected to one server.
export class Load extends Helper {
  constructor(server, settings) {
    super([`${out}/load`], {
      port: server.port,
      "publish-port": server.publishPort,
      dialect: server.dialect,
      publish: server.publish,
      "warm-up": 0,
      patience: 30,
      ...settings,
    });
  }
}

// Those who return at once. They have the load's CPU while nobody else wants it, so that they delay the server's clients by nothing
// but what they ask of the server.
export class Crowd extends Helper {
  constructor(server, settings) {
    super([...idly, `${out}/crowd`], { port: server.port, ...settings });
  }
}

// Those who are let in nowhere; as Crowd.
export class Intruders extends Helper {
  constructor(server, settings) {
    super([...idly, `${out}/intruders`], { port: server.port, ...settings });
  }
}

// Those who return with positions: they read nothing until they are told to. `path` may have a '%' that stands for a client's number.
export class Stuck extends Helper {
  constructor(server, { address, count, path }) {
    super([...idly, `${out}/stuck`, ...[server.port, address, count, path].map(String)], {});
  }

  async open() {
    await this.process.line();
  }
}

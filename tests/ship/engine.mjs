// SPDX-License-Identifier: Apache-2.0
//
// Images built and run without an engine's service and without a registry: buildah and podman with runc, in a store of their own
// below build/ship. The two images that docker/Dockerfile begins from are made of Debian's packages under the names that stand
// there, once. That the real ones of these names hold the same stays unproved here.

import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { atEnd } from '../harness/scope.mjs';
import { ROOT } from '../harness/setting.mjs';
import { until } from '../harness/until.mjs';

const SHIP = `${ROOT}build/ship`;
const STORE = ['--root', `${SHIP}/storage`, '--runroot', `${SHIP}/run`];
const TOOLS = ['buildah', 'podman', 'runc', 'mmdebstrap'];
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

export const IMAGE = 'localhost/spillway-test';

// What this machine lacks for it, in words: the tests are skipped with them.
export class Lacking extends Error {}

const execute = promisify(execFile);

async function tool(name, args, { ms = 400000 } = {}) {
  try {
    return (await execute(name, args, { cwd: ROOT, env: { ...process.env, PATH }, timeout: ms, maxBuffer: 1 << 26 })).stdout.trim();
  } catch (error) {
    throw Object.assign(new Error(`${name} ${args.join(' ')}\n${error.stdout?.slice(-2000)}\n${error.stderr?.slice(-4000)}`), {
      code: error.code,
      stderr: error.stderr ?? '',
    });
  }
}
const buildah = (...args) => tool('buildah', [...STORE, ...args]);
export const podman = (...args) => tool('podman', [...STORE, '--runtime', 'runc', ...args], { ms: 60000 });

// A step that fails for what the machine is, not for what is tested.
async function orLacking(what, step) {
  try {
    return await step();
  } catch (error) {
    throw new Lacking(`${what}: ${error.message.trim().split('\n').at(-1)}`);
  }
}

// `packages` on top of what `variant` brings; `user` as the image of that name has it.
async function makeBase(name, { variant, packages, user }) {
  if (await buildah('images', '-q', '-f', `reference=${name}`)) return;
  const container = await buildah('from', 'scratch');
  // As the real images do: what is thrown away at a power cut need not be forced to the disk.
  const options = ['--quiet', '--format=directory', '--dpkgopt=force-unsafe-io', '--dpkgopt=path-exclude=/usr/share/man/*'];
  const words = [...options, `--variant=${variant}`, `--include=${packages.join(',')}`, 'bookworm', await buildah('mount', container)];
  try {
    await orLacking("Debian's packages cannot be fetched", () => tool('mmdebstrap', words));
    if (user) await buildah('config', '--user', user, container);
    await buildah('commit', '-q', container, name);
  } finally {
    await buildah('rm', container);
  }
}

async function makeBases(dockerfile) {
  const [builder, runtime] = ['BUILDER', 'RUNTIME'].map((name) => new RegExp(`^ARG ${name}=(.+)$`, 'm').exec(dockerfile)[1]);
  // With the packages that the Dockerfile asks for, so that its own step fetches little.
  await makeBase(builder, { variant: 'minbase', packages: packagesOf(dockerfile) });
  await makeBase(runtime, {
    variant: 'extract',
    packages: ['base-files', 'libc6', 'libssl3', 'ca-certificates', 'tzdata', 'netbase'],
    user: '65532',
  });
  const container = await buildah('from', builder);
  try {
    await orLacking('buildah cannot run a step', () => buildah('run', '--isolation', 'chroot', container, 'true'));
  } finally {
    await buildah('rm', container);
  }
}

// What the builder installs.
export const packagesOf = (dockerfile) => /--no-install-recommends \\\n +(.+) \\\n/.exec(dockerfile)[1].split(' ');

// The store holds its own path: one of a tree that was moved or copied is made again.
function placeStore() {
  const mark = `${SHIP}/.place`;
  if (!existsSync(mark) || readFileSync(mark, 'utf8') !== SHIP) rmSync(SHIP, { recursive: true, force: true });
  mkdirSync(SHIP, { recursive: true });
  writeFileSync(mark, SHIP);
}

async function build(dockerfile) {
  if (process.getuid() !== 0) throw new Lacking('buildah and podman are run as root here');
  for (const name of TOOLS) {
    if (!PATH.split(':').some((folder) => existsSync(`${folder}/${name}`))) throw new Lacking(`${name} is not installed`);
  }
  placeStore();
  // What a run that was interrupted has left.
  await podman('rm', '-f', '-a');
  await buildah('rm', '-a');
  await makeBases(dockerfile);
  const how = ['--isolation', 'chroot', '--network', 'host', '--format', 'docker', '--pull-never'];
  const words = ['--build-arg', 'REVISION=abc123', '--build-arg', 'SOURCE=https://spillway.example/source'];
  await buildah('bud', ...how, ...words, '-t', IMAGE, '-f', 'docker/Dockerfile', '.');
  await buildah('rmi', '--prune'); // what had the name before
  try {
    await podman('run', '--rm', '--network', 'none', ...BOUNDS, ...HARDENED, IMAGE, '--version');
  } catch (error) {
    if (error.code === 125 || error.code === 126) throw new Lacking(`podman cannot run a container: ${error.stderr.trim()}`);
    throw error;
  }
}

// What a command of the image prints.
export const runOnce = (...words) => podman('run', '--rm', '--network', 'none', ...BOUNDS, IMAGE, ...words);

let built;
// The image, built once for all tests of a file. False: the test is skipped, and says why.
export async function haveImage(t, dockerfile) {
  try {
    await (built ??= build(dockerfile));
    return true;
  } catch (error) {
    if (!(error instanceof Lacking)) throw error;
    t.skip(error.message); // what this machine lacks is no fault of the image
    return false;
  }
}

// More descriptors than the machine's hard limit cannot be asked for. Health checks on a timer would be systemd's.
const descriptors = () => execFileSync('bash', ['-c', 'n=$(ulimit -Hn); [ "$n" = unlimited ] && n=65536; echo $n']).toString().trim();
const BOUNDS = ['--ulimit', `nofile=${descriptors()}:${descriptors()}`, '--ulimit', 'nproc=4096:4096', '--no-healthcheck'];

export const HARDENED = [
  ...['--read-only', '--read-only-tmpfs=false', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
  ...['--memory', '64m', '--pids-limit', '64'],
];

export class Container {
  static #count = 0;

  // Begins and does not wait for what it says; `args` stand before the image, `words` behind it.
  static async start(t, args, words = []) {
    const container = new Container();
    container.name = `spillway-test-${process.pid}-${Container.#count++}`;
    atEnd(t, () => container.end());
    await podman('run', '-d', '--name', container.name, ...BOUNDS, ...args, IMAGE, ...words);
    return container;
  }

  // {code, output} of a program in it.
  exec(...words) {
    return this.#answer('exec', this.name, ...words);
  }
  async #answer(...args) {
    try {
      return { code: 0, output: await podman(...args) };
    } catch (error) {
      return { code: error.code, output: error.stderr };
    }
  }

  inspect(format) {
    return podman('inspect', this.name, '--format', format);
  }
  // All that it wrote, on either stream.
  async said() {
    const { stdout, stderr } = await execute('podman', [...STORE, 'logs', this.name], { env: { ...process.env, PATH } });
    return stdout + stderr;
  }
  // SIGTERM, and the exit code.
  async stop() {
    await podman('stop', '-t', '30', this.name);
    return this.code();
  }
  async code() {
    await until(async () => (await this.inspect('{{.State.Status}}')) === 'exited', 20000, 'the end of the container');
    return Number(await this.inspect('{{.State.ExitCode}}'));
  }

  // What a program that was run in it still holds may hinder the first attempt.
  async end() {
    await until(async () => (await this.#answer('rm', '-f', '-i', this.name)).code === 0, 20000, `${this.name} removed`);
  }
}

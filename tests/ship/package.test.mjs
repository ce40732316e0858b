// SPDX-License-Identifier: Apache-2.0
//
// What `cmake --install` and the Debian package put where, the unit that runs it, and the list of what it is made of.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { environment } from '../harness/gateway.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { BINARY, PRESET, ROOT } from '../harness/setting.mjs';
import { within } from '../harness/until.mjs';

const BUILD = `${ROOT}build/${PRESET}`;
const UNIT = `${ROOT}deploy/systemd/spillway.service`;
const [, version] = /^project\(spillway VERSION (\S+)/m.exec(readFileSync(`${ROOT}CMakeLists.txt`, 'utf8'));
const execute = promisify(execFile);

// {code, stdout, stderr}; an exit code other than 0 is not an error here.
async function call(program, args, options = {}) {
  try {
    return { code: 0, ...(await execute(program, args, { timeout: 120000, cwd: ROOT, ...options })) };
  } catch (error) {
    if (typeof error.code !== 'number') throw error;
    return error;
  }
}
async function good(...words) {
  const { code, stdout, stderr } = await call(...words);
  assert.equal(code, 0, `${words[0]} ${words[1].join(' ')}\n${stdout}\n${stderr}`);
  return stdout;
}

const missing = async (program) => ((await call('sh', ['-c', `command -v ${program}`])).code === 0 ? false : `${program} is not installed`);
const noSystemd = await missing('systemd-analyze');
const noSysusers = await missing('systemd-sysusers');

// Runs an installed binary until it is ready, and ends it.
async function serves(binary, env) {
  const child = spawn(binary, ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'], { env: environment(env) });
  let said = '';
  const exited = new Promise((resolve) => child.on('close', resolve));
  const ready = new Promise((resolve) => {
    child.stdout.on('data', (text) => (said += text) && String(text).startsWith('ready ') && resolve());
    exited.then(resolve);
  });
  child.stderr.on('data', (text) => (said += text));
  try {
    await within(ready, 10000, () => said);
    child.kill('SIGTERM');
    assert.equal(await within(exited, 20000, () => said), 0, said);
  } finally {
    child.kill('SIGKILL');
  }
}

describe('what is shipped', () => {
  const scope = suiteScope();
  const directory = mkdtempSync(join(tmpdir(), 'spillway-package-'));
  scope.after(() => rmSync(directory, { recursive: true }));

  test('cmake --install puts everything below the prefix, and it runs from there', async () => {
    const prefix = join(directory, 'prefix');
    await good('cmake', ['--install', BUILD, '--prefix', prefix, '--strip']);
    const { size } = statSync(`${prefix}/bin/spillway`);
    assert.ok(size < 2e6, `${size} bytes, stripped`);
    const nginx = ['nginx/nginx.conf', 'nginx/spillway.conf'];
    const watched = ['prometheus/rules.yaml', 'grafana/spillway.json'];
    for (const name of ['config.json', 'sysctl.conf', 'redis/spillway.lua', 'haproxy/haproxy.cfg', ...nginx, ...watched])
      assert.ok(existsSync(`${prefix}/share/spillway/${name}`), name);
    for (const name of ['README.md', 'gateway/CONFIG.md', 'gateway/PROTOCOL.md', 'deploy/README.md', 'deploy/RUNBOOK.md', 'LICENSE', 'copyright'])
      assert.ok(existsSync(`${prefix}/share/doc/spillway/${name}`), name);
    assert.ok(existsSync(`${prefix}/lib/systemd/system/spillway.service`));
    assert.match(readFileSync(`${prefix}/lib/sysusers.d/spillway.conf`, 'utf8'), /^u spillway - /m);
    // The whole tree of the build belongs to a machine; nothing that is installed knows it.
    const { stdout } = await call('grep', ['-rlF', ROOT, prefix]);
    assert.equal(stdout, '');
    await serves(`${prefix}/bin/spillway`, { SPILLWAY_CONFIG: `${prefix}/share/spillway/config.json` });
  });

  describe('the Debian package', () => {
    let deb;
    before(async () => {
      await good('cpack', ['--config', `${BUILD}/CPackConfig.cmake`, '-B', directory]);
      deb = join(directory, readdirSync(directory).find((name) => name.endsWith('.deb')));
    });

    test('is described as Debian asks', async () => {
      const field = async (name) => (await good('dpkg-deb', ['-f', deb, name])).trim();
      assert.match(deb, new RegExp(`/spillway_${version}_\\w+\\.deb$`));
      assert.equal(await field('Package'), 'spillway');
      assert.equal(await field('Version'), version);
      assert.equal(await field('Section'), 'net');
      assert.match(await field('Maintainer'), /^[^<>]+ <[^<>@ ]+@[^<>@ ]+>$/);
      for (const library of ['libc6', 'libssl3', 'libuv1', 'libwslay1', 'libhiredis0.14', 'libcjson1', 'zlib1g'])
        assert.match(await field('Depends'), new RegExp(`(^|, )${library.replace('.', '\\.')}(t64)? \\(>= [^)]+\\)`));
      const [synopsis, ...rest] = (await field('Description')).split('\n');
      assert.match(synopsis, /^(?!an? |the )[a-z].{9,78}[^.]$/);
      assert.ok(rest.length > 0 && rest.every((line) => /^ \S/.test(line) && line.length <= 80), rest.join('\n'));
    });

    test('holds what it says, owned by root and written by nobody else', async () => {
      const lines = (await good('dpkg-deb', ['-c', deb])).trim().split('\n');
      const files = lines.map((line) => /^(\S+) (\S+) .*? \.(\/.*)$/.exec(line)).map(([, mode, owner, path]) => ({ mode, owner, path }));
      for (const { mode, owner, path } of files) {
        assert.equal(owner, 'root/root', path);
        assert.match(mode, path === '/usr/bin/spillway' || mode[0] === 'd' ? /^.rwxr-xr-x$/ : /^-rw-r--r--$/, path);
        assert.match(path, /^\/((etc(\/spillway.*)?|usr(\/(bin|lib|share)(\/.*)?)?)\/?)?$/);
      }
      const paths = files.map(({ path }) => path);
      for (const path of ['/usr/bin/spillway', '/usr/lib/systemd/system/spillway.service', '/etc/spillway/config.json', '/usr/share/doc/spillway/copyright'])
        assert.ok(paths.includes(path), path);

      const root = join(directory, 'raw');
      await good('dpkg-deb', ['-R', deb, root]);
      const changes = await good('zcat', [`${root}/usr/share/doc/spillway/changelog.gz`]);
      assert.ok(changes.startsWith(`spillway (${version}) `), 'its newest entry is of this version');
      const control = readdirSync(`${root}/DEBIAN`).sort();
      assert.deepEqual(control, ['conffiles', 'control', 'md5sums', 'postinst', 'postrm', 'prerm']);
      assert.equal(readFileSync(`${root}/DEBIAN/conffiles`, 'utf8'), '/etc/spillway/config.json\n');
      for (const name of ['postinst', 'postrm', 'prerm']) {
        assert.equal(statSync(`${root}/DEBIAN/${name}`).mode & 0o777, 0o755, name);
        assert.match(readFileSync(`${root}/DEBIAN/${name}`, 'utf8'), /^#!\/bin\/sh\n(#.*\n)*set -e\n/);
        await good('sh', ['-n', `${root}/DEBIAN/${name}`]);
      }
      await good('md5sum', ['--quiet', '-c', 'DEBIAN/md5sums'], { cwd: root });
    });

    const skip = process.getuid() === 0 ? noSysusers : 'dpkg unpacks as root alone';
    test('is installed into an empty root, runs there, and is removed without a trace', { skip }, async () => {
      const root = join(directory, 'root');
      for (const folder of ['var/lib/dpkg/info', 'var/lib/dpkg/updates', 'var/lib/dpkg/triggers', 'etc']) mkdirSync(join(root, folder), { recursive: true });
      writeFileSync(join(root, 'var/lib/dpkg/status'), '');
      const dpkg = (...words) => good('dpkg', [`--root=${root}`, `--log=${root}/log`, '--force-depends', '--force-script-chrootless', ...words]);
      await dpkg('-i', deb);
      assert.match(readFileSync(join(root, 'etc/passwd'), 'utf8'), /^spillway:/m);
      const binary = join(root, 'usr/bin/spillway');
      assert.equal((await good(binary, ['--version'])).trim(), `spillway ${version}`);
      const config = join(root, 'etc/spillway/config.json');
      await good(binary, ['check', '--config', config]);
      await serves(binary, { SPILLWAY_CONFIG: config });
      await dpkg('-P', 'spillway');
      for (const path of ['usr/bin/spillway', 'etc/spillway', 'usr/share/spillway']) assert.ok(!existsSync(join(root, path)), path);
    });
  });

  describe('the unit', () => {
    const unit = readFileSync(UNIT, 'utf8');
    const value = (name) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)[1];

    test('can be read by systemd', { skip: noSystemd }, async () => {
      // Where the program is installed systemd finds it by its name alone.
      const copy = join(directory, 'spillway.service');
      writeFileSync(copy, unit.replace('ExecStart=spillway', `ExecStart=${BINARY}`));
      const { code, stdout, stderr } = await call('systemd-analyze', ['verify', copy]);
      assert.equal(code, 0, stdout + stderr);
      assert.doesNotMatch(stdout + stderr, /spillway\.service:.*(Unknown|Failed to parse|ignoring)/i);
    });

    test('exposes no more than a service of the network must', { skip: noSystemd }, async (t) => {
      const { stdout } = await call('systemd-analyze', ['security', '--offline=true', UNIT]);
      const [line, score] = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout);
      t.diagnostic(line);
      assert.ok(Number(score) <= 1.5, stdout);
    });

    test('gives it the time to drain, and does not start again what is configured wrongly', async () => {
      const config = readFileSync(`${ROOT}gateway/CONFIG.md`, 'utf8');
      const usual = (name) => Number(new RegExp(`^\\| \`--${name}\` .*?\`(\\d+)\` \\|`, 'm').exec(config)[1]);
      assert.ok(Number(value('TimeoutStopSec')) * 1000 > usual('drain-delay-ms') + usual('drain-ms') + usual('linger-ms') + 500);
      assert.equal(value('RestartPreventExitStatus'), '2');
      assert.equal((await call(BINARY, ['--no-such-flag'])).code, 2);
    });

    test('reads the config file that the package brings, and its words are settings', async () => {
      assert.equal(value('Environment'), 'SPILLWAY_CONFIG=/etc/spillway/config.json');
      const shipped = readFileSync(`${ROOT}deploy/systemd/config.json`, 'utf8');
      // What it shows as an example would be accepted, too.
      const all = join(directory, 'all.json');
      const lines = shipped.split('\n').map((line) => line.replace(/^ {2}\/\/ (")/, '  $1').replace('/etc/spillway/issuer.pem', join(directory, 'issuer.pem')));
      const entries = lines.filter((line) => line.startsWith('  "')).map((line) => line.replace(/,$/, ''));
      assert.ok(entries.length >= 4);
      await good('sh', ['-c', 'openssl genpkey -algorithm ed25519 | openssl pkey -pubout -out "$0"', join(directory, 'issuer.pem')]);
      writeFileSync(all, `{\n${entries.join(',\n')}\n}\n`);
      await good(BINARY, ['check', '--config', all]);
    });
  });

  test('kernel settings are names that this kernel knows, each with a value', async () => {
    const text = readFileSync(`${ROOT}deploy/sysctl.conf`, 'utf8');
    const rows = [...text.matchAll(/^(# )?([\w.]+\.[\w.]+) = (\d[\d ]*)$/gm)];
    assert.ok(rows.length >= 8);
    // In a network namespace of a container some are not shown.
    for (const [, optional, name] of rows) {
      if (!optional && name.startsWith('fs.')) assert.ok(existsSync(`/proc/sys/${name.replaceAll('.', '/')}`), name);
    }
  });

  test('deploy/sbom names what the binary loads, with versions and licences', async (t) => {
    const document = JSON.parse(await good('deploy/sbom', [BINARY]));
    assert.equal(document.bomFormat, 'CycloneDX');
    assert.equal(document.specVersion, '1.5');
    assert.match(document.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.match(document.metadata.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const { component } = document.metadata;
    assert.deepEqual([component.name, component.version], ['spillway', version]);
    assert.equal(component.hashes[0].content, createHash('sha256').update(readFileSync(BINARY)).digest('hex'));

    // Each library that is loaded has its package.
    const loaded = [...(await good('ldd', [BINARY])).matchAll(/=> (\/\S+)/g)].map(([, path]) => path);
    assert.ok(loaded.length >= 7);
    const names = document.components.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const path of loaded) {
      const file = (await good('readlink', ['-f', path])).trim();
      const owner = await call('dpkg-query', ['-S', file]);
      const { stdout } = owner.code === 0 ? owner : await call('dpkg-query', ['-S', file.replace(/^\/usr/, '')]);
      assert.ok(names.includes(stdout.split(':')[0]), `${file} is of ${stdout}`);
    }
    for (const { name, version: is, purl, licenses } of document.components) {
      assert.equal(is, (await good('dpkg-query', ['-W', '-f', '${Version}\n', name])).split('\n')[0]);
      assert.match(purl, new RegExp(`^pkg:deb/debian/${name.replace(/[.+]/g, '\\$&')}@[^?+:]+\\?arch=\\w+&distro=`));
      assert.match(licenses[0].license.id, /^(MIT|BSD-3-Clause|Apache-2\.0|LGPL-2\.1-or-later|Zlib)$/, name);
    }
    assert.deepEqual(document.dependencies[0].dependsOn, document.components.map((part) => part['bom-ref']));

    const list = await good('deploy/sbom', ['--licences', BINARY]);
    for (const name of names) assert.match(list, new RegExp(`^  ${name.replace(/[.+]/g, '\\$&')} \\S+: \\S+$`, 'm'));
    t.diagnostic(list.trim().replaceAll('\n', '; '));

    const refused = await call('deploy/sbom', ['/nowhere']);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /usage: deploy\/sbom/);
  });
});

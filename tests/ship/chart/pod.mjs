// SPDX-License-Identifier: Apache-2.0
//
// A rendered container as a process of this machine: its volumes are folders, its variables are what Kubernetes would make of them,
// its command is what is run, by the gateway that is tested.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environment } from '../../harness/gateway.mjs';
import { atEnd } from '../../harness/scope.mjs';
import { BINARY } from '../../harness/setting.mjs';

export const podsOf = (objects) =>
  objects.flatMap((object) => (object.kind === 'Pod' ? [object.spec] : object.spec?.template?.spec ? [object.spec.template.spec] : []));

export const gatewayOf = (objects) =>
  objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.labels['app.kubernetes.io/component'] === 'gateway');

// The files of a volume: those of a ConfigMap, the items of a Secret, or none. `secrets`: name -> key -> text.
function filesOf(volume, objects, secrets) {
  if (volume.configMap) return objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === volume.configMap.name).data;
  if (!volume.secret) return {};
  const secret = secrets[volume.secret.secretName];
  return Object.fromEntries(
    volume.secret.items.map(({ key, path }) => {
      if (secret?.[key] === undefined) throw new Error(`Secret ${volume.secret.secretName} has no ${key}`);
      return [path, secret[key]];
    }),
  );
}

// What the image itself sets, and what a pod says must be stronger than.
const IMAGE = { SPILLWAY_LISTEN: '0.0.0.0:8000', SPILLWAY_ADMIN_LISTEN: '0.0.0.0:9000', SPILLWAY_CONFIG: '/nowhere/config.json' };

// $(NAME) stands for a variable that was named before.
function variablesOf(container, secrets) {
  const variables = {};
  for (const { name, value, valueFrom } of container.env ?? []) {
    const reference = valueFrom?.secretKeyRef;
    variables[name] = reference
      ? secrets[reference.name][reference.key]
      : value.replace(/\$\((\w+)\)/g, (text, other) => variables[other] ?? text);
  }
  return variables;
}

// Where the container's paths are on this machine, and its variables. `rename` is done to all texts: names that only a cluster knows.
export class Container {
  constructor(t, container, { objects, pod, secrets = {}, rename = (text) => text }) {
    this.container = container;
    this.root = mkdtempSync(join(tmpdir(), 'spillway-pod-'));
    atEnd(t, () => rmSync(this.root, { recursive: true }));
    this.local = (text) => rename(text).replace(/(?<![\w/])\/(etc|run)\/spillway/g, `${this.root}/$1/spillway`);
    for (const mount of container.volumeMounts ?? []) {
      const volume = pod.volumes.find(({ name }) => name === mount.name);
      const directory = join(this.root, mount.mountPath);
      mkdirSync(directory, { recursive: true });
      for (const [name, text] of Object.entries(filesOf(volume, objects, secrets))) writeFileSync(join(directory, name), this.local(text));
    }
    const variables = Object.entries(variablesOf(container, secrets)).map(([name, value]) => [name, rename(value)]);
    this.env = { ...IMAGE, ...Object.fromEntries(variables) };
  }

  get args() {
    return (this.container.args ?? []).map(this.local);
  }

  get preStop() {
    return this.container.lifecycle.preStop.exec.command.map(this.local);
  }

  // Starts `command`, the container's own if it is not said; `ended` is a promise of its code.
  start(command = [...this.container.command, ...this.args]) {
    const [program, ...args] = command;
    const child = spawn(program === '/usr/local/bin/spillway' ? BINARY : program, args, { env: environment(this.env) });
    child.said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (child.said += text));
    child.ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve(code ?? signal));
    });
    return child;
  }
}

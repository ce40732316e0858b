// SPDX-License-Identifier: Apache-2.0
//
// The chart, under Helm 3 and 4: what it makes is what Kubernetes takes, within Pod Security's "restricted"; what contradicts itself
// is refused with the fix; and what it makes for a container is run here, by the gateway itself.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Certificate } from '../harness/certificate.mjs';
import { Client } from '../harness/client.mjs';
import { run } from '../harness/gateway.mjs';
import { send } from '../harness/http.mjs';
import { Redis, freePort } from '../harness/redis.mjs';
import { atEnd } from '../harness/scope.mjs';
import { until, within } from '../harness/until.mjs';
import { refused, secrets, taken } from './chart/matrix.mjs';
import { Container, gatewayOf, podsOf } from './chart/pod.mjs';
import { CHART, HELMS, documents, faults, lint, missing, notes, refusal, render } from './chart/tools.mjs';

const skip = missing;
const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8'));

// Pod Security "restricted", and what this chart promises beside it.
function assertRestricted(pod) {
  assert.equal(pod.automountServiceAccountToken, false);
  assert.equal(pod.enableServiceLinks, false);
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC']) assert.ok(!pod[field], field);
  assert.equal(pod.securityContext.runAsNonRoot, true);
  assert.ok(pod.securityContext.runAsUser > 0);
  assert.deepEqual(pod.securityContext.seccompProfile, { type: 'RuntimeDefault' });
  for (const volume of pod.volumes ?? []) {
    const [kind] = Object.keys(volume).filter((key) => key !== 'name');
    assert.ok(['configMap', 'secret', 'emptyDir', 'projected'].includes(kind), `a volume by ${kind}`);
  }
  for (const { name, ports = [], securityContext } of [...pod.containers, ...(pod.initContainers ?? [])]) {
    assert.equal(securityContext?.allowPrivilegeEscalation, false, name);
    assert.equal(securityContext.readOnlyRootFilesystem, true, name);
    assert.deepEqual(securityContext.capabilities, { drop: ['ALL'] }, name);
    for (const port of ports) assert.equal(port.hostPort, undefined);
  }
}

// What is chosen by labels is there, and names of ports are those of a container.
function assertWired(objects) {
  const pods = objects.filter(({ kind }) => kind === 'Deployment').map(({ spec }) => spec.template);
  const chosen = (labels) => pods.filter(({ metadata }) => Object.entries(labels).every(([key, value]) => metadata.labels[key] === value));
  for (const { kind, metadata, spec } of objects) {
    if (kind === 'Service') {
      const [pod, ...more] = chosen(spec.selector);
      assert.ok(pod && more.length === 0, `${metadata.name} leads to one kind of pod`);
      const ports = pod.spec.containers.flatMap((container) => container.ports ?? []).map(({ name }) => name);
      for (const { targetPort } of spec.ports) assert.ok(ports.includes(targetPort), `${metadata.name}: ${targetPort}`);
    }
    if (kind === 'NetworkPolicy') assert.equal(chosen(spec.podSelector.matchLabels).length, 1, metadata.name);
    if (kind === 'PodDisruptionBudget') {
      assert.equal(chosen(spec.selector.matchLabels).length, 1);
      assert.equal(['minAvailable', 'maxUnavailable'].filter((key) => key in spec).length, 1);
    }
    if (kind === 'ServiceMonitor') {
      const services = objects.filter((object) => object.kind === 'Service');
      const labels = Object.entries(spec.selector.matchLabels);
      assert.equal(services.filter((service) => labels.every(([key, value]) => service.metadata.labels[key] === value)).length, 1);
    }
  }
}

// The admin listener is named by no way in from outside.
function assertInternal(objects) {
  const [service] = objects.filter(({ kind, metadata }) => kind === 'Service' && metadata.name.endsWith('-admin'));
  for (const object of objects.filter(({ kind }) => kind === 'Ingress' || kind === 'HTTPRoute')) {
    assert.doesNotMatch(JSON.stringify(object), /-admin/);
  }
  if (service) assert.ok(!service.spec.type || service.spec.type === 'ClusterIP');
}

for (const major of HELMS) {
  describe(`Helm ${major}`, { skip, concurrency: 2 }, () => {
    for (const [name, values] of Object.entries(taken)) {
      test(`makes what Kubernetes takes: ${name}`, async () => {
        const objects = await render(major, values);
        for (const object of objects) {
          assert.deepEqual(await faults(object), [], `${object.kind} ${object.metadata.name}`);
        }
        podsOf(objects).forEach(assertRestricted);
        assertWired(objects);
        assertInternal(objects);
        const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
        assert.equal(new Set(names).size, names.length, 'each name once');
      });
    }

    for (const [name, [values, words]] of Object.entries(refused)) {
      test(`refuses ${name}`, async () => assert.match(await refusal(major, values), words));
    }

    test('finds nothing to say about the chart', async () => {
      for (const name of ['nothing said', 'as in production', "much that is one's own"]) {
        const { code, stdout, stderr } = await lint(major, taken[name]);
        assert.equal(code, 0, stdout + stderr);
      }
    });

    test('serves the oldest Kubernetes and a new one, and no older', async () => {
      for (const version of ['1.25.0', '1.36.0', '1.31.5-gke.100']) {
        assert.ok((await render(major, taken['as in production'], ['--kube-version', version])).length > 5);
      }
      await assert.rejects(render(major, {}, ['--kube-version', '1.24.0']), /kubeVersion: >=1\.25/);
    });

    test('says at the end what to do next, and loudly who may connect', async () => {
      const open = await notes(major, {});
      assert.match(open, /!!!! +ANYBODY/);
      assert.match(open, /port-forward deploy\/demo-spillway 8000:8000 9000:9000/);
      assert.match(open, /helm -n push test demo/);
      const closed = await notes(major, taken['as in production']);
      assert.doesNotMatch(closed, /!!!!/);
      assert.match(closed, /demo-spillway-admin\.push:9000/);
      assert.match(closed, /nothing to run: tokens are asked for: give one in tests\.tokenSecret/);
      assert.match(await notes(major, taken['a Redis for trying out']), /!!!! +THE BUS IS A REDIS FOR TRYING OUT/);
      for (const text of [open, closed]) assert.doesNotMatch(text, /<no value>|nil|%!/);
    });
  });
}

// Every name and key of a Secret that stands anywhere in a pod.
function* wantedSecrets(value) {
  if (typeof value !== 'object' || value === null) return;
  const { secret, secretKeyRef } = value;
  if (secretKeyRef) yield [secretKeyRef.name, secretKeyRef.key];
  if (secret) for (const { key } of secret.items ?? [{}]) yield [secret.secretName, key];
  for (const part of Object.values(value)) yield* wantedSecrets(part);
}

test('helm/production.yaml is taken as it stands, and helm/secrets.yaml has its Secrets, which let no pod get ready', { skip }, async () => {
  const [values] = documents('helm/production.yaml');
  const made = documents('helm/secrets.yaml');
  for (const major of HELMS) {
    const { code, stdout, stderr } = await lint(major, values);
    assert.equal(code, 0, stdout + stderr);
    const objects = await render(major, values);
    for (const object of [...objects, ...made]) assert.deepEqual(await faults(object), [], `${object.kind} ${object.metadata.name}`);
    podsOf(objects).forEach(assertRestricted);
    assertWired(objects);
    assertInternal(objects);
    const wanted = new Set(podsOf(objects).flatMap((pod) => [...wantedSecrets(pod)].map((pair) => pair.join(' '))));
    assert.deepEqual([...wanted].sort(), made.flatMap(({ metadata, stringData }) => Object.keys(stringData).map((key) => `${metadata.name} ${key}`)).sort());
  }
  const { 'api-keys': key } = made.find(({ metadata }) => metadata.name === 'spillway-admin').stringData;
  assert.ok(key.length < 16, 'refused by a node');
  const page = readFileSync(join(CHART, 'README.md'), 'utf8');
  for (const { metadata } of made) assert.match(page, new RegExp(`create secret generic ${metadata.name} `));
});

test('what Kubernetes would not take is noticed', { skip }, async () => {
  const [budget] = (await render(HELMS[0], {})).filter(({ kind }) => kind === 'PodDisruptionBudget');
  const { selector } = budget.spec;
  assert.deepEqual(await faults({ ...budget, spec: { selector, maxUnavaliable: 1 } }), ['/spec/maxUnavaliable is not known']);
  assert.deepEqual(await faults({ ...budget, spec: { selector: { matchLabel: {} } } }), ['/spec/selector/matchLabel is not known']);
  assert.deepEqual(await faults({ ...budget, spec: { selector: [] } }), ['/spec/selector type']);
  await assert.rejects(faults({ ...budget, apiVersion: 'policy/v2' }), /there is no PodDisruptionBudget in policy\/v2/);
});

// A value that the schema of a setting takes.
function sampleOf(key, { type, minimum, enum: words }) {
  const samples = { listen: ['0.0.0.0:8001'], admin_listen: '0.0.0.0:9001', bus: 'redis://redis:6379', auth: 'jwt', topics: [{ match: 'a' }] };
  if (samples[key]) return samples[key];
  if (words) return words.at(-1);
  return { integer: Math.max(minimum, 1), boolean: true, array: [`a ${key}`], string: `a ${key}` }[type];
}

describe('what stands in the manifests', { skip }, () => {
  const [major] = HELMS;

  test('each setting of the node can be said', async () => {
    const { properties } = schema.definitions.config;
    const keys = Object.keys(properties).filter((key) => key !== 'api_key_file' && !key.startsWith('tls_'));
    const config = Object.fromEntries(keys.map((key) => [key, sampleOf(key, properties[key])]));
    config.drain_ms = 20000;
    const objects = await render(major, { config, adminKeys: { existingSecret: 'admin' } });
    const [container] = gatewayOf(objects).spec.template.spec.containers;
    const file = JSON.parse(objects.find(({ kind }) => kind === 'ConfigMap').data['config.json']);
    assert.ok(container.args.includes('--listen=0.0.0.0:8001') && container.args.includes('--admin-listen=0.0.0.0:9001'));
    const { listen, admin_listen, ...rest } = config;
    assert.deepEqual(file, { ...rest, api_key_file: '/run/spillway/admin/api-keys' });
  });

  test('a change of the config file is a new rollout, anything else of the node is not', async () => {
    const sum = async (values) => gatewayOf(await render(major, values)).spec.template.metadata.annotations['checksum/config'];
    const one = await sum({});
    assert.equal(await sum({ service: { port: 80 } }), one);
    assert.notEqual(await sum({ config: { ping_ms: 20000 } }), one);
  });

  test('a pod has the grace that its drain times ask for', async () => {
    const grace = async (values) => gatewayOf(await render(major, values)).spec.template.spec.terminationGracePeriodSeconds;
    assert.equal(await grace({}), Math.ceil(10 + 20 + 3 + 0.5) + 5);
    assert.equal(await grace({ config: { drain_delay_ms: 0, drain_ms: 1500, linger_ms: 1000 } }), 3 + 5);
    assert.equal(await grace({ terminationGracePeriodSeconds: 39 }), 39);
  });

  test('pods are replaced one by one, except where two would be two buses', async () => {
    const spec = async (values) => gatewayOf(await render(major, values)).spec;
    assert.deepEqual((await spec({})).strategy, { type: 'Recreate' });
    const { strategy, minReadySeconds, replicas } = await spec(taken['as in production']);
    assert.deepEqual(strategy.rollingUpdate, { maxSurge: 1, maxUnavailable: 0 });
    assert.deepEqual([minReadySeconds, replicas], [30, 3]);
    assert.equal((await spec(taken['scaled by connections and CPU'])).replicas, undefined);
  });

  test('no secret stands in a manifest', async () => {
    const text = JSON.stringify(await render(major, taken['user and password for Redis']));
    assert.match(text, /redis:\/\/\$\(REDIS_USERNAME\):\$\(REDIS_PASSWORD\)@redis\.data:6380\/2/);
    assert.doesNotMatch(text, /"kind":"Secret"/);
    const names = JSON.stringify(await render(major, {}));
    assert.equal(names, JSON.stringify(await render(major, {})), 'nothing random: twice the same');
  });

  test('names of images', async () => {
    const image = async (values) => gatewayOf(await render(major, values)).spec.template.spec.containers[0].image;
    const version = /^appVersion: (.*)$/m.exec(readFileSync(join(CHART, 'Chart.yaml'), 'utf8'))[1];
    assert.equal(await image({}), `spillway:${version}`);
    assert.equal(await image({ image: { registry: 'r.example.com', tag: '9' } }), 'r.example.com/spillway:9');
    assert.equal(await image(taken["much that is one's own"]), `registry.example.com/spillway@sha256:${'0'.repeat(64)}`);
  });
});

describe('what a container is given', { skip }, () => {
  const [major] = HELMS;
  for (const [name, values] of Object.entries(taken)) {
    test(`the node would start with it: ${name}`, async (t) => {
      const certificate = new Certificate(t);
      const tls = { 'tls.crt': readFileSync(certificate.cert, 'utf8'), 'tls.key': readFileSync(certificate.key, 'utf8') };
      const objects = await render(major, values);
      const pod = gatewayOf(objects).spec.template.spec;
      const container = new Container(t, pod.containers[0], { objects, pod, secrets: { ...secrets, tls } });
      const [serve, ...flags] = container.args;
      assert.equal(serve, 'serve');
      const { code, stdout, stderr } = await run(['check', ...flags], { env: container.env });
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^ok\n/);
    });
  }
});

// The rendered pod of `values`, as a process on two free ports, and what a test needs of it.
async function start(t, values, { redisPort } = {}) {
  const [port, adminPort] = [await freePort(), await freePort()];
  const adminListen = values.adminKeys ? `0.0.0.0:${adminPort}` : `127.0.0.1:${adminPort}`;
  const config = { linger_ms: 1000, ...values.config, listen: [`0.0.0.0:${port}`], admin_listen: adminListen };
  const objects = await render(HELMS.at(-1), { ...values, config });
  const rename = (text) =>
    text
      .replace('demo-spillway-admin:9000', `127.0.0.1:${adminPort}`)
      .replace('demo-spillway:8000', `127.0.0.1:${port}`)
      .replace('demo-spillway-redis-tryout:6379', `127.0.0.1:${redisPort}`);
  const pod = gatewayOf(objects).spec.template.spec;
  const container = new Container(t, pod.containers[0], { objects, pod, secrets, rename });
  const child = container.start();
  atEnd(t, async () => {
    child.kill('SIGKILL');
    await child.ended;
  });
  const ready = async () => (await send(adminPort, 'GET', '/ready')).status;
  return { objects, rename, pod, container, child, port, adminPort, ready };
}

const awaitReady = ({ ready, child }) => until(async () => (await ready()) === 200, 10000, () => `readiness\n${child.said}`);

// `helm test`, as Kubernetes would run its pod: one container after another.
async function helmTest(t, { objects, rename }) {
  const [{ spec: pod }] = objects.filter(({ kind }) => kind === 'Pod');
  const children = [];
  for (const container of pod.containers) {
    const child = new Container(t, container, { objects, pod, secrets, rename }).start();
    atEnd(t, () => child.kill('SIGKILL'));
    children.push(child);
    // A kubelet needs longer to start the next container.
    if (container.name === 'subscribe') await until(() => /subscribed/.test(child.said) || child.exitCode !== null, 5000, 'a subscription');
  }
  const codes = await within(Promise.all(children.map(({ ended }) => ended)), 15000, () => children.map(({ said }) => said).join());
  assert.deepEqual(codes, codes.map(() => 0), children.map(({ said }) => said).join());
  return children[0].said;
}

const probePath = ({ pod }, name) => pod.containers[0][name].httpGet?.path;

describe('the rendered pod runs', { skip }, () => {
  test('with keys: probes, helm test, and a preStop hook after which SIGTERM changes nothing', async (t) => {
    const node = await start(t, { adminKeys: { existingSecret: 'admin' }, config: { drain_delay_ms: 1500, drain_ms: 1000 } });
    await awaitReady(node);
    for (const name of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      assert.equal((await send(node.adminPort, 'GET', probePath(node, name))).status, 200, name);
    }
    assert.equal((await send(node.adminPort, 'POST', '/v1/topics/a', { body: '1' })).status, 401, 'who has no key');
    assert.match(await helmTest(t, node), /"test":[0-2]/);

    const client = await Client.connect(t, `ws://127.0.0.1:${node.port}/v1/ws`);
    await client.subscribe('a');
    const hook = node.container.start(node.container.preStop);
    assert.equal(await within(hook.ended, 5000, 'the end of the hook'), 0, hook.said);
    node.child.kill('SIGTERM');
    assert.equal(await node.ready(), 503);
    // The delay goes on as if no SIGTERM had come: who does not know yet is served.
    const late = await Client.connect(t, `ws://127.0.0.1:${node.port}/v1/ws`);
    await late.subscribe('a');
    assert.equal(await within(node.child.ended, 10000, () => node.child.said), 0);
    for (const { frames } of [client, late]) assert.ok(frames.some(({ type }) => type === 'drain'), 'told');
  });

  test('without anything said: the demo, for helm test and for the binary\'s probes', async (t) => {
    const node = await start(t, {});
    await awaitReady(node);
    assert.match(await helmTest(t, node), /demo\./);
    const knowsHealth = /^ +health /m.test((await run(['help'])).stdout);
    for (const name of knowsHealth ? ['startupProbe', 'livenessProbe', 'readinessProbe'] : []) {
      const { exec } = node.pod.containers[0][name];
      const probe = node.container.start(exec.command.map(node.container.local));
      assert.equal(await within(probe.ended, 5000, name), 0, probe.said);
    }
    assert.equal((await send(node.port, 'GET', '/')).status, 200, 'the page');
  });

  test('on the Redis for trying out, started as rendered', async (t) => {
    const values = { adminKeys: { existingSecret: 'admin' }, redis: { tryout: { enabled: true } } };
    const objects = await render(HELMS[0], values);
    const [{ containers }] = podsOf(objects).filter((pod) => pod.containers[0].name === 'redis');
    assert.deepEqual(containers[0].command, ['redis-server']);
    const redis = await Redis.start(t, containers[0].args);
    const node = await start(t, values, { redisPort: redis.port });
    await awaitReady(node);
    assert.match(await helmTest(t, node), /"test":[0-2]/);
  });

  test('a wrong Redis password keeps a pod from getting ready, and alive, and says why; the right one does not', async (t) => {
    const redis = await Redis.start(t, ['--requirepass', 'p@ss']);
    const values = (passwordKey) => ({
      adminKeys: { existingSecret: 'admin' },
      redis: { existingSecret: 'redis', passwordKey },
      config: { bus: `redis://127.0.0.1:${redis.port}` },
    });
    const wrong = await start(t, values('user'));
    await until(() => /WRONGPASS|password/i.test(wrong.child.said), 10000, () => wrong.child.said);
    assert.equal(await wrong.ready(), 503);
    assert.equal((await send(wrong.adminPort, 'GET', '/live')).status, 200);
    assert.doesNotMatch(wrong.child.said, /:spillway@/);
    const right = await start(t, values('password'));
    await awaitReady(right);
    assert.equal(await wrong.ready(), 503);
  });
});

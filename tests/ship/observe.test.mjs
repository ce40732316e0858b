// SPDX-License-Identifier: Apache-2.0
//
// What is looked at: a real Prometheus with the rules as they are shipped scrapes a loaded fleet, every expression names what is
// there, all panels of the dashboard answer, and alerts, their tests and the runbook know of each other.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Certificate } from '../harness/certificate.mjs';
import { Client } from '../harness/client.mjs';
import { labelsOf, strangersIn } from '../harness/expressions.mjs';
import { Gateway } from '../harness/gateway.mjs';
import { Prometheus, promtool } from '../harness/prometheus.mjs';
import { Redis } from '../harness/redis.mjs';
import { suiteScope } from '../harness/scope.mjs';
import { ROOT } from '../harness/setting.mjs';
import { until } from '../harness/until.mjs';
import { draw } from './dashboard.mjs';

const read = (path) => readFileSync(`${ROOT}deploy/${path}`, 'utf8');
const RULES = `${ROOT}deploy/prometheus/rules.yaml`;
const ALERTS = [...read('prometheus/rules.yaml').matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name);

// {title, expression} of each query of the dashboard, with its variables filled in.
function dashboardQueries(range) {
  const { panels } = JSON.parse(read('grafana/spillway.json'));
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      title,
      expression: expr.replaceAll('$job', '.*').replaceAll('$instance', '.*').replaceAll('$__rate_interval', range),
    })),
  );
}

describe('with promtool', () => {
  test('the rules are valid, and each alert fires when it must and not else', async () => {
    for (const args of [
      ['check', 'rules', RULES],
      ['test', 'rules', `${ROOT}deploy/prometheus/rules_test.yaml`],
    ]) {
      const { code, text } = await promtool(args);
      assert.equal(code, 0, text);
    }
  });

  test('each alert has a test of both, and there is no test of another', () => {
    const tests = read('prometheus/rules_test.yaml');
    const silent = [...tests.matchAll(/alertname: (\w+), eval_time: \w+, exp_alerts: \[\]/g)].map(([, name]) => name);
    const firing = [...tests.matchAll(/alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:\n +- exp_labels/g)].map(([, name]) => name);
    assert.ok(ALERTS.length > 20);
    assert.deepEqual(silent, ALERTS);
    assert.deepEqual(firing, ALERTS);
  });
});

describe('the runbook', () => {
  test('has a page for each alert, and each page an alert', () => {
    const pages = [...read('RUNBOOK.md').matchAll(/^### (Spillway\w+)$/gm)].map(([, name]) => name);
    assert.deepEqual(pages, ALERTS);
  });

  test('says of each what it means, where to look and what to do', () => {
    for (const page of read('RUNBOOK.md').split(/^### /m).slice(1)) {
      for (const part of ['**Means.**', '**Look at.**', '**Do.**']) assert.ok(page.includes(part), `${part} in ${page.slice(0, 40)}`);
    }
  });

  test('is where the alerts point to', () => {
    const links = [...read('prometheus/rules.yaml').matchAll(/runbook_url: (\S+)/g)].map(([, url]) => url);
    assert.deepEqual(
      links,
      ALERTS.map((name) => `deploy/RUNBOOK.md#${name.toLowerCase()}`),
    );
  });
});

describe('the dashboard', () => {
  const { panels } = JSON.parse(read('grafana/spillway.json'));
  const called = (title) => panels.find((panel) => panel.title === title);

  test('stacks only what adds up: the answers of one query', () => {
    const stacked = panels.filter(({ fieldConfig }) => fieldConfig?.defaults.custom?.stacking.mode === 'normal');
    assert.ok(stacked.length > 5);
    for (const { title, targets } of stacked) assert.equal(targets.length, 1, title);
  });

  test('names reasons and outcomes only where they happened', () => {
    const named = panels.filter(({ targets = [] }) => targets.some(({ legendFormat }) => /\{\{(reason|outcome|why)\}\}/.test(legendFormat)));
    assert.ok(named.length >= 5);
    for (const { title, fieldConfig } of named) {
      const [{ matcher, properties }] = fieldConfig.overrides;
      assert.deepEqual([matcher.options.reducer, properties[0].value.legend], ['allIsZero', true], title);
    }
  });

  test('shows the hops in their order, and of versions no times', () => {
    const hops = panels.filter(({ title }) => /^\d\. /.test(title)).sort((a, b) => a.gridPos.x - b.gridPos.x);
    assert.deepEqual(hops.map(({ title }) => title[0]), ['1', '2', '3']);
    assert.deepEqual(hops.map(({ gridPos }) => gridPos.x), [0, 6, 12]);
    assert.equal(called('Versions').transformations[0].options.excludeByName.Time, true);
  });

  test('has no panel upon another', () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`));
    assert.equal(new Set(cells).size, cells.length);
  });
});

test('a name that is not there, or a label, is found in an expression', () => {
  const known = labelsOf('spillway_a_total{reason="x"} 1\nspillway_b 2\n');
  const strangers = (expression) => strangersIn(expression, known, new Set(['job:a:rate']));
  assert.deepEqual(strangers('sum by (reason, job) (rate(spillway_a_total{reason=~"x|{y}",job="j"}[5m] offset 1w)) / job:a:rate > 0.5'), []);
  assert.deepEqual(strangers('spillway_c == 1 and spillway_b > 14.4 * 0.001'), ['no metric spillway_c']);
  assert.deepEqual(strangers('spillway_b{reason="x"}'), ['spillway_b has no label reason']);
  assert.deepEqual(strangers('sum by (why) (spillway_b)'), ['nothing has a label why']);
  assert.deepEqual(strangers('job:b:rate'), ['no metric job:b:rate']);
  assert.deepEqual(strangers('1 > 0'), ['names no metric']);
});

describe('a loaded fleet', async () => {
  const scope = suiteScope();
  const certificate = new Certificate(scope);
  const redis = await Redis.start(scope);
  const config = { topics: [{ match: 'kept.>', history: { size: 100, ttl_ms: 600000 } }] };
  const args = ['--bus', redis.url, '--service', 'shop', '--environment', 'test'];
  const plain = await Gateway.start(scope, args, { config });
  const secure = await Gateway.start(scope, [...args, ...certificate.flags], { config });
  const backend = await redis.client(scope);
  const topics = ['kept.a', 'plain.a'];
  const url = `wss://127.0.0.1:${secure.port}/v1/ws`;
  const clients = [await Client.connect(scope, plain.url), await Client.connect(scope, url, { ca: certificate.ca })];
  for (const client of clients) await client.subscribe(...topics);
  const prometheus = await Prometheus.start(scope, { targets: [plain.admin, secure.admin], rules: read('prometheus/rules.yaml').replace('interval: 30s', 'interval: 1s') });
  const load = setInterval(() => {
    for (const topic of topics) void plain.publish(topic, '{"n":1}').catch(() => {});
    void backend.publish('plain.a', '2').catch(() => {});
  }, 50);
  scope.after(() => clearInterval(load));

  const metrics = async () => (await secure.metrics()).text;

  test('promtool has nothing to say of its /metrics', async () => {
    for (const gateway of [plain, secure]) {
      const { code, text } = await promtool(['check', 'metrics'], (await gateway.metrics()).text);
      assert.deepEqual({ code, text }, { code: 0, text: '' });
    }
  });

  test('every expression of the rules and of the dashboard names metrics and labels that are there', async () => {
    const known = labelsOf(await metrics());
    const rules = await prometheus.rules();
    const recorded = new Set(rules.filter(({ type }) => type === 'recording').map(({ name }) => name));
    const alerts = rules.filter(({ type }) => type === 'alerting').map(({ name }) => name);
    assert.deepEqual(alerts.sort(), [...ALERTS].sort());
    const all = [...rules.map(({ name, query }) => ({ title: name, expression: query })), ...dashboardQueries('5m')];
    assert.ok(all.length > 80);
    const found = all.flatMap(({ title, expression }) => strangersIn(expression, known, recorded).map((why) => `${title}: ${why}`));
    assert.deepEqual(found, []);
  });

  test('both nodes are scraped, and every rule can be evaluated', async () => {
    await until(async () => (await prometheus.targets()).every(({ health }) => health === 'up'), 20000, 'the first scrapes');
    const judged = async () => {
      const rules = await prometheus.rules();
      return rules.every(({ lastEvaluation }) => !lastEvaluation.startsWith('0001')) && rules;
    };
    const rules = await until(judged, 60000, 'an evaluation of each rule');
    assert.deepEqual(
      rules.filter(({ health }) => health !== 'ok').map(({ name, lastError }) => `${name}: ${lastError}`),
      [],
    );
  });

  test('all queries of the dashboard answer, and all of now with something', async () => {
    for (const { title, expression } of dashboardQueries('10s')) {
      const look = () => prometheus.query(expression);
      if (/offset 1w/.test(expression)) await look();
      else await until(async () => (await look()).length > 0, 20000, `${title}: ${expression}`);
    }
  });

  test('each panel of the dashboard can be drawn', async () => {
    const drawn = () => {
      const to = Date.now() / 1000;
      return draw(JSON.parse(read('grafana/spillway.json')), prometheus, { from: to - 10, to, step: 1, range: '10s', week: '1s' });
    };
    let seen;
    const whole = async () => (seen = await drawn()).empty.join() === 'How far slow clients are behind'; // picture.mjs has some
    await until(whole, 20000, () => `empty panels: ${seen?.empty}`);
    assert.ok(seen.html.length > 10000);
  });

  test('each hop of a message is timed', async () => {
    for (const hop of ['publish', 'travel', 'bus_round', 'deliver']) {
      const [total] = await prometheus.query(`sum(spillway_${hop}_seconds_count)`);
      assert.ok(Number(total.value[1]) > 0, hop);
    }
  });

  test('who the fleet is can be joined to whatever it says', async () => {
    const expression = 'spillway_ready * on (job, instance) group_left (service, environment) spillway_build_info';
    const series = await prometheus.query(expression);
    assert.deepEqual(
      series.map(({ metric: { service, environment }, value: [, value] }) => ({ service, environment, value })),
      Array(2).fill({ service: 'shop', environment: 'test', value: '1' }),
    );
  });
});

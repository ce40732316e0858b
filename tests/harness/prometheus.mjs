// SPDX-License-Identifier: Apache-2.0
//
// A real Prometheus of the test's own, which scrapes each second; and promtool.

import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { send } from './http.mjs';
import { freePort } from './redis.mjs';
import { atEnd } from './scope.mjs';
import { until, within } from './until.mjs';

// {code, text} of `promtool ...`; `input` is its standard input.
export function promtool(args, input) {
  return new Promise((resolve) => {
    const child = execFile('promtool', args, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, text: stdout + stderr }));
    child.stdin.end(input ?? '');
  });
}

export class Prometheus {
  // Scrapes `targets` ("127.0.0.1:9000") in the job `spillway`, under the text of a file of rules.
  static async start(t, { targets, rules }) {
    const prometheus = new Prometheus();
    const directory = mkdtempSync(join(tmpdir(), 'spillway-prometheus-'));
    atEnd(t, () => rmSync(directory, { recursive: true }));
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: ['rules.yaml'],
      scrape_configs: [{ job_name: 'spillway', static_configs: [{ targets }] }],
    };
    writeFileSync(join(directory, 'rules.yaml'), rules);
    writeFileSync(join(directory, 'prometheus.yaml'), JSON.stringify(config)); // JSON is YAML
    prometheus.port = await freePort();
    const args = [
      `--config.file=${join(directory, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${prometheus.port}`,
    ];
    const child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.on('error', (error) => (said += error.message));
    child.stderr.on('data', (text) => (said += text));
    process.on('exit', () => child.kill('SIGKILL'));
    const exited = new Promise((resolve) => child.on('close', resolve));
    atEnd(t, async () => {
      child.kill('SIGKILL');
      await exited;
    });
    const ready = async () => (await send(prometheus.port, 'GET', '/-/ready')).status === 200;
    await until(ready, 20000, () => `prometheus\n${said.slice(-2000)}`);
    return prometheus;
  }

  async #get(path) {
    const answer = await within(send(this.port, 'GET', `/api/v1/${path}`), 10000, path);
    if (answer.json.status !== 'success') throw new Error(`${decodeURIComponent(path)}: ${answer.json.error}`);
    return answer.json.data;
  }

  // The series that answer `expression` now.
  async query(expression) {
    return (await this.#get(`query?query=${encodeURIComponent(expression)}`)).result;
  }
  // The same over a time: `from`, `to` and `step` are seconds.
  async range(expression, { from, to, step }) {
    return (await this.#get(`query_range?query=${encodeURIComponent(expression)}&start=${from}&end=${to}&step=${step}`)).result;
  }
  // All rules, group by group.
  async rules() {
    return (await this.#get('rules')).groups.flatMap(({ rules }) => rules);
  }
  async targets() {
    return (await this.#get('targets')).activeTargets;
  }
}

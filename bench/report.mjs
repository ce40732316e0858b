// SPDX-License-Identifier: Apache-2.0
//
// One table on standard output, progress on standard error, a JSON file and a chart.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { chart } from "./chart.mjs";
import { leastIdle, meets } from "./rounds.mjs";
import { isPeer, out } from "./servers.mjs";

const percent = (part) => `${Math.round(part * 100)} %`;
const decimals = (value) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);

export class Report {
  constructor(scenario, settings) {
    this.scenario = scenario;
    this.settings = settings;
    this.rows = [];
    this.failed = false;
    this.progress = this.progress.bind(this);
  }

  progress(text) {
    if (process.stderr.isTTY) {
      process.stderr.write(`\r\x1b[K${text && `${this.scenario}: ${this.title}: ${text}`}`);
    }
  }

  begin(title, budget = "") {
    this.title = title;
    this.progress("");
    if (!process.stderr.isTTY) {
      process.stderr.write(`${this.scenario}: ${title}\n`);
    }
    this.row = { title, budget, servers: [] };
    this.rows.push(this.row);
    console.log(`\n${title}${budget && `  (budget: ${budget})`}`);
  }

  line(cells) {
    console.log(`  ${cells.filter((cell) => cell !== undefined).join("  ").trimEnd()}`);
  }

  columns(names) {
    this.line(["".padEnd(20), ...names.map((name) => name.padStart(12))]);
  }

  verdict(met) {
    return this.settings.quick ? "" : met ? "met" : "NOT MET";
  }

  fail(name, why) {
    this.line([name.padEnd(20), why]);
    this.row.servers.push({ name, missing: why });
    // What is not ours may be missing; what is ours may not.
    this.failed ||= !isPeer(name);
  }

  // The outcome of rounds.mjs' compare(). `budget` holds for the names in `bound`;
  // `floor` is the name of what the others are divided by.
  ratios({ results, aa }, { budget, bound = ["spillway"], heading = true, floor } = {}) {
    if (heading) {
      this.columns(["ns each", "x floor", "10 %..90 %", "load idle", "rounds"]);
    }
    this.row.aa = aa;
    for (const [name, result] of results) {
      if (result.missing) {
        this.fail(name, result.missing);
        continue;
      }
      const { ns, ratio, idle, rounds } = result;
      const verdict = budget && bound.includes(name) ? this.verdict(meets(ratio, aa, budget)) : "";
      const isFloor = name === floor;
      this.line([
        name.padEnd(20),
        ns.toFixed(ns < 100 ? 1 : 0).padStart(12),
        decimals(ratio[1]).padStart(12),
        `${decimals(ratio[0])}..${decimals(ratio[2])}`.padStart(12),
        percent(idle).padStart(12),
        String(rounds).padStart(12),
        [isFloor ? "A/A" : "", verdict, idle < leastIdle ? "load-bound" : ""].filter(Boolean).join(", "),
      ]);
      this.row.servers.push({ name, ...result, isFloor, verdict, budget: bound.includes(name) ? budget : undefined });
    }
  }

  // A row of plain figures: `cells` are texts, `value` is what the chart draws.
  values(name, cells, value, extra = {}) {
    this.line([name.padEnd(20), ...cells.map((cell) => cell.padStart(12)), extra.verdict]);
    this.row.servers.push({ name, value, ...extra });
  }

  save() {
    this.progress("");
    const machine = { cpu: cpus()[0]?.model, cpus: cpus().length, kernel: release() };
    const { scenario, settings, rows } = this;
    writeFileSync(`${out}/${scenario}.json`, `${JSON.stringify({ scenario, machine, ...settings, rows }, null, 1)}\n`);
  }
}

// The chart shows the newest run of every scenario.
export function drawAll() {
  const all = readdirSync(out)
    .filter((file) => file.endsWith(".json"))
    .map((file) => JSON.parse(readFileSync(`${out}/${file}`, "utf8")))
    .filter((result) => result.rows?.[0]?.title);
  writeFileSync(`${out}/bench.svg`, chart(all));
}

// SPDX-License-Identifier: Apache-2.0
//
// From RESP bytes into the exchange, on one core and without a socket, beside a bare loop over the same bytes.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { out } from "../servers.mjs";

const least = 2;
const program = `${out}/ingest`;

export async function run({ report, quick }) {
  report.begin("RESP to a worker's inbox, validation included", `${least} M messages/s of one core`);
  if (!existsSync(program)) {
    report.line(["not measured: it is built with the libraries of build/release, SPILLWAY_BINARY names another binary"]);
    return;
  }
  report.progress("three kinds of messages");
  const { status, stdout, stderr } = spawnSync(program, [quick ? "3" : "12"], { encoding: "utf8" });
  report.progress("");
  if (status !== 0) {
    report.fail("spillway", `failed: ${stderr.trim() || status}`);
    return;
  }
  report.columns(["M/s of a core", "ns each", "bare reader", "x bare", "messages"]);
  for (const one of stdout.trim().split("\n").map((line) => JSON.parse(line))) {
    const { kind, messages, millions_per_core: millions, bare_millions: bare, ratio } = one;
    const ns = 1000 / millions;
    const cells = [millions.toFixed(2), ns.toFixed(0), bare.toFixed(2), ratio.toFixed(2), String(messages)];
    report.values(kind, cells, ns, { ...one, verdict: report.verdict(millions >= least), label: `${millions.toFixed(2)} M/s` });
  }
}

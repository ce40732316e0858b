// SPDX-License-Identifier: Apache-2.0
//
// 50 of 1,000 clients stop reading while the others go on: what do the others notice, what does each
// silent one hold in the server's kernel and memory, and what does it get when it reads again?
import { spawnSync } from "node:child_process";
import { named } from "../row.mjs";
import { interval, quantile } from "../rounds.mjs";
import { Load, missing, peers, sleep, start } from "../servers.mjs";

const clients = 1000;
const silent = 50;
const bytes = 16384;
const perSecond = 40;
const sliceMs = 2000;

// What the kernel holds for the server's side of all its connections, those included that it has
// already closed but not got rid of.
function kernelBytes(port) {
  const { stdout, error } = spawnSync("ss", ["-tmnH", "sport", "=", `:${port}`], { encoding: "utf8", maxBuffer: 1 << 28 });
  if (error) {
    throw new Error("ss is not installed (iproute2)");
  }
  return [...stdout.matchAll(/skmem:\(r(\d+),.*?,w(\d+)/g)].reduce((sum, [, r, w]) => sum + Number(r) + Number(w), 0);
}

async function withOne(name, rounds, progress) {
  const server = await start(name);
  const load = new Load(server, { clients, bytes });
  const slice = () => load.ask(`rate ${perSecond} ${sliceMs}`);
  const without = [];
  const beside = [];
  const total = { received: 0, told: 0, missing: 0, closed: 0, published: 0, code: 0 };
  let kernel = 0;
  let user = 0;
  try {
    await load.answer();
    await slice();
    for (let round = 0; round < rounds; round++) {
      progress(`${name}: round ${round + 1} of ${rounds}`);
      without.push(await slice(), await slice());
      await sleep(200);
      const before = { kernel: kernelBytes(server.port), user: server.rssBytes() };
      await load.ask(`pause ${silent}`);
      for (let i = 0; i < 4; i++) {
        beside.push(await slice());
        kernel = Math.max(kernel, (kernelBytes(server.port) - before.kernel) / silent);
        user = Math.max(user, (server.rssBytes() - before.user) / silent);
      }
      const back = await load.ask("resume");
      for (const key of ["received", "told", "missing", "closed"]) {
        total[key] += back[key];
      }
      total.published += back.published * (silent - back.closed);
      total.code = back.code || total.code;
      without.push(await slice());
    }
    return { without, beside, total, kernel, user };
  } finally {
    await load.stop();
    await server.stop();
  }
}

export async function run({ report, wanted, quick }) {
  const title = `5 % of ${clients} never read, 16 KB, ${perSecond} messages/s`;
  report.begin(title, "the others' p99 as without them, 256 KB each");
  report.columns(["p99 ms, all", "(10..90 %)", "p99, others", "kernel KB", "user KB"]);
  for (const { name } of wanted(named("spillway", ...peers))) {
    const why = missing(name);
    if (why) {
      report.fail(name, why);
      continue;
    }
    try {
      const rounds = quick ? 1 : name === "spillway" ? 5 : 2;
      const { without, beside, total, kernel, user } = await withOne(name, rounds, report.progress);
      const alone = interval(without.map(({ p99 }) => p99));
      const p99 = quantile(beside.map((slice) => slice.p99), 0.5);
      const kb = (kernel + user) / 1024;
      const verdict = name === "spillway" ? report.verdict(p99 <= alone[2] && kb <= 256) : "";
      const stayed = rounds * silent - total.closed;
      const fate = [
        total.closed && `closed ${total.closed} of ${rounds * silent} (${total.code || "reset"})`,
        stayed && (total.missing ? `${total.missing} of ${total.published} lost untold` : "all received or told"),
      ];
      report.values(
        name,
        [
          alone[1].toFixed(2),
          `${alone[0].toFixed(1)}..${alone[2].toFixed(1)}`,
          p99.toFixed(2),
          (kernel / 1024).toFixed(0),
          (user / 1024).toFixed(0),
        ],
        kb,
        { verdict, alone, p99, kernel, user, ...total, label: `${kb.toFixed(0)} KB each` },
      );
      report.line(["".padEnd(20), fate.filter(Boolean).join("; ")]);
      if (name === "spillway" && total.missing) {
        report.fail(name, "what it shed was not told");
      }
    } catch (error) {
      report.fail(name, `failed: ${error.message}`);
    }
  }
}

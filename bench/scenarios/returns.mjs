// SPDX-License-Identifier: Apache-2.0
//
// All clients but the living lose their connection and return at once, each with a token of its own: what do the living notice, and
// how long is it until all are back? Beside it the same without tokens, which is what connecting alone costs; and what the living
// notice of such a storm on a second node, which is what the machine and the clients' CPU make of it, whatever their own node does.
import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { p99Between, quantile } from "../rounds.mjs";
import { Crowd, Load, out, sleep, start } from "../servers.mjs";

const clients = 200;
const perSecond = 200;
const aloneMs = 5000;
const bound = 1.5;
// A node's descriptors are 20,000, less what the living and the node itself need.
const crowdOf = (quick) => (quick ? 5000 : 19500);

const base64 = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

// A token for each, and the key that they are verified with; made once, before anything is measured.
function makeTokens(count) {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" }));
  const files = { tokens: `${out}/returns.tokens`, key: `${out}/returns.pem` };
  const head = base64({ alg: "ES256", typ: "JWT", kid: "returns" });
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const grant = { sub: ["bench.*", "crowd.*"], pub: ["bench.*"] };
  const tokens = Array.from({ length: count }, (_, at) => {
    const text = `${head}.${base64({ sub: `client-${at}`, exp, spillway: grant })}`;
    return `${text}.${sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
  });
  writeFileSync(files.tokens, `${tokens.join("\n")}\n`);
  writeFileSync(files.key, publicKey.export({ type: "spki", format: "pem" }));
  return files;
}

const counted = ["tokens_total", "tokens_aside_total", "refused_total", "turns_total"];

const counters = async (server) => Object.fromEntries(await Promise.all(counted.map(async (name) => [name, await server.metric(name)])));

// `server`: of the living; `theirs`: of those who return.
async function oneReturn(server, theirs, load, crowd) {
  const inNode = [await server.histogram("deliver_seconds")];
  const alone = await load.ask(`rate ${perSecond} ${aloneMs}`);
  inNode.push(await server.histogram("deliver_seconds"));
  const before = { ...(await counters(theirs)), cpu: theirs.cpuNs() };
  const during = load.ask(`rate ${perSecond} 0`);
  await sleep(100);
  const back = await crowd.ask("return");
  load.say("enough");
  const beside = await during;
  const after = { ...(await counters(theirs)), cpu: theirs.cpuNs() };
  inNode.push(await server.histogram("deliver_seconds"));
  const node = [p99Between(inNode[0], inNode[1]), p99Between(inNode[1], inNode[2])];
  const passed = Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]]));
  return { alone, beside, back, node, ...passed };
}

async function withTokens({ files, nextDoor }, count, rounds, progress) {
  const flags = files ? ["--auth", "jwt", "--jwt-key-file", files.key] : ["--client-publish"];
  const tokens = files ? { tokens: files.tokens } : {};
  const server = await start("spillway", { flags, log: `${out}/returns.log` });
  const theirs = nextDoor ? await start("spillway", { flags, log: `${out}/returns.next.log`, idle: true }) : server;
  const load = new Load(server, { clients, ...tokens });
  const crowd = new Crowd(theirs, { clients: count, ...tokens });
  const results = [];
  try {
    await load.answer();
    await crowd.answer();
    for (let round = 0; round < rounds; round++) {
      progress(`round ${round + 1} of ${rounds}`);
      await sleep(500);
      results.push(await oneReturn(server, theirs, load, crowd));
    }
    return results;
  } finally {
    await crowd.stop();
    await load.stop();
    await server.stop();
    await theirs.stop();
  }
}

// `floor`: the figures of the same storm next door, where these are not its own.
function tell(report, name, results, floor) {
  const median = (pick) => quantile(results.map(pick), 0.5);
  const ratio = median(({ alone, beside }) => beside.p99 / alone.p99);
  const seconds = median(({ back }) => back.seconds);
  const aside = median((result) => result.tokens_aside_total);
  const figures = {
    p50: [median(({ alone }) => alone.p50), median(({ beside }) => beside.p50)],
    p99: [median(({ alone }) => alone.p99), median(({ beside }) => beside.p99)],
    node: [0, 1].map((at) => median(({ node }) => node[at])),
    ratio,
    toFloor: floor && median(({ beside }) => beside.p99) / floor.p99[1],
    seconds,
    half: median(({ back }) => back.median),
    aside,
    atOnce: median((result) => result.tokens_total) - aside,
    refused: median((result) => result.refused_total),
    cpu: median((result) => result.cpu / 1e9),
    results,
  };
  const verdict = floor ? report.verdict(figures.toFloor <= bound) : "";
  const cells = [
    figures.p99[0].toFixed(2), figures.p99[1].toFixed(2), ratio.toFixed(2), figures.toFloor?.toFixed(2) ?? "",
    ...[...figures.node, ...figures.p50].map((ms) => ms.toFixed(2)),
    seconds.toFixed(2), figures.half.toFixed(2), figures.aside.toFixed(0), figures.atOnce.toFixed(0), figures.refused.toFixed(0),
    figures.cpu.toFixed(2),
  ];
  report.values(name, cells, seconds, { ...figures, verdict, label: `${seconds.toFixed(1)} s, p99 x ${ratio.toFixed(2)}` });
  return figures;
}

export async function run({ report, quick, rounds }) {
  const count = crowdOf(quick);
  const files = makeTokens(count);
  const what = `${count} clients return at once beside ${clients} that read ${perSecond} messages/s`;
  report.begin(what, `their p99 within ${bound} x next door`);
  report.columns([
    "p99 ms alone", "return", "ratio", "x next door", "in node", "return", "p50 alone", "return", "all back s", "half s", "aside",
    "on the loop", "refused", "node CPU s",
  ]);
  const most = quick ? 1 : Math.min(rounds, 5);
  for (const [name, made] of [["ES256 tokens", files], ["no tokens", null]]) {
    const nextDoor = await withTokens({ files: made, nextDoor: true }, count, most, report.progress);
    const floor = tell(report, `${name}, next door`, nextDoor);
    tell(report, name, await withTokens({ files: made }, count, most, report.progress), floor);
  }
}

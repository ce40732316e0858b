// SPDX-License-Identifier: Apache-2.0
//
// Clients return with a position each, no two the same, to a topic with history that goes on meanwhile: how often is Redis read, how
// long is it until each has what it lacked, and what do clients of another topic notice?
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { Load, Stuck, out, sleep, start } from "../servers.mjs";

const topic = "h.replay";
const perSecond = 100;
const aloneMs = 5000;
const betweenMs = 500; // the topic's own messages
const batch = 500; // of the backlog; and what one read of a history fetches
const patienceMs = 300_000;

function flags() {
  const file = `${out}/replay.config.json`;
  writeFileSync(file, JSON.stringify({ topics: [{ match: "h.>", history: { size: 20_000, ttl_ms: 600_000 } }] }));
  return ["--config", file, "--ping-ms", "300000"]; // who does not read yet answers no ping
}

// {epoch, offset} of the last of `count` messages.
async function publish(server, count) {
  const body = JSON.stringify(Array.from({ length: count }, (_, n) => ({ topic, data: { n, pad: "x".repeat(100) } })));
  const answer = await (await fetch(`http://${server.admin}/v1/publish`, { method: "POST", body })).json();
  const position = answer.results?.at(-1).position;
  if (!position) {
    throw new Error(`not published: ${JSON.stringify(answer).slice(0, 200)}`);
  }
  const [epoch, offset] = position.split(":");
  return { epoch, offset: Number(offset) };
}

// How often a history was read.
function readsOf(server) {
  return new Promise((done, fail) => {
    const socket = connect(server.publishPort, "127.0.0.1", () => socket.write("INFO commandstats\r\nQUIT\r\n"));
    let text = "";
    socket.setEncoding("utf8").on("data", (part) => (text += part));
    socket.on("error", fail).on("close", () => done(Number(text.match(/cmdstat_xrange:calls=(\d+)/)?.[1] ?? 0)));
  });
}

// Until each of `count` clients has all behind its position: client i has everything up to offset i.
async function catchUp(server, stuck, count, position) {
  const begun = performance.now();
  let top = position.offset;
  let next = begun + betweenMs;
  await stuck.open();
  const opened = performance.now();
  stuck.say("read");
  for (;;) {
    if (performance.now() >= next) {
      top = (await publish(server, 1)).offset;
      next += betweenMs;
    }
    const { messages, told, open } = await stuck.ask("report");
    const owed = count * top - (count * (count - 1)) / 2;
    if (told || open < count || messages > owed || performance.now() - begun > patienceMs) {
      throw new Error(`${messages} of ${owed} messages, ${told} told, ${open} of ${count} open`);
    }
    if (messages === owed) {
      return { top, messages, opened: (opened - begun) / 1000, seconds: (performance.now() - begun) / 1000 };
    }
    await sleep(20);
  }
}

async function oneRound(count) {
  const server = await start("spillway + redis", { flags: flags(), log: `${out}/replay.log` });
  const load = new Load(server, { clients: 200 });
  let stuck;
  try {
    await load.answer();
    let position;
    for (let done = 0; done < count; done += batch) {
      position = await publish(server, Math.min(batch, count - done));
    }
    const alone = await load.ask(`rate ${perSecond} ${aloneMs}`);
    const before = { reads: await readsOf(server), cpu: server.cpuNs() };
    const during = load.ask(`rate ${perSecond} 0`);
    stuck = new Stuck(server, { address: "127.0.1.1", count, path: `/v1/ws?topic=${topic}&from=${topic}@${position.epoch}:%` });
    const back = await catchUp(server, stuck, count, position);
    const cpu = (server.cpuNs() - before.cpu) / 1e9;
    load.say("enough");
    return { alone, beside: await during, ...back, cpu, reads: (await readsOf(server)) - before.reads };
  } finally {
    await stuck?.stop();
    await load.stop();
    await server.stop();
  }
}

export async function run({ report, quick, rounds }) {
  const count = quick ? 1000 : 10_000;
  const title = `${count} clients return with as many positions, beside 200 that read ${perSecond} messages/s of another topic`;
  report.begin(title, `Redis is read once for ${batch} messages`);
  report.columns(["p99 ms alone", "beside", "p50 alone", "beside", "XRANGE", "open s", "all have s", "M messages", "node CPU s"]);
  for (let round = 0, most = quick ? 1 : Math.min(rounds, 3); round < most; round++) {
    report.progress(`round ${round + 1} of ${most}`);
    const one = await oneRound(count);
    report.progress("");
    const { alone, beside, reads, top, opened, seconds, messages, cpu } = one;
    const cells = [...[alone.p99, beside.p99, alone.p50, beside.p50].map((ms) => ms.toFixed(2)), String(reads)];
    cells.push(...[opened, seconds, messages / 1e6, cpu].map((value) => value.toFixed(2)));
    const verdict = report.verdict(reads <= top / batch + 2);
    report.values("spillway + redis", cells, seconds, { ...one, verdict, label: `${seconds.toFixed(1)} s, ${reads} reads` });
  }
}

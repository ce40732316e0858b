// SPDX-License-Identifier: Apache-2.0
//
// The chart: a panel for each row of the tables, a bar for each server, the longer the worse. Ratios
// stand on one logarithmic scale, with A/A as a band and the budget as a line.
import { isPeer } from "./servers.mjs";

const width = 900;
const left = 190;
const right = 110;
const barHeight = 16;
const order = ["topics", "batch", "payload", "sse", "redis", "ingest", "workers", "handshake", "memory", "latency", "slow", "replay"];

const escape = (text) => String(text).replace(/[<>&"]/g, (c) => `&#${c.charCodeAt(0)};`);

const style = `
  svg { background: #ffffff; font: 12px system-ui, sans-serif; }
  text { fill: #1d2430; } .soft { fill: #5f6b7c; } .title { font-weight: 600; }
  .grid { stroke: #e3e7ed; } .one { stroke: #9aa5b4; } .budget { stroke: #c2410c; stroke-width: 2; }
  .band { fill: #94a3b8; opacity: 0.3; } .range { stroke: #1d2430; stroke-width: 1.5; opacity: 0.6; }
  .ours { fill: #0e7490; } .floor { fill: #94a3b8; } .peer { fill: #c4b5fd; }
  @media (prefers-color-scheme: dark) {
    svg { background: #11161d; } text { fill: #e6eaf0; } .soft { fill: #97a3b4; }
    .grid { stroke: #28303b; } .one { stroke: #5f6b7c; } .budget { stroke: #fb923c; }
    .range { stroke: #e6eaf0; } .ours { fill: #22b8d6; } .floor { fill: #64748b; } .peer { fill: #7c6bd0; }
  }`;

const colour = ({ name, isFloor }) => (isPeer(name) ? "peer" : isFloor || /floor/.test(name) ? "floor" : "ours");

function scaleOf(low, high) {
  const span = Math.log(high) - Math.log(low);
  return (value) => left + ((Math.log(Math.min(Math.max(value, low), high)) - Math.log(low)) / span) * (width - left - right);
}

function ratioPanel(row, y) {
  const parts = [];
  const x = scaleOf(0.5, 200);
  const bottom = y + row.servers.length * (barHeight + 4);
  for (const tick of [1, 2, 5, 10, 20, 50, 100]) {
    parts.push(`<line class="${tick === 1 ? "one" : "grid"}" x1="${x(tick)}" x2="${x(tick)}" y1="${y - 4}" y2="${bottom}"/>`);
    parts.push(`<text class="soft" font-size="10" text-anchor="middle" x="${x(tick)}" y="${bottom + 11}">${tick}</text>`);
  }
  const [low, , high] = row.aa;
  parts.push(`<rect class="band" x="${x(low)}" width="${Math.max(x(high) - x(low), 1)}" y="${y - 4}" height="${bottom - y + 4}"/>`);
  const budget = row.servers.find((server) => server.budget)?.budget;
  row.servers.forEach((server, index) => {
    const top = y + index * (barHeight + 4);
    const middle = top + barHeight / 2 + 4;
    parts.push(`<text text-anchor="end" x="${left - 8}" y="${middle}">${escape(server.name)}</text>`);
    if (!server.ratio) {
      parts.push(`<text class="soft" x="${left + 4}" y="${middle}">${escape(server.missing.slice(0, 80))}</text>`);
      return;
    }
    const [from, at, to] = server.ratio.map(x);
    parts.push(`<rect class="${colour(server)}" rx="2" x="${left}" width="${Math.max(at - left, 1)}" y="${top}" height="${barHeight}"/>`);
    parts.push(`<line class="range" x1="${from}" x2="${to}" y1="${top + barHeight / 2}" y2="${top + barHeight / 2}"/>`);
    const label = server.isFloor ? "A/A" : `${server.ratio[1].toFixed(2)} x`;
    const mark = server.verdict ? ` ${server.verdict === "met" ? "✓" : "✗"}` : "";
    parts.push(`<text x="${Math.max(to, at, budget ? x(budget) : 0) + 6}" y="${middle}">${label}${mark}</text>`);
  });
  if (budget) {
    parts.push(`<line class="budget" x1="${x(budget)}" x2="${x(budget)}" y1="${y - 4}" y2="${bottom}"/>`);
  }
  return { parts, height: bottom - y + 16 };
}

function valuePanel(row, y) {
  const parts = [];
  const values = row.servers.map((server) => server.value).filter((value) => value > 0);
  const x = scaleOf(Math.min(...values) / 2, Math.max(...values, 1));
  row.servers.forEach((server, index) => {
    const top = y + index * (barHeight + 4);
    const middle = top + barHeight / 2 + 4;
    parts.push(`<text text-anchor="end" x="${left - 8}" y="${middle}">${escape(server.name)}</text>`);
    if (!(server.value > 0)) {
      parts.push(`<text class="soft" x="${left + 4}" y="${middle}">${escape(server.missing ?? server.label).slice(0, 80)}</text>`);
      return;
    }
    parts.push(`<rect class="${colour(server)}" rx="2" x="${left}" width="${x(server.value) - left}" y="${top}" height="${barHeight}"/>`);
    const mark = server.verdict ? ` ${server.verdict === "met" ? "✓" : "✗"}` : "";
    parts.push(`<text x="${x(server.value) + 6}" y="${middle}">${escape(server.label)}${mark}</text>`);
  });
  return { parts, height: row.servers.length * (barHeight + 4) };
}

export function chart(results) {
  const parts = [];
  let y = 34;
  parts.push(`<text class="title" font-size="15" x="16" y="22">Spillway's benchmarks: shorter is better, scales are logarithmic</text>`);
  const place = ({ scenario }) => (order.indexOf(scenario) + order.length + 1) % (order.length + 1);
  for (const result of [...results].sort((a, b) => place(a) - place(b))) {
    for (const row of result.rows.filter((one) => one.servers.length)) {
      y += 22;
      const budget = row.budget && `  (budget: ${row.budget})`;
      const mark = result.quick ? "  quick run" : "";
      parts.push(`<text x="16" y="${y}"><tspan class="title">${escape(row.title)}</tspan><tspan class="soft">${escape(budget + mark)}</tspan></text>`);
      y += 14;
      const panel = row.aa ? ratioPanel(row, y) : valuePanel(row, y);
      parts.push(...panel.parts);
      y += panel.height + 6;
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 12}" width="${width}" height="${y + 12}">
<style>${style}</style>
${parts.join("\n")}
</svg>
`;
}

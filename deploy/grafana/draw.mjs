#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// node deploy/grafana/draw.mjs http://PROMETHEUS:9090 [MINUTES] >dashboard.svg
// The panels of spillway.json as one picture, where there is no Grafana. (No legends beyond ten series, no thresholds.)

import { readFileSync } from 'node:fs';

const [url, minutes = '60'] = process.argv.slice(2);
if (!/^https?:/.test(url ?? '')) {
  console.error('usage: draw.mjs http://PROMETHEUS:9090 [MINUTES] >dashboard.svg');
  process.exit(2);
}
const end = Math.floor(Date.now() / 1000);
const start = end - Number(minutes) * 60;
const step = Math.max(1, Math.round((end - start) / 120));
const COLUMN = 60; // pixels; a dashboard has 24 columns
const LINE = 26;
const COLOURS = '#4e79a7 #f28e2b #e15759 #76b7b2 #59a14f #edc948 #b07aa1 #ff9da7 #9c755f #bab0ac'.split(' ');
const UNITS = { s: 's', percentunit: '%', bytes: 'B' };

const { panels } = JSON.parse(readFileSync(new URL('spillway.json', import.meta.url), 'utf8'));
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

async function series({ expr, legendFormat }) {
  const query = expr.replaceAll(/\$(job|instance)/g, '.*').replaceAll('$__rate_interval', `${4 * step}s`);
  const answer = await fetch(`${url}/api/v1/query_range?${new URLSearchParams({ query, start, end, step })}`);
  const { data, error } = await answer.json();
  if (!data) throw new Error(`${query}: ${error}`);
  return data.result.map(({ metric, values }) => ({
    name: legendFormat ? legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? '') : Object.values(metric).join(' '),
    points: values.map(([at, value]) => [at, Number(value)]).filter(([, value]) => Number.isFinite(value)),
  }));
}

function number(value, unit) {
  if (unit === 'percentunit') return `${+(value * 100).toPrecision(4)} %`;
  const [scale, letter] = [[1e9, 'G'], [1e6, 'M'], [1e3, 'k'], [1, ''], [1e-3, 'm'], [1e-6, 'u']].find(([least]) => Math.abs(value) >= least) ?? [1, ''];
  return `${+(value / scale).toPrecision(3)} ${letter}${UNITS[unit] ?? ''}`.trim();
}

// A panel's inside, w x h, from the corner at the top.
function chart(lines, unit, w, h) {
  const top = Math.max(...lines.flatMap(({ points }) => points.map(([, value]) => value)), 0) || 1;
  const bottom = h - 16 * Math.ceil(Math.min(lines.length, 10) / 2) - 14;
  const x = (at) => (8 + ((at - start) / (end - start)) * (w - 16)).toFixed(1);
  const y = (value) => (bottom - (value / top) * (bottom - 34)).toFixed(1);
  const drawn = lines.slice(0, 10).map(({ name, points }, index) => {
    const way = points.map(([at, value]) => `${x(at)},${y(value)}`).join(' ');
    const legend = `<text x="${8 + (index % 2) * (w / 2)}" y="${bottom + 16 + 16 * Math.floor(index / 2)}" fill="${COLOURS[index]}">${escape(name).slice(0, 60)}</text>`;
    return `<polyline points="${way}" fill="none" stroke="${COLOURS[index]}"/>${legend}`;
  });
  return `<path d="M8 ${bottom}H${w - 8}" stroke="#ccc"/><text x="8" y="34" fill="#888">${number(top, unit)}</text>${drawn.join('')}`;
}

async function draw({ title, type, gridPos, targets = [], fieldConfig }) {
  const [x, y, w, h] = [gridPos.x * COLUMN, gridPos.y * LINE, gridPos.w * COLUMN, gridPos.h * LINE];
  if (type === 'row') return `<text x="${x + 4}" y="${y + 18}" font-weight="bold" font-size="15">${escape(title)}</text>`;
  const unit = fieldConfig.defaults.unit;
  const lines = (await Promise.all(targets.map(series))).flat();
  const last = lines[0]?.points.at(-1)?.[1];
  const inside =
    type === 'stat'
      ? `<text x="8" y="${h / 2 + 24}" font-size="28">${last === undefined ? 'no data' : number(last, unit)}</text>`
      : type === 'table'
        ? lines.map(({ name }, index) => `<text x="8" y="${40 + 16 * index}">${escape(name)}</text>`).join('')
        : chart(lines, unit, w, h);
  return `<g transform="translate(${x} ${y})"><rect width="${w - 6}" height="${h - 6}" fill="#fff" stroke="#ddd"/><text x="8" y="18">${escape(title)}</text>${inside}</g>`;
}

const drawn = await Promise.all(panels.map(draw));
const height = Math.max(...panels.map(({ gridPos }) => (gridPos.y + gridPos.h) * LINE));
console.log(
  `<svg xmlns="http://www.w3.org/2000/svg" width="${24 * COLUMN}" height="${height}" font-family="sans-serif" font-size="12">` +
    `<rect width="100%" height="100%" fill="#f7f7f7"/>\n${drawn.join('\n')}\n</svg>`,
);

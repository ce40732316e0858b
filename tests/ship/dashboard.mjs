// SPDX-License-Identifier: Apache-2.0
//
// A dashboard of Grafana's, drawn here: each panel in its place, with what a Prometheus answers to its queries. It knows the few
// kinds, units and options that deploy/grafana/spillway.json uses, and says so where it meets another.

const WIDTH = 1680;
const ROW = 34; // of a grid unit, with its gap
const COLUMN = WIDTH / 24;
const COLOURS = ['#3a7d44', '#e0a010', '#2f6fb5', '#d2601a', '#b3261e', '#7b4fa3', '#0f8b8d', '#8a6d3b', '#5b6770', '#c2478b'];

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

// --- numbers and their units -------------------------------------------------------------------------

const scaled = (value, factor, names) => {
  let at = 0;
  while (Math.abs(value) >= factor && at < names.length - 1) [value, at] = [value / factor, at + 1];
  return `${Number(value.toPrecision(3))}${names[at]}`;
};

const UNITS = {
  short: (value) => scaled(value, 1000, ['', ' K', ' Mil', ' Bil']),
  s: (value) => (value === 0 ? '0 s' : value < 0.001 ? `${Number((value * 1e6).toPrecision(3))} µs` : value < 1 ? `${Number((value * 1000).toPrecision(3))} ms` : `${Number(value.toPrecision(3))} s`),
  bytes: (value) => scaled(value, 1024, [' B', ' KiB', ' MiB', ' GiB']),
  percentunit: (value, decimals = 1) => `${Number((value * 100).toFixed(decimals))}%`,
};

function shown(value, { unit, decimals, mappings = [] }) {
  if (Number.isNaN(value)) return mappings.find(({ options }) => options.match === 'nan')?.options.result.text ?? 'NaN';
  if (!UNITS[unit]) throw new Error(`the unit ${unit} is not drawn`);
  return UNITS[unit](value, decimals);
}

function colourOf(value, { thresholds }) {
  if (!thresholds) return COLOURS[0];
  return thresholds.steps.filter((step) => step.value === null || value >= step.value).at(-1).color;
}

// --- what is asked -----------------------------------------------------------------------------------

// What `offset 1w` shows is as far away as there is data.
const filled = (expression, { range, week }) =>
  expression.replaceAll('$job', '.*').replaceAll('$instance', '.*').replaceAll('$__rate_interval', range).replaceAll('offset 1w', `offset ${week}`);

const named = (pattern, metric) => pattern.replace(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? '') || JSON.stringify(metric);

// [{name, points: [[time, value]], metric}] of all queries of a panel.
async function seriesOf(panel, prometheus, time) {
  const answers = panel.targets.map(async ({ expr, legendFormat }) => {
    const found = await prometheus.range(filled(expr, time), time);
    return found.map(({ metric, values }) => ({ metric, name: named(legendFormat, metric), points: values.map(([at, value]) => [at, Number(value)]) }));
  });
  return (await Promise.all(answers)).flat();
}

// --- kinds of panels ---------------------------------------------------------------------------------

const pathOf = (points, x, y) =>
  points
    .map(([at, value], i) => {
      const broken = i === 0 || !Number.isFinite(points[i - 1][1]) || at - points[i - 1][0] > 5;
      return Number.isFinite(value) ? `${broken ? 'M' : 'L'}${x(at).toFixed(1)} ${y(value).toFixed(1)}` : '';
    })
    .join('');

// Of panels that are told to, without the series that were 0 all the time.
function visible(series, { overrides }) {
  const hides = overrides.some(({ matcher }) => matcher.id === 'byValue' && matcher.options.reducer === 'allIsZero');
  return hides ? series.filter(({ points }) => points.some(([, value]) => value !== 0)) : series;
}

// As Grafana stacks: each series upon those before it.
function stacked(series, { defaults }) {
  if (defaults.custom.stacking.mode !== 'normal') return series;
  const below = new Map();
  return series.map((one) => {
    const points = one.points.map(([at, value]) => {
      below.set(at, (below.get(at) ?? 0) + (Number.isFinite(value) ? value : 0));
      return [at, below.get(at)];
    });
    return { ...one, points };
  });
}

function drawLines(panel, series, { from, to }, width, height) {
  const { defaults } = panel.fieldConfig;
  const lines = stacked(visible(series, panel.fieldConfig), panel.fieldConfig);
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite);
  if (values.length === 0) return `<text class="none" x="50%" y="50%">${series.length ? 'nothing but zeros' : 'No data'}</text>`;
  const top = defaults.max ?? (Math.max(...values) * 1.1 || 1);
  const [left, right, bottom] = [62, width - 8, height - 52];
  const x = (at) => left + ((at - from) / (to - from)) * (right - left);
  const y = (value) => bottom - (Math.min(value, top) / top) * (bottom - 30);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const at = y(part * top);
    return `<line class="grid" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/><text class="tick" x="${left - 5}" y="${at + 3}">${escape(shown(part * top, defaults))}</text>`;
  });
  const paths = lines.map(({ points }, i) => `<path d="${pathOf(points, x, y)}" stroke="${COLOURS[i % COLOURS.length]}"/>`);
  const legend = lines.map(({ name }, i) => `<tspan fill="${COLOURS[i % COLOURS.length]}" dx="8">━</tspan><tspan> ${escape(name)}</tspan>`);
  return `${grid.join('')}${paths.join('')}<text class="legend" x="4" y="${height - 22}">${legend.join('')}</text>`;
}

function drawStat(panel, [first], { from, to }, width, height) {
  const points = first?.points ?? [];
  if (points.length === 0) return '<text class="none" x="50%" y="50%">No data</text>';
  const { defaults } = panel.fieldConfig;
  const value = points.at(-1)[1];
  const colour = colourOf(value, defaults);
  const top = Math.max(...points.map(([, value]) => value).filter(Number.isFinite), 0) || 1;
  const line = pathOf(points, (at) => 4 + ((at - from) / (to - from)) * (width - 8), (value) => height - 6 - (value / top) * 30);
  return `<path d="${line}" stroke="${colour}" opacity="0.6"/><text class="stat" x="50%" y="66" fill="${colour}">${escape(shown(value, defaults))}</text>`;
}

function drawTable(panel, series, time, width) {
  if (series.length === 0) return '<text class="none" x="50%" y="50%">No data</text>';
  const { excludeByName = {}, renameByName = {}, indexByName = {} } = panel.transformations?.find(({ id }) => id === 'organize')?.options ?? {};
  const fields = ['Time', ...Object.keys(series[0].metric), 'Value'].filter((name) => !excludeByName[name]);
  fields.sort((a, b) => (indexByName[a] ?? 0) - (indexByName[b] ?? 0));
  const rows = series.map(({ metric, points }) => ({ ...metric, Time: new Date(points.at(-1)[0] * 1000).toISOString(), Value: points.at(-1)[1] }));
  const lines = [fields.map((name) => renameByName[name] ?? name), ...rows.map((row) => fields.map((name) => row[name] || '-'))];
  const cell = (text, row, column) => `<text class="cell" x="${10 + (column * width) / fields.length}" y="${48 + row * 22}" ${row ? '' : 'font-weight="bold"'}>${escape(text)}</text>`;
  return lines.map((line, row) => line.map((text, column) => cell(text, row, column)).join('')).join('');
}

const KINDS = { timeseries: drawLines, stat: drawStat, table: drawTable };

// --- the page ----------------------------------------------------------------------------------------

async function drawPanel(panel, prometheus, time) {
  const { x, y, w, h } = panel.gridPos;
  const [width, height] = [w * COLUMN - 8, h * ROW - 8];
  const place = `transform="translate(${x * COLUMN + 4} ${y * ROW + 4})"`;
  if (panel.type === 'row') return { svg: `<text class="row" ${place} y="20">${escape(panel.title)}</text>` };
  if (!KINDS[panel.type]) throw new Error(`a panel of the kind ${panel.type} is not drawn`);
  const series = await seriesOf(panel, prometheus, time);
  const inner = KINDS[panel.type](panel, series, time, width, height);
  const told = panel.description ? ` <tspan class="told">${escape(panel.description)}</tspan>` : '';
  const svg = `<svg x="${x * COLUMN + 4}" y="${y * ROW + 4}" width="${width}" height="${height}"><rect class="panel" width="100%" height="100%"/>
    <text class="title" x="8" y="18">${escape(panel.title)}${told}</text>${inner}</svg>`;
  return { svg, empty: series.every(({ points }) => points.every(([, value]) => !Number.isFinite(value))) && panel.title };
}

const STYLE = `body{margin:0;font:11px sans-serif;background:#f4f5f5} path{fill:none;stroke-width:1.4} .panel{fill:#fff;stroke:#d5d9dd}
  .row{font-size:15px;font-weight:bold} .title{font-size:12px;font-weight:bold} .told{font-weight:normal;fill:#777;font-size:10px}
  .grid{stroke:#e6e9ec} .tick{text-anchor:end;font-size:10px;fill:#555} .legend{font-size:10px} .stat{font-size:30px;text-anchor:middle}
  .none{text-anchor:middle;font-size:14px;fill:#b3261e} .cell{font-size:12px}`;

// {html, empty}: the page, and the titles of panels that show nothing. `time`: from and to in seconds, step, `range` in place of
// $__rate_interval, `week` in place of a week.
export async function draw({ panels }, prometheus, time) {
  const drawn = await Promise.all(panels.map((panel) => drawPanel(panel, prometheus, time)));
  const bottom = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h)) * ROW + 8;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${bottom}">${drawn.map(({ svg }) => svg).join('\n')}</svg>`;
  return {
    html: `<!doctype html><meta charset="utf-8"><style>${STYLE}</style>${svg}`,
    empty: drawn.map(({ empty }) => empty).filter(Boolean),
    width: WIDTH,
    height: bottom,
  };
}

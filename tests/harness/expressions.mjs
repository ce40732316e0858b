// SPDX-License-Identifier: Apache-2.0
//
// Which metrics and labels an expression names, and whether a scrape has them.

const WORDS = new Set('and or unless by on without ignoring group_left group_right bool offset inf nan'.split(' '));
const GIVEN_BY_SCRAPE = ['job', 'instance'];

// [{name, labels}] of the selectors, and the labels by which is summed or joined.
function namesIn(expression) {
  const grouped = [];
  const bare = expression
    .replace(/\[[^\]]*\]/g, '')
    .replace(/\boffset\s+\w+/g, '')
    .replace(/\b(by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)/g, (_, word, list) => {
      grouped.push(...list.split(',').map((label) => label.trim()));
      return '';
    });
  const selectors = [];
  for (const [, name, call, selector = ''] of bare.matchAll(/(?<![\w:."])([a-zA-Z_:][\w:]*)\s*(\()?(?:\{((?:"(?:[^"\\]|\\.)*"|[^}"])*)\})?/g)) {
    if (call || WORDS.has(name.toLowerCase())) continue;
    selectors.push({ name, labels: [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label]) => label) });
  }
  return { selectors, grouped: grouped.filter(Boolean) };
}

// name -> set of its labels, of the text of /metrics.
export function labelsOf(text) {
  const known = new Map([['up', new Set()]]);
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$/.exec(line);
    if (!match) continue;
    const labels = known.get(match[1]) ?? new Set();
    for (const [, label] of (match[2] ?? '').matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)) labels.add(label);
    known.set(match[1], labels);
  }
  return known;
}

// What `expression` names that neither the scrape nor `recorded` (names of recording rules) has, in words.
export function strangersIn(expression, known, recorded = new Set()) {
  const { selectors, grouped } = namesIn(expression);
  const found = [];
  const there = new Set(GIVEN_BY_SCRAPE);
  for (const { name, labels } of selectors) {
    if (recorded.has(name)) continue;
    const own = known.get(name);
    if (!own) {
      found.push(`no metric ${name}`);
      continue;
    }
    own.forEach((label) => there.add(label));
    for (const label of labels) {
      if (!own.has(label) && !GIVEN_BY_SCRAPE.includes(label)) found.push(`${name} has no label ${label}`);
    }
  }
  for (const label of grouped) if (!there.has(label)) found.push(`nothing has a label ${label}`);
  if (selectors.length === 0) found.push('names no metric');
  return found;
}

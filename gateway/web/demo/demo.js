// SPDX-License-Identifier: Apache-2.0

// The live page: a grid of instruments fed by one pattern subscription, a publish box, and a second subscription of the
// visitor's choice. Frames change a small model; the screen is drawn from it once per animation frame, however many came.
// Payloads reach the page as text nodes only.

import { Spillway } from '/client.mjs';
import { Throughput, drawSparkline, forgetColours } from './demo-chart.js';

const SEPARATORS = ['.', ':', '/'];
const TREND_LENGTH = 60;
const ROWS_MAX = 60;
const FEED_MAX = 50;
const PAYLOAD_SHOWN = 400;
const HINT_AFTER_MS = 2_500;
const QUIET_AFTER_MS = 3_000;
const QUIET_HINT_AFTER_MS = 15_000;
const PING_EVERY_MS = 5_000;

const $ = (id) => document.getElementById(id);
const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) {
    node.className = className;
  }
  if (text !== undefined) {
    node.textContent = text;
  }
  return node;
}

// Writing the same text again would still invalidate layout and repeat live-region announcements.
function setText(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/* ---- topics ---- */

// The gateway's topic separator is the operator's choice (--topic-separator), and the page learns it by asking: the pattern is
// a bad topic under any other.
let separator = SEPARATORS[0];
let ticks = spell('demo.ticks.>');

function spell(topic) {
  return topic.replaceAll('.', separator);
}

function tryNextSeparator() {
  const next = SEPARATORS[SEPARATORS.indexOf(separator) + 1];
  if (!next) {
    return false;
  }
  const respell = (text) => text.replaceAll(separator, next);
  for (const node of document.querySelectorAll('[data-topic]')) {
    node.textContent = respell(node.textContent);
  }
  for (const input of [$('publish-topic'), $('watch-topic')]) {
    if (input.value === spell('demo.chat')) {
      input.value = respell(input.value);
    }
  }
  const watching = watch.topic;
  separator = next;
  ticks = spell('demo.ticks.>');
  showSnippet();
  subscribeTicks();
  if ($('watch-topic').value !== watching) {
    changeWatch($('watch-topic').value);
  }
  return true;
}

/* ---- the model ---- */

const rows = new Map();
const dirtyRows = new Set();
const throughput = new Throughput();
const missed = { counted: 0, unknown: 0, byReason: new Map() };
const link = { state: 'connecting', detail: {}, feedStale: false, ticksReady: 0, lastTick: 0, sessions: 0 };
const watch = { topic: $('watch-topic').value, subscription: null, served: false };
let total = 0;
let rowsFull = false;
let feedPending = [];
let drawRequested = false;

function requestDraw() {
  if (!drawRequested) {
    drawRequested = true;
    requestAnimationFrame(draw);
  }
}

/* ---- what the client says ---- */

function count() {
  total += 1;
  throughput.add();
  requestDraw();
}

function onTicks(frame) {
  count();
  onTick(frame);
  if (watch.topic === ticks) {
    onWatched(frame);
  }
}

function onWatched(frame) {
  pushFeed({ topic: frame.topic, text: payloadText(frame) });
}

function onTick({ topic, data }) {
  link.lastTick = performance.now();
  const price = data?.price;
  if (typeof price !== 'number' || !Number.isFinite(price)) {
    return;
  }
  let row = rows.get(topic);
  if (!row) {
    if (rows.size >= ROWS_MAX) {
      rowsFull = true;
      return;
    }
    row = createRow(topic, typeof data.symbol === 'string' ? data.symbol : topic.slice(ticks.length - 1));
    rows.set(topic, row);
  }
  row.opening ??= price;
  row.price = price;
  row.change = typeof data.change === 'number' ? data.change : (row.opening ? (price / row.opening - 1) * 100 : 0);
  row.volume = typeof data.volume === 'number' ? data.volume : null;
  row.trend.push(price);
  if (row.trend.length > TREND_LENGTH) {
    row.trend.shift();
  }
  dirtyRows.add(row);
}

function onGap({ topic, count: size, reason = 'unknown' }) {
  if (topic === watch.topic) {
    pushFeed({ gap: gapWords(size, reason) });
  }
  // Between two sessions each topic has a gap; the page counts one.
  if (typeof size === 'number') {
    missed.counted += size;
    missed.byReason.set(reason, (missed.byReason.get(reason) ?? 0) + size);
  } else if (!['handover', 'reconnect'].includes(reason)) {
    missed.unknown += 1;
  }
  requestDraw();
}

function gapWords(size, reason) {
  switch (reason) {
    case 'handover': return 'Moved to another node: what was sent in that moment may be missing';
    case 'reconnect': return 'Reconnected: what was sent in between was not seen';
    case 'reset': return 'The stream was recreated here: what came before is no longer current';
  }
  const words = typeof size === 'number' ? `${whole.format(size)} ${size === 1 ? 'message' : 'messages'}` : 'Some messages';
  return `${words} missed here (${reason})`;
}

function onFeed({ state, gap }) {
  link.feedStale = state === 'stale';
  showNotice(link.feedStale ? 'The gateway lost its bus: what is shown here may be old.' : '');
  if (state === 'live' && gap) {
    missed.unknown += 1;
  }
  showState();
  requestDraw();
}

function onError({ code, message, topic }) {
  if (topic === ticks && code === 'bad_topic' && tryNextSeparator()) {
    return;
  }
  if (topic === watch.topic) {
    watch.served = false;
    showWatch(message, 'bad');
  }
  if (topic === ticks) {
    showNotice(`${ticks} could not be subscribed: ${message}`);
  } else if (!topic) {
    showNotice(`The gateway refused a request: ${message}`);
  }
}

// A refusal comes to `onError`.
function subscribeTicks() {
  client.subscribe(ticks, onTicks).ready.then(showTicksServed, () => {});
}

function showTicksServed() {
  link.ticksReady = performance.now();
  showNotice('');
  showState();
}

function subscribeWatch() {
  const { topic } = watch;
  const subscription = client.subscribe(topic, (frame) => {
    count();
    onWatched(frame);
  });
  watch.subscription = subscription;
  const isShown = () => watch.subscription === subscription;
  subscription.ready.then(() => isShown() && showWatchServed(), () => {});
}

function showWatchServed() {
  watch.served = true;
  showWatch('subscribed', 'good');
}

function payloadText(frame) {
  const text = frame.text ?? (frame.b64 !== undefined ? `base64 ${frame.b64}` : JSON.stringify(frame.data) ?? '');
  return text.length > PAYLOAD_SHOWN ? `${text.slice(0, PAYLOAD_SHOWN)} … (${whole.format(text.length)} characters)` : text;
}

/* ---- the token ---- */

const TOKEN_WORDS = 'Put one behind the address of this page: #token=TOKEN';

// What stands behind the # is sent to no server.
function tokenOfPage() {
  return new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
}

// A connection goes on with it; one that has ended, or has none to go on with, begins anew.
addEventListener('hashchange', async () => {
  if (client.state !== 'open' || !tokenOfPage()) {
    client.close();
    connect();
    return;
  }
  try {
    await client.refresh(tokenOfPage());
    showNotice('');
  } catch (error) {
    showNotice(`The gateway refused the token: ${error.message}`);
  }
});

/* ---- the connection's state, in words ---- */

function onState(detail) {
  link.state = detail.state;
  link.detail = detail;
  if (detail.state === 'open') {
    onOpen(detail);
  } else if (!detail.handover) {
    showWatch('', '');
  }
  if (detail.state === 'waiting') {
    link.until = performance.now() + detail.ms;
  }
  if (detail.state === 'closed') {
    showNotice(endedWords(detail));
  }
  if (detail.code === 4008) {
    showNotice(`The gateway asks for a token. ${TOKEN_WORDS}`);
  }
  showState();
  requestDraw();
}

function onOpen({ node, session }) {
  link.sessions += 1;
  // A session is live by what it brought itself, not by what the one before did.
  link.lastTick = 0;
  setText($('node'), node ?? '–');
  setText($('session'), session ? `session ${session}` : '');
  if (link.sessions > 1) {
    missed.unknown += 1;
    link.ticksReady &&= performance.now();
    if (watch.served) {
      showWatchServed();
    }
  }
  ping();
}

async function ping() {
  if (client.state !== 'open') {
    return;
  }
  try {
    const ms = await client.ping();
    setText($('round-trip'), `${ms < 10 ? ms.toFixed(1) : whole.format(ms)} ms`);
  } catch {
    // The state says what is wrong.
  }
}

function endedWords({ code, reason }) {
  if (code === 4501) {
    return `The gateway does not take this page's token${reason ? `: ${reason}` : ''}. ${TOKEN_WORDS} (4501)`;
  }
  return `The gateway closed the connection for good${reason ? `: ${reason}` : ''}. (${code}) Reload the page to try again.`;
}

function describeState() {
  const now = performance.now();
  switch (link.state) {
    case 'connecting':
      return ['connecting', link.sessions ? 'Reconnecting' : 'Connecting', ''];
    case 'waiting':
      return ['reconnecting', 'Reconnecting', `in ${Math.max(0, (link.until - now) / 1000).toFixed(1)} s`];
    case 'closed':
      return ['ended', 'Ended', `code ${link.detail.code}`];
  }
  if (link.feedStale) {
    return ['stale', 'Stale', 'the gateway lost its bus'];
  }
  if (!link.lastTick) {
    return ['quiet', 'Connected', link.sessions > 1 ? 'waiting for data' : 'no data yet'];
  }
  const silence = now - link.lastTick;
  if (silence > QUIET_AFTER_MS) {
    return ['quiet', 'Connected', `quiet for ${whole.format(silence / 1000)} s`];
  }
  return ['live', 'Live', ''];
}

function showState() {
  const [kind, word, note] = describeState();
  $('state').dataset.state = kind;
  setText($('state-word'), word);
  setText($('state-note'), note);
  $('market').dataset.aged = String(['reconnecting', 'stale', 'ended'].includes(kind));
  showHint();
}

function showHint() {
  const now = performance.now();
  const ready = link.state === 'open' && link.ticksReady > 0 && !link.feedStale;
  const never = ready && rows.size === 0 && now - link.ticksReady > HINT_AFTER_MS;
  const stopped = ready && rows.size > 0 && now - Math.max(link.lastTick, link.ticksReady) > QUIET_HINT_AFTER_MS;
  $('hint').hidden = !(never || stopped);
  $('grid').hidden = never;
  if (stopped) {
    setText($('hint-lead'), `Connected, and nothing is being published to ${ticks} now.`);
  }
}

function showNotice(words) {
  setText($('notice'), words);
  $('notice').hidden = !words;
}

/* ---- drawing ---- */

function draw() {
  drawRequested = false;
  for (const row of dirtyRows) {
    drawRow(row);
  }
  if (dirtyRows.size && $('grid').hidden) {
    showHint();
  }
  dirtyRows.clear();
  drawFeed();
  setText($('total'), whole.format(total));
  drawMissed();
  if (link.state === 'open' && $('state').dataset.state !== 'live' && link.lastTick) {
    showState();
  }
}

function drawMissed() {
  const { counted, unknown, byReason } = missed;
  const parts = [...byReason].map(([reason, count]) => `${reason} ${whole.format(count)}`);
  if (unknown) {
    parts.push(`${unknown} ${unknown === 1 ? 'gap' : 'gaps'} of unknown size`);
  }
  setText($('missed'), whole.format(counted));
  setText($('missed-note'), parts.join(' · ') || 'no gap so far');
  $('missed-fact').dataset.some = String(counted + unknown > 0);
}

function createRow(topic, symbol) {
  const node = element('tr');
  const head = element('th');
  head.scope = 'row';
  const listen = element('button', 'symbol', symbol);
  listen.type = 'button';
  listen.title = `Listen to ${topic}`;
  listen.addEventListener('click', () => changeWatch(topic));
  head.append(listen);
  const trend = element('canvas');
  trend.setAttribute('role', 'img');
  trend.setAttribute('aria-label', `Trend of ${symbol}`);
  const cells = {
    trend: element('td', 'trend'),
    price: element('td', 'number price'),
    change: element('td', 'number change'),
    volume: element('td', 'number volume'),
  };
  cells.trend.append(trend);
  const price = element('span', 'flash');
  cells.price.append(price);
  node.append(head, cells.trend, cells.price, cells.change, cells.volume);

  const after = [...rows.values()].filter((other) => other.symbol > symbol).sort((a, b) => (a.symbol < b.symbol ? -1 : 1))[0];
  $('rows').insertBefore(node, after?.node ?? null);
  return { topic, symbol, node, canvas: trend, priceNode: price, cells, shown: null, trend: [], opening: null };
}

function drawRow(row) {
  const { price, change, volume, shown, priceNode, cells } = row;
  setText(priceNode, price.toLocaleString('en-US', fractions(Math.abs(price) < 1 ? 4 : 2)));
  const sign = change > 0 ? '+' : change < 0 ? '−' : '';
  setText(cells.change, `${sign}${Math.abs(change).toLocaleString('en-US', fractions(2))} %`);
  cells.change.dataset.way = change > 0 ? 'up' : change < 0 ? 'down' : 'flat';
  setText(cells.volume, volume === null ? '–' : whole.format(volume));
  drawSparkline(row.canvas, row.trend, TREND_LENGTH);
  if (shown !== null && shown !== price) {
    flash(priceNode, price > shown ? 'up' : 'down');
  }
  row.shown = price;
}

function fractions(digits) {
  return { minimumFractionDigits: digits, maximumFractionDigits: digits };
}

function flash(node, way) {
  node.dataset.way = way;
  if (!reducedMotion.matches) {
    node.getAnimations().forEach((running) => running.cancel());
    node.animate([{ backgroundColor: `var(--${way}-wash)` }, { backgroundColor: 'transparent' }], { duration: 900, easing: 'ease-out' });
  }
}

/* ---- the second subscription ---- */

function pushFeed(entry) {
  entry.at = new Date();
  feedPending.push(entry);
  // A hidden page draws nothing for hours; only what could still be shown is kept.
  if (feedPending.length > FEED_MAX) {
    feedPending.shift();
  }
  requestDraw();
}

function drawFeed() {
  if (!feedPending.length) {
    return;
  }
  const feed = $('feed');
  for (const entry of feedPending) {
    const item = element('li', entry.gap ? 'gap' : '');
    item.append(element('time', '', entry.at.toLocaleTimeString('en-GB')));
    if (entry.gap) {
      item.append(element('span', 'payload', entry.gap));
    } else {
      if (entry.topic !== watch.topic) {
        item.append(element('span', 'topic', entry.topic));
      }
      item.append(element('span', 'payload', entry.text));
    }
    feed.prepend(item);
  }
  feedPending = [];
  while (feed.childElementCount > FEED_MAX) {
    feed.lastElementChild.remove();
  }
  $('feed-empty').hidden = true;
}

function changeWatch(topic) {
  $('watch-topic').value = topic;
  if (topic === watch.topic && $('watch-note').dataset.kind === 'good') {
    return;
  }
  watch.subscription?.unsubscribe();
  Object.assign(watch, { topic, subscription: null, served: false });
  feedPending = [];
  $('feed').replaceChildren();
  // A pattern may bring dozens of messages a second, which no screen reader should read out.
  $('feed').setAttribute('aria-live', /[*>]$/.test(topic) || topic.startsWith(ticks.slice(0, -1)) ? 'off' : 'polite');
  $('feed-empty').hidden = false;
  if (topic === ticks) {
    showWatch('the table’s own stream', 'good');
    return;
  }
  showWatch('', '');
  subscribeWatch();
}

function showWatch(words, kind) {
  setText($('watch-note'), words);
  $('watch-note').dataset.kind = kind;
}

$('watch').addEventListener('submit', (event) => {
  event.preventDefault();
  changeWatch($('watch-topic').value.trim());
});

/* ---- publishing ---- */

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function showPayloadKind() {
  setText($('payload-kind'), isJson($('publish-data').value) ? 'JSON, sent as it is' : 'Text, sent as a JSON string');
}

async function publish() {
  const topic = $('publish-topic').value.trim();
  const text = $('publish-data').value;
  // JSON goes out as typed, not re-printed: the gateway carries a payload byte for byte, and so does the page.
  const data = isJson(text) ? text : JSON.stringify(text);
  const result = $('publish-result');
  result.dataset.kind = '';
  try {
    const start = performance.now();
    const { epoch, offset } = await client.publish(topic, data, { raw: true });
    const position = epoch ? ` at ${epoch}:${offset}` : '';
    result.textContent = `Published to ${topic}${position} in ${(performance.now() - start).toFixed(1)} ms.`;
    result.dataset.kind = 'good';
  } catch (error) {
    result.textContent = `${error.message}${error.outcome === 'unknown' ? ' Whether it was published is unknown.' : ''}`;
    result.dataset.kind = 'bad';
  }
}

$('publish').addEventListener('submit', (event) => {
  event.preventDefault();
  publish();
});
$('publish-data').addEventListener('input', showPayloadKind);
$('publish-data').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    $('publish').requestSubmit();
  }
});
$('hint-fill').addEventListener('click', () => {
  $('publish-topic').value = spell('demo.ticks.ACME');
  $('publish-data').value = '{"price":101.25}';
  showPayloadKind();
  $('publish-button').focus();
});
showPayloadKind();

/* ---- start ---- */

const base = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/ws`;

let client;

function connect() {
  client = new Spillway(base, { token: tokenOfPage() });
  client.on('state', onState);
  client.on('gap', onGap);
  client.on('feed', onFeed);
  client.on('error', onError);
  client.on('expiring', ({ inMs }) => showNotice(`The token ends in ${whole.format(inMs / 1000)} s. ${TOKEN_WORDS}`));
  link.ticksReady = 0;
  watch.served = false;
  subscribeTicks();
  if (watch.topic !== ticks) {
    subscribeWatch();
  }
}

function showSnippet() {
  $('snippet').textContent = `new WebSocket('${base}?topic=${ticks}').onmessage = (event) => console.log(event.data)`;
}
showSnippet();

function redrawAll() {
  forgetColours();
  rows.forEach((row) => dirtyRows.add(row));
  throughput.draw($('rate-chart'));
  requestDraw();
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawAll);
addEventListener('resize', redrawAll);

setInterval(() => {
  setText($('rate'), whole.format(throughput.rate()));
  const extra = rowsFull ? ', others are not shown' : '';
  setText($('market-note'), rows.size ? `${rows.size} topics${extra}` : '');
  throughput.draw($('rate-chart'));
  showState();
}, 250);

setInterval(ping, PING_EVERY_MS);

connect();

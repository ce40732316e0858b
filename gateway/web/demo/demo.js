// SPDX-License-Identifier: Apache-2.0

// The live page: a grid of instruments fed by one pattern subscription, a publish box, and a second subscription of the
// visitor's choice. Frames change a small model; the screen is drawn from it once per animation frame, however many came.
// Payloads reach the page as text nodes only.

import { Connection } from './demo-connection.js';
import { Throughput, drawSparkline, forgetColours } from './demo-chart.js';

const SEPARATORS = ['.', ':', '/'];
const TREND_LENGTH = 60;
const ROWS_MAX = 60;
const FEED_MAX = 50;
const PAYLOAD_SHOWN = 400;
const HINT_AFTER_MS = 2_500;
const QUIET_AFTER_MS = 3_000;
const QUIET_HINT_AFTER_MS = 15_000;

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
  connection.url = streamUrl();
  showSnippet();
  subscribe(ticks);
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
const watch = { topic: $('watch-topic').value };
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

/* ---- frames ---- */

function onFrame(frame) {
  switch (frame.type) {
    case 'msg': return onMessage(frame);
    case 'dropped': return onDropped(frame);
    case 'reset': return onReset(frame);
    case 'feed': return onFeed(frame);
    case 'subscribed': return frame.subs?.forEach(onSubscribed);
    case 'unsubscribed': return onUnsubscribed(frame);
    case 'expiring': return showNotice(`The token ends in ${whole.format(frame.in_ms / 1000)} s. ${TOKEN_WORDS}`);
    case 'error': return showNotice(`The gateway refused a request: ${frame.error?.message ?? 'no reason given'}`);
  }
}

function onMessage(frame) {
  total += 1;
  throughput.add();
  // Each subscription is a stream of its own: `sub` names the pattern by which a message came.
  const subscription = frame.sub ?? frame.topic;
  if (subscription === ticks) {
    onTick(frame);
  }
  if (subscription === watch.topic) {
    pushFeed({ topic: frame.topic, text: payloadText(frame) });
  }
  requestDraw();
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

function onDropped({ topic, sub, count, reason = 'unknown' }) {
  if (typeof count === 'number') {
    missed.counted += count;
    missed.byReason.set(reason, (missed.byReason.get(reason) ?? 0) + count);
  } else {
    missed.unknown += 1;
  }
  if ((sub ?? topic) === watch.topic) {
    const size = typeof count === 'number' ? `${whole.format(count)} ${count === 1 ? 'message' : 'messages'}` : 'Some messages';
    pushFeed({ gap: `${size} missed here (${reason})` });
  }
  requestDraw();
}

function onReset({ topic }) {
  missed.unknown += 1;
  if (topic === watch.topic) {
    pushFeed({ gap: 'The stream was recreated here: what came before is no longer current' });
  }
  requestDraw();
}

function onFeed({ state, gap }) {
  link.feedStale = state === 'stale';
  if (state === 'live' && gap) {
    missed.unknown += 1;
  }
  showState();
  requestDraw();
}

function onSubscribed({ topic, error }) {
  if (error) {
    if (topic === ticks && error.code === 'bad_topic' && tryNextSeparator()) {
      return;
    }
    if (topic === watch.topic) {
      showWatch(error.message ?? error.code, 'bad');
    }
    if (topic === ticks) {
      showNotice(`${ticks} could not be subscribed: ${error.message ?? error.code}`);
    }
    if (error.retry) {
      setTimeout(() => subscribe(topic), error.retry_ms ?? 2000);
    }
    return;
  }
  if (topic === ticks) {
    link.ticksReady = performance.now();
    showNotice('');
  }
  if (topic === watch.topic) {
    showWatch('subscribed', 'good');
  }
  showState();
}

function onUnsubscribed({ topics = [], reason, retry }) {
  for (const topic of topics) {
    if (reason && topic === watch.topic) {
      showWatch(`ended: ${reason}`, 'bad');
    }
    if (reason && topic === ticks) {
      showNotice(`The gateway ended the subscription to ${ticks}: ${reason}`);
    }
    if (reason && retry) {
      setTimeout(() => subscribe(topic), 2000);
    }
  }
}

function subscribe(topic) {
  if (topic === ticks || topic === watch.topic) {
    connection.post({ type: 'subscribe', id: connection.nextId++, subs: [{ topic }] });
  }
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

addEventListener('hashchange', async () => {
  try {
    await connection.renew(tokenOfPage());
    showNotice('');
  } catch (error) {
    showNotice(`The gateway refused the token: ${error.message}`);
  }
});

/* ---- the connection's state, in words ---- */

function onState(state, detail) {
  link.state = state;
  link.detail = detail;
  if (state === 'open') {
    link.sessions += 1;
    link.feedStale = false;
    link.ticksReady = 0;
    // A session is live by what it brought itself, not by what the one before did.
    link.lastTick = 0;
    setText($('node'), detail.node ?? '–');
    setText($('session'), detail.session ? `session ${detail.session}` : '');
    if (link.sessions > 1) {
      // Topics without history say nothing of the time between two sessions, so the page does.
      missed.unknown += 1;
      pushFeed({
        gap: detail.handover ? 'Moved to another node: what was sent in that moment may be missing'
          : 'Reconnected: what was sent in between was not seen',
      });
    }
    if (watch.topic !== ticks) {
      subscribe(watch.topic);
    }
  } else {
    showWatch('', '');
  }
  if (state === 'ended') {
    showNotice(endedWords(detail));
  }
  if (detail.code === 4008) {
    showNotice(`The gateway asks for a token. ${TOKEN_WORDS}`);
  }
  showState();
  requestDraw();
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
      return ['reconnecting', 'Reconnecting', `in ${Math.max(0, (link.detail.until - now) / 1000).toFixed(1)} s`];
    case 'ended':
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
  if (watch.topic !== ticks && watch.topic !== topic) {
    connection.post({ type: 'unsubscribe', id: connection.nextId++, topics: [watch.topic] });
  }
  watch.topic = topic;
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
  subscribe(topic);
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
    const reply = await connection.request('publish', `"topic":${JSON.stringify(topic)},"data":${data}`);
    const position = reply.epoch ? ` at ${reply.epoch}:${reply.offset}` : '';
    result.textContent = `Published to ${topic}${position} in ${reply.tookMs.toFixed(1)} ms.`;
    result.dataset.kind = 'good';
  } catch (error) {
    result.textContent = `${error.message}${error.unknown ? ' Whether it was published is unknown.' : ''}`;
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
function streamUrl() {
  return `${base}?topic=${encodeURIComponent(ticks)}`;
}

function showSnippet() {
  $('snippet').textContent = `new WebSocket('${base}?topic=${ticks}').onmessage = (event) => console.log(event.data)`;
}
showSnippet();

const connection = new Connection(streamUrl(), {
  onState,
  onFrame,
  onRoundTrip(ms) {
    setText($('round-trip'), `${ms < 10 ? ms.toFixed(1) : whole.format(ms)} ms`);
  },
});

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

connection.token = tokenOfPage();
connection.open();

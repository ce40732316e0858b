// SPDX-License-Identifier: Apache-2.0
//
// The client of Spillway's protocol (PROTOCOL.md), for browsers and Node 18 and later, with no dependency:
//
//   const spillway = new Spillway('https://example.com', { getToken: async () => (await fetch('/token')).text() });
//   spillway.on('gap', ({ topic, reason }) => refetch(topic));
//   spillway.subscribe('orders.eu', { mode: 'all' }, ({ data }) => show(data));
//
// `Spillway` holds what is wanted and decides when and how to connect. A link is one connection, with what was asked on it; a
// carrier below it (`openSocket`, `openStream`) makes its bytes. There are two links only while one takes over from the other:
// each subscription moves by itself, when the new link has said `subscribed`, and from then on hears the new one alone.
//
// It is served without its comments, which stand on lines of their own, and at /client.js as a classic script: embed.cmake, which
// knows the one `export`.

const BACK_OFF_MS = 500;
const BACK_OFF_CAP_MS = 20000;
// How long an answer may take, a connection, and a heartbeat beyond its time.
const PATIENCE_MS = 10000;
// How long, in ms, and at how many messages what two links bring is looked at for what comes twice.
const OVERLAP = 1000;
const STREAM_TOPICS = 32;
const REQUEST_TOPICS = 100;

// Whether what broke on its way was published nobody knows.
const BROKEN = { code: 'disconnected', retry: true, outcome: 'unknown' };

// What the server calls an error, as an Error. Of its own the client has `closed` (by the page, or for good), `timeout` (no answer
// in time), `disconnected` (before an answer), `cancelled` (by `unsubscribe`), and `connect` (no token, or none could be begun).
const failure = ({ code = 'internal', message = code, retry = false, retry_ms: retryMs, outcome } = {}, topic) =>
  Object.assign(new Error(message), { code, retry, retryMs, outcome, topic });

// A listener's fault is the page's and is told there; it stops no stream.
function call(listener, ...values) {
  try {
    listener(...values);
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}

// One topic or pattern, as long as it is wanted, over however many links. It knows where its stream is, and tells `onGap` what is
// missing there.
class Subscription {
  link = null;
  waits = 0;
  #asks;
  #position;
  #ordered;
  #begun = false;
  #replay = 0;

  constructor(topic, { mode, maxHz, from, last }, handlers) {
    Object.assign(this, handlers, { topic });
    this.#asks = { topic, mode, max_hz: maxHz, last };
    this.#position = from && { ...from };
    this.#ordered = (!mode || mode === 'all') && !maxHz;
    this.ready = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.ready.catch(() => {});
  }

  // The place behind which it goes on: {epoch, offset}; none where the topic has no history.
  get position() {
    return this.#position && { ...this.#position };
  }

  // What a server is asked for: to go on where it was, or at first, and where that cannot be, for the newest.
  get wish() {
    const from = (this.#ordered || !this.#begun) && this.#position;
    return from ? { ...this.#asks, from, last: undefined } : this.#asks;
  }

  // A link serves it from here on. `reason`: why there was another one before.
  begin(link, { epoch, offset, resumed, why, replay = 0 }, reason) {
    const before = this.#position;
    const again = this.#begun;
    this.link = link;
    this.#begun = true;
    this.#replay = replay;
    if (why === 'mode') this.#ordered = false;
    const start = offset - replay;
    const reached = before && (resumed || before.epoch === epoch) ? before.offset : start;
    this.#position = epoch === undefined ? null : { epoch, offset: resumed ? reached : Math.max(reached, start) };
    if (!resumed && (again || before)) this.onGap({ reason: again ? reason : 'resume', why, ...this.#position });
    this.resolve(this.position);
  }

  // Is this message new? Two links may both have brought it, and one that was asked for the newest brings it again.
  admit({ offset }) {
    const at = this.#position;
    if (offset === undefined || !at) return true;
    const replayed = this.#replay-- > 0;
    if (offset <= at.offset && (this.#ordered || replayed)) return false;
    this.#expect(offset);
    at.offset = Math.max(offset, at.offset);
    return true;
  }

  #expect(offset) {
    const { epoch, offset: reached } = this.#position;
    if (!this.#ordered || offset <= reached + 1) return;
    this.onGap({ reason: 'jump', count: offset - reached - 1, epoch, from: reached + 1, to: offset - 1 });
  }

  dropped({ count, reason, epoch, from, to }) {
    const at = this.#position;
    if (reason === 'conflated' || reason === 'paced') this.#ordered = false;
    if (at && to !== undefined) {
      if (to <= at.offset) return;
      this.#expect(from);
      this.#position = { epoch, offset: to };
    }
    this.onGap({ reason, count, epoch, from, to });
  }

  // The same stream under a new name.
  epoch({ epoch, offset }) {
    this.#position = { epoch, offset: this.#position?.offset ?? offset };
  }

  reset({ epoch, offset }) {
    this.#position = { epoch, offset };
    this.#replay = 0;
    this.onGap({ reason: 'reset', epoch, offset });
  }
}

// A page cannot set headers: its token goes along as a second subprotocol.
function openSocket({ WebSocket }, base, token, { hear, end }) {
  const url = new URL('ws', base).href.replace('http', 'ws');
  const socket = new WebSocket(url, ['spillway.v1.json', ...(token ? [`bearer.${token}`] : [])]);
  socket.onmessage = ({ data }) => hear(data);
  socket.onerror = () => {};
  socket.onclose = end;
  return {
    send: (type, id, body) => socket.send(`{"type":"${type}","id":${id}${body}}`),
    close: () => socket.close(),
  };
}

// Server-Sent Events by `fetch`, since an EventSource sends no token. What is asked for stands in the URL; publishing is a request
// of its own, whose answer is made a frame.
function openStream({ fetch }, base, token, wishes, { hear, end }) {
  const abort = new AbortController();
  const headers = token && { Authorization: `Bearer ${token}` };
  const ask = (url, options) => fetch(url, { ...options, headers, signal: abort.signal });
  const tell = (frame) => hear(JSON.stringify(frame));

  async function read() {
    const response = await ask(streamUrl(base, wishes));
    if (!response.ok) {
      const { error } = await response.json();
      const code = error.retry ? 1006 : { 400: 4500, 401: 4501, 403: 4503 }[response.status];
      return { code, reason: error.message, retryMs: error.retry_ms };
    }
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    let rest = '';
    let retryMs;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return { reason: 'the stream ended', retryMs };
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        const [, field, text] = /^(\w*):? ?(.*)/s.exec(line);
        // A comment is a heartbeat. Positions are in the frames, too: what is said of a cursor is for others.
        if (field === 'data' || line[0] === ':') hear(field && text);
        if (field === 'retry') retryMs = +text;
      }
    }
  }

  async function publish(type, id, body) {
    if (type !== 'publish') return tell({ type: 'error', id, error: { code: 'unsupported' } });
    const answer = await (await ask(new URL('publish', base), { method: 'POST', body: `{${body.slice(1)}}` })).json();
    const { position = '', error } = answer.results?.[0] ?? answer;
    const [epoch, offset] = position.split(':');
    tell({ type: error ? 'error' : 'published', id, error, epoch, offset: +offset });
  }

  if (wishes.length) read().catch(({ message }) => ({ reason: message })).then(end);
  return {
    send(type, id, body) {
      publish(type, id, body).catch(() => tell({ type: 'error', id, error: BROKEN }));
    },
    close: () => abort.abort(),
  };
}

function streamUrl(base, wishes) {
  const url = new URL('sse', base);
  for (const { topic } of wishes) url.searchParams.append('topic', topic);
  const places = wishes.map(({ from }) => (from ? `${from.epoch}:${from.offset}` : '-'));
  if (wishes.some(({ from }) => from)) url.searchParams.set('from', places);
  // A URL has one word for all its topics, and one for all that go on from nowhere.
  const fresh = wishes.filter(({ from }) => !from);
  for (const [name, group] of Object.entries({ mode: wishes, max_hz: wishes, last: fresh })) {
    const value = group[0]?.[name];
    if (value && group.every((wish) => wish[name] === value)) url.searchParams.set(name, value);
  }
  return url;
}

export class Spillway {
  // connecting, open, waiting or closed
  state = 'connecting';
  #options;
  #clock;
  #base;
  #listeners = {};
  #subs = new Map();
  #links = new Set();
  // The link that counts, and the one that is to be it.
  #current = null;
  #next = null;
  #failures = 0;
  #worked = new Set();
  #outbox = [];
  #lastId = 1;
  #stale = false;
  #timer;
  #due;
  #batch;
  #ticker;

  // Options: `token` or `getToken`; `WebSocket` where there is none (Node before 22: that of npm ws), `null` for SSE alone; for
  // tests `fetch`, `random` and `clock` (setTimeout, clearTimeout, setInterval, clearInterval, performance).
  constructor(url, options = {}) {
    const { WebSocket, fetch, location } = globalThis;
    this.#options = { WebSocket, fetch: fetch?.bind(globalThis), random: Math.random, ...options };
    this.#clock = options.clock ?? globalThis;
    this.#base = new URL(url, location?.href);
    this.#base.protocol = this.#base.protocol.replace('ws', 'http');
    // `localhost:8000` is read as one of a scheme of that name.
    if (!/^https?:/.test(this.#base)) throw new Error(`not http(s):// or ws(s)://: ${url}`);
    this.#base.pathname = this.#base.pathname.replace(/(\/v1\/(ws|sse))?\/?$/, '/v1/');
    // The deadlines of all requests and links. Compared with a clock, they survive throttled timers and a laptop that slept.
    this.#ticker = this.#clock.setInterval(() => this.#tick(), 1000);
    this.#later(0);
  }

  // Events: state, gap, feed, drain, expiring, error. Returns what takes the listener away.
  on(event, listener) {
    (this.#listeners[event] ??= new Set()).add(listener);
    return () => this.off(event, listener);
  }

  off(event, listener) {
    this.#listeners[event]?.delete(listener);
  }

  // `onMessage` gets each message: {topic, data | text | b64, offset?, key?, sub?}. Returns {topic, ready, position, unsubscribe()}:
  // `ready` is kept when it is served, with its position, and broken when it is refused for good; a `position` can be stored, and is
  // the `from` of a later life.
  subscribe(topic, options = {}, onMessage = () => {}) {
    if (typeof options === 'function') return this.subscribe(topic, {}, options);
    if (this.#subs.has(topic)) throw new Error(`already subscribed to ${topic}`);
    const unsubscribe = () => {
      if (this.#subs.get(topic) !== sub) return;
      this.#subs.delete(topic);
      sub.reject(failure({ code: 'cancelled' }));
      this.#changed();
    };
    const onGap = (gap) => this.#emit('gap', { topic, ...gap });
    const sub = new Subscription(topic, options, { onMessage, onGap });
    if (this.state === 'closed') {
      this.#refuse(sub, { code: 'closed' });
    } else {
      this.#subs.set(topic, sub);
      this.#changed();
    }
    return { topic, unsubscribe, ready: sub.ready, get position() { return sub.position; } };
  }

  // Resolves with {epoch, offset}, empty where the topic has no history. `raw`: `data` is JSON text, and goes out as it is.
  publish(topic, data, { key, raw } = {}) {
    const json = raw ? data : JSON.stringify(data) ?? 'null';
    const rest = key === undefined ? '' : `,"key":${JSON.stringify(key)}`;
    return this.#ask('publish', `,"topic":${JSON.stringify(topic)},"data":${json}${rest}`)
      .then(({ epoch, offset }) => (epoch ? { epoch, offset } : {}));
  }

  // Resolves with the milliseconds of a round trip.
  async ping() {
    const start = this.#now();
    await this.#ask('ping', '');
    return this.#now() - start;
  }

  // Goes on with a new token: this one, or what `getToken` gives, which is asked by itself when the old one is about to end.
  async refresh(token) {
    if (token) this.#options.token = token;
    if (this.#current?.kind === 'sse') return this.#connect();
    token ??= await this.#token();
    await this.#ask('refresh', `,"token":${JSON.stringify(token)}`);
  }

  close() {
    this.#close({ code: 1000, reason: 'closed by the page' });
  }

  #now() {
    return this.#clock.performance.now();
  }

  #between(low, high) {
    return low + this.#options.random() * (high - low);
  }

  async #token() {
    const { token, getToken } = this.#options;
    return getToken ? getToken() : token;
  }

  #emit(event, detail) {
    const listeners = this.#listeners[event];
    if (event === 'error' && !listeners?.size) console.error('Spillway:', detail);
    listeners?.forEach((listener) => call(listener, detail));
  }

  #setState(state, detail) {
    this.state = state;
    this.#emit('state', { state, ...detail });
  }

  // --- connecting ---

  // What has worked is tried first, and the other one in between: each second time, or each fourth where it has worked here.
  #kind() {
    const { WebSocket, fetch } = this.#options;
    const { size } = this.#subs;
    if (!WebSocket) return 'sse';
    // Without topics there is no stream, with too many neither.
    if (!fetch || !size || size > STREAM_TOPICS) return 'ws';
    const streams = this.#worked.has('sse') && !this.#worked.has('ws');
    const every = this.#worked.size ? 4 : 2;
    return (this.#failures % every === every - 1) === streams ? 'ws' : 'sse';
  }

  #later(ms) {
    this.#clock.clearTimeout(this.#timer);
    this.#due = this.#now() + ms;
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = 0;
      this.#connect();
    }, ms);
  }

  async #connect() {
    if (this.#next || this.state === 'closed') return;
    // What was asked on it, what it has said of itself, and since when it is silent.
    const link = { kind: this.#kind(), heard: this.#now(), patience: PATIENCE_MS, asked: new Map(), pending: new Map(), overlap: new Set() };
    this.#next = link;
    this.#links.add(link);
    if (!this.#current) this.#setState('connecting', { transport: link.kind });
    try {
      const token = await this.#token();
      if (this.#links.has(link)) this.#open(link, token);
    } catch (error) {
      this.#emit('error', failure({ code: 'connect', message: error?.message, retry: true }));
      this.#lost(link, { reason: error?.message });
    }
  }

  #open(link, token) {
    const on = { hear: (text) => this.#links.has(link) && this.#hear(link, text), end: (end) => this.#lost(link, Object.assign(end, link.closed)) };
    if (link.kind === 'ws') {
      link.carrier = openSocket(this.#options, this.#base, token, on);
      return;
    }
    const { join } = this.#differences(link);
    for (const sub of join.splice(STREAM_TOPICS)) {
      this.#refuse(sub, { code: 'too_many_topics', message: `SSE carries ${STREAM_TOPICS} topics` });
    }
    for (const sub of join) link.asked.set(sub.topic, sub);
    link.carrier = openStream(this.#options, this.#base, token, join.map(({ wish }) => wish), on);
    if (!join.length) this.#welcome(link, { heartbeat_ms: Infinity });
  }

  #hear(link, text) {
    link.heard = this.#now();
    try {
      this.#take(link, text ? JSON.parse(text) : {});
    } catch ({ message }) {
      // It speaks another language.
      this.#lost(link, { reason: message });
    }
  }

  #welcome(link, welcome) {
    if (link.welcome) return;
    link.welcome = welcome;
    link.patience = (welcome.heartbeat_ms ?? 25000) + PATIENCE_MS;
    this.#failures = 0;
    // A stream without topics has shown nothing yet.
    if (link.kind === 'ws' || link.asked.size) this.#worked.add(link.kind);
    if (!this.#current) this.#takeOver(link);
    this.#sync();
  }

  // From here on this link counts. The one before it is left when it has answered what it was asked.
  #takeOver(link) {
    const before = this.#current;
    this.#current = link;
    this.#next = null;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = 0;
    const { session, node } = link.welcome;
    this.#setState('open', { transport: link.kind, session, node, handover: !!before });
    if (link.feed || this.#stale) this.#feed(link.feed ?? { state: 'live', gap: false });
    if (link.drain) this.#drain(link.drain);
    this.#clock.setTimeout(() => link.overlap.clear(), OVERLAP);
    this.#leave(before);
    for (const request of this.#outbox.splice(0)) this.#send(link, request);
    this.#sync();
  }

  #leave(link) {
    if (link && link !== this.#current && link !== this.#next && !link.pending.size) this.#end(link);
  }

  // The next link takes over when all that the current one brings has moved to it.
  #handOver() {
    const next = this.#next;
    if (!next?.welcome || !this.#current) return;
    const moved = (sub) => sub.link === next || (sub.waits && sub.link !== this.#current);
    if ([...this.#subs.values()].every(moved)) this.#takeOver(next);
  }

  #end(link) {
    this.#links.delete(link);
    link.carrier?.close();
    for (const { reject } of link.pending.values()) {
      reject?.(failure(BROKEN));
    }
    link.pending.clear();
  }

  #lost(link, { code = 1006, reason, retryMs }) {
    if (!this.#links.has(link)) return;
    this.#end(link);
    if (link === this.#current) this.#current = null;
    else if (link === this.#next) this.#next = null;
    else return;
    // After these codes the same client would only hear the same again.
    if (/^(100[23789]|4[5-9]..)$/.test(code)) {
      // Where another link still serves, it will be told the same if it is meant too.
      if (!this.#current) this.#close({ code, reason });
      return;
    }
    if (this.#next) {
      if (this.#next.welcome) this.#takeOver(this.#next);
      else this.#setState('connecting', { transport: this.#next.kind });
      return;
    }
    if (!this.#timer) this.#later(this.#delay(reason, retryMs));
    if (!this.#current) this.#setState('waiting', { ms: this.#due - this.#now(), code, reason });
  }

  // What the server says; else full jitter. Only `welcome` resets it: a server that accepts and then closes is not well yet.
  #delay(reason, retryMs) {
    const window = /retry_ms=(\d+)-(\d+)/.exec(reason);
    if (window) return this.#between(+window[1], +window[2]);
    return retryMs ?? this.#between(0, Math.min(BACK_OFF_CAP_MS, BACK_OFF_MS * 2 ** this.#failures++));
  }

  #close({ code, reason }) {
    if (this.state === 'closed') return;
    this.#clock.clearInterval(this.#ticker);
    this.#clock.clearTimeout(this.#timer);
    this.#clock.clearTimeout(this.#batch);
    this.#current = this.#next = null;
    for (const link of this.#links) this.#end(link);
    const closed = failure({ code: 'closed', message: `${reason} (${code})` });
    for (const { reject } of [...this.#outbox.splice(0), ...this.#subs.values()]) reject(closed);
    for (const { waits } of this.#subs.values()) this.#clock.clearTimeout(waits);
    this.#subs.clear();
    if (code !== 1000) this.#emit('error', closed);
    this.#setState('closed', { code, reason });
  }

  #tick() {
    const now = this.#now();
    const late = ({ at }) => now - at > PATIENCE_MS;
    for (const link of this.#links) {
      for (const [id, request] of link.pending) {
        if (!late(request)) continue;
        this.#take(link, { type: 'error', id, error: { code: 'timeout', retry: true, outcome: 'unknown' } });
        // A server that does not answer this does not serve.
        if (request.subs) link.patience = 0;
      }
      if (now - link.heard > link.patience) this.#lost(link, { reason: 'silence' });
    }
    this.#outbox = this.#outbox.filter((request) => !late(request) || request.reject(failure({ code: 'timeout', retry: true })));
  }

  // --- subscriptions ---

  // The changes of one tick go out together.
  #changed() {
    this.#batch ||= this.#clock.setTimeout(() => {
      this.#batch = 0;
      this.#sync();
    });
  }

  #differences(link) {
    const left = [...link.asked.values()].filter((sub) => this.#subs.get(sub.topic) !== sub);
    const join = [...this.#subs.values()].filter((sub) => !sub.waits && link.asked.get(sub.topic) !== sub);
    return { left, join };
  }

  // Makes what is asked for what is wanted.
  #sync() {
    for (const link of [this.#current, this.#next]) {
      if (!link?.welcome) continue;
      const { left, join } = this.#differences(link);
      if (link.kind === 'sse') {
        // A stream's topics stand in its URL: others are another stream.
        if (left.length + join.length) this.#connect();
        continue;
      }
      for (const { topic } of left) link.asked.delete(topic);
      this.#request(link, 'unsubscribe', 'topics', left.map(({ topic }) => topic));
      // What is new is asked for on the link that stays.
      if (link === (this.#next?.welcome ? this.#next : this.#current)) {
        for (const sub of join) link.asked.set(sub.topic, sub);
        this.#request(link, 'subscribe', 'subs', join);
      }
    }
    this.#handOver();
  }

  #request(link, type, name, list) {
    for (let i = 0; i < list.length; i += REQUEST_TOPICS) {
      const part = list.slice(i, i + REQUEST_TOPICS);
      const body = `,"${name}":${JSON.stringify(part.map((one) => one.wish ?? one))}`;
      this.#send(link, { type, body, at: this.#now(), subs: type === 'subscribe' ? part : undefined });
    }
  }

  #enter(link, entry, request) {
    const sub = this.#wanted(link, entry.topic);
    // What is served already needs nothing; what was left and asked for anew has another request.
    if (!sub || sub.link === link || request?.subs.includes(sub) === false) return;
    if (entry.error) this.#refuse(sub, entry.error, link);
    else sub.begin(link, entry, this.#links.has(sub.link) ? 'handover' : 'reconnect');
  }

  // Tells it, and tries again if that may help.
  #refuse(sub, error, link) {
    const problem = failure(error, sub.topic);
    link?.asked.delete(sub.topic);
    if (problem.retry) {
      const again = () => {
        sub.waits = 0;
        this.#sync();
      };
      sub.waits = this.#clock.setTimeout(again, problem.retryMs ?? this.#between(1000, 3000));
    } else {
      if (this.#subs.get(sub.topic) === sub) this.#subs.delete(sub.topic);
      sub.reject(problem);
    }
    this.#emit('error', problem);
  }

  // --- requests ---

  #ask(type, body) {
    return new Promise((resolve, reject) => {
      if (this.state === 'closed') return reject(failure({ code: 'closed' }));
      const request = { type, body, resolve, reject, at: this.#now() };
      if (this.#current) this.#send(this.#current, request);
      else this.#outbox.push(request);
    });
  }

  #send(link, request) {
    const id = ++this.#lastId;
    link.pending.set(id, request);
    link.carrier.send(request.type, id, request.body);
  }

  // --- frames ---

  #take(link, frame) {
    const { type, id, reason, error = {} } = frame;
    const counts = link === this.#current;
    const tell = (problem) => this.#emit('error', problem);
    const request = link.pending.get(id);
    if (type !== 'subscribed' || frame.done) link.pending.delete(id);
    switch (type) {
      case 'welcome':
        this.#welcome(link, frame);
        break;
      case 'msg':
      case 'dropped':
      case 'epoch':
      case 'reset':
        this.#stream(link, frame);
        return;
      case 'subscribed':
        for (const entry of frame.subs ?? []) this.#enter(link, entry, request);
        break;
      case 'unsubscribed':
        for (const topic of reason ? frame.topics : []) {
          const sub = this.#wanted(link, topic);
          if (!sub) continue;
          sub.link = null;
          this.#refuse(sub, { ...frame, code: reason, message: `unsubscribed: ${reason}` }, link);
        }
        break;
      case 'closed':
        // What a close frame would say, at the end of a stream.
        link.closed = frame;
        break;
      case 'feed':
        link.feed = frame;
        if (counts) this.#feed(frame);
        break;
      case 'drain':
        link.drain = frame;
        if (counts) this.#drain(frame);
        break;
      case 'expiring':
        this.#emit('expiring', { inMs: frame.in_ms });
        if (counts && this.#options.getToken) this.refresh().catch(tell);
        break;
      case 'error':
        if (request?.subs) for (const { topic } of request.subs) this.#enter(link, { topic, error }, request);
        else (request?.reject ?? tell)(failure(error));
        break;
      default:
        request?.resolve?.(frame);
    }
    this.#leave(link);
    this.#handOver();
  }

  // The subscription to this topic, if it is one that was asked for on this link.
  #wanted(link, topic) {
    const sub = link.asked.get(topic);
    return sub && this.#subs.get(topic) === sub ? sub : null;
  }

  #stream(link, frame) {
    const topic = frame.sub ?? frame.topic;
    const sub = this.#wanted(link, topic);
    if (sub?.link !== link) return;
    if (frame.type !== 'msg') sub[frame.type](frame);
    else if (sub.admit(frame) && !this.#isAgain(link, frame)) call(sub.onMessage, frame);
  }

  // Where no position tells, a message is known by its bytes: what came since the next link was opened, that one may bring again
  // (a stream subscribes before it is heard), though not for long, nor the oldest of many. A repetition that was meant falls into the
  // gap that is told.
  #isAgain(link, frame) {
    const next = this.#next ?? link;
    const { overlap } = next;
    if (link === next) return overlap.size && overlap.delete(JSON.stringify(frame));
    const [oldest] = overlap.add(JSON.stringify(frame));
    if (overlap.size > OVERLAP) overlap.delete(oldest);
  }

  #feed({ state, since_ms: sinceMs, gap, topics }) {
    this.#stale = state === 'stale';
    this.#emit('feed', { state, sinceMs, gap, topics });
  }

  // The node leaves: each client draws a moment of its own, so that they do not arrive elsewhere together.
  #drain({ reason, reconnect_ms: [low, high] = [BACK_OFF_MS, 8000], close_ms: closeMs }) {
    const ms = this.#between(low, high);
    this.#later(ms);
    this.#emit('drain', { reason, ms, closeMs });
  }
}

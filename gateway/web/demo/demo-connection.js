// SPDX-License-Identifier: Apache-2.0

// One connection that comes back: it opens the WebSocket, answers for its liveness and decides when to return and when not to.
// It knows the frames that are about the connection itself (welcome, pong, drain, replies to requests); all others go to `onFrame`.
// While a node leaves (`drain`) there are two: the next one takes over once it is served.
//
// States told to `onState`: connecting, open (after `welcome`), waiting (a reconnect is due), ended (the server said not to
// come back).

const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 20_000;
const WELCOME_DEADLINE_MS = 10_000;
const SILENCE_GRACE_MS = 10_000;
const PING_EVERY_MS = 5_000;
const REPLY_DEADLINE_MS = 10_000;

function isTerminal(code) {
  return [1002, 1003, 1007, 1008, 1009].includes(code) || (code >= 4500 && code <= 4999);
}

export class RequestError extends Error {
  constructor(message, { code = '', unknown = false } = {}) {
    super(message);
    this.code = code;
    this.unknown = unknown;
  }
}

export class Connection {
  constructor(url, { onState, onFrame, onRoundTrip }) {
    this.url = url;
    this.onState = onState;
    this.onFrame = onFrame;
    this.onRoundTrip = onRoundTrip;
    this.socket = null;
    this.welcomed = false;
    this.attempt = 0;
    this.silenceLimit = WELCOME_DEADLINE_MS;
    this.lastHeard = 0;
    this.lastPing = 0;
    this.token = '';
    this.leaveAt = 0;
    this.leaveTimer = 0;
    this.next = null;
    this.handover = false;
    this.retryTimer = 0;
    this.nextId = 1;
    this.pending = new Map();
    // A deadline that is compared with a clock survives throttled timers and a suspended laptop; a chain of timeouts does not.
    setInterval(() => this.tick(), 1000);
  }

  open() {
    clearTimeout(this.retryTimer);
    this.adopt({ socket: this.dial(), early: [] });
  }

  // A page cannot set headers: its token goes along as a second subprotocol.
  dial() {
    return new WebSocket(this.url, ['spillway.v1.json', ...(this.token ? [`bearer.${this.token}`] : [])]);
  }

  // Makes this socket the one; `early` came on it while another one was.
  adopt({ socket, early }) {
    this.socket = socket;
    this.handover = early.length > 0;
    this.silenceLimit = WELCOME_DEADLINE_MS;
    this.lastHeard = performance.now();
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = (event) => this.closed(event.code, event.reason);
    if (!this.handover) {
      this.onState('connecting', {});
    }
    early.forEach((text) => this.receive(text));
  }

  // A new token: the connection goes on with it, or comes back with it where it has ended.
  renew(token) {
    this.token = token;
    if (this.welcomed) {
      return this.request('refresh', `"token":${JSON.stringify(token)}`);
    }
    if (this.socket) {
      this.abandon();
    }
    this.open();
    return Promise.resolve();
  }

  // Sends a request whose text is already JSON, less its closing brace, so that a payload keeps its bytes.
  // Resolves with the reply; rejects with a RequestError.
  request(type, bodyText) {
    if (!this.welcomed) {
      return Promise.reject(new RequestError('Not connected.'));
    }
    const id = this.nextId++;
    this.socket.send(`{"type":"${type}","id":${id},${bodyText}}`);
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject, sentAt: performance.now() });
    });
  }

  // For requests whose answers the page reads as ordinary frames.
  post(frame) {
    if (this.welcomed) {
      this.socket.send(JSON.stringify(frame));
    }
  }

  receive(text) {
    this.lastHeard = performance.now();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    switch (frame.type) {
      case 'welcome':
        this.welcomed = true;
        this.attempt = 0;
        this.silenceLimit = (frame.heartbeat_ms || 25_000) + SILENCE_GRACE_MS;
        this.ping();
        this.onState('open', { ...frame, handover: this.handover });
        return;
      case 'pong':
        this.settle(frame.id, (wait) => this.onRoundTrip(performance.now() - wait.sentAt));
        return;
      case 'published':
      case 'refreshed':
        this.settle(frame.id, (wait) => wait.resolve({ ...frame, tookMs: performance.now() - wait.sentAt }));
        return;
      case 'drain':
        this.drain(frame.reconnect_ms);
        return;
      case 'hb':
        return;
      case 'error':
        if (this.pending.has(frame.id)) {
          const { message = 'refused', code, outcome } = frame.error || {};
          this.settle(frame.id, (wait) => wait.reject(new RequestError(message, { code, unknown: outcome === 'unknown' })));
          return;
        }
    }
    this.onFrame(frame);
  }

  settle(id, action) {
    const wait = this.pending.get(id);
    if (wait) {
      this.pending.delete(id);
      action(wait);
    }
  }

  ping() {
    const id = this.nextId++;
    this.lastPing = performance.now();
    this.pending.set(id, { resolve() {}, reject() {}, sentAt: this.lastPing });
    this.socket.send(`{"type":"ping","id":${id}}`);
  }

  tick() {
    if (!this.socket) {
      return;
    }
    const now = performance.now();
    if (now - this.lastHeard > this.silenceLimit) {
      // A dead path answers no close handshake either, so the page does not wait for one.
      this.closed(1006, this.welcomed ? 'the gateway fell silent' : 'no answer');
      return;
    }
    if (this.welcomed && now - this.lastPing > PING_EVERY_MS) {
      this.ping();
    }
    for (const [id, wait] of this.pending) {
      if (now - wait.sentAt > REPLY_DEADLINE_MS) {
        this.pending.delete(id);
        wait.reject(new RequestError('No answer within 10 s.', { unknown: true }));
      }
    }
  }

  // The node leaves. Each page draws its own moment from the window, so that they do not arrive elsewhere together.
  drain(range) {
    const [low, high] = Array.isArray(range) ? range : [BACKOFF_BASE_MS, 8000];
    const wait = low + Math.random() * Math.max(0, high - low);
    this.leaveAt = performance.now() + wait;
    clearTimeout(this.leaveTimer);
    this.leaveTimer = setTimeout(() => this.goElsewhere(), wait);
  }

  // Connects elsewhere, and leaves when it is served there. Until then the old connection brings what there is.
  goElsewhere() {
    const next = { socket: this.dial(), early: [] };
    this.next = next;
    next.socket.onmessage = ({ data }) => {
      next.early.push(data);
      if (JSON.parse(data).type === 'subscribed') {
        this.abandon();
        this.adopt(next);
      }
    };
    next.socket.onclose = ({ code }) => {
      this.next = null;
      if (!isTerminal(code)) {
        this.leaveTimer = setTimeout(() => this.goElsewhere(), BACKOFF_BASE_MS * (1 + Math.random()));
      }
    };
  }

  closed(code, reason) {
    const { leaveAt, next } = this;
    this.abandon();
    if (next) {
      this.adopt(next);
      return;
    }
    if (isTerminal(code)) {
      this.onState('ended', { code, reason });
      return;
    }
    const spread = /\bretry_ms=(\d+)-(\d+)/.exec(reason);
    let delay;
    if (leaveAt) {
      delay = Math.max(0, leaveAt - performance.now());
    } else if (spread) {
      delay = Number(spread[1]) + Math.random() * Math.max(0, Number(spread[2]) - Number(spread[1]));
    }
    this.comeBack({ code, reason, delay });
  }

  comeBack({ code, reason, delay }) {
    // Full jitter: only `welcome` resets the attempt, since a server that accepts and then closes is not well yet.
    const bound = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.min(this.attempt, 10));
    this.attempt += 1;
    const wait = delay ?? Math.random() * bound;
    this.retryTimer = setTimeout(() => this.open(), wait);
    this.onState('waiting', { code, reason, until: performance.now() + wait });
  }

  abandon() {
    const socket = this.socket;
    this.socket = null;
    this.welcomed = false;
    this.leaveAt = 0;
    clearTimeout(this.leaveTimer);
    this.next = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
    const unanswered = [...this.pending.values()];
    this.pending.clear();
    for (const wait of unanswered) {
      wait.reject(new RequestError('The connection ended before an answer.', { unknown: true }));
    }
  }
}

// SPDX-License-Identifier: Apache-2.0

// The two drawings of the page, on canvas: a sparkline per instrument and the throughput of the last half minute.
// Colours come from the style sheet's custom properties, so that light and dark are decided in one place.

const BUCKET_MS = 250;
const WINDOW_MS = 30_000;
const SMOOTH_BUCKETS = 8;
const BUCKETS = WINDOW_MS / BUCKET_MS + SMOOTH_BUCKETS;

const shortened = new Intl.NumberFormat('en-US', { notation: 'compact' });

let palette = null;

function colours() {
  if (!palette) {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    palette = {
      up: read('--up'), down: read('--down'), flow: read('--flow'), rule: read('--rule'), muted: read('--muted'),
      font: `11px ${getComputedStyle(document.body).fontFamily}`,
    };
  }
  return palette;
}

export function forgetColours() {
  palette = null;
}

// Fits the bitmap to the element and the device; returns a context in CSS pixels, or null while the element has no size.
function prepare(canvas) {
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width || !height) {
    return null;
  }
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

function trace(context, points) {
  context.beginPath();
  points.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
}

function fillBelow(context, points, bottom, colour, strength) {
  const top = Math.min(...points.map(([, y]) => y));
  const shade = context.createLinearGradient(0, top, 0, bottom);
  shade.addColorStop(0, colour);
  shade.addColorStop(1, 'transparent');
  trace(context, points);
  context.lineTo(points.at(-1)[0], bottom);
  context.lineTo(points[0][0], bottom);
  context.globalAlpha = strength;
  context.fillStyle = shade;
  context.fill();
  context.globalAlpha = 1;
}

function strokeLine(context, points, colour, width) {
  trace(context, points);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineJoin = 'round';
  context.lineCap = 'round';
  context.stroke();
}

export function drawSparkline(canvas, prices, capacity) {
  const surface = prepare(canvas);
  if (!surface) {
    return;
  }
  const { context, width, height } = surface;
  const { up, down, rule } = colours();
  const low = Math.min(...prices);
  const high = Math.max(...prices);
  const middle = (low + high) / 2;
  // A few ticks that hardly differ are a flat line, not a mountain range.
  const span = Math.max(high - low, Math.abs(middle) * 0.005) || 1;
  const pad = 4;
  const step = (width - 2 * pad) / (capacity - 1);
  const place = (price) => height / 2 - ((price - middle) / span) * (height - 2 * pad);
  const points = prices.map((price, index) => [pad + index * step, place(price)]);
  const colour = prices.at(-1) >= prices[0] ? up : down;

  context.setLineDash([2, 3]);
  strokeLine(context, [[pad, points[0][1]], [width - pad, points[0][1]]], rule, 1);
  context.setLineDash([]);
  if (points.length > 1) {
    fillBelow(context, points, height, colour, 0.16);
    strokeLine(context, points, colour, 1.5);
  }
  const [x, y] = points.at(-1);
  context.beginPath();
  context.arc(x, y, 2.25, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
}

// Counts messages by wall-clock bucket, so that late or throttled timers do not bend the figures.
export class Throughput {
  constructor() {
    this.counts = new Uint32Array(BUCKETS);
    this.newest = Math.floor(performance.now() / BUCKET_MS);
    this.oldest = this.newest;
  }

  advance() {
    const current = Math.floor(performance.now() / BUCKET_MS);
    const first = Math.max(this.newest + 1, current - BUCKETS + 1);
    for (let bucket = first; bucket <= current; bucket++) {
      this.counts[bucket % BUCKETS] = 0;
    }
    this.newest = current;
    return current;
  }

  add() {
    this.counts[this.advance() % BUCKETS]++;
  }

  // The rate over the two seconds that end with `bucket`, or over what there is since the page began to count.
  rateAt(bucket) {
    let sum = 0;
    const first = Math.max(this.oldest, bucket - SMOOTH_BUCKETS + 1);
    for (let i = first; i <= bucket; i++) {
      sum += this.counts[i % BUCKETS];
    }
    return sum / (((bucket - first + 1) * BUCKET_MS) / 1000);
  }

  // The current bucket is still filling; the one before it is whole.
  rate() {
    const whole = this.advance() - 1;
    return whole < this.oldest ? 0 : this.rateAt(whole);
  }

  draw(canvas) {
    const surface = prepare(canvas);
    if (!surface) {
      return;
    }
    const { context, width, height } = surface;
    const { flow, rule, muted, font } = colours();
    const whole = this.advance() - 1;
    const shown = WINDOW_MS / BUCKET_MS;
    const first = Math.max(this.oldest, whole - shown + 1);
    const rates = [];
    for (let bucket = first; bucket <= whole; bucket++) {
      rates.push(this.rateAt(bucket));
    }
    const top = niceCeiling(Math.max(10, ...rates) * 1.1);
    const floor = height - 18;
    const right = width - 34;
    const place = (rate) => floor - (rate / top) * (floor - 8);

    context.font = font;
    context.fillStyle = muted;
    for (const level of [top / 2, top]) {
      const y = Math.round(place(level)) + 0.5;
      strokeLine(context, [[0, y], [right, y]], rule, 1);
      context.textAlign = 'right';
      context.fillText(shortened.format(level), width, y + 4);
    }
    strokeLine(context, [[0, floor + 0.5], [right, floor + 0.5]], rule, 1);
    context.textAlign = 'left';
    context.fillText('30 s ago', 0, height - 3);
    context.textAlign = 'right';
    context.fillText('now', right, height - 3);

    if (rates.length > 1) {
      const step = right / (shown - 1);
      const points = rates.map((rate, index) => [right - (rates.length - 1 - index) * step, place(rate)]);
      fillBelow(context, points, floor, flow, 0.38);
      strokeLine(context, points, flow, 1.75);
    }
  }
}

// Even halves, so that both grid labels are whole numbers.
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((ceiling) => ceiling >= value);
}

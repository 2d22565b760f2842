// Lines over the last minutes, as SVG: colours, themes and sizes are the style sheet's.

import { el, svg, say, mark } from './dom.js';

const HEIGHT = 104;
const TOP = 8;
const BOTTOM = 16;
const LEAST_SPAN_MS = 60_000;
const MOST_SPAN_MS = 300_000;
const GAP_MS = 4000;

/** The least round number that is not below; its half is round too. */
export function niceCeiling(value, least = 0) {
  if (!(value > least)) return least || 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 6, 8, 10].map(step => step * power).find(step => step >= value * 0.999);
}

export class LineChart {
  /** A series has a key of the samples, a label and a class; format writes its values; over is their time. */
  constructor({ title, note, over, series, format, ceiling, least }) {
    Object.assign(this, { title, over, series, format, ceiling, least });
    this.samples = [];
    this.cursor = null;
    this.when = el('span', { class: 'dim when' });
    this.values = series.map(one => el('b', {}, '–'));
    this.items = series.map((one, i) => el('li', { 'data-line': one.tone },
      el('span', { class: 'label' }, one.label), this.values[i]));
    this.grid = svg('g', { class: 'grid' });
    this.words = svg('g', { class: 'words' });
    this.lines = series.map(one => svg('path', { class: 'line', 'data-line': one.tone }));
    this.cross = svg('line', { class: 'cross', y1: TOP, y2: HEIGHT - BOTTOM, visibility: 'hidden' });
    this.plot = svg('svg', { class: 'plot', height: HEIGHT, role: 'img', tabindex: '0', 'aria-label': title },
      this.grid, ...this.lines, this.words, this.cross);
    this.node = el('section', { class: 'card chart' },
      el('header', { class: 'bar' }, el('h2', { title: note }, title), this.when),
      el('ul', { class: 'legend values' }, ...this.items), this.plot);
    this.plot.addEventListener('pointermove', event => this.point(event.offsetX));
    this.plot.addEventListener('pointerleave', () => this.leave());
    this.plot.addEventListener('blur', () => this.leave());
    this.plot.addEventListener('keydown', event => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  /** Series that this service has no numbers for are left out. */
  show(samples, has) {
    this.samples = samples;
    this.series.forEach((one, i) => {
      this.items[i].hidden = !has(one.key);
      this.lines[i].style.display = this.items[i].hidden ? 'none' : '';
    });
    this.draw();
  }

  draw() {
    const width = this.plot.clientWidth;
    if (width === 0) return;
    this.frame(width);
    const shown = this.series.filter((_, i) => !this.items[i].hidden);
    const most = Math.max(0, ...shown.flatMap(one => this.inside.map(sample => sample[one.key] ?? 0)));
    this.most = this.ceiling ?? niceCeiling(most, this.least);
    this.series.forEach((one, i) => mark(this.lines[i], 'd', this.path(one.key)));
    this.axes(width);
    this.tell();
  }

  frame(width) {
    const last = this.samples.at(-1)?.time_ms ?? 0;
    const first = this.samples[0]?.time_ms ?? 0;
    this.span = Math.min(MOST_SPAN_MS, Math.max(LEAST_SPAN_MS, last - first));
    this.end = last;
    this.inside = this.samples.filter(sample => sample.time_ms >= last - this.span);
    this.x = ms => width - 1 - (this.end - ms) / this.span * (width - 2);
    this.y = value => HEIGHT - BOTTOM - Math.min(1, value / this.most) * (HEIGHT - BOTTOM - TOP);
  }

  path(key) {
    let path = '';
    let before = null;
    for (const sample of this.inside) {
      const value = sample[key];
      if (value === null || value === undefined) {
        before = null;
        continue;
      }
      const joins = before !== null && sample.time_ms - before <= GAP_MS;
      const at = `${this.x(sample.time_ms).toFixed(1)} ${this.y(value).toFixed(1)}`;
      // A sample alone is a dot.
      path += joins ? `L${at}` : `M${at}h0.01`;
      before = sample.time_ms;
    }
    return path;
  }

  axes(width) {
    const seconds = this.span / 1000;
    const lines = [];
    const words = [];
    for (const part of [0, 0.5, 1]) {
      const y = this.y(this.most * part);
      lines.push(svg('line', { x1: 0, x2: width, y1: y, y2: y }));
      if (part > 0) words.push(svg('text', { x: 0, y: y + 11 }, this.format(this.most * part)));
    }
    const ago = seconds >= 120 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds)} s ago`;
    words.push(svg('text', { x: 0, y: HEIGHT - 3 }, ago));
    words.push(svg('text', { x: width, y: HEIGHT - 3, 'text-anchor': 'end' }, 'now'));
    this.grid.replaceChildren(...lines);
    this.words.replaceChildren(...words);
  }

  /** Numbers of the sample pointed at, else of the last. */
  tell() {
    const sample = this.cursor === null ? this.samples.at(-1) : this.nearest(this.cursor);
    this.series.forEach((one, i) => say(this.values[i], this.format(sample?.[one.key] ?? null)));
    const points = this.cursor !== null && sample !== undefined;
    say(this.when, points ? new Date(sample.time_ms).toLocaleTimeString() : this.over ?? '');
    mark(this.cross, 'visibility', points ? 'visible' : 'hidden');
    if (points) {
      mark(this.cross, 'x1', this.x(sample.time_ms).toFixed(1));
      mark(this.cross, 'x2', this.x(sample.time_ms).toFixed(1));
    }
    const numbers = this.series.map((one, i) => `${one.label} ${this.values[i].textContent}`)
      .filter((_, i) => !this.items[i].hidden);
    const when = points ? ` at ${this.when.textContent}` : '';
    mark(this.plot, 'aria-label', `${this.title}: ${numbers.join(', ')}${when}`);
  }

  nearest(ms) {
    let best;
    for (const sample of this.inside) {
      if (best === undefined || Math.abs(sample.time_ms - ms) < Math.abs(best.time_ms - ms)) best = sample;
    }
    return best;
  }

  point(x) {
    const width = this.plot.clientWidth;
    this.cursor = this.end - (width - 1 - x) / (width - 2) * this.span;
    this.tell();
  }

  leave() {
    this.cursor = null;
    this.tell();
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === 'Escape') this.leave();
    if (step === undefined || this.inside.length === 0) return;
    event.preventDefault();
    const at = this.cursor === null ? this.inside.length : this.inside.indexOf(this.nearest(this.cursor));
    const next = Math.max(0, Math.min(this.inside.length - 1, at + step));
    this.cursor = this.inside[next].time_ms;
    this.tell();
  }
}

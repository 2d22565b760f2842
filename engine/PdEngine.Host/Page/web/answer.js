// An answer as it is made: each token tinted by how likely it was, and told about when pointed at.

import { el, say, mark, count, percent, rate, time } from './dom.js';

const TOP_ROWS = 5;

/** Where the token that is pointed at is told: itself, and what else was likely. */
export class TokenDetail {
  constructor() {
    this.head = el('p', { class: 'token-head' });
    this.bars = Array.from({ length: TOP_ROWS }, () => {
      const name = el('code');
      const fill = el('i');
      const value = el('span', { class: 'dim' });
      return { name, fill, value, node: el('li', {}, name, el('span', { class: 'track' }, fill), value) };
    });
    this.node = el('div', { class: 'token-detail', 'aria-live': 'polite' },
      this.head, el('ul', {}, ...this.bars.map(bar => bar.node)));
    this.clear();
  }

  clear() {
    say(this.head, 'Point at a token, or step through them with the arrow keys.');
    mark(this.head, 'data-empty', 'true');
    for (const bar of this.bars) mark(bar.node, 'data-empty', 'true');
  }

  show(token) {
    mark(this.head, 'data-empty', 'false');
    const number = token.logprob === null ? '' : `, log-prob ${token.logprob.toFixed(4)}`;
    say(this.head, `${visible(token.text)} ${percent(Math.exp(token.logprob))}${number}`);
    this.bars.forEach((bar, i) => {
      const [text, logprob] = token.tops[i] ?? [];
      mark(bar.node, 'data-empty', String(text === undefined));
      if (text === undefined) return;
      say(bar.name, visible(text));
      bar.fill.style.width = percent(Math.exp(logprob));
      say(bar.value, `${percent(Math.exp(logprob))}  ${logprob.toFixed(3)}`);
    });
  }
}

function visible(text) {
  return text === '' ? '∅' : text.replaceAll('\n', '⏎').replaceAll(' ', '␣');
}

export class Answer {
  constructor(detail) {
    this.detail = detail;
    this.tokens = [];
    this.text = '';
    this.chosen = -1;
    this.body = el('p', { class: 'tokens', tabindex: '0', role: 'group', 'aria-label': 'Answer' });
    this.stats = el('p', { class: 'stats dim' }, 'waiting for the first token');
    this.node = el('div', { class: 'answer' }, this.body, this.stats);
    this.body.addEventListener('pointerover', event => this.choose(this.indexOf(event.target)));
    this.body.addEventListener('click', event => this.choose(this.indexOf(event.target)));
    this.body.addEventListener('keydown', event => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.choose(Math.max(0, Math.min(this.tokens.length - 1, this.chosen + step)));
    });
    this.started = performance.now();
  }

  add(text, tokens) {
    const now = performance.now();
    this.first ??= now;
    this.last = now;
    this.text += text;
    for (const token of tokens) {
      const span = el('span', {}, token.text);
      span.style.setProperty('--doubt', (1 - Math.exp(token.logprob ?? 0)).toFixed(3));
      this.tokens.push({ ...token, span });
      this.body.append(span);
    }
    this.tell('streaming');
  }

  /** What the answer leaves out, as the token that ends it, is there but faint. */
  end(outcome) {
    let left = this.text.length;
    for (const token of this.tokens) {
      if (left <= 0) token.span.dataset.unsaid = 'true';
      left -= token.text.length;
    }
    const { usage } = outcome;
    const cached = usage?.prompt_tokens_details?.cached_tokens ?? 0;
    const supplied = cached > 0 ? `, ${count(cached)} of them cached` : '';
    const prompt = usage ? ` · prompt ${count(usage.prompt_tokens)} tokens${supplied}` : '';
    this.tell(`ended: ${outcome.reason}${prompt}`);
  }

  fail(message) {
    this.tell(message);
    this.stats.dataset.failed = 'true';
  }

  stop() {
    this.tell('stopped');
  }

  tell(state) {
    const parts = [];
    if (this.first !== undefined) {
      const made = this.tokens.length;
      const seconds = (this.last - this.first) / 1000;
      parts.push(`first token ${time(this.first - this.started)}`, `${count(made)} tokens`);
      if (made > 1 && seconds > 0) parts.push(`${rate((made - 1) / seconds)} tokens/s`);
    }
    say(this.stats, [...parts, state].join(' · '));
  }

  choose(i) {
    if (i < 0 || i >= this.tokens.length) return;
    if (this.chosen >= 0) delete this.tokens[this.chosen].span.dataset.chosen;
    this.chosen = i;
    this.tokens[i].span.dataset.chosen = 'true';
    this.detail.show(this.tokens[i]);
  }

  indexOf(span) {
    return this.tokens.findIndex(token => token.span === span);
  }
}

// What the numbers say, by rules that the server has, and the numbers.

import { el, say, bytes, count, percent, rate } from './dom.js';

const FACTS = [
  ['KV in use', advice => percent(advice.held_part)],
  ['prompt tokens from the cache', advice => percent(advice.cached_part)],
  ['requests queued', advice => rate(advice.queued)],
  ['retractions/min', advice => rate(advice.retractions_per_minute)],
  ['K and V copied/s', advice => bytes(advice.transfer_per_second ?? 0)],
  ['requests failed since the start', advice => count(advice.failed)],
  ['requests refused since the start', advice => count(advice.refused)],
];

export class AdviceList {
  constructor(node) {
    this.tips = el('div', { class: 'tips', 'aria-live': 'polite' });
    this.when = el('h3', {}, 'Means of the last 30 s');
    this.values = FACTS.map(() => el('dd', {}, '–'));
    this.told = '';
    node.append(this.tips, this.when, el('dl', { class: 'means' },
      ...FACTS.map(([name], i) => el('div', {}, el('dt', {}, name), this.values[i]))));
  }

  show(service) {
    const { advice } = service;
    say(this.when, `Means of the last ${advice.seconds} s`);
    FACTS.forEach(([, value], i) => say(this.values[i], value(advice)));
    const words = advice.found.map(one => [one.rule, one.urgent, one.says, one.do]);
    const told = JSON.stringify([words, advice.knows, advice.idle]);
    if (told === this.told) return;
    this.told = told;
    this.tips.replaceChildren(...words.length === 0 ? [quiet(advice)] : words.map(tip));
  }
}

function tip([rule, urgent, says, what]) {
  return el('div', { class: 'tip', 'data-urgent': String(urgent), 'data-rule': rule },
    el('p', {}, says), el('p', { class: 'do' }, what));
}

function quiet(advice) {
  const words = !advice.knows ? 'Watching: advice needs a few seconds of numbers.'
    : advice.idle ? 'Idle: there is nothing to size. Send some load.'
      : 'Nothing to change: no worker waits for another, and the KV cache has room.';
  return el('p', { class: 'tip' }, words);
}

// Requests, each a bar of what its time went to; those in flight on top.

import { el, say, mark, count, time, bytes, plural, command } from './dom.js';
import { niceCeiling } from './charts.js';

const ROWS = 24;
const LIVE_ROWS = 8;
const PHASES = ['queue', 'prefill', 'handoff', 'decode'];
const narrow = matchMedia('(max-width: 720px)');
const WORDS = { queue: 'queue', prefill: 'prefill', handoff: 'hand-off', decode: 'decode' };

export class Timeline {
  constructor(node, sum, hold) {
    this.node = node;
    this.sum = sum;
    this.held = false;
    this.pinned = null;
    this.pointed = null;
    this.rows = [];
    hold.addEventListener('click', () => {
      this.held = !this.held;
      mark(hold, 'aria-pressed', String(this.held));
      if (!this.held) this.render();
    });
    this.axis = el('div', { class: 'axis dim', 'aria-hidden': 'true' }, el('span'), el('span'), el('span'));
    this.list = el('ol', { class: 'rows', 'aria-label': 'Requests, the latest first' });
    this.detail = el('div', { class: 'detail' });
    this.body = el('div', { class: 'lanes' }, el('div', {}, this.axis, this.list), this.detail);
    for (let i = 0; i < ROWS; i++) this.addRow(i);
    this.list.addEventListener('pointerleave', () => this.point(null));
  }

  addRow(i) {
    const parts = PHASES.map(phase => el('i', { 'data-phase': phase }));
    const row = {
      name: el('span', { class: 'id' }), where: el('span', { class: 'where dim' }),
      track: el('span', { class: 'track' }, ...parts), total: el('span', { class: 'total' }), parts,
    };
    row.button = el('button', {
      type: 'button', pointerenter: () => this.point(i), focus: () => this.point(i),
      click: () => this.pin(i),
    }, row.name, row.track, row.total, row.where);
    row.node = el('li', {}, row.button);
    this.rows.push(row);
    this.list.append(row.node);
  }

  show(state, service, requests) {
    this.latest = { live: state.live, ended: requests };
    say(this.sum, `${count(state.ended_count)} ended, ${count(service.live)} in flight`);
    if (state.ended_count === 0 && state.live.length === 0) {
      this.empty(state, service);
      return;
    }
    if (!this.body.isConnected) this.node.replaceChildren(this.body);
    // What is being read does not move away.
    const isRead = this.pointed !== null || (this.pinned !== null && narrow.matches);
    if (!this.held && !isRead) this.render();
  }

  empty(state, service) {
    if (this.node.querySelector('.empty')) return;
    const key = state.needs_key ? ` \\\n  -H "Authorization: Bearer $PDENGINE_API_KEY"` : '';
    const body = service.has_template
      ? { model: service.name, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 64 }
      : { model: service.name, prompt: 'Hello', max_tokens: 64 };
    const path = service.has_template ? '/v1/chat/completions' : '/v1/completions';
    this.node.replaceChildren(el('div', { class: 'empty' },
      el('p', {}, 'No request yet. Ask the playground, or from a shell:'),
      command(`curl ${location.origin}${path}${key} \\\n  -H "Content-Type: application/json" \\\n`
        + `  -d '${JSON.stringify(body)}'`)));
  }

  render() {
    if (!this.latest) return;
    const live = this.latest.live.slice(0, LIVE_ROWS).map(request => ({ ...request, isLive: true }));
    const ended = this.latest.ended.slice(-(ROWS - live.length)).reverse();
    this.shown = [...live, ...ended];
    const most = niceCeiling(Math.max(...this.shown.map(totalOf), 1));
    [0, most / 2, most].forEach((ms, i) => say(this.axis.children[i], time(ms)));
    this.rows.forEach((row, i) => this.fill(row, this.shown[i], most));
    this.tell();
  }

  fill(row, request, most) {
    mark(row.node, 'data-empty', String(request === undefined));
    row.button.disabled = request === undefined;
    if (request === undefined) return;
    mark(row.node, 'data-state', request.isLive ? 'live' : request.reason);
    say(row.name, request.id);
    say(row.where, placesOf(request));
    say(row.total, time(totalOf(request)));
    PHASES.forEach((phase, i) => {
      row.parts[i].style.width = `${(request[phase] / most * 100).toFixed(2)}%`;
    });
    const phases = PHASES.filter(phase => request[phase] > 0)
      .map(phase => `${WORDS[phase]} ${time(request[phase])}`);
    mark(row.button, 'aria-label', `${request.id} ${request.isLive ? 'in flight' : request.reason}, `
      + `${phases.join(', ')}, on ${placesOf(request)}`);
    mark(row.button, 'aria-pressed', String(this.pinned === request.id));
  }

  point(i) {
    this.pointed = i;
    this.tell();
  }

  pin(i) {
    const request = this.shown?.[i];
    this.pinned = request && this.pinned !== request.id ? request.id : null;
    this.rows.forEach((row, at) => mark(
      row.button, 'aria-pressed', String(this.pinned !== null && this.shown[at]?.id === this.pinned)));
    if (this.pinned !== null) this.pinnedRequest = request;
    // Where there is no room beside the list, under the request itself.
    if (narrow.matches) this.pointed = null;
    if (narrow.matches && this.pinned !== null) this.rows[i].node.append(this.detail);
    else this.body.append(this.detail);
    this.tell();
  }

  tell() {
    const pointed = this.pointed === null ? undefined : this.shown?.[this.pointed];
    const request = pointed ?? (this.pinned !== null ? this.pinnedRequest : undefined);
    const key = request ? `${request.id} ${request.isLive ? totalOf(request) : ''}` : '';
    if (key === this.told && request) return;
    this.told = key;
    this.detail.replaceChildren(...request ? describe(request) : describeAll(this.latest.ended));
  }
}

function totalOf(request) {
  return PHASES.reduce((sum, phase) => sum + request[phase], 0);
}

function placesOf(request) {
  const { prefill_worker: first, decode_worker: second } = request;
  if (!first && !second) return 'not begun';
  return !second || first === second ? first || second : `${first} → ${second}`;
}

const entry = ([name, value, phase]) =>
  el('div', { 'data-phase': phase }, el('dt', {}, name), el('dd', {}, value));

function describeAll(requests) {
  const mean = key => requests.reduce((sum, one) => sum + one[key], 0) / requests.length;
  const rows = requests.length === 0 ? [] : [
    ['total', time(requests.reduce((sum, one) => sum + totalOf(one), 0) / requests.length)],
    ...PHASES.map(phase => [WORDS[phase], time(mean(phase)), phase]),
    ['prompt', plural(Math.round(mean('prompt_tokens')), 'token')],
    ['output', plural(Math.round(mean('output_tokens')), 'token')],
  ];
  return [
    el('h3', {}, `Mean of the last ${count(requests.length)}`),
    el('dl', { class: 'times' }, ...rows.map(entry)),
    el('p', { class: 'dim point' }, 'Point at a request, or choose one, to see where its time went.'),
  ];
}

function describe(request) {
  const rows = [
    ['total', time(totalOf(request))],
    ...PHASES.map(phase => [WORDS[phase], time(request[phase]), phase]),
  ];
  if (request.handoff > 0) {
    rows.splice(4, 0, ['– for a step to end', time(request.handoff_step)],
      ['– for blocks', time(request.handoff_alloc)], ['– copying', time(request.handoff_copy)]);
  }
  const facts = [
    ['on', placesOf(request)],
    ['prompt', request.cached_tokens > 0
      ? `${plural(request.prompt_tokens, 'token')}, ${count(request.cached_tokens)} cached`
      : plural(request.prompt_tokens, 'token')],
    ['output', plural(request.output_tokens, 'token')],
  ];
  if (!request.isLive) {
    facts.unshift(['ended', `${request.reason}, ${new Date(request.ended_ms).toLocaleTimeString()}`]);
    facts.push(['first token', time(request.first_token)], ['inter-token', time(request.inter_token)],
      ['path', `${request.path} (${request.path_reason})`]);
    if (request.handoff_blocks > 0) {
      facts.push(['handed over', plural(request.handoff_blocks, 'block')
        + (request.transfer_bytes > 0 ? `, ${bytes(request.transfer_bytes)} copied` : ', no byte moved')]);
    }
    if (request.retractions > 0) facts.push(['retracted', plural(request.retractions, 'time')]);
    if (request.failures > 0) facts.push(['lost a worker', plural(request.failures, 'time')]);
  }
  return [
    el('h3', {}, `${request.id}${request.isLive ? ', in flight' : ''}`),
    el('dl', { class: 'times' }, ...rows.map(entry)), el('dl', { class: 'facts-list' }, ...facts.map(entry)),
  ];
}

// Services, their workers by what they do, and the pools of KV blocks that these share.

import { el, say, mark, count, rate, percent, plural } from './dom.js';

const ROLES = ['regular', 'prefill', 'decode'];
const TITLES = { regular: 'Prefill and decode', prefill: 'Prefill', decode: 'Decode' };

/** A bar of parts: [tone, part of the whole, words]. */
function bar(label) {
  const track = el('div', { class: 'track', role: 'img', 'aria-label': label });
  return {
    node: track,
    show(parts, words) {
      while (track.children.length < parts.length) track.append(el('i'));
      parts.forEach(([tone, part], i) => {
        mark(track.children[i], 'data-tone', tone);
        track.children[i].style.width = `${(Math.max(0, part) * 100).toFixed(2)}%`;
      });
      mark(track, 'aria-label', words);
      mark(track, 'title', words);
    },
  };
}

class WorkerCard {
  constructor(worker) {
    this.busy = bar('busy');
    this.part = el('b', {}, '–');
    this.state = el('span', { class: 'dim' });
    this.depths = {};
    const depths = el('dl', { class: 'depths' });
    for (const name of depthsOf(worker.role)) {
      this.depths[name] = el('dd', {}, '0');
      depths.append(el('div', {}, el('dt', {}, name), this.depths[name]));
    }
    this.speed = el('p', { class: 'dim speed' }, ' ');
    this.node = el('li', { class: 'worker', 'data-role': worker.role },
      el('header', {}, el('b', {}, worker.name), this.state),
      el('div', { class: 'busy' }, this.busy.node, this.part), depths, this.speed);
  }

  show(worker) {
    mark(this.node, 'data-alive', String(worker.alive));
    say(this.state, worker.alive ? worker.devices : 'failed');
    if (!worker.alive) mark(this.node, 'title', worker.failure ?? '');
    const tone = worker.role === 'prefill' ? 'prefill' : 'decode';
    this.busy.show([[tone, worker.busy ?? 0]], `computes ${percent(worker.busy)} of the time`);
    say(this.part, `${percent(worker.busy)} busy`);
    const values = {
      queued: worker.queued, prefilling: worker.prefilling, arrived: worker.arrived,
      decoding: worker.decoding,
    };
    for (const [name, node] of Object.entries(this.depths)) {
      const waits = (name === 'queued' || name === 'arrived') && values[name] > 0;
      mark(node, 'data-waits', String(waits));
      const most = name === 'decoding' ? ` / ${count(worker.max_running)}` : '';
      say(node, `${count(values[name])}${most}`);
    }
    const made = [];
    if (worker.role !== 'decode' || worker.prefill_per_second > 0)
      made.push(`${rate(worker.prefill_per_second)} prompt`);
    if (worker.role !== 'prefill') made.push(`${rate(worker.output_per_second)} output`);
    say(this.speed, `${made.join(' · ')} tokens/s`);
  }
}

function depthsOf(role) {
  if (role === 'prefill') return ['queued', 'prefilling'];
  return role === 'decode' ? ['queued', 'arrived', 'decoding'] : ['queued', 'prefilling', 'decoding'];
}

class PoolBar {
  constructor(title) {
    this.title = title;
    this.bar = bar(title);
    this.words = el('ul', { class: 'legend pool-legend' });
    this.size = el('span', { class: 'dim' });
    this.node = el('div', { class: 'pool' },
      el('header', { class: 'bar' }, el('h3', {}, title), this.size), this.bar.node, this.words);
  }

  show(pool) {
    const parts = [
      ['held', 'in use', pool.held - pool.in_flight], ['flight', 'in flight', pool.in_flight],
      ['cached', 'cached', pool.cached], ['free', 'free', pool.free],
    ];
    const words = parts.map(([, name, blocks]) => `${name} ${percent(blocks / pool.total)}`);
    this.bar.show(parts.map(([tone, , blocks]) => [tone, blocks / pool.total]),
      `${this.title}: ${words.join(', ')}`);
    say(this.size, `${plural(pool.total, 'block')} of ${count(pool.page_size)} tokens, `
      + `${count(pool.total * pool.page_size)} in all`);
    while (this.words.children.length < parts.length)
      this.words.append(el('li', {}, el('span'), ' ', el('b')));
    parts.forEach(([tone, name, blocks], i) => {
      const item = this.words.children[i];
      mark(item, 'data-tone', tone);
      say(item.firstChild, name);
      say(item.lastChild, percent(blocks / pool.total));
      mark(item, 'title', plural(blocks, 'block'));
    });
  }
}

class ServiceMap {
  constructor(service, isOneOfMany) {
    this.workers = service.workers.map(worker => new WorkerCard(worker));
    this.pools = service.pools.map((_, i) => new PoolBar(
      service.pools.length === 1 ? 'KV cache' : `KV of ${workersOf(service, i)}`));
    this.rate = el('b', {}, '–');
    this.flow = el('p', { class: 'flow' }, this.rate, el('span', {}, 'hand-offs/s'));
    const columns = el('div', { class: 'roles' });
    const roles = ROLES.filter(role => service.workers.some(worker => worker.role === role));
    for (const role of roles) {
      const cards = this.workers.filter((_, i) => service.workers[i].role === role);
      columns.append(el('div', { class: 'role', 'data-role': role },
        el('h3', {}, TITLES[role]), el('ul', { class: 'workers' }, ...cards.map(card => card.node))));
      if (role === 'prefill') columns.append(this.flow);
    }
    columns.dataset.count = roles.length;
    // Where there are many, each gets a line or two.
    this.node = el('section', { class: 'service', 'data-many': String(service.workers.length > 4) },
      columns, el('div', { class: 'pools' }, ...this.pools.map(pool => pool.node)));
    if (isOneOfMany) this.node.prepend(el('h3', { class: 'service-name' }, service.name));
  }

  show(service, samples) {
    service.workers.forEach((worker, i) => this.workers[i].show(worker));
    service.pools.forEach((pool, i) => this.pools[i].show(pool));
    if (samples !== null) say(this.rate, rate(samples.at(-1)?.handoffs_per_second));
  }
}

function workersOf(service, pool) {
  return service.workers.filter(worker => worker.pool === pool).map(worker => worker.name).join(', ');
}

export class TopologyMap {
  constructor(node) {
    this.node = node;
    this.shape = '';
  }

  show(state, samples) {
    const shape = JSON.stringify(state.services.map(
      service => [service.name, service.pools.length, service.workers.map(worker => worker.name)]));
    if (shape !== this.shape) {
      this.shape = shape;
      this.maps = state.services.map(service => new ServiceMap(service, state.services.length > 1));
      this.node.replaceChildren(...this.maps.map(map => map.node));
    }
    state.services.forEach((service, i) => this.maps[i].show(
      service, service.name === state.service ? samples : null));
  }
}

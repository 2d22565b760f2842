import { el, say, mark, count, rate, time, percent, span } from './dom.js';
import { Feed } from './feed.js';
import { LineChart } from './charts.js';
import { TopologyMap } from './topology.js';
import { Timeline } from './timeline.js';
import { AdviceList } from './advice.js';
import { Playground } from './play.js';

const at = id => document.getElementById(id);

const charts = [
  new LineChart({
    title: 'Time to first token', note: 'Of requests that ended in the last 10 s', over: 'of the last 10 s',
    format: time,
    series: [{ key: 'ttft_p50', label: 'p50', tone: 'a' }, { key: 'ttft_p95', label: 'p95', tone: 'b' }],
  }),
  new LineChart({
    title: 'Inter-token', over: 'of the last 10 s', format: time,
    note: 'Mean of each request that ended in the last 10 s; now: all that decode',
    series: [{ key: 'itl_p50', label: 'p50', tone: 'a' }, { key: 'itl_p95', label: 'p95', tone: 'b' },
      { key: 'itl_now', label: 'now', tone: 'c' }],
  }),
  new LineChart({
    title: 'Tokens/s', note: 'Of all workers, mean of 5 s', over: 'mean of 5 s', format: rate,
    series: [{ key: 'output_per_second', label: 'output', tone: 'decode' },
      { key: 'prefill_per_second', label: 'prompt', tone: 'prefill' }],
  }),
  new LineChart({
    title: 'Requests/s', note: 'Those that ended, and those that changed workers, mean of 5 s',
    over: 'mean of 5 s', format: rate,
    series: [{ key: 'requests_per_second', label: 'ended', tone: 'a' },
      { key: 'handoffs_per_second', label: 'hand-offs', tone: 'handoff' }],
  }),
  new LineChart({
    title: 'In flight', note: 'Requests by where they are', format: count, least: 4,
    series: [{ key: 'queued', label: 'queued', tone: 'queue' },
      { key: 'prefilling', label: 'prefill', tone: 'prefill' },
      { key: 'arrived', label: 'hand-off', tone: 'handoff' },
      { key: 'decoding', label: 'decode', tone: 'decode' }],
  }),
  new LineChart({
    title: 'Busy', note: 'Part of the time that workers compute; part of KV that sequences hold',
    format: percent, ceiling: 1,
    series: [{ key: 'busy_prefill', label: 'prefill', tone: 'prefill' },
      { key: 'busy_decode', label: 'decode', tone: 'decode' },
      { key: 'busy_regular', label: 'workers', tone: 'decode' },
      { key: 'held_part', label: 'KV', tone: 'held' }],
  }),
];
at('charts').append(...charts.map(chart => chart.node));

const topology = new TopologyMap(at('topology'));
const timeline = new Timeline(at('timeline'), at('timeline-sum'), at('hold'));
const advice = new AdviceList(at('advice'));
const playground = new Playground(at('play'));
const feed = new Feed(show, tellLink);

at('service').addEventListener('change', event => feed.choose(event.target.value));
feed.ask();

function show(state, { samples, requests }) {
  const service = state.services.find(one => one.name === state.service);
  tellModel(state, service);
  topology.show(state, samples);
  advice.show(service);
  const roles = new Set(service.workers.map(worker => worker.role));
  for (const chart of charts) chart.show(samples, key => hasSeries(key, roles));
  timeline.show(state, service, requests);
  playground.show(service);
}

function hasSeries(key, roles) {
  if (key === 'handoffs_per_second' || key === 'arrived') return roles.has('prefill') && roles.has('decode');
  return !key.startsWith('busy_') || roles.has(key.slice('busy_'.length));
}

function tellModel(state, service) {
  const select = at('service');
  if (select.length !== state.services.length) {
    select.replaceChildren(...state.services.map(one => el('option', { value: one.name }, one.name)));
    select.hidden = state.services.length < 2;
    at('model').hidden = !select.hidden;
  }
  select.value = service.name;
  // A path says more than the name that a plan gives by default.
  const name = service.model_path.replace(/\/+$/, '').split('/').at(-1) || service.name;
  say(at('model'), name);
  document.title = `${name} – PdEngine`;
  say(at('facts'), `${service.backend} · weights ${service.weight_version} · `
    + `${count(service.context_tokens)} tokens of context`);
  say(at('foot'), `PdEngine ${state.version} · up ${span(state.now / 1000 - state.started)}`);
  const isOld = state.build !== document.body.dataset.build;
  const alarm = at('alarm');
  alarm.hidden = !isOld && !service.paused;
  say(alarm, isOld ? 'This server has another page by now: reload to get it.'
    : service.paused ? 'The service is paused: nothing computes until POST /continue_generation.' : '');
}

function tellLink(state, _, failures = 0) {
  const link = at('link');
  const words = {
    live: 'Live', draining: 'Ending: no new requests', locked: 'The key is needed again: reload',
    gone: failures > 1 ? 'No answer, trying again' : 'No answer',
  };
  mark(link, 'data-state', state);
  say(link, words[state]);
  mark(document.body, 'data-link', state);
}

// The playground: asks this server what its clients ask it.

import { el, say, mark } from './dom.js';
import { stream } from './stream.js';
import { Answer, TokenDetail } from './answer.js';

const TOPS = 5;

export class Playground {
  constructor(node) {
    this.node = node;
    this.turns = [];
    this.mode = 'chat';
    this.detail = new TokenDetail();
    this.log = el('div', { class: 'log', tabindex: '0', role: 'log', 'aria-label': 'Answers' });
    this.hint = el('p', { class: 'dim' });
    this.text = el('textarea', { id: 'prompt', rows: '3', keydown: event => this.key(event) });
    this.temperature = number('temperature', '0.7', { min: '0', max: '10', step: '0.1' });
    this.most = number('max-tokens', '64', { min: '1', step: '1' });
    this.seed = number('seed', '', { min: '0', step: '1', placeholder: 'any' });
    this.send = el('button', { class: 'primary' }, 'Send');
    this.halt = el('button', { type: 'button', disabled: true, click: () => this.abort?.abort() }, 'Stop');
    this.anew = el('button', { type: 'button', click: () => this.clear() }, 'Clear');
    this.form = el('form', { submit: event => this.submit(event) },
      el('label', { for: 'prompt', class: 'hidden' }, 'Prompt'), this.text,
      el('div', { class: 'knobs' },
        el('label', {}, 'temperature', this.temperature), el('label', {}, 'max tokens', this.most),
        el('label', {}, 'seed', this.seed), el('span', { class: 'grow' }), this.anew, this.halt, this.send));
    this.modes = el('div', { class: 'modes', role: 'radiogroup', 'aria-label': 'Kind of request' },
      this.tab('chat', 'Chat'), this.tab('completion', 'Completion'));
    node.append(el('header', { class: 'bar' }, el('h2', { id: 'play-title' }, 'Playground'), this.modes),
      this.log, this.detail.node, this.form);
    this.clear();
  }

  tab(mode, words) {
    const input = el('input', {
      type: 'radio', name: 'mode', value: mode, id: `mode-${mode}`, change: () => this.choose(mode),
    });
    input.checked = mode === this.mode;
    return el('label', { for: `mode-${mode}` }, input, el('span', {}, words));
  }

  choose(mode) {
    this.mode = mode;
    this.modes.querySelector(`#mode-${mode}`).checked = true;
    this.clear();
  }

  /** What a service can be asked. */
  show(service) {
    if (this.service?.name === service.name) return;
    this.abort?.abort();
    this.service = service;
    const can = service.has_tokenizer && !service.is_reward;
    for (const control of [this.text, this.send, this.temperature, this.most, this.seed])
      control.disabled = !can;
    mark(this.most, 'max', String(service.context_tokens));
    this.modes.querySelector('#mode-chat').disabled = !service.has_template;
    this.choose(service.has_template ? 'chat' : 'completion');
    if (can) return;
    say(this.hint, service.is_reward
      ? 'This service is a reward model: it scores and does not talk.'
      : 'This checkpoint has no tokenizer: ask /generate with input_ids.');
  }

  clear() {
    this.abort?.abort();
    this.turns = [];
    say(this.hint, this.mode === 'chat'
      ? 'A chat with the model of this server. Enter sends, Shift+Enter begins a line.'
      : 'The model goes on from your text. Enter sends, Shift+Enter begins a line.');
    this.log.replaceChildren(this.hint);
    mark(this.text, 'placeholder', this.mode === 'chat' ? 'Say something' : 'Begin something');
    this.detail.clear();
  }

  key(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  async submit(event) {
    event.preventDefault();
    const text = this.text.value;
    if (text === '' || this.abort) return;
    this.hint.remove();
    this.log.append(el('p', { class: 'asked' }, text));
    const answer = new Answer(this.detail);
    this.log.append(answer.node);
    this.text.value = '';
    await this.run(text, answer);
    this.text.focus({ preventScroll: true });
  }

  async run(text, answer) {
    const { path, body } = this.request(text);
    const abort = new AbortController();
    this.abort = abort;
    this.halt.disabled = false;
    this.send.disabled = true;
    try {
      const outcome = await stream(path, body, abort.signal, (part, tokens) => {
        answer.add(part, tokens);
        this.log.scrollTop = this.log.scrollHeight;
      });
      answer.end(outcome);
      if (this.mode === 'chat')
        this.turns = [...body.messages, { role: 'assistant', content: answer.text }];
    } catch (error) {
      if (error.name === 'AbortError') answer.stop();
      else answer.fail(error.message);
    }
    this.log.scrollTop = this.log.scrollHeight;
    if (this.abort === abort) this.abort = null;
    this.halt.disabled = true;
    this.send.disabled = false;
  }

  request(text) {
    const body = {
      model: this.service.name, temperature: Number(this.temperature.value),
      max_tokens: Number(this.most.value),
    };
    if (this.seed.value !== '') body.seed = Number(this.seed.value);
    if (this.mode === 'completion')
      return { path: '/v1/completions', body: { ...body, prompt: text, logprobs: TOPS } };
    const messages = [...this.turns, { role: 'user', content: text }];
    return {
      path: '/v1/chat/completions', body: { ...body, messages, logprobs: true, top_logprobs: TOPS },
    };
  }
}

function number(id, value, limits) {
  return el('input', { type: 'number', id, value, required: value !== '', ...limits });
}

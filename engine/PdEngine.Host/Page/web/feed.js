// Asks the server once a second how it is, and goes on asking when it has gone.

const PERIOD_MS = 1000;
const PATIENCE_MS = 5000;
const KEPT_SAMPLES = 300;
const KEPT_REQUESTS = 400;

export class Feed {
  constructor(onState, onLink) {
    this.onState = onState;
    this.onLink = onLink;
    this.service = null;
    this.failures = 0;
    this.forget();
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.ask();
    });
  }

  /** Another service is looked at. */
  choose(service) {
    this.service = service;
    this.forget();
    this.ask();
  }

  forget() {
    this.round = (this.round ?? 0) + 1;
    this.samples = [];
    this.requests = [];
    this.after = 0;
    this.ended = 0;
    this.started = 0;
  }

  async ask() {
    clearTimeout(this.timer);
    const round = this.round;
    if (!document.hidden) {
      try {
        const state = await this.fetch();
        if (round !== this.round) return;
        this.failures = 0;
        if (this.take(state)) this.onState(state, this);
        this.onLink(state.draining ? 'draining' : 'live', state);
      } catch (error) {
        if (round !== this.round) return;
        this.failures++;
        this.onLink(error.status === 401 ? 'locked' : 'gone', null, this.failures);
      }
    }
    clearTimeout(this.timer);
    const wait = PERIOD_MS * Math.min(10, 1 + Math.max(0, this.failures - 1));
    this.timer = setTimeout(() => this.ask(), wait);
  }

  async fetch() {
    const query = new URLSearchParams({ after: this.after, ended: this.ended });
    if (this.service !== null) query.set('service', this.service);
    const answer = await fetch(`/page/state?${query}`, {
      cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (!answer.ok) throw Object.assign(new Error(`status ${answer.status}`), { status: answer.status });
    return answer.json();
  }

  /** Adds what is new; false where the server is another than before and all must be asked anew. */
  take(state) {
    if (this.started !== 0 && this.started !== state.started) {
      this.forget();
      return false;
    }
    this.started = state.started;
    for (const row of state.samples) {
      const sample = {};
      state.columns.forEach((name, i) => { sample[name] = row[i]; });
      this.samples.push(sample);
      this.after = sample.time_ms;
    }
    for (const request of state.ended) {
      this.requests.push(request);
      this.ended = request.number;
    }
    this.samples.splice(0, this.samples.length - KEPT_SAMPLES);
    this.requests.splice(0, this.requests.length - KEPT_REQUESTS);
    return true;
  }
}

// Elements, and numbers as people read them.

const SVG = 'http://www.w3.org/2000/svg';

/** An element with attributes (a function listens, a class is a string) and children. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(key, value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children);
  return node;
}

/** Changes text only where it is another: selections and screen readers are left alone. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The same of an attribute. */
export function mark(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const two = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });

export function count(value) {
  return value === null || value === undefined ? '–' : whole.format(value);
}

/** A rate: three digits or so. */
export function rate(value) {
  if (value === null || value === undefined) return '–';
  if (value >= 1e6) return `${one.format(value / 1e6)}M`;
  if (value >= 1e4) return `${one.format(value / 1e3)}k`;
  return value >= 100 ? whole.format(value) : one.format(value);
}

/** A time in ms, in the unit that suits it. */
export function time(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms >= 60_000) return `${one.format(ms / 60_000)} min`;
  if (ms >= 1000) return `${two.format(ms / 1000)} s`;
  if (ms >= 100) return `${whole.format(ms)} ms`;
  if (ms >= 1) return `${one.format(ms)} ms`;
  return ms === 0 ? '0 ms' : `${whole.format(ms * 1000)} µs`;
}

export function bytes(value) {
  if (value >= 2 ** 30) return `${one.format(value / 2 ** 30)} GiB`;
  if (value >= 2 ** 20) return `${one.format(value / 2 ** 20)} MiB`;
  if (value >= 2 ** 10) return `${one.format(value / 2 ** 10)} KiB`;
  return `${whole.format(value)} B`;
}

export function percent(part) {
  return part === null || part === undefined ? '–' : `${Math.round(part * 100)}%`;
}

/** How long a server has been up. */
export function span(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return `${Math.max(0, Math.floor(seconds))} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

export function plural(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** A command that can be taken along. */
export function command(text) {
  const button = el('button', { type: 'button', class: 'copy' }, 'Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = 'Selected';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
  const code = el('code', {}, text);
  return el('div', { class: 'command' }, el('pre', { tabindex: '0' }, code), button);
}

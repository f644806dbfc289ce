// The measurement as a picture: one row a figure, on a logarithmic scale. The table below it
// says the same in words.

import { milliseconds } from './figures.js';

/** @typedef {import('../shared/backend.js').Backend} Backend */
/** @typedef {import('./figures.js').Result} Result */

const SVG = 'http://www.w3.org/2000/svg';
const BACKENDS = /** @type {const} */ (['webgpu', 'wasm']);
/** @type {[string, (result: Result) => number][]} */
const FIGURES = [
  ['Load', (result) => result.load],
  ['First run', (result) => result.first],
  ['p50', (result) => result.p50],
  ['p95', (result) => result.p95],
];
const BAR = 16;
const GAP = 4;
const ROW = 2 * BAR + GAP + 20;
const AXIS = 28;
/** Room for one label of the axis. */
const LABEL = 64;

/**
 * Draw results into a holder, as wide as it is.
 * @param {HTMLElement} holder
 * @param {Partial<Record<Backend, Result>>} results
 */
export function drawChart(holder, results) {
  if (Object.keys(results).length === 0) return;
  const width = Math.max(280, holder.clientWidth);
  const left = 88;
  const right = 64;
  const height = FIGURES.length * ROW + AXIS;
  const values = Object.values(results).flatMap((result) => FIGURES.map(([, of]) => of(result)));
  const low = 10 ** Math.floor(Math.log10(Math.max(0.001, Math.min(...values) * 0.8)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values) * 1.05));
  const span = Math.log10(high / low) || 1;
  /** @param {number} value */
  const x = (value) => left + (Math.log10(Math.max(value, low) / low) / span) * (width - left - right);

  const svg = make('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img' });
  svg.setAttribute('aria-label', describe(results));
  svg.classList.add('chart');
  // As many labels as fit beside one another.
  const every = Math.ceil((span * LABEL) / (width - left - right));
  for (let power = 0; power <= Math.round(span); power += 1) {
    const at = Math.round(x(low * 10 ** power)) + 0.5;
    svg.append(make('line', { x1: at, x2: at, y1: 0, y2: height - AXIS, class: 'chart-grid' }));
    if (power % every === 0) {
      const place = { x: at, y: height - 8, 'text-anchor': 'middle', class: 'chart-tick' };
      svg.append(text(axisLabel(low * 10 ** power), place));
    }
  }
  FIGURES.forEach(([label, of], row) => {
    const top = row * ROW + 10;
    svg.append(text(label, { x: 0, y: top + BAR + GAP / 2 + 5, class: 'chart-label' }));
    BACKENDS.forEach((backend, index) => {
      const result = results[backend];
      if (!result) return;
      const y = top + index * (BAR + GAP);
      const end = x(of(result));
      svg.append(
        make('rect', {
          x: left,
          y,
          width: Math.max(2, end - left),
          height: BAR,
          rx: 4,
          class: `chart-bar chart-${backend}`,
        }),
        text(milliseconds(of(result)), { x: end + 6, y: y + BAR - 4, class: 'chart-value' }),
      );
    });
  });
  holder.replaceChildren(svg);
}

/** @param {number} value in milliseconds, a power of ten */
function axisLabel(value) {
  if (value >= 1000) return `${value / 1000} s`;
  return `${value >= 1 ? value.toFixed(0) : Number(value.toPrecision(1))} ms`;
}

/** @param {Partial<Record<Backend, Result>>} results */
function describe(results) {
  const names = { webgpu: 'WebGPU', wasm: 'WASM' };
  const rows = BACKENDS.filter((backend) => results[backend]).map((backend) => {
    const result = /** @type {Result} */ (results[backend]);
    return `${names[backend]}: ${FIGURES.map(([label, of]) => `${label} ${milliseconds(of(result))}`).join(', ')}`;
  });
  return `Bar chart on a logarithmic scale. ${rows.join('. ')}.`;
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

/**
 * @param {string} content
 * @param {Record<string, string | number>} attributes
 */
function text(content, attributes) {
  const element = make('text', attributes);
  element.textContent = content;
  return element;
}

// Measures both backends on the digits model, one after the other, and shows them side by side.

import { asset } from '../shared/assets.js';
import { BACKEND_NAMES } from '../shared/backend.js';
import { PageError, describe } from '../shared/errors.js';
import { Inference } from '../shared/inference.js';
import { drawChart } from './chart.js';
import { milliseconds, percentile } from './figures.js';

/** @typedef {import('../shared/backend.js').Backend} Backend */
/** @typedef {import('./figures.js').Result} Result */

const BACKENDS = /** @type {const} */ (['webgpu', 'wasm']);
const FIGURES = ['Load', 'First run', 'p50', 'p95', 'Runs'];
/** A picture of a digit, as the model takes it. */
const DIMS = [1, 1, 28, 28];
const RUNS = 200;
/** Milliseconds for the steady state of one backend: a slow one ends with fewer runs. */
const BUDGET = 4000;

/** @type {import('../app.js').Mount} */
export function mount(section, { backend, capabilities, chooseBackend, onError }) {
  const view = render(section);
  /** @type {Partial<Record<Backend, Result>>} */
  const results = {};
  let inForce = backend;
  /** @type {AbortController | undefined} */
  let running;

  view.run.addEventListener('click', () => void (running ? stop() : measureAll()));
  showChoice();

  function stop() {
    running?.abort(new DOMException('Stopped.', 'AbortError'));
  }

  async function measureAll() {
    running = new AbortController();
    view.run.textContent = 'Stop';
    view.card.setAttribute('aria-busy', 'true');
    try {
      for (const name of BACKENDS) {
        if (name === 'webgpu' && capabilities.webgpu === 'none') continue;
        await measureOrSay(name, running.signal);
      }
      say(running.signal.aborted ? 'Stopped.' : '');
    } finally {
      running = undefined;
      view.run.textContent = 'Measure again';
      view.card.removeAttribute('aria-busy');
    }
  }

  /**
   * A backend that fails leaves the other to be measured.
   * @param {Backend} name
   * @param {AbortSignal} signal
   */
  async function measureOrSay(name, signal) {
    if (signal.aborted) return;
    try {
      await measureOne(name, signal);
    } catch (error) {
      if (!signal.aborted) onError(error, () => void measureAll());
    }
  }

  /**
   * In a worker of its own: the runtime starts anew, as it does for a visitor.
   * @param {Backend} name
   * @param {AbortSignal} signal
   */
  async function measureOne(name, signal) {
    const inference = new Inference();
    const title = BACKEND_NAMES[name];
    const ended = new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      inference.onDeviceLost(({ message }) =>
        reject(
          new PageError(
            `The GPU went away while it was measured: ${message || 'no reason given'}.`,
            'Try again; if it stays so, choose WASM and update the GPU’s driver.',
          ),
        ),
      );
    });
    ended.catch(() => undefined);
    try {
      say(`${title}: loading the runtime and the model…`);
      const loaded = await Promise.race([inference.load(asset('digits/digits.onnx'), name), ended]);
      say(`${title}: first run…`);
      const measured = await Promise.race([
        inference.measure(picture(), DIMS, {
          runs: RUNS,
          budget: BUDGET,
          signal,
          onProgress: ({ done, of }) => say(`${title}: run ${done} of ${of}…`),
        }),
        ended,
      ]);
      const { runtime, fetch, session } = /** @type {import('../shared/inference.js').Loaded} */ (loaded).milliseconds;
      const { first, steady } = /** @type {import('../shared/inference.js').Measured} */ (measured);
      results[name] = {
        load: runtime + fetch + session,
        first,
        steady,
        p50: percentile(steady, 0.5),
        p95: percentile(steady, 0.95),
      };
      showResults();
    } catch (error) {
      if (signal.aborted) throw error;
      view.note(name, describe(error).message);
      throw error;
    } finally {
      inference.close();
    }
  }

  /** @param {string} text */
  function say(text) {
    view.progress.textContent = text;
  }

  function showResults() {
    view.empty.hidden = true;
    view.results.hidden = false;
    view.summary.textContent = summary(results, capabilities);
    drawChart(view.chart, results);
    for (const name of BACKENDS) {
      const result = results[name];
      if (!result) continue;
      view.fill(name, [
        milliseconds(result.load),
        milliseconds(result.first),
        milliseconds(result.p50),
        milliseconds(result.p95),
        String(result.steady.length),
      ]);
    }
  }

  function showChoice() {
    for (const name of BACKENDS) {
      const absent = name === 'webgpu' && capabilities.webgpu === 'none';
      const use = view.use[name];
      use.disabled = absent || name === inForce;
      use.textContent = name === inForce ? 'In use' : `Use ${BACKEND_NAMES[name]}`;
      use.onclick = () => chooseBackend(name);
      if (absent) view.note(name, `${capabilities.why} So there is nothing to measure.`);
    }
  }

  // The chart is drawn as wide as its place, which has no width while another part is open.
  new ResizeObserver(() => {
    if (view.chart.clientWidth > 0) drawChart(view.chart, results);
  }).observe(view.chart);

  return {
    /** @param {Backend} chosen */
    backendChanged(chosen) {
      inForce = chosen;
      showChoice();
    },
  };
}

/** Some ink in the middle: what is drawn makes no difference to the time. */
function picture() {
  const data = new Float32Array(28 * 28);
  for (let row = 6; row < 22; row += 1) data.fill(1, row * 28 + 12, row * 28 + 16);
  return data;
}

/**
 * The measurement in one sentence.
 * @param {Partial<Record<Backend, Result>>} results
 * @param {import('../shared/backend.js').Capabilities} has
 */
function summary({ webgpu, wasm }, has) {
  if (!webgpu || !wasm) return '';
  const ratio = webgpu.p50 / wasm.p50;
  const [fast, slow, times] =
    ratio > 1 ? ['WASM', 'WebGPU', ratio] : ['WebGPU', 'WASM', 1 / ratio];
  const why =
    has.webgpu === 'software'
      ? ' WebGPU runs on a software adapter here, which shows that it works, not how fast a GPU is.'
      : ' A model this small fits a processor’s cache; the larger the model, the more a GPU gains.';
  return `${fast} answers ${times.toFixed(times < 10 ? 1 : 0)} times as fast as ${slow} on this model.${why}`;
}

/** @param {HTMLElement} section */
function render(section) {
  section.innerHTML = `
    <div class="part-head">
      <div>
        <h2>Backends</h2>
        <p class="muted">The same model on the GPU and on the processor of this machine: loading,
          the first run, and then up to ${RUNS} more.</p>
      </div>
      <button type="button" class="button primary" data-run>Measure both</button>
    </div>
    <div class="card backends" data-card>
      <p class="backends-progress" role="status" data-progress></p>
      <div class="backends-empty" data-empty>
        <p>Nothing measured yet. It takes a few seconds a backend, in a worker: the page stays usable.</p>
      </div>
      <div data-results hidden>
        <p class="backends-summary" role="status" data-summary></p>
        <div data-chart></div>
      </div>
      <div class="table-scroll">
        <table>
          <caption class="visually-hidden">Milliseconds per backend</caption>
          <thead>
            <tr>
              <th scope="col">Backend</th>
              ${FIGURES.map((label) => `<th scope="col">${label}</th>`).join('')}
              <th scope="col"><span class="visually-hidden">Choice</span></th>
            </tr>
          </thead>
          <tbody>
            ${BACKENDS.map(
              (name) => `
            <tr data-backend="${name}">
              <th scope="row"><span class="swatch swatch-${name}" aria-hidden="true"></span>${BACKEND_NAMES[name]}</th>
              ${FIGURES.map((label) => `<td data-figure data-label="${label}">–</td>`).join('')}
              <td><button type="button" class="button small" data-use></button></td>
            </tr>
            <tr class="backends-note" data-note="${name}" hidden><td colspan="7"></td></tr>`,
            ).join('')}
          </tbody>
        </table>
      </div>
      <p class="muted small">Load: from an empty worker to an open session, with what the browser
        has cached. p50 and p95: half and 95 % of the runs took no longer.</p>
    </div>`;
  /**
   * @template {Element} [T=HTMLElement]
   * @param {string} selector
   */
  const find = (selector) => {
    const found = section.querySelector(selector);
    if (!found) throw new Error(`The panel has no ${selector}`);
    return /** @type {T} */ (/** @type {unknown} */ (found));
  };
  return {
    card: find('[data-card]'),
    run: find('[data-run]'),
    progress: find('[data-progress]'),
    empty: find('[data-empty]'),
    results: find('[data-results]'),
    summary: find('[data-summary]'),
    chart: find('[data-chart]'),
    use: /** @type {Record<Backend, HTMLButtonElement>} */ (
      Object.fromEntries(BACKENDS.map((name) => [name, find(`[data-backend="${name}"] [data-use]`)]))
    ),
    /**
     * @param {Backend} name
     * @param {string[]} figures
     */
    fill(name, figures) {
      const cells = section.querySelectorAll(`[data-backend="${name}"] [data-figure]`);
      cells.forEach((cell, index) => (cell.textContent = figures[index]));
      find(`[data-note="${name}"]`).hidden = true;
    },
    /**
     * @param {Backend} name
     * @param {string} text
     */
    note(name, text) {
      const row = find(`[data-note="${name}"]`);
      row.hidden = false;
      /** @type {HTMLElement} */ (row.firstElementChild).textContent = text;
    },
  };
}

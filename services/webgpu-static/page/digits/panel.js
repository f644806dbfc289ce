// The digits part: draw one, see what a network in this browser takes it for, while drawing.

import { describe } from '../shared/errors.js';
import { BACKEND_NAMES } from '../shared/backend.js';
import { acceptDrops } from './filedrop.js';
import { duration } from './outputs.js';
import { prepare } from './preprocess.js';
import { Recognizer } from './recognizer.js';
import { Result } from './result.js';
import { sample } from './samples.js';
import { Sketchpad } from './sketchpad.js';

const LAYOUT = `
  <div class="card digits-draw">
    <div class="digits-title">
      <h2>Draw a digit</h2>
      <p class="digits-glance" aria-hidden="true"></p>
    </div>
    <div class="digits-paper">
      <canvas class="digits-canvas" tabindex="0" role="application"
        aria-roledescription="drawing area" aria-label="Draw a digit here"
        aria-describedby="digits-keys"></canvas>
      <p class="digits-invite" aria-hidden="true"><span>Draw here, 0 to 9</span></p>
    </div>
    <div class="digits-tools">
      <button type="button" class="button digits-undo">Undo</button>
      <button type="button" class="button digits-clear">Clear</button>
    </div>
    <div class="digits-samples" role="group" aria-label="Have a digit drawn">
      <span class="muted" aria-hidden="true">or have one drawn</span>
    </div>
    <p class="muted digits-keys" id="digits-keys">Mouse, finger or pen. With the keyboard:
      <kbd>arrows</kbd> move, <kbd>Space</kbd> lowers and lifts the pen,
      <kbd>Backspace</kbd> takes back, <kbd>Esc</kbd> clears.</p>
  </div>
  <div class="card digits-result" aria-busy="true">
    <h2 class="visually-hidden">What the model says</h2>
    <div class="digits-answer">
      <p class="digits-answer-digit"></p>
      <p><strong class="digits-answer-title"></strong><span class="muted digits-answer-doubt"></span></p>
      <figure class="digits-seen">
        <canvas class="digits-seen-picture" width="28" height="28" role="img"
          aria-label="The drawing as the model sees it, 28 by 28 pixels"></canvas>
        <figcaption class="muted">What the model sees</figcaption>
      </figure>
    </div>
    <ol class="digits-bars" role="list" aria-label="Probability of each digit"></ol>
    <dl class="digits-facts">
      <div><dt>Runs on</dt><dd class="digits-backend">…</dd></div>
      <div><dt title="Median of the last fifteen runs">Model</dt><dd class="digits-model-time">–</dd></div>
      <div><dt title="From the pen's movement to the bars; median of the last fifteen">Pen to answer</dt><dd class="digits-total-time">–</dd></div>
    </dl>
    <div class="digits-fallback" role="status" hidden>
      <p></p>
      <button type="button" class="button small digits-gpu-again">Try WebGPU again</button>
    </div>
    <p class="visually-hidden digits-said" role="status"></p>
  </div>
  <div class="card digits-own">
    <div>
      <h3>Your own model</h3>
      <p class="muted">Drop an ONNX file on this page, or choose one: float32 [1, 1, 28, 28] in, white
        on black from 0 to 1, ten numbers out. It is read here, in your browser. Neither the file nor
        what you draw is sent anywhere.</p>
    </div>
    <p class="digits-own-now">In use: <strong class="digits-model-name"></strong></p>
    <div class="digits-own-tools">
      <label class="button digits-choose"><input type="file" accept=".onnx" class="visually-hidden">Choose a file…</label>
      <button type="button" class="button digits-built-in" hidden>Back to the built-in model</button>
    </div>
  </div>
  <div class="digits-refused" role="alert" hidden>
    <p class="digits-own-failed"></p>
    <button type="button" class="button small digits-understood">Dismiss</button>
  </div>
  <p class="digits-drop" aria-hidden="true" hidden>Drop the ONNX file to use it here</p>`;

/** @type {import('../app.js').Mount} */
export async function mount(section, { backend, onError }) {
  section.innerHTML = LAYOUT;
  section.classList.add('digits');
  section.dataset.state = 'empty';

  /**
   * @param {string} selector
   * @returns {HTMLElement}
   */
  const find = (selector) => {
    const found = section.querySelector(selector);
    if (!(found instanceof HTMLElement)) throw new Error(`The panel has no ${selector}`);
    return found;
  };

  const result = new Result(section);
  const recognizer = new Recognizer(backend, (message) => {
    tryToOpen(() => fallBack(new Error(`The GPU went away: ${message || 'no reason given'}.`)));
  });
  const pad = new Sketchpad(/** @type {HTMLCanvasElement} */ (find('.digits-canvas')), {
    onChange: () => void recognize(),
    onSay: (text) => result.say(text),
  });

  const modelTimes = new Median();
  const totalTimes = new Median();
  let running = false;
  let again = false;

  /** The newest drawing wins: what changed while the model ran is looked at once, afterwards. */
  async function recognize() {
    find('.digits-invite').hidden = !pad.empty;
    section.dataset.state = 'looking';
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        await recognizeNow();
      }
      section.dataset.state = pad.empty ? 'empty' : recognizer.ready ? 'answered' : 'waiting';
    } catch (error) {
      // Another model or backend took over meanwhile; it looks at the drawing when it is open.
      if (error instanceof DOMException && error.name === 'AbortError') return;
      tryToOpen(() => openOnGpuOr(() => Promise.reject(error)));
    } finally {
      running = false;
    }
  }

  async function recognizeNow() {
    const started = performance.now();
    const image = prepare(pad.picture());
    if (!image) {
      result.empty();
      return;
    }
    result.picture(image);
    if (!recognizer.ready) return; // still opening; asked again when it is there
    const { shares, milliseconds } = await recognizer.recognize(image);
    if (pad.empty) return;
    result.show(shares);
    find('.digits-model-time').textContent = duration(modelTimes.add(milliseconds));
    find('.digits-total-time').textContent = duration(
      totalTimes.add(performance.now() - started),
    );
  }

  /**
   * Change the model or its backend, and look at the drawing again.
   * @param {() => Promise<void>} change
   */
  async function open(change) {
    find('.digits-result').setAttribute('aria-busy', 'true');
    find('.digits-backend').textContent = 'Opening the model…';
    try {
      await change();
      find('.digits-refused').hidden = true;
    } finally {
      find('.digits-result').removeAttribute('aria-busy');
      showModel();
    }
    modelTimes.clear();
    totalTimes.clear();
    await recognize();
  }

  function showModel() {
    const name = BACKEND_NAMES[recognizer.backend];
    find('.digits-backend').textContent = recognizer.ready ? name : 'no model';
    find('.digits-model-name').textContent = recognizer.name;
    find('.digits-built-in').hidden = recognizer.builtIn;
  }

  /**
   * Change the model or its backend; on WASM where that fails on the GPU.
   * @param {() => Promise<void>} change
   */
  async function openOnGpuOr(change) {
    try {
      await open(change);
    } catch (error) {
      if (recognizer.backend === 'wasm') throw error;
      await fallBack(error);
    }
  }

  /**
   * Go on without the GPU, and say why.
   * @param {unknown} error
   */
  async function fallBack(error) {
    await open(() => recognizer.reopen('wasm'));
    const notice = find('.digits-fallback');
    /** @type {HTMLElement} */ (notice.firstElementChild).textContent =
      `WebGPU failed, so WASM answers. ${describe(error).message}`;
    notice.hidden = false;
  }

  /** @param {File} file */
  async function useFile(file) {
    try {
      await open(() => recognizer.useFile(file));
      result.say(`${file.name} is in use`);
    } catch (error) {
      refuse(`${file.name} is not used.`, error);
    }
  }

  /**
   * Over the page, in sight wherever it is scrolled to: a file may be dropped anywhere.
   * @param {string} what
   * @param {unknown} error
   */
  function refuse(what, error) {
    const { message, remedy } = describe(error);
    find('.digits-own-failed').textContent = `${what} ${message} ${remedy}`;
    find('.digits-refused').hidden = false;
  }

  /** @param {import('../shared/backend.js').Backend} chosen */
  async function changeBackend(chosen) {
    const { builtIn, name } = recognizer;
    find('.digits-fallback').hidden = true;
    try {
      await openOnGpuOr(() => recognizer.reopen(chosen));
    } catch (error) {
      if (builtIn) throw error;
      // A user's model may need what the other backend does not have; ours runs on both.
      await open(() => recognizer.useBuiltIn());
      refuse(`${name} is not used.`, error);
    }
  }

  find('.digits-undo').addEventListener('click', () => pad.undo());
  find('.digits-clear').addEventListener('click', () => pad.clear());
  for (let digit = 0; digit < 10; digit += 1) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'digits-sample';
    button.textContent = String(digit);
    button.setAttribute('aria-label', `Draw a ${digit}`);
    button.addEventListener('click', () => pad.play(sample(digit)));
    find('.digits-samples').append(button);
  }

  const input = /** @type {HTMLInputElement} */ (find('.digits-choose input'));
  input.addEventListener('change', () => {
    const [file] = input.files ?? [];
    input.value = ''; // so that the same file can be chosen again
    if (file) void useFile(file);
  });
  find('.digits-built-in').addEventListener('click', () => {
    tryToOpen(() => openOnGpuOr(() => recognizer.useBuiltIn()));
  });
  find('.digits-gpu-again').addEventListener('click', () => {
    tryToOpen(() => changeBackend('webgpu'));
  });
  find('.digits-understood').addEventListener('click', () => {
    find('.digits-refused').hidden = true;
  });
  acceptDrops({
    wanted: () => !section.hidden,
    onHover: (hovering) => (find('.digits-drop').hidden = !hovering),
    onFile: (file) => void useFile(file),
    onRefused: (error) => refuse('Nothing is used.', error),
  });

  /**
   * What fails is said on the page, with a way to try again.
   * @param {() => Promise<void>} attempt
   */
  function tryToOpen(attempt = () => openOnGpuOr(() => recognizer.reopen())) {
    attempt().catch((error) => {
      if (error instanceof DOMException && error.name === 'AbortError') return;
      onError(error, () => tryToOpen());
    });
  }
  tryToOpen(); // drawing need not wait for it

  return { backendChanged: changeBackend };
}

/** The median of the last fifteen: one slow run among them does not make the figure jump. */
class Median {
  /** @type {number[]} */
  #values = [];

  /** @param {number} value */
  add(value) {
    this.#values.push(value);
    if (this.#values.length > 15) this.#values.shift();
    return [...this.#values].sort((a, b) => a - b)[Math.floor(this.#values.length / 2)];
  }

  clear() {
    this.#values = [];
  }
}

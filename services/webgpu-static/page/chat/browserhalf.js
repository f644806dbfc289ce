// The browser's half: the demo model in a worker, with what the person sees of it.

import { BACKEND_NAMES } from '../shared/backend.js';
import { describe } from '../shared/errors.js';
import { WorkerClient } from '../shared/rpc.js';
import { failureNotice } from './answerview.js';
import { h } from './dom.js';
import { duration } from './stopwatch.js';

/**
 * @import { Context } from '../app.js'
 * @import { Backend } from '../shared/backend.js'
 * @import { Choice, Message, ModelFacts, Step } from './types.js'
 */

export class BrowserHalf {
  name = 'browser';
  title = 'In this browser';
  #context;
  #badge = h('span', { class: 'chat-badge' });
  #state = h('div', { class: 'chat-state' });
  #advice = h(
    'p',
    { class: 'chat-warning', hidden: true },
    'The processor plays the GPU here. ',
    h(
      'button',
      { type: 'button', class: 'chat-link', click: () => this.#context.chooseBackend('wasm') },
      'Use WASM: faster',
    ),
  );
  element = h(
    'section',
    { class: 'chat-half', 'data-half': 'browser', 'aria-labelledby': 'chat-browser-title' },
    h('div', { class: 'chat-half-head' }, h('h3', { id: 'chat-browser-title' }, this.title), this.#badge),
    h(
      'p',
      { class: 'chat-model' },
      h('b', {}, 'foundry-demo'),
      h('span', { class: 'chat-demo' }, 'Demo'),
    ),
    this.#state,
    this.#advice,
  );
  /** @type {WorkerClient<import('./worker.js').ChatApi> | null} */
  #worker = null;
  /** @type {Promise<ModelFacts> | null} */
  #loaded = null;
  /** @type {(() => void) | null} */
  #reload = null;

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
  }

  /**
   * Load the model, or load it anew for another backend; answers under way are given up.
   * @param {Backend} backend
   */
  load(backend) {
    this.#worker?.close();
    const worker = new WorkerClient(new URL('./worker.js', import.meta.url));
    this.#worker = worker;
    this.#advise(backend);
    this.#badge.textContent = '';
    delete this.element.dataset.backend;
    this.#showProgress({ loaded: 0, total: 0 });
    worker.on('facts', (facts) => this.#show(facts));
    this.#loaded = worker.call(
      'load',
      { backend },
      { onProgress: (progress) => this.#showProgress(progress) },
    );
    this.#reload = null;
    this.#loaded.then(
      (facts) => this.#show(facts),
      (error) => {
        if (worker !== this.#worker) return;
        this.#reload = () => this.load(backend);
        this.#showFailure(error, this.#reload);
      },
    );
  }

  /** Settled once questions are answered, after another try if the last failed; or rejects. */
  prepare() {
    this.#reload?.();
    return this.#loaded;
  }

  /**
   * @param {Message[]} messages
   * @param {Choice} choice
   * @param {AbortSignal} signal
   * @param {(step: Step) => void} onStep
   */
  async ask(messages, choice, signal, onStep) {
    await this.#worker?.call('answer', { messages, choice }, { signal, onProgress: onStep });
  }

  /** @param {{loaded: number, total: number}} progress */
  #showProgress({ loaded, total }) {
    if (loaded > 0 && loaded >= total) {
      this.#state.replaceChildren(h('p', {}, 'Starting the model…'));
      return;
    }
    const text = total ? `: ${megabytes(loaded)} of ${megabytes(total)} MB` : '…';
    const bar = h('progress', {
      'aria-label': 'Model loaded',
      max: String(total || 1),
      value: String(loaded),
    });
    this.#state.replaceChildren(h('p', {}, `Loading the model${text}`), bar);
  }

  /** @param {ModelFacts} facts */
  #show({ backend, fallback, contextLength, bytes, seconds }) {
    this.#badge.textContent = BACKEND_NAMES[backend];
    this.#badge.dataset.level = fallback === null ? 'good' : 'warn';
    this.element.dataset.backend = backend;
    const facts = `${megabytes(bytes)} MB, ready in ${duration(seconds)}. Context: ${contextLength.toLocaleString('en')} tokens.`;
    this.#state.replaceChildren(h('p', {}, facts));
    if (fallback !== null) {
      this.#state.append(
        h('p', { class: 'chat-warning' }, 'WebGPU failed, so WASM answers.'),
        h('details', {}, h('summary', {}, 'What it said'), h('p', { class: 'chat-said' }, fallback)),
        h(
          'button',
          { type: 'button', class: 'button small', click: () => this.load('webgpu') },
          'Try WebGPU again',
        ),
      );
    }
    this.#advise(backend);
  }

  /**
   * Offer a way out of a slow choice from the start: on such a GPU even loading takes long.
   * @param {Backend} backend
   */
  #advise(backend) {
    this.#advice.hidden = backend !== 'webgpu' || this.#context.capabilities.webgpu !== 'software';
  }

  /**
   * @param {unknown} error
   * @param {() => void} retry
   */
  #showFailure(error, retry) {
    const { message, remedy } = describe(error);
    this.#badge.textContent = 'Not running';
    this.#badge.dataset.level = 'bad';
    this.#state.replaceChildren(failureNotice(message, remedy, retry));
  }
}

/** @param {number} bytes */
function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1);
}

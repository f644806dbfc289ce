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
  );
  /** @type {WorkerClient<import('./worker.js').ChatApi> | null} */
  #worker = null;
  /** @type {Promise<unknown>} */
  #loaded = Promise.resolve();

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
    worker.on('facts', (facts) => this.#show(facts));
    this.#showProgress({ loaded: 0, total: 0 });
    const loaded = worker.call(
      'load',
      { backend },
      { onProgress: (progress) => this.#showProgress(progress) },
    );
    this.#loaded = loaded;
    loaded.then(
      (facts) => this.#show(facts),
      (error) => worker === this.#worker && this.#showFailure(error, () => this.load(backend)),
    );
  }

  /** Settled once questions are answered; rejects with why they cannot be. */
  get ready() {
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
    const bar = h('progress', {
      'aria-label': 'Model loaded',
      max: String(total || 1),
      value: String(loaded),
    });
    const text = total ? `Loading the model: ${megabytes(loaded)} of ${megabytes(total)} MB` : 'Loading the model…';
    this.#state.replaceChildren(h('p', {}, text), bar);
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
      );
    } else if (backend === 'webgpu' && this.#context.capabilities.webgpu === 'software') {
      const change = () => this.#context.chooseBackend('wasm');
      this.#state.append(
        h(
          'p',
          { class: 'chat-warning' },
          'The processor plays the GPU here. ',
          h('button', { type: 'button', class: 'chat-link', click: change }, 'Use WASM: faster'),
        ),
      );
    }
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

// Calls into a worker: one promise a call, with progress on the way and a way to stop it.

import { PageError, describe } from './errors.js';

/**
 * A worker's methods: each takes one argument and what it needs to answer.
 * @typedef {Record<string, (argument: any, call: Call) => any>} Methods
 */

/**
 * @typedef {object} Call
 * @property {(detail: any) => void} progress tells the caller how far it is
 * @property {AbortSignal} signal aborted when the caller gives up
 */

/**
 * @typedef {object} CallOptions
 * @property {Transferable[]} [transfer]
 * @property {AbortSignal} [signal] stops the call; its promise then rejects with the signal's reason
 * @property {(detail: any) => void} [onProgress]
 */

/**
 * Wraps a result whose buffers go to the caller instead of being copied.
 * @template T
 */
export class Transferred {
  /**
   * @param {T} value
   * @param {Transferable[]} transfer
   */
  constructor(value, transfer) {
    this.value = value;
    this.transfer = transfer;
  }
}

/**
 * The page's end.
 * @template {Methods} [Api=Methods]
 */
export class WorkerClient {
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: unknown) => void, onProgress?: (detail: any) => void}>} */
  #calls = new Map();
  /** @type {Map<string, Set<(detail: any) => void>>} */
  #listeners = new Map();
  #last = 0;
  /** @type {Worker} */
  #worker;

  /** @param {string | URL} url of a module that calls `serve` */
  constructor(url) {
    this.#worker = new Worker(url, { type: 'module' });
    this.#worker.addEventListener('message', ({ data }) => this.#receive(data));
    this.#worker.addEventListener('error', (event) => {
      event.preventDefault();
      this.#failAll(
        new PageError(
          event.message || 'The background worker could not be loaded.',
          'Check that this page’s server still answers, then try again.',
        ),
      );
    });
  }

  /**
   * @template {keyof Api & string} Name
   * @param {Name} method
   * @param {Parameters<Api[Name]>[0]} [argument]
   * @param {CallOptions} [options]
   * @returns {Promise<Awaited<ReturnType<Api[Name]>> extends Transferred<infer T> ? T : Awaited<ReturnType<Api[Name]>>>}
   */
  call(method, argument, { transfer = [], signal, onProgress } = {}) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const id = (this.#last += 1);
      const stop = () => {
        this.#worker.postMessage({ abort: id });
        this.#calls.delete(id);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', stop, { once: true });
      const settled = () => signal?.removeEventListener('abort', stop);
      this.#calls.set(id, {
        resolve: (value) => (settled(), resolve(value)),
        reject: (error) => (settled(), reject(error)),
        onProgress,
      });
      this.#worker.postMessage({ id, method, argument }, transfer);
    });
  }

  /**
   * Listen to what the worker announces by itself.
   * @param {string} event
   * @param {(detail: any) => void} listener
   */
  on(event, listener) {
    const known = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, known.add(listener));
  }

  /** End the worker, whatever it is doing; open calls are rejected. */
  close() {
    this.#worker.terminate();
    this.#failAll(new DOMException('The worker was ended.', 'AbortError'));
  }

  /** @param {any} message */
  #receive(message) {
    if ('event' in message) {
      for (const listener of this.#listeners.get(message.event) ?? []) listener(message.detail);
      return;
    }
    const call = this.#calls.get(message.id);
    if (!call) return;
    if ('progress' in message) {
      call.onProgress?.(message.progress);
      return;
    }
    this.#calls.delete(message.id);
    if ('error' in message) call.reject(new PageError(message.error.message, message.error.remedy));
    else call.resolve(message.result);
  }

  /** @param {unknown} error */
  #failAll(error) {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.reject(error);
  }
}

/**
 * The worker's end: answers calls with these methods, one at a time or several at once as they come.
 * @param {Methods} methods
 */
export function serve(methods) {
  const scope = /** @type {Worker} */ (/** @type {unknown} */ (globalThis));
  /** @type {Map<number, AbortController>} */
  const running = new Map();
  scope.addEventListener('message', async ({ data }) => {
    if ('abort' in data) {
      running.get(data.abort)?.abort();
      return;
    }
    const { id, method, argument } = data;
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const result = await methods[method](argument, {
        progress: (progress) => scope.postMessage({ id, progress }),
        signal: controller.signal,
      });
      if (result instanceof Transferred) {
        scope.postMessage({ id, result: result.value }, result.transfer);
      } else {
        scope.postMessage({ id, result });
      }
    } catch (error) {
      scope.postMessage({ id, error: describe(error) });
    } finally {
      running.delete(id);
    }
  });
}

/**
 * Announce something nobody asked for to everyone who listens.
 * @param {string} event
 * @param {unknown} detail
 */
export function announce(event, detail) {
  const scope = /** @type {Worker} */ (/** @type {unknown} */ (globalThis));
  scope.postMessage({ event, detail });
}

// One ONNX model in a worker of its own, as the panels use it.

import { WorkerClient } from './rpc.js';

/** @typedef {import('./backend.js').Backend} Backend */

/**
 * @typedef {object} Loaded
 * @property {{runtime: number, fetch: number, session: number}} milliseconds
 * @property {Value[]} inputs
 * @property {Value[]} outputs
 */

/**
 * @typedef {object} Value a model's input or output
 * @property {string} name
 * @property {string} type such as `float32`
 * @property {(number | string)[]} shape a name stands for a free dimension
 */

/**
 * @typedef {object} Measured in milliseconds
 * @property {number} first
 * @property {number[]} steady
 */

export class Inference {
  /** @type {WorkerClient<import('./inference-worker.js').InferenceApi>} */
  #worker = new WorkerClient(new URL('./inference-worker.js', import.meta.url));

  /**
   * Open a model in place of the one before.
   * @param {string | ArrayBuffer} model an address on this origin, or the file itself
   * @param {Backend} backend
   * @returns {Promise<Loaded>}
   */
  load(model, backend) {
    return this.#worker.call('load', { model, backend });
  }

  /**
   * @param {Float32Array} data
   * @param {number[]} dims
   * @returns {Promise<{data: Float32Array, dims: readonly number[], milliseconds: number}>}
   */
  run(data, dims) {
    return this.#worker.call('run', { data, dims });
  }

  /**
   * Time the first run and up to `runs` more, for at most `budget` milliseconds.
   * @param {Float32Array} data
   * @param {number[]} dims
   * @param {{runs: number, budget: number, signal?: AbortSignal, onProgress?: (detail: {done: number, of: number}) => void}} plan
   * @returns {Promise<Measured>}
   */
  measure(data, dims, { runs, budget, signal, onProgress }) {
    return this.#worker.call('measure', { data, dims, runs, budget }, { signal, onProgress });
  }

  /**
   * The GPU went away: a driver restarted, or the machine slept.
   * @param {(info: {reason: string, message: string}) => void} listener
   */
  onDeviceLost(listener) {
    this.#worker.on('device-lost', listener);
  }

  close() {
    this.#worker.close();
  }
}

// The model that is in use: the built-in one, or a file of the user's.

import { asset } from '../shared/assets.js';
import { PageError } from '../shared/errors.js';
import { WorkerClient } from '../shared/rpc.js';
import { checkFile } from './contract.js';
import { probabilities } from './outputs.js';

/** @typedef {import('../shared/backend.js').Backend} Backend */
/** @typedef {{ name: string, content: string | ArrayBuffer }} Model */
/** @typedef {WorkerClient<import('./worker.js').DigitApi>} Client */

/** @type {Model} */
const BUILT_IN = { name: 'built-in', content: asset('digits/digits.onnx') };

export class Recognizer {
  /** @type {Client | undefined} */
  #worker;
  #model = BUILT_IN;
  /** @type {Backend} */
  #backend;
  #onLost;
  #asked = 0;
  #opened = 0;

  /**
   * @param {Backend} backend
   * @param {(message: string) => void} onLost the GPU went away; `reopen` brings it back
   */
  constructor(backend, onLost) {
    this.#backend = backend;
    this.#onLost = onLost;
  }

  /** The model's name, for people. */
  get name() {
    return this.#model.name;
  }

  get backend() {
    return this.#backend;
  }

  get builtIn() {
    return this.#model === BUILT_IN;
  }

  get ready() {
    return this.#worker !== undefined;
  }

  /**
   * Open the same model again, on this backend.
   * @param {Backend} [backend]
   */
  async reopen(backend = this.#backend) {
    this.#backend = backend;
    this.close();
    await this.#open(this.#model);
  }

  close() {
    this.#worker?.close();
    this.#worker = undefined;
  }

  /** Go back to the model of this page. */
  async useBuiltIn() {
    await this.#open(BUILT_IN);
  }

  /**
   * Use a file of the user's. If it cannot be used, the model before stays.
   * @param {File} file
   */
  async useFile(file) {
    checkFile(file);
    await this.#open({ name: file.name, content: await read(file) });
  }

  /**
   * @param {Float32Array} image 784 values from 0 to 1
   */
  async recognize(image) {
    const { values, milliseconds } = await this.scores(image);
    return { shares: probabilities(values), milliseconds };
  }

  /**
   * The ten numbers as the model gives them.
   * @param {Float32Array} image
   * @param {string} [output] by name, instead of the one that fits best
   */
  scores(image, output) {
    if (!this.#worker) throw new Error('Open a model first.');
    return this.#worker.call('run', { image, output });
  }

  /**
   * In a worker of its own: a model that breaks its runtime breaks no other.
   * @param {Model} model
   */
  async #open(model) {
    /** @type {Client} */
    const worker = new WorkerClient(new URL('./worker.js', import.meta.url));
    const backend = this.#backend;
    const turn = (this.#asked += 1);
    worker.on('device-lost', ({ message }) => {
      if (worker === this.#worker) this.#onLost(message);
    });
    try {
      await worker.call('open', { model: model.content, backend });
    } catch (error) {
      worker.close();
      throw error;
    }
    if (backend !== this.#backend || turn < this.#opened) {
      worker.close(); // the choice changed meanwhile; that call opens its own
      return;
    }
    this.#opened = turn;
    this.#worker?.close();
    this.#worker = worker;
    this.#model = model;
  }
}

/**
 * @param {File} file
 * @throws {PageError} a folder, or a file that is gone or may not be read
 */
async function read(file) {
  try {
    return await file.arrayBuffer();
  } catch (cause) {
    throw new PageError('It could not be read.', 'Choose an ONNX file that you may read.', { cause });
  }
}

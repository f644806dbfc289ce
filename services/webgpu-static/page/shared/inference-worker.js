// Runs one ONNX model, away from the page's own thread. shared/inference.js is its caller.

import { PageError } from './errors.js';
import { openSession, runtime } from './ort.js';
import { Transferred, announce, serve } from './rpc.js';

/** @typedef {import('./inference.js').Measured} Measured */

/** Runs that a measurement has at least, however slow they are. */
const LEAST = 10;

/** @type {import('./ort.js').Session | undefined} */
let session;
/** @type {Promise<unknown>} */
let queue = Promise.resolve();

const methods = {
  /**
   * Open a model in place of the one before.
   * @param {{model: string | ArrayBuffer, backend: import('./backend.js').Backend}} wanted
   */
  async load({ model, backend }) {
    const before = session;
    const opened = await openSession(model, backend, {}, ({ reason, message }) => {
      if (reason !== 'destroyed') announce('device-lost', { reason, message });
    });
    session = opened.session;
    await before?.release();
    return {
      milliseconds: opened.milliseconds,
      inputs: opened.session.inputMetadata.map(describeValue),
      outputs: opened.session.outputMetadata.map(describeValue),
    };
  },

  /**
   * @param {{data: Float32Array, dims: number[]}} input for the model's first input
   */
  async run({ data, dims }) {
    const started = performance.now();
    const output = await infer(data, dims);
    const milliseconds = performance.now() - started;
    return new Transferred({ ...output, milliseconds }, [output.data.buffer]);
  },

  /**
   * The first run, then as many more as fit.
   * @param {{data: Float32Array, dims: number[], runs: number, budget: number}} plan milliseconds
   * @param {import('./rpc.js').Call} call
   * @returns {Promise<Measured>}
   */
  async measure({ data, dims, runs, budget }, { progress, signal }) {
    const first = await timed(data, dims);
    /** @type {number[]} */
    const steady = [];
    const begun = performance.now();
    while (steady.length < runs && (steady.length < LEAST || performance.now() - begun < budget)) {
      signal.throwIfAborted();
      steady.push(await timed(data, dims));
      if (steady.length % 10 === 0) progress({ done: steady.length, of: runs });
    }
    return { first, steady };
  },
};

/** @typedef {typeof methods} InferenceApi */

/**
 * @param {Float32Array} data
 * @param {number[]} dims
 */
async function timed(data, dims) {
  const started = performance.now();
  await infer(data, dims);
  return performance.now() - started;
}

/**
 * One run at a time: a session does not take a second one meanwhile.
 * @param {Float32Array} data
 * @param {number[]} dims
 */
function infer(data, dims) {
  const turn = queue.then(() => inferNow(data, dims));
  queue = turn.catch(() => undefined);
  return turn;
}

/**
 * @param {Float32Array} data
 * @param {number[]} dims
 * @returns {Promise<{data: Float32Array<ArrayBuffer>, dims: readonly number[]}>}
 */
async function inferNow(data, dims) {
  if (!session) throw new PageError('No model is loaded.', 'Load a model first.');
  const ort = await runtime();
  const input = new ort.Tensor('float32', data, dims);
  const results = await session.run({ [session.inputNames[0]]: input });
  const output = results[session.outputNames[0]];
  const values = /** @type {Float32Array} */ (await output.getData());
  const copied = new Float32Array(values);
  const shape = output.dims;
  output.dispose();
  input.dispose();
  return { data: copied, dims: shape };
}

/** @param {import('onnxruntime-web').InferenceSession.ValueMetadata} value */
function describeValue(value) {
  return value.isTensor
    ? { name: value.name, type: value.type, shape: [...value.shape] }
    : { name: value.name, type: 'other', shape: [] };
}

serve(methods);

// ONNX Runtime Web inside a worker: loads it once and opens sessions that run where they say.

import { asset } from './assets.js';
import { WASM_REMEDY, wasmObstacle, wasmThreads } from './backend.js';
import { fetchFile } from './download.js';
import { PageError } from './errors.js';
import { proveGpu } from './gpu.js';

/** @typedef {import('onnxruntime-web')} Ort */
/** @typedef {import('onnxruntime-web').InferenceSession} Session */
/** @typedef {import('./backend.js').Backend} Backend */

/**
 * @typedef {object} Opened
 * @property {Session} session
 * @property {{runtime: number, fetch: number, session: number}} milliseconds what each step took
 */

/** @type {Promise<Ort> | undefined} */
let loading;

/**
 * The runtime; the same one runs both backends.
 * @returns {Promise<Ort>}
 */
export function runtime() {
  loading ??= load();
  return loading;
}

async function load() {
  const obstacle = wasmObstacle();
  if (obstacle) throw new PageError(obstacle, WASM_REMEDY);
  /** @type {Ort} */
  let ort;
  try {
    ort = await import(asset('onnxruntime-web/ort.webgpu.bundle.min.mjs'));
  } catch (cause) {
    loading = undefined;
    throw new PageError(
      'ONNX Runtime Web could not be loaded.',
      'Check that this page’s server still answers, then try again.',
      { cause },
    );
  }
  ort.env.wasm.numThreads = wasmThreads();
  ort.env.logLevel = 'error';
  return ort;
}

/**
 * Open a model.
 *
 * @param {string | ArrayBuffer | Uint8Array} model an address on this origin, or the file itself
 * @param {Backend} backend never replaced by the other one in silence
 * @param {import('onnxruntime-web').InferenceSession.SessionOptions} [options]
 * @param {(info: GPUDeviceLostInfo) => void} [onDeviceLost]
 * @returns {Promise<Opened>}
 * @throws {PageError} the runtime, the file or the session failed, with what to do
 */
export async function openSession(model, backend, options = {}, onDeviceLost) {
  const started = performance.now();
  const ort = await runtime();
  const loaded = performance.now();
  const bytes = typeof model === 'string' ? await fetchFile(model) : new Uint8Array(model);
  const fetched = performance.now();
  /** @type {Session} */
  let session;
  try {
    if (backend === 'webgpu') await proveGpu();
    session = await ort.InferenceSession.create(bytes, {
      graphOptimizationLevel: 'all',
      // It writes to the console as an error what it calls a warning: shape arithmetic on the CPU.
      logSeverityLevel: 3,
      ...options,
      executionProviders: [backend],
    });
  } catch (cause) {
    throw sessionError(cause, backend);
  }
  if (backend === 'webgpu' && onDeviceLost) {
    const device = /** @type {GPUDevice} */ (await ort.env.webgpu.device);
    void device.lost.then(onDeviceLost);
  }
  return {
    session,
    milliseconds: {
      runtime: loaded - started,
      fetch: fetched - loaded,
      session: performance.now() - fetched,
    },
  };
}

/**
 * @param {unknown} cause
 * @param {Backend} backend
 */
function sessionError(cause, backend) {
  const said = cause instanceof Error ? cause.message : String(cause);
  if (/no available backend|wasm|webassembly|failed to fetch/i.test(said) && !/webgpu/i.test(said)) {
    return new PageError(
      `ONNX Runtime Web did not start: ${said}`,
      'Check that this page’s server still answers, then try again.',
      { cause },
    );
  }
  if (/gpu|adapter|device/i.test(said) && backend === 'webgpu') {
    return new PageError(
      `WebGPU did not start: ${said}`,
      'Choose WASM above, or update the browser and the GPU’s driver.',
      { cause },
    );
  }
  return new PageError(
    `The model could not be opened: ${said}`,
    'Use an ONNX file that ONNX Runtime Web can run.',
    { cause },
  );
}

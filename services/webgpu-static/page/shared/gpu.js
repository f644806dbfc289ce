// The GPU as this browser gives it, on the page's thread and in workers: asked without ever throwing.

/**
 * @typedef {object} Found
 * @property {GPUAdapter | null} adapter
 * @property {string} why there is none, as a sentence; empty where there is one
 */

/** How long a browser may look for a GPU, in milliseconds; one that hangs never answers. */
export const PATIENCE = 5000;

const SILENT = Symbol('silent');

/**
 * The adapter that this browser gives, or why it gives none.
 * @param {number} [patience] in milliseconds
 * @returns {Promise<Found>}
 */
export async function findAdapter(patience = PATIENCE) {
  try {
    const { gpu } = navigator;
    if (!gpu) return none('This browser has no WebGPU');
    const adapter = await within(patience, gpu.requestAdapter());
    if (adapter === SILENT) return none(`The GPU did not answer within ${patience / 1000} s`);
    return adapter ? { adapter, why: '' } : none('No GPU adapter answers here');
  } catch (error) {
    return none(`Asked for a GPU, this browser said: ${said(error)}`);
  }
}

/**
 * What an adapter tells of itself; empty where it tells nothing. Chromium 113 to 126 had a method
 * for it.
 * @param {GPUAdapter} adapter
 * @param {number} [patience] in milliseconds
 * @returns {Promise<Partial<GPUAdapterInfo>>}
 */
export async function adapterInfo(adapter, patience = PATIENCE) {
  /** @type {{requestAdapterInfo?: () => Promise<GPUAdapterInfo>}} */
  const older = /** @type {any} */ (adapter);
  try {
    const info = adapter.info ?? (await within(patience, older.requestAdapterInfo?.()));
    return typeof info === 'object' && info !== null ? info : {};
  } catch {
    return {};
  }
}

/**
 * Whether a device is to be had: where none is, ONNX Runtime would wait for one for ever.
 * @param {number} [patience] in milliseconds, for the adapter and for the device
 * @throws {Error} there is none, and why
 */
export async function proveGpu(patience = PATIENCE) {
  const { adapter, why } = await findAdapter(patience);
  if (!adapter) throw new Error(why);
  const device = await within(patience, adapter.requestDevice());
  if (device === SILENT) throw new Error(`The GPU gave no device within ${patience / 1000} s.`);
  device.destroy();
}

/**
 * @template T
 * @param {number} patience
 * @param {T | Promise<T>} promise
 * @returns {Promise<T | typeof SILENT>}
 */
function within(patience, promise) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Promise<typeof SILENT>} */
  const silence = new Promise((resolve) => {
    timer = setTimeout(() => resolve(SILENT), patience);
  });
  return Promise.race([promise, silence]).finally(() => clearTimeout(timer));
}

/** @param {string} sentence */
function none(sentence) {
  return { adapter: null, why: /[.!?]$/.test(sentence) ? sentence : `${sentence}.` };
}

/** @param {unknown} error */
function said(error) {
  return error instanceof Error ? error.message : String(error);
}

// What this browser has to compute with, and which of it is chosen.

/** @typedef {'webgpu' | 'wasm'} Backend */

/**
 * @typedef {object} Adapter
 * @property {string} vendor such as `nvidia`; empty where the browser does not tell
 * @property {string} architecture such as `ampere`; empty where the browser does not tell
 * @property {string} description
 * @property {boolean} fallback a program on the processor that plays a GPU
 * @property {boolean} f16 whether shaders may compute in 16-bit floating point
 * @property {number} maxBufferBytes
 */

/**
 * @typedef {object} Capabilities
 * @property {'hardware' | 'software' | 'none'} webgpu
 * @property {Adapter | null} adapter
 * @property {boolean} secureContext false: plain HTTP from another machine
 * @property {boolean} isolated whether this page may use several threads
 * @property {number} cores
 * @property {number} threads how many the WASM backend uses
 */

/** Names under which a processor plays a GPU; not every browser sets `isFallbackAdapter`. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|warp/i;

const PARAMETER = 'backend';

/** @type {Promise<Capabilities> | undefined} */
let asked;

/**
 * What this browser has; asked once.
 * @returns {Promise<Capabilities>}
 */
export function capabilities() {
  asked ??= ask();
  return asked;
}

async function ask() {
  const adapter = await findAdapter();
  /** @type {Capabilities['webgpu']} */
  const webgpu = adapter === null ? 'none' : adapter.fallback ? 'software' : 'hardware';
  const cores = navigator.hardwareConcurrency || 1;
  return {
    webgpu,
    adapter,
    secureContext: globalThis.isSecureContext,
    isolated: globalThis.crossOriginIsolated,
    cores,
    threads: wasmThreads(),
  };
}

/** How many threads the WASM backend uses: half the cores, at most four. */
export function wasmThreads() {
  if (!globalThis.crossOriginIsolated) return 1;
  return Math.max(1, Math.min(4, Math.ceil((navigator.hardwareConcurrency || 1) / 2)));
}

/** @returns {Promise<Adapter | null>} */
async function findAdapter() {
  if (!('gpu' in navigator) || !navigator.gpu) return null;
  const found = await navigator.gpu.requestAdapter().catch(() => null);
  if (!found) return null;
  const { vendor, architecture, device, description } = found.info;
  const name = [vendor, architecture, device, description].filter(Boolean).join(' ');
  // Older browsers have the flag on the adapter itself.
  const flagged = /** @type {{isFallbackAdapter?: boolean}} */ (found).isFallbackAdapter;
  return {
    vendor,
    architecture,
    description: description || device,
    fallback: (found.info.isFallbackAdapter ?? flagged ?? false) || SOFTWARE.test(name),
    f16: found.features.has('shader-f16'),
    maxBufferBytes: found.limits.maxBufferSize,
  };
}

/**
 * The backend in force: the one in the URL where this browser has it, else the fastest it has. A
 * software adapter takes seconds to compile what WASM has long answered.
 * @param {Capabilities} has
 * @returns {Backend}
 */
export function chosenBackend(has) {
  const wanted = requestedBackend();
  if (has.webgpu === 'none') return 'wasm';
  return wanted ?? (has.webgpu === 'hardware' ? 'webgpu' : 'wasm');
}

/**
 * The backend that the URL asks for, whether this browser has it or not.
 * @returns {Backend | null}
 */
export function requestedBackend() {
  const wanted = new URL(location.href).searchParams.get(PARAMETER);
  return wanted === 'webgpu' || wanted === 'wasm' ? wanted : null;
}

/**
 * Put a choice into the URL, so that a reload or a shared link keeps it.
 * @param {Backend} backend
 */
export function rememberBackend(backend) {
  const url = new URL(location.href);
  url.searchParams.set(PARAMETER, backend);
  history.replaceState(history.state, '', url);
}

/** @type {Record<Backend, string>} */
export const BACKEND_NAMES = { webgpu: 'WebGPU', wasm: 'WASM' };

/**
 * The honest one-line judgement that the badge shows.
 * @param {Capabilities} has
 * @param {Backend} backend in force
 * @returns {{level: 'good' | 'warn' | 'bad', title: string, detail: string}}
 */
export function judge(has, backend) {
  if (!has.secureContext) {
    return {
      level: 'bad',
      title: 'WASM, because this is not a secure context',
      detail:
        'This page came over plain HTTP from another machine, and browsers then hide WebGPU and ' +
        'threads. Open it on that machine itself as localhost, through a tunnel ' +
        '(ssh -L 5173:localhost:5173 and its name), or over HTTPS with a TLS proxy in front: ' +
        'see “From another machine” in the README.',
    };
  }
  if (has.webgpu === 'none') {
    return {
      level: 'warn',
      title: 'WASM, because this browser has no WebGPU',
      detail:
        requestedBackend() === 'webgpu'
          ? 'The link asks for WebGPU, but no GPU adapter answers here. Everything runs on the processor instead.'
          : 'No GPU adapter answers here, so everything runs on the processor. Browsers with WebGPU: Chrome, Edge, Firefox and Safari in their current versions; a GPU driver may be missing or blocked.',
    };
  }
  if (backend === 'wasm' && has.webgpu === 'software' && requestedBackend() === null) {
    return {
      level: 'warn',
      title: 'WASM, because the GPU here is software',
      detail:
        'The GPU that answers here is played by the processor, and WASM is faster than that; ' +
        'choose WebGPU to see it work all the same. On a machine with a GPU, switch on hardware ' +
        'acceleration in the browser’s settings.',
    };
  }
  if (backend === 'wasm') {
    return { level: 'good', title: 'WASM, as chosen', detail: 'Runs on the processor.' };
  }
  if (has.webgpu === 'software') {
    return {
      level: 'warn',
      title: 'WebGPU on a software adapter',
      detail:
        'The processor plays the GPU: results are right, but WASM is faster here. On a machine ' +
        'with a GPU, switch on hardware acceleration in the browser’s settings.',
    };
  }
  return { level: 'good', title: 'WebGPU on hardware', detail: 'Runs on this machine’s GPU.' };
}

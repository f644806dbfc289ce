// What this browser has to compute with, and which of it is chosen.

import { adapterInfo, findAdapter } from './gpu.js';

/** @typedef {'webgpu' | 'wasm'} Backend */

/**
 * @typedef {object} Adapter
 * @property {string} vendor such as `nvidia`; empty where the browser does not tell
 * @property {string} architecture such as `ampere`; empty where the browser does not tell
 * @property {string} description
 * @property {boolean} fallback a program on the processor that plays a GPU
 * @property {boolean} f16 whether shaders may compute in 16-bit floating point
 */

/**
 * @typedef {object} Capabilities
 * @property {'hardware' | 'software' | 'none'} webgpu
 * @property {Adapter | null} adapter
 * @property {string} why there is no WebGPU; empty where there is
 * @property {string} obstacle why no model runs here at all; empty where they do
 * @property {boolean} secureContext false: plain HTTP from another machine
 * @property {boolean} isolated whether this page may use several threads
 * @property {number} cores
 * @property {number} threads how many the WASM backend uses
 */

/** Names under which a processor plays a GPU; not every browser sets `isFallbackAdapter`. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|warp/i;

/** The smallest module, and one with a function that makes a 128-bit zero. */
const PLAIN = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);
const SIMD = Uint8Array.of(
  ...PLAIN,
  ...[1, 5, 1, 96, 0, 1, 123], // a type: nothing to a vector
  ...[3, 2, 1, 0], // one function of that type
  ...[10, 8, 1, 6, 0, 65, 0, 253, 15, 11], // i32.const 0, i8x16.splat, end
);

const PARAMETER = 'backend';

/** @type {Promise<Capabilities> | undefined} */
let asked;

/**
 * What this browser has; asked once. Never rejects: what cannot be found out counts as absent.
 * @returns {Promise<Capabilities>}
 */
export function capabilities() {
  asked ??= ask();
  return asked;
}

async function ask() {
  const { adapter: found, why } = await findAdapter();
  const adapter = found && describeAdapter(found, await adapterInfo(found));
  /** @type {Capabilities['webgpu']} */
  const webgpu = adapter === null ? 'none' : adapter.fallback ? 'software' : 'hardware';
  return {
    webgpu,
    adapter,
    why,
    obstacle: wasmObstacle(),
    secureContext: attempt(() => globalThis.isSecureContext, false),
    isolated: attempt(() => globalThis.crossOriginIsolated, false),
    cores: cores(),
    threads: wasmThreads(),
  };
}

/** How many threads the WASM backend uses: half the cores, at most four. */
export function wasmThreads() {
  if (!globalThis.crossOriginIsolated || typeof SharedArrayBuffer === 'undefined') return 1;
  return Math.max(1, Math.min(4, Math.ceil(cores() / 2)));
}

function cores() {
  return attempt(() => navigator.hardwareConcurrency, 1) || 1;
}

/**
 * Why WebAssembly cannot run the models here, for both backends need it; empty where it can.
 * @returns {string}
 */
export function wasmObstacle() {
  if (typeof WebAssembly !== 'object') return 'This browser does not run WebAssembly.';
  if (!attempt(() => WebAssembly.validate(PLAIN), false)) {
    return 'This browser refuses to run WebAssembly.';
  }
  if (!attempt(() => WebAssembly.validate(SIMD), false)) {
    return 'WebAssembly here lacks SIMD, which the models need.';
  }
  return '';
}

/**
 * What an adapter tells of itself. Each part may be absent: `info` is younger than WebGPU, and the
 * flag of a fallback adapter has moved.
 * @param {GPUAdapter} found
 * @param {Partial<GPUAdapterInfo>} info
 * @returns {Adapter}
 */
function describeAdapter(found, info) {
  /** @param {'vendor' | 'architecture' | 'device' | 'description'} name */
  const told = (name) => String(attempt(() => info[name], '') ?? '');
  const names = [told('vendor'), told('architecture'), told('device'), told('description')];
  const flags = [
    attempt(() => info.isFallbackAdapter, false),
    attempt(() => /** @type {{isFallbackAdapter?: boolean}} */ (found).isFallbackAdapter, false),
  ];
  return {
    vendor: names[0],
    architecture: names[1],
    description: names[3] || names[2],
    fallback: flags.includes(true) || SOFTWARE.test(names.join(' ')),
    f16: attempt(() => found.features.has('shader-f16'), false),
  };
}

/**
 * @template T, U
 * @param {() => T} look
 * @param {U} otherwise where looking throws
 * @returns {T | U}
 */
function attempt(look, otherwise) {
  try {
    return look();
  } catch {
    return otherwise;
  }
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

export const WASM_REMEDY =
  'Use a current Chrome, Edge, Firefox or Safari, and allow WebAssembly: lockdown modes and ' +
  'company policies switch it off.';
const GPU_REMEDY =
  'Browsers with WebGPU: Chrome, Edge, Firefox and Safari in their current versions; a GPU driver ' +
  'may be missing or blocked. Reload the page to ask again.';

/** Where this page is served, also where its address does not say. */
function port() {
  return location.port || (location.protocol === 'https:' ? '443' : '80');
}

/**
 * The honest one-line judgement that the badge shows.
 * @param {Capabilities} has
 * @param {Backend} backend in force
 * @returns {{level: 'good' | 'warn' | 'bad', title: string, detail: string}}
 */
export function judge(has, backend) {
  if (has.obstacle) {
    return {
      level: 'bad',
      title: 'No model runs in this browser',
      detail: `${has.obstacle} ${WASM_REMEDY}`,
    };
  }
  if (!has.secureContext) {
    return {
      level: 'bad',
      title: 'WASM, because this is not a secure context',
      detail:
        'This page came over plain HTTP from another machine, and browsers then hide WebGPU and ' +
        'threads. Open it on that machine itself as localhost; or through a tunnel, ' +
        `ssh -L ${port()}:localhost:${port()} ${location.hostname}, as http://localhost:${port()}; ` +
        'or over HTTPS with a TLS proxy in front: see “From another machine” in docs/webgpu.md.',
    };
  }
  if (has.webgpu === 'none') {
    return {
      level: 'warn',
      title: 'WASM, because this browser has no WebGPU',
      detail:
        requestedBackend() === 'webgpu'
          ? `The link asks for WebGPU. ${has.why} Everything runs on the processor instead. ${GPU_REMEDY}`
          : `${has.why} So everything runs on the processor. ${GPU_REMEDY}`,
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

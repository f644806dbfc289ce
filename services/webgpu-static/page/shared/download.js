// Files of ours, fetched whole: what comes short is no file.

import { expected } from './assets.js';
import { PageError } from './errors.js';

const REMEDY = 'Check that this page’s server still answers, then try again.';

/**
 * @param {string} address on this origin
 * @param {(bytes: number) => void} [onBytes] called with the length of each piece, unpacked
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 * @throws {PageError} it could not be fetched, or not all of it
 */
export async function fetchFile(address, onBytes = () => {}) {
  const name = address.split('/').at(-1) ?? address;
  const wanted = expected(address);
  let bytes = await read(address, name, 'default', onBytes);
  // What the browser has kept may be what is short: files are cached for ever.
  if (bytes.length !== wanted) bytes = await read(address, name, 'reload', () => {});
  if (bytes.length === wanted) return bytes;
  throw new PageError(
    `The file ${name} came with ${bytes.length} of its ${wanted} bytes.`,
    'Try again; if it stays so, build the page’s image anew: docker compose build webgpu-static',
  );
}

/**
 * @param {string} address
 * @param {string} name
 * @param {RequestCache} cache
 * @param {(bytes: number) => void} onBytes
 */
async function read(address, name, cache, onBytes) {
  try {
    const answer = await fetch(address, { cache });
    if (!answer.ok || !answer.body) {
      throw new PageError(`The server answered ${answer.status} for the file ${name}.`, REMEDY);
    }
    const counted = answer.body.pipeThrough(counter(onBytes));
    return new Uint8Array(await new Response(counted).arrayBuffer());
  } catch (cause) {
    if (cause instanceof PageError) throw cause;
    throw new PageError(`The file ${name} could not be fetched.`, REMEDY, { cause });
  }
}

/**
 * @param {(bytes: number) => void} onBytes
 * @returns {TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>}
 */
function counter(onBytes) {
  return new TransformStream({
    transform(piece, controller) {
      onBytes(piece.length);
      controller.enqueue(piece);
    },
  });
}

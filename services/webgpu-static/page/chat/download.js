// The model's files, with a count of the bytes that have come.

import { PageError } from '../shared/errors.js';

/**
 * @param {string[]} addresses
 * @param {(loaded: number) => void} onProgress bytes of all files so far, unpacked
 * @returns {Promise<Uint8Array[]>}
 * @throws {PageError} one of them could not be fetched
 */
export async function download(addresses, onProgress) {
  let loaded = 0;
  return Promise.all(
    addresses.map((address) =>
      read(address, (bytes) => {
        loaded += bytes;
        onProgress(loaded);
      }),
    ),
  );
}

/**
 * @param {string} address
 * @param {(bytes: number) => void} onBytes
 */
async function read(address, onBytes) {
  const name = address.split('/').at(-1);
  const remedy = 'Check that this page’s server still answers, then try again.';
  try {
    const answer = await fetch(address);
    if (!answer.ok || !answer.body) {
      throw new PageError(`The server answered ${answer.status} for the file ${name}.`, remedy);
    }
    const counted = answer.body.pipeThrough(counter(onBytes));
    return new Uint8Array(await new Response(counted).arrayBuffer());
  } catch (cause) {
    if (cause instanceof PageError) throw cause;
    throw new PageError(`The file ${name} could not be fetched.`, remedy, { cause });
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

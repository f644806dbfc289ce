// What is dropped anywhere on the page, for the part that wants a file. While another part is open
// nothing happens (shared/drops.js).

import { isFile, isForField } from '../shared/drops.js';
import { PageError } from '../shared/errors.js';

const REMEDY = 'Drop one ONNX file, or choose it under “Your own model”.';

/**
 * @param {{ wanted: () => boolean, onHover: (hovering: boolean) => void,
 *   onFile: (file: File) => void, onRefused: (error: PageError) => void }} options
 */
export function acceptDrops({ wanted, onHover, onFile, onRefused }) {
  let depth = 0; // enter and leave come for every element on the way

  document.addEventListener('dragenter', (event) => {
    if (!isFile(event) || !wanted()) return;
    event.preventDefault();
    depth += 1;
    onHover(true);
  });
  document.addEventListener('dragleave', (event) => {
    if (!isFile(event) || !wanted()) return;
    depth = Math.max(0, depth - 1);
    if (depth === 0) onHover(false);
  });
  document.addEventListener('dragover', (event) => {
    if (!isForField(event) && wanted()) event.preventDefault();
  });
  document.addEventListener('drop', (event) => {
    if (isForField(event) || !wanted()) return;
    event.preventDefault();
    depth = 0;
    onHover(false);
    try {
      onFile(onlyFile(event.dataTransfer));
    } catch (error) {
      onRefused(/** @type {PageError} */ (error));
    }
  });
}

/**
 * @param {DataTransfer | null} dropped
 * @returns {File}
 * @throws {PageError} what was dropped is something else
 */
function onlyFile(dropped) {
  const files = [...(dropped?.files ?? [])];
  if (files.length === 0) throw new PageError('What was dropped is no file.', REMEDY);
  if (files.length > 1) throw new PageError(`${files.length} files were dropped at once.`, REMEDY);
  const [item] = [...(dropped?.items ?? [])].filter(({ kind }) => kind === 'file');
  if (item?.webkitGetAsEntry?.()?.isDirectory) {
    throw new PageError(`${files[0].name} is a folder.`, REMEDY);
  }
  return files[0];
}

// A file dropped anywhere on the page, for the part that wants it. While another part is open nothing
// happens: left alone, the browser would leave the page to open the file.

/**
 * @param {{ wanted: () => boolean, onHover: (hovering: boolean) => void,
 *   onFile: (file: File) => void }} options
 */
export function acceptDrops({ wanted, onHover, onFile }) {
  let depth = 0; // enter and leave come for every element on the way

  /** @param {DragEvent} event */
  const isFile = (event) => event.dataTransfer?.types.includes('Files') ?? false;

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
    if (!isFile(event)) return;
    event.preventDefault();
    if (event.dataTransfer && !wanted()) event.dataTransfer.dropEffect = 'none';
  });
  document.addEventListener('drop', (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    depth = 0;
    onHover(false);
    const file = event.dataTransfer?.files[0];
    if (file && wanted()) onFile(file);
  });
}

// A file dropped anywhere on the page, while the part that wants it is open.

/**
 * @param {{ wanted: () => boolean, onHover: (hovering: boolean) => void,
 *   onFile: (file: File) => void }} options
 */
export function acceptDrops({ wanted, onHover, onFile }) {
  let depth = 0; // enter and leave come for every element on the way

  /** @param {DragEvent} event */
  const isFile = (event) => wanted() && (event.dataTransfer?.types.includes('Files') ?? false);

  document.addEventListener('dragenter', (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    depth += 1;
    onHover(true);
  });
  document.addEventListener('dragleave', (event) => {
    if (!isFile(event)) return;
    depth = Math.max(0, depth - 1);
    if (depth === 0) onHover(false);
  });
  document.addEventListener('dragover', (event) => {
    // Without this the browser opens the file instead of handing it over.
    if (isFile(event)) event.preventDefault();
  });
  document.addEventListener('drop', (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    depth = 0;
    onHover(false);
    const file = event.dataTransfer?.files[0];
    if (file) onFile(file);
  });
}

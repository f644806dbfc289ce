// What is dropped on the page: left alone, the browser would leave the page to open it.

/**
 * @param {DragEvent} event
 */
export function isFile(event) {
  return event.dataTransfer?.types.includes('Files') ?? false;
}

/**
 * Text that is dragged into a field is the field's.
 * @param {DragEvent} event
 */
export function isForField(event) {
  const { target } = event;
  return !isFile(event) && target instanceof Element && target.closest('input, textarea') !== null;
}

/** Let nothing happen where no part has taken the event for its own, open or not yet opened. */
export function guardDrops() {
  /** @param {DragEvent} event */
  const guard = (event) => {
    if (event.defaultPrevented || isForField(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = 'none';
  };
  window.addEventListener('dragover', guard);
  window.addEventListener('drop', guard);
}

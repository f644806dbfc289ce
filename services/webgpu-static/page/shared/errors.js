// What the page shows when something fails: what is wrong, and what to do.

/** An error made for the person in front of the page. */
export class PageError extends Error {
  /**
   * @param {string} message what is wrong, one sentence
   * @param {string} remedy what to do, one sentence
   * @param {ErrorOptions} [options]
   */
  constructor(message, remedy, options) {
    super(message, options);
    this.name = 'PageError';
    this.remedy = remedy;
  }
}

/**
 * Any thrown value as the two sentences.
 * @param {unknown} error
 * @returns {{message: string, remedy: string}}
 */
export function describe(error) {
  if (error instanceof PageError) return { message: error.message, remedy: error.remedy };
  const message = error instanceof Error ? error.message : String(error);
  return {
    message: message || 'Something failed without saying why.',
    remedy: 'Reload the page. If it comes back, the browser’s console (F12) has the details.',
  };
}

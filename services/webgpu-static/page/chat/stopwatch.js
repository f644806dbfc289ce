// How fast an answer came, measured alike for both halves: where the person sees it.

/** Milliseconds within which pieces came together, whenever they were made. */
const AT_ONCE = 10;

export class Stopwatch {
  #now;
  #started;
  /** @type {number | null} */
  #first = null;
  /** @type {number | null} */
  #last = null;
  #pieces = 0;

  /** @param {() => number} now in milliseconds */
  constructor(now = () => performance.now()) {
    this.#now = now;
    this.#started = now();
  }

  /** A token, or a chunk of an answer, has come. */
  lap() {
    this.#last = this.#now();
    this.#first ??= this.#last;
    this.#pieces += 1;
  }

  /**
   * @param {number} [tokens] how many there were, where it is known better than by counting
   * @returns {{firstToken: number, rate: number, tokens: number} | null} seconds, and tokens per
   *   second; null before the first
   */
  figures(tokens = this.#pieces) {
    if (this.#first === null || this.#last === null) return null;
    const afterFirst = this.#last - this.#first;
    const [counted, took] =
      tokens > 1 && afterFirst > AT_ONCE
        ? [tokens - 1, afterFirst]
        : [tokens, this.#last - this.#started];
    return {
      firstToken: (this.#first - this.#started) / 1000,
      rate: (1000 * counted) / Math.max(took, 1),
      tokens,
    };
  }
}

/**
 * A duration, as exact as it matters.
 * @param {number} seconds
 */
export function duration(seconds) {
  return seconds < 1 ? `${Math.max(1, Math.round(seconds * 1000))} ms` : `${seconds.toFixed(1)} s`;
}

/**
 * @param {number} rate
 */
export function speed(rate) {
  return `${rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString('en')} tokens/s`;
}

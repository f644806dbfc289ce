// Text from tokens as they come: a character may be spread over several.

const UNFINISHED = '\uFFFD';

export class TextStream {
  #decode;
  /** @type {number[]} */
  #tokens = [];
  #given = '';

  /** @param {(tokens: number[]) => string} decode */
  constructor(decode) {
    this.#decode = decode;
  }

  /** How many tokens have come. */
  get length() {
    return this.#tokens.length;
  }

  /**
   * What a token adds that can be shown already.
   * @param {number} token
   */
  push(token) {
    this.#tokens.push(token);
    const text = this.#decode(this.#tokens);
    return text.endsWith(UNFINISHED) ? '' : this.#give(text);
  }

  /** What is left at the end, finished or not. */
  flush() {
    return this.#tokens.length ? this.#give(this.#decode(this.#tokens)) : '';
  }

  /** @param {string} text */
  #give(text) {
    const added = text.slice(this.#given.length);
    this.#given = text;
    return added;
  }
}

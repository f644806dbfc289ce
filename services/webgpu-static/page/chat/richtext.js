// A text that grows, shown as Markdown: at most once a frame, and what is finished is left alone.

import { h } from './dom.js';
import { elements, reader } from './markdown.js';
import { mended } from './unfinished.js';

/** @import { Reader } from './markdown.js' */

/** How much longer than drawing took it waits before it draws again: the page stays usable. */
const REST = 4;
/** How long a copied block says so, in milliseconds. */
const SAID = 2000;

/** @type {Reader | null} */
let markdown = null;

/** Fetch what reads Markdown; where that fails texts stay as they came, until it is called again. */
export async function prepare() {
  markdown ??= await reader().catch(() => null);
}

export class RichText {
  #element;
  #onDrawn;
  #text = '';
  /** Up to where the text is finished: this many characters, this many elements. */
  #settled = 0;
  #kept = 0;
  #lines = 0;
  #scheduled = false;
  #ended = false;
  #cost = 0;
  /** What the text has explained of its links so far. */
  #env = {};

  /**
   * @param {HTMLElement} element filled with the text
   * @param {() => void} onDrawn called when there is more of it to see
   */
  constructor(element, onDrawn) {
    this.#element = element;
    this.#onDrawn = onDrawn;
    element.addEventListener('click', (event) => void copy(event));
  }

  get text() {
    return this.#text;
  }

  /** @param {string} text more of it */
  append(text) {
    this.#text += text;
    if (this.#ended || this.#scheduled) return;
    this.#scheduled = true;
    setTimeout(() => requestAnimationFrame(() => this.#drawAgain()), REST * this.#cost);
  }

  /** Begin anew. */
  clear() {
    this.#text = '';
    this.#forget();
    this.#element.replaceChildren();
  }

  /** No more comes: all is shown as it stands, now. */
  end() {
    this.#ended = true;
    this.#forget();
    this.#draw(() => this.#put(0, this.#text, {}));
  }

  #forget() {
    this.#settled = 0;
    this.#kept = 0;
    this.#lines = 0;
    this.#env = {};
  }

  /** @param {() => void} draw */
  #draw(draw) {
    const started = performance.now();
    if (markdown) draw();
    else this.#element.replaceChildren(h('p', { class: 'chat-plain' }, this.#text));
    this.#cost = performance.now() - started;
    this.#onDrawn();
  }

  #drawAgain() {
    this.#scheduled = false;
    if (!this.#ended) this.#draw(() => this.#drawGrowing());
  }

  #drawGrowing() {
    this.#settle();
    const env = structuredClone(this.#env);
    this.#put(this.#kept, mended(this.#text.slice(this.#settled)), env);
  }

  /** Draw for good every block that another one follows: a line that is complete has begun it. */
  #settle() {
    const whole = this.#text.lastIndexOf('\n') + 1;
    if (!markdown || whole <= this.#lines) return;
    this.#lines = whole;
    const rest = this.#text.slice(this.#settled, whole);
    const last = markdown
      .parse(rest, {})
      .findLast(({ level, map, nesting }) => level === 0 && map !== null && nesting >= 0);
    const end = offsetOfLine(rest, last?.map?.[0] ?? 0);
    if (end === 0) return;
    this.#kept += this.#put(this.#kept, rest.slice(0, end), this.#env);
    this.#settled += end;
  }

  /**
   * @param {number} first of the elements to put in place of those that are there
   * @param {string} text
   * @param {object} env
   * @returns {number} how many elements it became
   */
  #put(first, text, env) {
    if (!markdown) return 0;
    const made = elements(markdown.parse(text, env));
    const count = made.childNodes.length;
    replaceFrom(this.#element, first, made);
    return count;
  }
}

/**
 * @param {string} text
 * @param {number} line
 */
function offsetOfLine(text, line) {
  let at = 0;
  for (let passed = 0; passed < line; passed += 1) at = text.indexOf('\n', at) + 1;
  return at;
}

/**
 * Make an element's children from `first` on like those of `wanted`, with as few changes as may be:
 * what is selected, focused or scrolled stays so.
 * @param {Node} parent
 * @param {number} first
 * @param {Node} wanted
 */
function replaceFrom(parent, first, wanted) {
  const old = [...parent.childNodes].slice(first);
  const made = [...wanted.childNodes];
  made.forEach((node, index) => {
    if (index >= old.length) parent.appendChild(node);
    else if (!isLike(old[index], node)) parent.replaceChild(node, old[index]);
    else if (node instanceof Text) adopt(/** @type {Text} */ (old[index]), node.data);
    else replaceFrom(old[index], 0, node);
  });
  for (const node of old.slice(made.length)) parent.removeChild(node);
}

/**
 * @param {Node} one
 * @param {Node} other
 */
function isLike(one, other) {
  if (one instanceof Text && other instanceof Text) return true;
  return one.cloneNode(false).isEqualNode(other.cloneNode(false));
}

/**
 * @param {Text} node
 * @param {string} text
 */
function adopt(node, text) {
  if (text.startsWith(node.data)) node.appendData(text.slice(node.data.length));
  else node.data = text;
}

/** @param {Event} event */
async function copy(event) {
  const button = event.target instanceof Element ? event.target.closest('[data-copy]') : null;
  const code = button?.closest('.chat-code')?.querySelector('pre');
  if (!button || !code) return;
  button.textContent = await copied(code);
  setTimeout(() => (button.textContent = 'Copy'), SAID);
}

/**
 * Browsers give the clipboard to secure pages only; elsewhere the keys still copy what is selected.
 * @param {HTMLElement} code
 */
async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent ?? '');
    return 'Copied';
  } catch {
    getSelection()?.selectAllChildren(code);
    return 'Selected: press Ctrl+C';
  }
}

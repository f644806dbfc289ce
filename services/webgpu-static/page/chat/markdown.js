// An answer's Markdown as elements: of what a model writes only text and these elements come out.
//
// markdown-it reads, and its tokens become elements one by one. Nothing is parsed as HTML, nothing
// is loaded: a picture becomes a link to it.

import { asset } from '../shared/assets.js';
import { h } from './dom.js';

/** @import { Token } from 'markdown-it' */

/** @typedef {{parse: (text: string, env: Record<string, any>) => Token[]}} Reader */

/** Elements that come of a token with the same tag. Headings are a panel's: below its own. */
const TAGS = new Set([
  ...['p', 'ul', 'ol', 'li', 'blockquote', 'hr', 'br', 'em', 'strong', 's', 'code'],
  ...['table', 'thead', 'tbody', 'tr', 'th', 'td'],
]);
const WITH_DIRECTION = new Set(['p', 'ul', 'ol', 'li', 'blockquote', 'th', 'td', 'h5', 'h6']);
const SCHEMES = new Set(['http:', 'https:', 'mailto:']);

/**
 * markdown-it, fetched when it is first wanted.
 * @returns {Promise<Reader>}
 */
export async function reader() {
  const { default: MarkdownIt } = await import(asset('markdown-it/markdown-it.esm.min.mjs'));
  return configured(MarkdownIt);
}

/**
 * @param {typeof import('markdown-it').default} MarkdownIt
 * @returns {Reader}
 */
export function configured(MarkdownIt) {
  const made = new MarkdownIt({ html: false, linkify: true, breaks: true });
  made.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
  made.validateLink = isSafe;
  // A line of dashes below text is meant as a rule, and would make a heading of text shown already.
  made.disable('lheading');
  return made;
}

/**
 * Whether an address may become a link: whole, and of the web or of mail.
 * @param {string} address
 */
export function isSafe(address) {
  try {
    return SCHEMES.has(new URL(address).protocol);
  } catch {
    return false;
  }
}

/**
 * @param {Token[]} tokens of whole blocks
 * @returns {DocumentFragment}
 */
export function elements(tokens) {
  const root = document.createDocumentFragment();
  /** @type {(Node & ParentNode)[]} */
  const open = [root];
  for (const token of tokens) {
    const parent = open[open.length - 1];
    if (token.nesting < 0) {
      if (!token.hidden) open.pop();
    } else if (token.type === 'inline') {
      parent.append(elements(token.children ?? []));
    } else if (token.nesting === 0) {
      parent.append(leaf(token));
    } else if (!token.hidden) {
      const { outer, inner } = container(token);
      parent.append(outer);
      open.push(inner);
    }
  }
  return root;
}

/** @param {Token} token without children */
function leaf(token) {
  switch (token.type) {
    case 'softbreak':
    case 'hardbreak':
      return h('br');
    case 'hr':
      return h('hr');
    case 'code_inline':
      return h('code', { dir: 'ltr' }, token.content);
    case 'fence':
    case 'code_block':
      return code(token.content.replace(/\n$/, ''), token.info.trim().split(/\s+/)[0]);
    case 'image':
      return picture(token);
    default:
      return document.createTextNode(token.content);
  }
}

/**
 * @param {Token} token
 * @returns {{outer: HTMLElement, inner: HTMLElement}}
 */
function container(token) {
  if (token.type === 'link_open') {
    const made = link(`${token.attrGet('href')}`);
    return { outer: made, inner: made };
  }
  const tag = /^h[1-6]$/.test(token.tag) ? (token.tag < 'h3' ? 'h5' : 'h6') : token.tag;
  if (!TAGS.has(tag) && !/^h[56]$/.test(tag)) throw new Error(`Unknown Markdown: ${token.type}`);
  const made = h(/** @type {'p'} */ (tag), WITH_DIRECTION.has(tag) ? { dir: 'auto' } : {});
  const start = token.attrGet('start');
  if (start !== null) made.setAttribute('start', `${start}`);
  const align = /text-align:\s*(left|center|right)/.exec(`${token.attrGet('style')}`);
  if (align) made.dataset.align = align[1];
  if (tag !== 'table') return { outer: made, inner: made };
  const scrolled = { class: 'chat-scrolled', tabindex: '0', role: 'region', 'aria-label': 'Table' };
  return { outer: h('div', scrolled, made), inner: made };
}

/** @param {string} address */
function link(address) {
  if (!isSafe(address)) return h('span');
  return h('a', { href: address, title: address, target: '_blank', rel: 'noopener noreferrer' });
}

/** @param {Token} token */
function picture(token) {
  const made = link(`${token.attrGet('src')}`);
  made.append(`Picture: ${token.content || 'without a name'}`);
  return made;
}

/**
 * @param {string} text
 * @param {string} language
 */
function code(text, language) {
  return h(
    'div',
    { class: 'chat-code' },
    h(
      'div',
      { class: 'chat-code-head' },
      h('span', {}, language),
      h('button', { type: 'button', class: 'chat-link', 'data-copy': true }, 'Copy'),
    ),
    h(
      'pre',
      { class: 'chat-scrolled', dir: 'ltr', tabindex: '0', role: 'region', 'aria-label': 'Code' },
      h('code', {}, text),
    ),
  );
}

// Markdown that is still coming, as it will most likely end: what a reader sees only grows.
// Each pattern looks at a bounded piece or at one line, so that no answer makes it slow.

/** A line that is nothing yet but the mark of a heading, list, quote or rule. */
const BARE_MARK = /^[-*_+>#= \t]+$|^[ \t]*\d{1,9}[.)]?$/;
const BARE_FENCE = /^[ \t]*(?:`{1,9}|~{1,9})[^`\s]*$/;
const FENCE = /^[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}|~{3,})/;
/** What the next character may make part of a mark, an escape or an entity. */
const OPEN_END = /(?:[*_~`\\]{1,9}|!|&#?\w{0,8})$/;
/** A link or picture that has not come to its end. */
const OPEN_LINK = /!?\[[^\][\n]{0,200}(?:\](?:\([^()\n]{0,2000})?)?$/;
/** Where an emphasis ends at the latest: an item of a list, a row, a blank line. */
const NEW_TEXT = /^[ \t]*(?:(?:[-*+#>|]|\d{1,9}[.)]).*)?$/;

/**
 * Text to show in place of `text` until more of it comes.
 * @param {string} text a block, and what has come of it
 */
export function mended(text) {
  const lines = text.split('\n');
  const last = lines[lines.length - 1];
  const before = lines.slice(0, -1);
  if (insideFence(before)) return BARE_FENCE.test(last) ? before.join('\n') : text;
  if (BARE_MARK.test(last) || BARE_FENCE.test(last)) return before.join('\n');
  const heads = tableToBe(lines);
  if (heads) return lines.slice(0, -heads).join('\n');
  const from = newestText(lines);
  const tail = lines.slice(from).join('\n');
  return [...lines.slice(0, from), closed(withoutOpenEnd(tail))].join('\n');
}

/** @param {string[]} lines */
function insideFence(lines) {
  let open = '';
  for (const line of lines) {
    const mark = FENCE.exec(line)?.[1];
    if (!open) open = mark ?? '';
    else if (mark?.startsWith(open) && line.trim() === mark) open = '';
  }
  return open !== '';
}

/** @param {string[]} lines */
function newestText(lines) {
  const at = lines.findLastIndex((line) => FENCE.test(line) || NEW_TEXT.test(line));
  return Math.max(0, at >= 0 && FENCE.test(lines[at]) ? at + 1 : at);
}

/**
 * How many of the last lines begin a table, whose row of dashes has not come.
 * @param {string[]} lines
 */
function tableToBe(lines) {
  const [head, last] = lines.slice(-2).map((line) => line.trim());
  if (lines.some((line) => isDashes(line) && line !== lines[lines.length - 1])) return 0;
  if (last === undefined) return head.startsWith('|') ? 1 : 0;
  if (last.startsWith('|')) return head.startsWith('|') ? 2 : 1;
  return head.startsWith('|') && last === '' ? 2 : 0;
}

/** @param {string} line */
function isDashes(line) {
  return /^[|:\- \t]+$/.test(line) && line.includes('-') && line.includes('|');
}

/** @param {string} text */
function withoutOpenEnd(text) {
  return text.replace(OPEN_LINK, '').replace(OPEN_END, '');
}

/**
 * With an end for each emphasis and code that has only a beginning.
 * @param {string} text
 */
function closed(text) {
  /** @type {string[]} */
  const open = [];
  const marks = /\\.|(`+)|(\*{1,3}|_{1,3}|~~)/gs;
  for (let found = marks.exec(text); found; found = marks.exec(text)) {
    const [mark, code] = found;
    if (mark.startsWith('\\')) continue;
    if (code) {
      const end = text.indexOf(code, marks.lastIndex);
      if (end < 0) return withoutOpenEnd(text) + code;
      marks.lastIndex = end + code.length;
      continue;
    }
    const before = text[found.index - 1] ?? ' ';
    const after = text[marks.lastIndex] ?? ' ';
    if (open.at(-1) === mark && !/\s/.test(before)) open.pop();
    else if (!/\s/.test(after) && !/[\p{L}\p{N}]/u.test(before)) open.push(mark);
  }
  return open.length ? text.trimEnd() + open.reverse().join('') : text;
}

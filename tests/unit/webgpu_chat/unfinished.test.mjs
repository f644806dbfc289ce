import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { mended } from '../../../services/webgpu-static/page/chat/unfinished.js';

const page = new URL('../../../services/webgpu-static/package.json', import.meta.url);
const path = createRequire(page).resolve('markdown-it');
const { default: MarkdownIt } = await import(pathToFileURL(path).href);
const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true });
markdown.disable('lheading');

/** @param {string} text what a reader sees of it, blanks aside */
function seen(text) {
  const flat = (/** @type {any[]} */ tokens) =>
    tokens.map((token) => (token.children ? flat(token.children) : token.content)).join('');
  return flat(markdown.parse(text, {})).replace(/\s/g, '');
}

const DOCUMENTS = {
  emphasis: 'A **bold word** and an *italic one*, __both__ _kinds_, ***all*** and ~~gone~~ text.',
  code: 'Call `f(x)` or ``a ` b``, then\n\n```js\nconst a = `b*c*`;\n// [no](link\n```\n\nand so on.',
  'fence of tildes': '~~~\n**not bold\n~~~\nText',
  links: 'See [the page](http://localhost:3000/a_b_c) or [another](https://x.example/y?z=1) now.',
  picture: 'Look: ![a cat](https://x.example/cat.png) there.',
  address: 'Open http://localhost:8080/a_b*c and go on.',
  lists: '- **One** is\n- *Two* is\n  - nested `x`\n- three\n\n1. First\n2. Second\n10. Tenth',
  'code in a list': '1. Do:\n\n   ```sh\n   ls *.py\n   ```\n\n2. Then **rest**.',
  headings: '# Title\n\nText\n\n## Second *one*\n\nMore\n\n---\n\nEnd',
  table: 'Here:\n\n| Name | Value |\n|:-----|------:|\n| a | **1** |\n| b | `2` |\n\nDone.',
  'table below text': 'Here:\n| Name | Value |\n|---|---|\n| a | 1 |',
  quote: '> Said *he*,\n> and **she**.\n\nThen.',
  escapes: 'Not \\*emphasis\\*, AT&amp;T, 5 &lt; 6.',
  arithmetic: '2 * 3 is 6, a_b_c is a name, 4 ** 2 too.',
  'right to left': 'שלום **עולם** ומה `code` שלומך',
  emoji: 'A 🦊 **runs 🏃‍♀️** and *hides* 🎉',
};

for (const [name, text] of Object.entries(DOCUMENTS)) {
  test(`what is shown of ${name} only grows`, () => {
    let before = '';
    for (let end = 0; end <= text.length; end += 1) {
      const now = seen(mended(text.slice(0, end)));
      assert.ok(now.startsWith(before), `${JSON.stringify(text.slice(0, end))}: ${before} → ${now}`);
      before = now;
    }
    assert.ok(seen(text).startsWith(before));
  });
}

test('a long answer of any one mark is mended in linear time', () => {
  const time = (/** @type {string} */ text) => {
    const started = performance.now();
    mended(text);
    return performance.now() - started;
  };
  for (const piece of ['*', '_', '`', '~', '[', ']', '(', '[a](', '![', '|', '-', ' ', '&', '\\', '\n', '> ', '**a', '`a``', '| - ']) {
    time(piece.repeat(100));
    const long = Math.min(...[1, 2, 3].map(() => time(piece.repeat(200_000 / piece.length) + 'x')));
    assert.ok(long < 1000, `${JSON.stringify(piece)} took ${long} ms`);
  }
});

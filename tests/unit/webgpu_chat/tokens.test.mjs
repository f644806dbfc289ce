// The browser's tokenizer and template against the ids that Hugging Face's own tokenizers (Rust,
// through Python) and Jinja2 make of the same files; tokens.json holds those.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

const MODEL = new URL(
  '../../../services/foundry-local/src/foundry_host/demo_model/',
  import.meta.url,
);
const PACKAGES = new URL('../../../services/webgpu-static/node_modules/', import.meta.url);

const { Tokenizer } = await import(
  new URL('@huggingface/tokenizers/dist/tokenizers.min.mjs', PACKAGES).href
);
const { Template } = await import(new URL('@huggingface/jinja/dist/index.js', PACKAGES).href);

const read = (/** @type {string} */ name) => readFile(new URL(name, MODEL), 'utf8');
const tokenizer = new Tokenizer(
  JSON.parse(await read('tokenizer.json')),
  JSON.parse(await read('tokenizer_config.json')),
);
const template = new Template(await read('chat_template.jinja'));
const cases = JSON.parse(await readFile(new URL('tokens.json', import.meta.url), 'utf8'));

for (const { messages, ids } of cases) {
  test(`the same tokens for ${JSON.stringify(messages.at(-1).content)}`, () => {
    const text = template.render({ messages, add_generation_prompt: true });
    assert.deepEqual(tokenizer.encode(text, { add_special_tokens: false }).ids, ids);
  });
}

test('tokens become the text that they were made from', () => {
  const text = 'Zoë 🦊 counts 1, 2, 3 — l’été.\n';
  const { ids } = tokenizer.encode(text, { add_special_tokens: false });
  assert.equal(tokenizer.decode(ids, { skip_special_tokens: true }), text);
});

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import {
  LanguageModel,
  outputsOnGpu,
} from '../../../services/webgpu-static/page/chat/languagemodel.js';

const VOCABULARY = 10;
const END = 9;
const config = {
  model: {
    context_length: 8,
    eos_token_id: [END, 0],
    decoder: {
      head_size: 4,
      num_hidden_layers: 1,
      num_key_value_heads: 2,
      inputs: {
        input_ids: 'ids',
        attention_mask: 'mask',
        past_key_names: 'past.%d.key',
        past_value_names: 'past.%d.value',
      },
      outputs: {
        logits: 'logits',
        present_key_names: 'present.%d.key',
        present_value_names: 'present.%d.value',
      },
    },
  },
  search: { top_k: 0, top_p: 1 },
};

/** How many tensors hold a cache; each must be disposed of before the next. */
let alive = 0;

class Tensor {
  /**
   * @param {string} type
   * @param {any} data
   * @param {number[]} dims
   */
  constructor(type, data, dims) {
    this.data = data;
    this.dims = dims;
    if (type === 'float32' && dims.length === 4) alive += 1;
  }

  dispose() {
    alive -= 1;
  }
}

/** @type {{ids: number[], mask: number, past: number}[]} */
let runs = [];

/** A network that says the number after the last one. */
const session = {
  /** @param {Record<string, Tensor>} feeds */
  async run({ ids, mask, 'past.0.key': key }) {
    const tokens = Array.from(ids.data, Number);
    runs.push({ ids: tokens, mask: mask.data.length, past: key.dims[2] });
    const logits = new Float32Array(tokens.length * VOCABULARY);
    logits[logits.length - VOCABULARY + tokens[tokens.length - 1] + 1] = 1;
    const cache = () => new Tensor('float32', [], [1, 2, mask.data.length, 4]);
    return {
      logits: new Tensor('float32', logits, [1, tokens.length, VOCABULARY]),
      'present.0.key': cache(),
      'present.0.value': cache(),
    };
  },
};

/** @type {LanguageModel} */
let model;

beforeEach(() => {
  runs = [];
  alive = 0;
  model = new LanguageModel(/** @type {any} */ ({ Tensor }), /** @type {any} */ (session), config);
});

const argmax = (/** @type {Float32Array} */ logits) => logits.indexOf(1);

/**
 * @param {number[]} prompt
 * @param {number} most
 */
async function said(prompt, most = 99) {
  const tokens = [];
  const answer = model.generate(prompt, argmax);
  let step = await answer.next();
  while (!step.done && tokens.push(step.value) < most) step = await answer.next();
  return { tokens, end: step.done ? step.value : null };
}

test('the prompt goes in at once, then one token at a time, until the model ends', async () => {
  assert.deepEqual(await said([3, 6]), { tokens: [7, 8], end: 'stop' });
  assert.deepEqual(runs, [
    { ids: [3, 6], mask: 2, past: 0 },
    { ids: [7], mask: 3, past: 2 },
    { ids: [8], mask: 4, past: 3 },
  ]);
});

test('it ends where the context ends', async () => {
  assert.deepEqual(await said([1, 1, 1, 1, 1, 1]), { tokens: [2, 3], end: 'context' });
});

test('the next turn computes only what is new', async () => {
  await said([3, 7]);
  runs = [];
  await said([3, 7, 8, END, 7]);
  assert.deepEqual(runs[0], { ids: [END, 7], mask: 5, past: 3 });
});

test('another conversation starts from nothing', async () => {
  await said([3, 7]);
  runs = [];
  await said([4, 7]);
  assert.deepEqual(runs[0], { ids: [4, 7], mask: 2, past: 0 });
});

test('the same question again starts from nothing too', async () => {
  await said([3, 7]);
  runs = [];
  await said([3, 7]);
  assert.deepEqual(runs[0], { ids: [3, 7], mask: 2, past: 0 });
});

test('a person who leaves early can go on', async () => {
  await said([3, 5], 1);
  runs = [];
  assert.deepEqual((await said([3, 5, 6, END, 8])).end, 'stop');
  assert.deepEqual(runs[0], { ids: [6, END, 8], mask: 5, past: 2 });
});

test('only one cache is ever kept', async () => {
  await said([3, 5]);
  await said([1, 5]);
  assert.equal(alive, 2, 'one key and one value');
});

test('the cache stays on the GPU, the logits come back', () => {
  assert.deepEqual(outputsOnGpu(config), {
    'present.0.key': 'gpu-buffer',
    'present.0.value': 'gpu-buffer',
  });
});

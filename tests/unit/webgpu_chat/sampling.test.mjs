import assert from 'node:assert/strict';
import { test } from 'node:test';

import { draw, likeliest } from '../../../services/webgpu-static/page/chat/sampling.js';

const LOGITS = [0, 3, 1, 3, 2];
const shape = (/** @type {object} */ changes) => ({ temperature: 1, topK: 50, topP: 1, ...changes });
const drawn = (/** @type {object} */ changes, /** @type {number} */ random) =>
  draw(LOGITS, shape(changes), () => random);

test('of the likeliest tokens the first is taken', () => {
  assert.equal(likeliest(LOGITS), 1);
});

test('temperature 0 leaves nothing to chance', () => {
  assert.equal(drawn({ temperature: 0 }, 0.999), 1);
});

test('chance picks by share, from the likeliest down', () => {
  assert.equal(drawn({}, 0), 1);
  assert.equal(drawn({}, 0.5), 3);
  assert.equal(drawn({}, 0.999), 0);
});

test('a low temperature prefers the likeliest more', () => {
  const [cold, hot] = [0.2, 5].map((temperature) => drawn({ temperature }, 0.9));
  assert.deepEqual([cold, hot], [3, 0]);
});

test('top-k keeps only so many', () => {
  assert.equal(drawn({ topK: 2 }, 0.999), 3);
  assert.equal(drawn({ topK: 1 }, 0.999), 1);
});

test('top-p keeps the fewest that hold the share', () => {
  assert.equal(drawn({ topP: 0.3 }, 0.999), 1);
  assert.equal(drawn({ topP: 0.7 }, 0.999), 3);
});

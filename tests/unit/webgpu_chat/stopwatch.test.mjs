import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  Stopwatch,
  duration,
  speed,
} from '../../../services/webgpu-static/page/chat/stopwatch.js';

/**
 * @param {number[]} laps milliseconds after the question
 * @param {number} [tokens]
 */
function figures(laps, tokens) {
  let now = 1000;
  const stopwatch = new Stopwatch(() => now);
  for (const lap of laps) {
    now = 1000 + lap;
    stopwatch.lap();
  }
  return stopwatch.figures(tokens);
}

test('speed is measured after the first token', () => {
  assert.deepEqual(figures([500, 600, 700, 800, 900]), { firstToken: 0.5, rate: 10, tokens: 5 });
});

test('a count that is known goes before the number of pieces', () => {
  assert.deepEqual(figures([500, 1000], 21), { firstToken: 0.5, rate: 40, tokens: 21 });
});

test('what came in one piece is measured from the question', () => {
  assert.deepEqual(figures([500, 501, 502], 10), { firstToken: 0.5, rate: 10 / 0.502, tokens: 10 });
  assert.deepEqual(figures([500]), { firstToken: 0.5, rate: 2, tokens: 1 });
});

test('without a token there are no figures', () => {
  assert.equal(figures([]), null);
});

test('figures are as exact as it matters', () => {
  assert.deepEqual([0.0004, 0.0426, 1.25].map(duration), ['1 ms', '43 ms', '1.3 s']);
  assert.deepEqual([1.26, 43.2, 3011].map(speed), ['1.3 tokens/s', '43 tokens/s', '3,011 tokens/s']);
});

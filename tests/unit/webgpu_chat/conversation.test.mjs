import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  fit,
  withoutOldestTurn,
} from '../../../services/webgpu-static/page/chat/conversation.js';

const user = (/** @type {string} */ content) => ({ role: /** @type {const} */ ('user'), content });
const model = (/** @type {string} */ content) => ({
  role: /** @type {const} */ ('assistant'),
  content,
});
const THREE_TURNS = [user('aaa'), model('bb'), user('c'), model('d'), user('ee')];
/** One token a character. */
const encode = (/** @type {{content: string}[]} */ messages) =>
  Array.from(messages.map(({ content }) => content).join(''), (letter) => letter.charCodeAt(0));

test('a conversation that fits stays whole', () => {
  const { prompt, dropped } = fit(THREE_TURNS, encode, 9);
  assert.deepEqual([prompt.length, dropped], [9, 0]);
});

test('the oldest question goes together with its answer', () => {
  assert.deepEqual(withoutOldestTurn(THREE_TURNS), THREE_TURNS.slice(2));
  const { prompt, dropped } = fit(THREE_TURNS, encode, 8);
  assert.deepEqual([String.fromCharCode(...prompt), dropped], ['cdee', 1]);
});

test('as many turns go as must', () => {
  const { prompt, dropped } = fit(THREE_TURNS, encode, 3);
  assert.deepEqual([String.fromCharCode(...prompt), dropped], ['ee', 2]);
});

test('a last question that does not fit alone is refused with the figures', () => {
  assert.throws(() => fit(THREE_TURNS, encode, 1), {
    name: 'PageError',
    message: 'The question has 2 tokens, and the model takes at most 1.',
    remedy: 'Ask something shorter.',
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TextStream } from '../../../services/webgpu-static/page/chat/textstream.js';

/** Tokens that are bytes. */
const decode = (/** @type {number[]} */ bytes) => new TextDecoder().decode(Uint8Array.from(bytes));
const pieces = (/** @type {Iterable<number>} */ bytes) => {
  const stream = new TextStream(decode);
  return [...Array.from(bytes, (byte) => stream.push(byte)), stream.flush()];
};

test('text comes token by token', () => {
  assert.deepEqual(pieces(new TextEncoder().encode('abc')), ['a', 'b', 'c', '']);
});

test('a character waits until it is whole', () => {
  assert.deepEqual(pieces(new TextEncoder().encode('a🦊b')), ['a', '', '', '', '🦊', 'b', '']);
});

test('a character that never becomes whole still shows at the end', () => {
  assert.deepEqual(pieces([97, 0xf0, 0x9f]), ['a', '', '', '\uFFFD']);
});

test('no tokens are no text', () => {
  assert.deepEqual(pieces([]), ['']);
});

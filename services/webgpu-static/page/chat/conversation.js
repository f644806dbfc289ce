// Which part of a conversation still fits a model's context.

import { PageError } from '../shared/errors.js';

/** @import { Message } from './types.js' */

/**
 * The same conversation without its oldest turn: a question and what was said until the next.
 * @param {Message[]} messages
 * @returns {Message[]} empty when there was only one turn
 */
export function withoutOldestTurn(messages) {
  const next = messages.findIndex((message, index) => index > 0 && message.role === 'user');
  return next < 0 ? [] : messages.slice(next);
}

/**
 * The tokens of the newest turns that fit.
 * @param {Message[]} messages
 * @param {(messages: Message[]) => number[]} encode
 * @param {number} room the greatest number of tokens that fits
 * @returns {{prompt: number[], dropped: number}} and how many turns were left out
 * @throws {PageError} not even the last question fits
 */
export function fit(messages, encode, room) {
  let dropped = 0;
  let length = 0;
  for (let rest = messages; rest.length; rest = withoutOldestTurn(rest)) {
    const prompt = encode(rest);
    if (prompt.length <= room) return { prompt, dropped };
    length = prompt.length;
    dropped += 1;
  }
  throw new PageError(
    `The question has ${length} tokens, and the model takes at most ${room}.`,
    'Ask something shorter.',
  );
}

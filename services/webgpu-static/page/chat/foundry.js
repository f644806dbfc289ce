// Foundry Local's half of the chat: the gateway's OpenAI routes on the page's own origin.

import { PageError } from '../shared/errors.js';
import { withoutOldestTurn } from './conversation.js';
import { events } from './sse.js';

/** @import { Choice, Finish, FoundryModel, Message, Step } from './types.js' */

/** Why there is no answer, and what to do about it. */
export class FoundryError extends PageError {
  /**
   * @param {string} message
   * @param {string} remedy
   * @param {string | null} code the gateway's, if it said one
   */
  constructor(message, remedy, code = null) {
    super(message, remedy);
    this.code = code;
  }
}

/**
 * The models that can be asked, the default first.
 * @returns {Promise<FoundryModel[]>}
 * @throws {FoundryError} none can be asked now
 */
export async function models() {
  // Its models are those of /v1/models, and asking it is no error while the gateway is down.
  const { status, upstreams, models, last_error: last } = await getJson('/gateway/status');
  const obstacle = upstreams.find((/** @type {any} */ one) => one.error)?.error ?? last;
  if (status === 'down' && obstacle) throw errorFrom({ error: obstacle });
  return models;
}

/**
 * The answer to a conversation, step by step. The oldest turns give way when it is too long.
 * @param {string} model
 * @param {Message[]} messages
 * @param {Choice} choice
 * @param {AbortSignal} signal stops it; the next step then rejects
 * @returns {AsyncGenerator<Step>}
 */
export async function* answer(model, messages, choice, signal) {
  let rest = messages;
  for (let dropped = 0; ; dropped++) {
    try {
      const body = await ask(model, rest, choice, signal);
      yield { kind: 'started', dropped };
      yield* read(body);
      return;
    } catch (error) {
      rest = withoutOldestTurn(rest);
      const isTooLong = error instanceof FoundryError && error.code === 'context_length_exceeded';
      if (isTooLong && rest.length) continue;
      throw signal.aborted || error instanceof FoundryError ? error : errorFrom(null);
    }
  }
}

/**
 * @param {string} model
 * @param {Message[]} messages
 * @param {Choice} choice
 * @param {AbortSignal} signal
 */
async function ask(model, messages, choice, signal) {
  const response = await reach('/v1/chat/completions', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      model,
      messages,
      temperature: choice.temperature,
      max_tokens: choice.maxTokens,
      stream: true,
      stream_options: { include_usage: true },
    }),
    signal,
  });
  return /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (response.body);
}

/**
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @returns {AsyncGenerator<Step>}
 */
async function* read(body) {
  /** @type {Finish} */
  let finish = 'stop';
  let chunks = 0;
  let tokens = null;
  let whole = false;
  for await (const event of events(body)) {
    if ('comment' in event) {
      yield { kind: 'waiting', reason: event.comment };
    } else if (event.data === '[DONE]') {
      whole = true;
    } else {
      const chunk = JSON.parse(event.data);
      if (chunk.error) throw errorFrom(chunk);
      const [choice] = chunk.choices ?? [];
      const text = choice?.delta?.content;
      if (text) {
        chunks += 1;
        yield { kind: 'text', text };
      }
      if (choice?.finish_reason === 'length') finish = 'length';
      tokens = chunk.usage?.completion_tokens ?? tokens;
    }
  }
  if (!whole) throw errorFrom(null);
  yield { kind: 'end', finish, tokens: tokens ?? chunks };
}

/** @param {string} path */
async function getJson(path) {
  return (await reach(path, {})).json();
}

/**
 * @param {string} path
 * @param {RequestInit} init
 */
async function reach(path, init) {
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new FoundryError(
      'The page’s own server does not answer.',
      'Start it: `docker compose up -d webgpu-static`.',
    );
  }
  if (response.ok) return response;
  throw errorFrom(await response.json().catch(() => null), `The server answered ${response.status}.`);
}

/**
 * @param {any} body an error in OpenAI's shape, if it is one
 * @param {string} otherwise
 */
function errorFrom(body, otherwise = 'The answer broke off before its end.') {
  const { message, remedy, code } = body?.error ?? {};
  // The message ends with the remedy, for callers that show only that.
  const cause = remedy ? message?.replace(remedy, '').trim() : message;
  return new FoundryError(cause || otherwise, remedy || 'Try again.', code ?? null);
}

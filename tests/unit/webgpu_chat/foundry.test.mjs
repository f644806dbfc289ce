import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { answer, models } from '../../../services/webgpu-static/page/chat/foundry.js';

const QUESTION = { role: /** @type {const} */ ('user'), content: 'Hi' };
const CHOICE = { maxTokens: 8, temperature: 0 };
const realFetch = globalThis.fetch;

afterEach(() => {
  globalThis.fetch = realFetch;
});

/** @param {(path: string, init: any) => Response} respond */
function serve(respond) {
  globalThis.fetch = /** @type {any} */ (
    async (/** @type {string} */ path, /** @type {any} */ init) => respond(path, init)
  );
}

/** @param {string[]} pieces */
function stream(pieces) {
  const encoder = new TextEncoder();
  return new Response(
    new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(encoder.encode(piece));
        controller.close();
      },
    }),
  );
}

const chunk = (/** @type {object} */ delta, /** @type {string | null} */ finish = null) =>
  `data: ${JSON.stringify({ choices: [{ delta, finish_reason: finish }] })}\n\n`;
const refusal = (/** @type {number} */ status, /** @type {object} */ error) =>
  new Response(JSON.stringify({ error }), { status });

async function steps(messages = [QUESTION]) {
  const all = [];
  for await (const step of answer('m', messages, CHOICE, new AbortController().signal)) {
    all.push(step);
  }
  return all;
}

test('an answer comes as text, with the tokens that were counted where they were made', async () => {
  serve(() =>
    stream([
      ': loading m\n\n',
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'Hel' }).slice(0, 20),
      chunk({ content: 'Hel' }).slice(20) + chunk({ content: 'lo' }),
      chunk({}, 'length'),
      `data: ${JSON.stringify({ choices: [], usage: { completion_tokens: 5 } })}\r\n\r\n`,
      'data: [DONE]\n\n',
    ]),
  );
  assert.deepEqual(await steps(), [
    { kind: 'started', dropped: 0 },
    { kind: 'waiting', reason: 'loading m' },
    { kind: 'text', text: 'Hel' },
    { kind: 'text', text: 'lo' },
    { kind: 'end', finish: 'length', tokens: 5 },
  ]);
});

test('a stream that ends in an error ends in its message and its remedy', async () => {
  const error = { message: 'It broke. Restart it.', remedy: 'Restart it.', code: 'upstream_error' };
  serve(() => stream([chunk({ content: 'He' }), `data: ${JSON.stringify({ error })}\n\n`]));
  await assert.rejects(steps(), { message: 'It broke.', remedy: 'Restart it.' });
});

test('a stream that just ends is no answer', async () => {
  serve(() => stream([chunk({ content: 'He' })]));
  await assert.rejects(steps(), { message: 'The answer broke off before its end.' });
});

test('the oldest turns give way until the conversation fits', async () => {
  /** @type {number[]} */
  const asked = [];
  serve((_, { body }) => {
    const { messages } = JSON.parse(body);
    asked.push(messages.length);
    return messages.length > 1
      ? refusal(400, { message: 'Too long.', code: 'context_length_exceeded' })
      : stream([chunk({}, 'stop'), 'data: [DONE]\n\n']);
  });
  const said = { role: /** @type {const} */ ('assistant'), content: 'Ho' };
  const [started] = await steps([QUESTION, said, QUESTION, said, QUESTION]);
  assert.deepEqual(started, { kind: 'started', dropped: 2 });
  assert.deepEqual(asked, [5, 3, 1]);
});

test('a refusal that is no JSON still says something', async () => {
  serve(() => new Response('<html>', { status: 413 }));
  await assert.rejects(steps(), { message: 'The server answered 413.', remedy: 'Try again.' });
});

test('a server that is gone is named', async () => {
  serve(() => {
    throw new TypeError('Failed to fetch');
  });
  await assert.rejects(steps(), { message: 'The page’s own server does not answer.' });
});

test('models are only offered while Foundry Local is there', async () => {
  const error = { message: 'Refused.', remedy: 'Start it.', code: 'foundry_unreachable' };
  for (const [status, upstream] of /** @type {const} */ ([['ok', null], ['down', error]])) {
    serve(() => Response.json({ status, models: [{ id: 'm' }], upstreams: [{ error: upstream }] }));
    if (upstream) await assert.rejects(models(), { message: 'Refused.', remedy: 'Start it.' });
    else assert.deepEqual(await models(), [{ id: 'm' }]);
  }
});

// Server-sent events from a response body: https://html.spec.whatwg.org/#server-sent-events

/** @typedef {{data: string} | {comment: string}} Event */

/**
 * Each event's data, and each comment, as they come.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @returns {AsyncGenerator<Event>}
 */
export async function* events(body) {
  /** @type {string[]} */
  let data = [];
  for await (const line of lines(body)) {
    if (line === '') {
      if (data.length) yield { data: data.join('\n') };
      data = [];
    } else if (line.startsWith(':')) {
      yield { comment: line.slice(1).trim() };
    } else if (line.startsWith('data:')) {
      data.push(line.slice(5).replace(/^ /, ''));
    }
  }
}

/** @param {ReadableStream<Uint8Array<ArrayBuffer>>} body */
async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      const whole = (rest + step.value).split(/\r\n|\n/);
      rest = whole.pop() ?? '';
      yield* whole;
    }
  } finally {
    await reader.cancel().catch(() => {}); // a caller that leaves ends the answer at its source
  }
}

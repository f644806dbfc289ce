// The browser's half of the chat, off the page's own thread.

import { announce, serve } from '../shared/rpc.js';
import { Assistant } from './assistant.js';

/**
 * @import { Backend } from '../shared/backend.js'
 * @import { Call } from '../shared/rpc.js'
 * @import { Choice, Message } from './types.js'
 */

/** @type {Promise<Assistant> | null} */
let assistant = null;
/** The answer being given; a session runs one step at a time. */
let busy = Promise.resolve();

const methods = {
  /**
   * @param {{backend: Backend}} wanted
   * @param {Call} call
   */
  async load({ backend }, { progress }) {
    assistant = Assistant.load(backend, progress);
    return (await assistant).facts;
  },

  /**
   * @param {{messages: Message[], choice: Choice}} question
   * @param {Call} call whose progress is the answer's steps
   */
  async answer({ messages, choice }, call) {
    const before = busy;
    const mine = before.then(() => answer(messages, choice, call));
    busy = mine.catch(() => {});
    await mine;
  },
};

/** @typedef {typeof methods} ChatApi */

/**
 * @param {Message[]} messages
 * @param {Choice} choice
 * @param {Call} call
 */
async function answer(messages, choice, call) {
  const ready = await assistant;
  if (!ready) throw new Error('The model was not loaded.');
  try {
    await say(ready, messages, choice, call);
  } catch (error) {
    // A model too small to be a burden on the processor need not stay with a GPU that fails.
    if (ready.facts.backend !== 'webgpu' || call.signal.aborted) throw error;
    await ready.fallBack(error instanceof Error ? error.message : String(error));
    announce('facts', ready.facts);
    await say(ready, messages, choice, call);
  }
}

/**
 * @param {Assistant} ready
 * @param {Message[]} messages
 * @param {Choice} choice
 * @param {Call} call
 */
async function say(ready, messages, choice, { progress, signal }) {
  for await (const step of ready.answer(messages, choice)) {
    if (signal.aborted) return;
    progress(step);
    await breath();
  }
}

const { port1: here, port2: there } = new MessageChannel();

/** Lets messages in: computing on WASM never gives the thread back by itself. */
function breath() {
  return new Promise((resolve) => {
    there.onmessage = resolve;
    here.postMessage(null);
  });
}

serve(methods);

// A language model that takes a conversation and gives text: model, tokenizer and chat template.

import { asset, size } from '../shared/assets.js';
import { fetchFile } from '../shared/download.js';
import { openSession, runtime } from '../shared/ort.js';
import { fit } from './conversation.js';
import { LanguageModel, outputsOnGpu } from './languagemodel.js';
import { draw, likeliest } from './sampling.js';
import { TextStream } from './textstream.js';

/**
 * @import { Tokenizer } from '@huggingface/tokenizers'
 * @import { Template } from '@huggingface/jinja'
 * @import { Backend } from '../shared/backend.js'
 * @import { Ort } from '../shared/ort.js'
 * @import { Choice, Finish, GenaiConfig, Message, ModelFacts, Step } from './types.js'
 */

/** As Foundry Local serves them; the first is the network, the others are text. */
const FILES = [
  'demo-model/model.onnx',
  'demo-model/genai_config.json',
  'demo-model/chat_template.jinja',
  'demo-model/tokenizer.json',
  'demo-model/tokenizer_config.json',
];

/** Tokens of the context that a long conversation leaves to the answer. */
const ROOM_FOR_ANSWER = 256;

/**
 * @typedef {object} Parts
 * @property {Ort} ort
 * @property {Uint8Array} network
 * @property {GenaiConfig} config
 * @property {Template} template
 * @property {Tokenizer} tokenizer
 * @property {number} bytes of all files, unpacked
 */

export class Assistant {
  #parts;
  #model;
  /** @type {ModelFacts} */
  facts;

  /**
   * @param {Parts} parts
   * @param {LanguageModel} model
   * @param {ModelFacts} facts
   */
  constructor(parts, model, facts) {
    this.#parts = parts;
    this.#model = model;
    this.facts = facts;
  }

  /**
   * On a backend, or on WASM where that fails; the facts then say why.
   * @param {Backend} backend
   * @param {(progress: {loaded: number, total: number}) => void} onProgress in bytes
   */
  static async load(backend, onProgress) {
    const started = performance.now();
    const parts = await fetchParts(onProgress);
    const { model, fallback } = await openModel(parts, backend);
    return new Assistant(parts, model, {
      backend: fallback === null ? backend : 'wasm',
      fallback,
      contextLength: model.contextLength,
      bytes: parts.bytes,
      seconds: (performance.now() - started) / 1000,
    });
  }

  /**
   * Go on without the GPU.
   * @param {string} reason
   */
  async fallBack(reason) {
    const { model } = await openModel(this.#parts, 'wasm');
    this.#model = model;
    this.facts = { ...this.facts, backend: 'wasm', fallback: reason };
  }

  /**
   * The answer to a conversation, step by step.
   * @param {Message[]} messages
   * @param {Choice} choice
   * @returns {AsyncGenerator<Step>}
   */
  async *answer(messages, choice) {
    const { config, tokenizer } = this.#parts;
    const room = this.#model.contextLength - ROOM_FOR_ANSWER;
    const { prompt, dropped } = fit(messages, (rest) => encode(this.#parts, rest), room);
    yield { kind: 'started', dropped };
    const { top_k: topK, top_p: topP } = config.search;
    const shape = { temperature: choice.temperature, topK, topP };
    const text = new TextStream((ids) => tokenizer.decode(ids, { skip_special_tokens: true }));
    const tokens = this.#model.generate(prompt, (logits) => draw(logits, shape));
    /** @type {Finish} */
    let finish = 'length';
    while (text.length < choice.maxTokens) {
      const next = await tokens.next();
      if (next.done) {
        finish = next.value;
        break;
      }
      yield { kind: 'text', text: text.push(next.value) };
    }
    yield { kind: 'text', text: text.flush() };
    yield { kind: 'end', finish, tokens: text.length };
  }
}

/**
 * @param {(progress: {loaded: number, total: number}) => void} onProgress
 * @returns {Promise<Parts>}
 */
async function fetchParts(onProgress) {
  const total = FILES.reduce((sum, file) => sum + size(file), 0);
  /** @type {[Uint8Array[], Ort, typeof import('@huggingface/tokenizers'), typeof import('@huggingface/jinja')]} */
  const [files, ort, { Tokenizer }, { Template }] = await Promise.all([
    fetchFiles((loaded) => onProgress({ loaded, total })),
    runtime(),
    import(asset('huggingface-tokenizers/tokenizers.min.mjs')),
    import(asset('huggingface-jinja/index.js')),
  ]);
  ort.env.wasm.numThreads = 1; // steps this small take longer where several threads meet
  const [network, ...texts] = files;
  const [config, template, vocabulary, settings] = texts.map((bytes) =>
    new TextDecoder().decode(bytes),
  );
  return {
    ort,
    network,
    config: JSON.parse(config),
    template: new Template(template),
    tokenizer: new Tokenizer(JSON.parse(vocabulary), JSON.parse(settings)),
    bytes: total,
  };
}

/** @param {(loaded: number) => void} onProgress bytes of all files so far, unpacked */
function fetchFiles(onProgress) {
  let loaded = 0;
  return Promise.all(
    FILES.map((file) => fetchFile(asset(file), (bytes) => onProgress((loaded += bytes)))),
  );
}

/**
 * @param {Parts} parts
 * @param {Backend} backend
 */
async function openModel(parts, backend) {
  try {
    return { model: await proveModel(parts, backend), fallback: null };
  } catch (error) {
    if (backend === 'wasm') throw error;
    const fallback = error instanceof Error ? error.message : String(error);
    return { model: await proveModel(parts, 'wasm'), fallback };
  }
}

/**
 * A model that has said something: a backend that fails or computes nonsense is found out before
 * the first question, and a GPU has its programs compiled.
 * @param {Parts} parts
 * @param {Backend} backend
 */
async function proveModel(parts, backend) {
  const onGpu = backend === 'webgpu' ? outputsOnGpu(parts.config) : undefined;
  const { session } = await openSession(parts.network, backend, {
    preferredOutputLocation: onGpu,
    logSeverityLevel: 3, // errors: nodes that it places on the processor are no news here
  });
  const model = new LanguageModel(parts.ort, session, parts.config);
  const prompt = encode(parts, [{ role: 'user', content: 'Hello' }]);
  let steps = 2; // over several tokens and over a single one: these are different programs
  for await (const _ of model.generate(prompt, likeliestNumber)) {
    if (--steps === 0) break;
  }
  return model;
}

/** @param {Float32Array} logits */
function likeliestNumber(logits) {
  if (!logits.every(Number.isFinite)) throw new Error('It computed something that is no number.');
  return likeliest(logits);
}

/**
 * @param {Parts} parts
 * @param {Message[]} messages
 */
function encode({ template, tokenizer }, messages) {
  const text = template.render({ messages, add_generation_prompt: true });
  return tokenizer.encode(text, { add_special_tokens: false }).ids;
}

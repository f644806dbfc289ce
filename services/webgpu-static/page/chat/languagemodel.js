// A model as ONNX Runtime GenAI's builder makes them, run by ONNX Runtime Web: tokens in, tokens
// out, one at a time, with the keys and values of past tokens kept where they were computed.

/** @import { GenaiConfig } from './types.js' */
/** @import { Ort, Session } from '../shared/ort.js' */
/** @typedef {import('onnxruntime-web').Tensor} Tensor */

/**
 * Where a session should leave its outputs: without it, every token would carry the whole cache
 * from the GPU and back.
 * @param {GenaiConfig} config
 * @returns {Record<string, 'gpu-buffer'>}
 */
export function outputsOnGpu(config) {
  return Object.fromEntries(cacheNames(config).map(({ present }) => [present, 'gpu-buffer']));
}

export class LanguageModel {
  #ort;
  #session;
  #config;
  #ends;
  #cache;

  /**
   * @param {Ort} ort
   * @param {Session} session
   * @param {GenaiConfig} config
   */
  constructor(ort, session, config) {
    this.#ort = ort;
    this.#session = session;
    this.#config = config;
    this.#ends = new Set([config.model.eos_token_id].flat());
    this.#cache = new Cache(ort, config);
  }

  /** How many tokens the prompt and the answer may have together. */
  get contextLength() {
    return this.#config.model.context_length;
  }

  /**
   * The answer's tokens, until the model ends it, the context is full or the caller leaves. What a
   * prompt has in common with the conversation before it is not computed again.
   * @param {number[]} prompt
   * @param {(logits: Float32Array) => number} choose
   * @returns {AsyncGenerator<number, 'stop' | 'context'>}
   */
  async *generate(prompt, choose) {
    if (!this.#cache.begins(prompt)) this.#cache.clear();
    let tokens = prompt.slice(this.#cache.tokens.length);
    for (let length = prompt.length; length < this.contextLength; length++) {
      const next = choose(await this.#run(tokens));
      if (this.#ends.has(next)) return 'stop';
      yield next;
      tokens = [next];
    }
    return 'context';
  }

  /**
   * The logits after the last of some tokens that follow those in the cache.
   * @param {number[]} tokens
   */
  async #run(tokens) {
    const { inputs, outputs } = this.#config.model.decoder;
    const { Tensor } = this.#ort;
    const ids = BigInt64Array.from(tokens, BigInt);
    const mask = new BigInt64Array(this.#cache.tokens.length + tokens.length).fill(1n);
    const results = await this.#session.run({
      [inputs.input_ids]: new Tensor('int64', ids, [1, ids.length]),
      [inputs.attention_mask]: new Tensor('int64', mask, [1, mask.length]),
      ...this.#cache.feeds,
    });
    this.#cache.extend(tokens, results);
    const logits = results[outputs.logits];
    const vocabulary = logits.dims[2];
    return /** @type {Float32Array} */ (logits.data).subarray(-vocabulary);
  }
}

/** The keys and values of past tokens, by the names of the model's inputs. */
class Cache {
  #empty;
  #names;
  /** @type {number[]} */
  tokens = [];
  /** @type {Record<string, Tensor>} */
  feeds = {};

  /**
   * @param {Ort} ort
   * @param {GenaiConfig} config
   */
  constructor(ort, config) {
    const { head_size: size, num_key_value_heads: heads } = config.model.decoder;
    this.#empty = () => new ort.Tensor('float32', new Float32Array(0), [1, heads, 0, size]);
    this.#names = cacheNames(config);
    this.clear();
  }

  /**
   * Whether it knows the beginning of a prompt, and nothing else.
   * @param {number[]} prompt
   */
  begins(prompt) {
    return (
      this.tokens.length < prompt.length && this.tokens.every((token, at) => token === prompt[at])
    );
  }

  clear() {
    this.#replace([], ({ past }) => [past, this.#empty()]);
  }

  /**
   * @param {number[]} tokens
   * @param {Record<string, Tensor>} results of a run over them
   */
  extend(tokens, results) {
    this.#replace([...this.tokens, ...tokens], ({ past, present }) => [past, results[present]]);
  }

  /**
   * @param {number[]} tokens
   * @param {(names: {past: string, present: string}) => [string, Tensor]} feed
   */
  #replace(tokens, feed) {
    for (const tensor of Object.values(this.feeds)) tensor.dispose(); // no collector frees the GPU
    this.tokens = tokens;
    this.feeds = Object.fromEntries(this.#names.map(feed));
  }
}

/** @param {GenaiConfig} config */
function cacheNames({ model: { decoder } }) {
  const { inputs, outputs } = decoder;
  return Array.from({ length: decoder.num_hidden_layers }, (_, layer) => layer).flatMap((layer) =>
    [
      { past: inputs.past_key_names, present: outputs.present_key_names },
      { past: inputs.past_value_names, present: outputs.present_value_names },
    ].map(({ past, present }) => ({
      past: past.replace('%d', String(layer)),
      present: present.replace('%d', String(layer)),
    })),
  );
}

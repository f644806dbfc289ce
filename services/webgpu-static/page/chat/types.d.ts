/** What the chat's modules hand each other. */

export interface Message {
  role: 'user' | 'assistant';
  content: string;
}

export interface Choice {
  /** At most so many tokens of answer. */
  maxTokens: number;
  /** 0 takes the likeliest token each time. */
  temperature: number;
}

/** What ended an answer: the model, its greatest length, or the end of the model's context. */
export type Finish = 'stop' | 'length' | 'context';

/** One step of an answer, from either half. After `started` the text begins anew. */
export type Step =
  | { kind: 'started'; dropped: number }
  | { kind: 'waiting'; reason: string }
  | { kind: 'text'; text: string }
  | { kind: 'end'; finish: Finish; tokens: number };

export interface ModelFacts {
  backend: 'webgpu' | 'wasm';
  /** Why it is not the backend that was asked for, if it is not. */
  fallback: string | null;
  contextLength: number;
  bytes: number;
  seconds: number;
}

/** The part of genai_config.json that generating needs. */
export interface GenaiConfig {
  model: {
    context_length: number;
    eos_token_id: number | number[];
    decoder: {
      head_size: number;
      num_hidden_layers: number;
      num_key_value_heads: number;
      inputs: {
        input_ids: string;
        attention_mask: string;
        past_key_names: string;
        past_value_names: string;
      };
      outputs: { logits: string; present_key_names: string; present_value_names: string };
    };
  };
  search: { top_k: number; top_p: number };
}

/** An entry of the gateway's /v1/models. */
export interface FoundryModel {
  id: string;
  foundry: {
    state: 'loaded' | 'available' | 'missing';
    context_length: number | null;
    default: boolean;
    demo: boolean;
  };
}

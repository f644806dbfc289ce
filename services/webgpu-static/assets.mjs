// What the page is served with besides its own files. Each entry becomes a folder of its own,
// /assets/<name>-<version or digest>/, so that a new page does not make a browser fetch them again;
// code finds a file with `asset('<name>/<file>')` from page/shared/assets.js.

/**
 * Files of npm packages: the name, then paths inside the package.
 * @type {Record<string, string[]>}
 */
export const packages = {
  // One runtime for both backends: it runs WebGPU and WASM sessions alike.
  'onnxruntime-web': [
    'dist/ort.webgpu.bundle.min.mjs',
    'dist/ort-wasm-simd-threaded.asyncify.wasm',
  ],
  // The chat's: tokens from text and back, and the model's own chat template.
  '@huggingface/tokenizers': ['dist/tokenizers.min.mjs'],
  '@huggingface/jinja': ['dist/index.js'],
  // The chat's too: an answer's Markdown as tokens, from which the page makes elements.
  'markdown-it': ['dist/browser/markdown-it.esm.min.mjs'],
};

/**
 * Files of ours: the name, then the folder, relative to this file, and the files in it. An
 * environment variable may name another folder: an image is built from its own context.
 * @type {Record<string, {folder: string, variable?: string, files: string[]}>}
 */
export const folders = {
  digits: { folder: 'models', files: ['digits.onnx'] },
  // The very files that Foundry Local serves.
  'demo-model': {
    folder: '../foundry-local/src/foundry_host/demo_model',
    variable: 'DEMO_MODEL',
    files: [
      'model.onnx',
      'genai_config.json',
      'chat_template.jinja',
      'tokenizer.json',
      'tokenizer_config.json',
    ],
  },
};

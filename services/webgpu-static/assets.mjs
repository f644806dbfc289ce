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
};

/**
 * Files of ours: the name, then the folder, relative to this file, and the files in it. An
 * environment variable may name another folder: an image is built from its own context.
 * @type {Record<string, {folder: string, variable?: string, files: string[]}>}
 */
export const folders = {
  digits: { folder: 'models', files: ['digits.onnx'] },
};

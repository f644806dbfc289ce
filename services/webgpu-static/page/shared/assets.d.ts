/**
 * The address of a file that assets.mjs lists; build.mjs writes this module.
 *
 * @param name `<name>/<file>`, such as `onnxruntime-web/ort.webgpu.bundle.min.mjs`
 */
export function asset(name: string): string;

/** How many bytes it has, unpacked. */
export function size(name: string): number;

/** The same by its address. */
export function expected(address: string): number;

// What a model must look like to be used here, and what is wrong with one that does not.
// No page in here, and no runtime: it judges what the runtime says about a model.

import { PageError } from '../shared/errors.js';

/** Far more than a network for digits needs, and little enough to read at once. */
export const LARGEST = 64 * 1024 * 1024;

/**
 * One input or output, as ONNX Runtime describes it.
 * @typedef {{ name: string, isTensor: boolean, type?: string,
 *   shape?: readonly (number | string)[] }} Port
 */

export const REMEDY =
  'Use a model that takes float32 [1, 1, 28, 28], white on black from 0 to 1, and gives ten numbers.';

/**
 * Before a file is read.
 * @param {{ size: number }} file
 * @throws {PageError}
 */
export function checkFile({ size }) {
  if (size === 0) throw new PageError('It is empty.', 'Choose an ONNX file.');
  if (size > LARGEST) {
    throw new PageError(
      `It has ${megabytes(size)}, and at most ${megabytes(LARGEST)} are read here.`,
      'Choose a smaller model: one for digits needs less than one megabyte.',
    );
  }
}

/**
 * The output to use; names do not matter, types and shapes do.
 * @param {readonly Port[]} inputs
 * @param {readonly Port[]} outputs
 * @returns {string} its name
 * @throws {PageError}
 */
export function checkPorts(inputs, outputs) {
  if (inputs.length !== 1 || !isPicture(inputs[0])) {
    throw new PageError(`This model takes ${inputs.map(described).join(' and ')}.`, REMEDY);
  }
  const tens = outputs.filter(isTen);
  const output = tens.find(({ name }) => /prob|softmax/i.test(name)) ?? tens[0];
  if (!output) {
    throw new PageError(`This model gives ${outputs.map(described).join(' and ')}.`, REMEDY);
  }
  return output.name;
}

/** @param {Port} port */
function isPicture({ type, shape }) {
  return type === 'float32' && fits(shape, [1, 1, 28, 28]);
}

/** @param {Port} port */
function isTen({ type, shape }) {
  return type === 'float32' && (fits(shape, [1, 10]) || fits(shape, [10]));
}

/**
 * @param {readonly (number | string)[] | undefined} shape a dimension may be a name: any size
 * @param {number[]} wanted
 */
function fits(shape, wanted) {
  return (
    shape !== undefined &&
    shape.length === wanted.length &&
    shape.every((size, index) => typeof size !== 'number' || size < 0 || size === wanted[index])
  );
}

/** @param {Port} port */
function described({ name, isTensor, type, shape }) {
  return isTensor ? `“${name}”, ${type} [${(shape ?? []).join(', ')}]` : `“${name}”, no tensor`;
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${(bytes / 1024 / 1024).toFixed(bytes < 10 * 1024 * 1024 ? 1 : 0)} MB`;
}

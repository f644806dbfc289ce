// What a model must look like to be used here, and what is wrong with one that does not.
// No page in here, and no runtime: it judges what the runtime says about a model.

/** Far more than a network for digits needs, and little enough to read at once. */
export const LARGEST = 64 * 1024 * 1024;

/**
 * One input or output, as ONNX Runtime describes it.
 * @typedef {{ name: string, isTensor: boolean, type?: string,
 *   shape?: readonly (number | string)[] }} Port
 */

/** A file that cannot be used; its message is for the person who chose it. */
export class UnfitModel extends Error {
  name = 'UnfitModel';
}

/**
 * Before it is read.
 * @param {{ name: string, size: number }} file
 */
export function checkFile({ name, size }) {
  if (size === 0) throw new UnfitModel(`${name} is empty. Choose an ONNX file.`);
  if (size > LARGEST) {
    throw new UnfitModel(
      `${name} has ${megabytes(size)}; at most ${megabytes(LARGEST)} are read here. ` +
        'Choose a smaller model.',
    );
  }
}

/**
 * The input and the output to use; names do not matter, shapes do.
 * @param {readonly Port[]} inputs
 * @param {readonly Port[]} outputs
 * @returns {{ input: string, output: string }}
 */
export function checkPorts(inputs, outputs) {
  if (inputs.length !== 1) {
    throw new UnfitModel(
      `This model has ${inputs.length} inputs (${inputs.map(described).join(', ')}). ` +
        'It must have one: float32 [1, 1, 28, 28].',
    );
  }
  const [input] = inputs;
  if (!input.isTensor || input.type !== 'float32' || !fits(input.shape, [1, 1, 28, 28])) {
    throw new UnfitModel(
      `This model takes ${described(input)}. It must take float32 [1, 1, 28, 28]: ` +
        'one picture of one channel, 28 by 28.',
    );
  }
  const tens = outputs.filter(
    ({ isTensor, type, shape }) => isTensor && type === 'float32' && (fits(shape, [1, 10]) || fits(shape, [10])),
  );
  const output = tens.find(({ name }) => /prob|softmax/i.test(name)) ?? tens[0];
  if (!output) {
    throw new UnfitModel(
      `This model gives ${outputs.map(described).join(', ')}. ` +
        'It must give ten numbers, one for each digit: float32 [1, 10].',
    );
  }
  return { input: input.name, output: output.name };
}

/**
 * @param {readonly (number | string)[] | undefined} shape a dimension may be a name: any size
 * @param {number[]} wanted
 */
function fits(shape, wanted) {
  return (
    shape?.length === wanted.length &&
    shape.every((size, index) => typeof size !== 'number' || size < 0 || size === wanted[index])
  );
}

/** @param {Port} port */
function described({ name, isTensor, type, shape }) {
  if (!isTensor) return `“${name}”, which is no tensor`;
  return `“${name}”, ${type} [${(shape ?? []).join(', ')}]`;
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${(bytes / 1024 / 1024).toFixed(bytes < 10 * 1024 * 1024 ? 1 : 0)} MB`;
}

// Runs the digit model, away from the page's own thread. recognizer.js is its caller.

import { PageError } from '../shared/errors.js';
import { openSession, runtime } from '../shared/ort.js';
import { announce, serve } from '../shared/rpc.js';
import { REMEDY, checkPorts } from './contract.js';

/** What ONNX Runtime says about bytes that are no model. */
const NO_MODEL = /protobuf parsing failed|no graph was found|unsupported model ir|invalid model/i;

/** @type {import('../shared/ort.js').Session | undefined} */
let session;
let output = '';

const methods = {
  /**
   * Open a model and try it once on an empty picture.
   * @param {{ model: string | ArrayBuffer, backend: import('../shared/backend.js').Backend }} wanted
   */
  async open({ model, backend }) {
    const opened = await openSession(model, backend, {}, ({ reason, message }) => {
      if (reason !== 'destroyed') announce('device-lost', { message });
    }).catch((error) => {
      throw NO_MODEL.test(error.message)
        ? new PageError('This is not an ONNX model.', REMEDY, { cause: error })
        : error;
    });
    session = opened.session;
    output = checkPorts(session.inputMetadata, session.outputMetadata);
    const { values } = await methods.run({ image: new Float32Array(28 * 28) });
    if (values.length !== 10) {
      throw new PageError(`This model gives ${values.length} numbers.`, REMEDY);
    }
    return opened.milliseconds;
  },

  /**
   * @param {{ image: Float32Array, output?: string }} wanted 784 values; another output than the
   *   one that fits best, by name
   */
  async run({ image, output: named = output }) {
    if (!session) throw new PageError('No model is open.', 'Reload the page.');
    const ort = await runtime();
    const started = performance.now();
    const input = new ort.Tensor('float32', image, [1, 1, 28, 28]);
    const results = await session.run({ [session.inputNames[0]]: input }, [named]);
    const values = /** @type {Float32Array} */ (await results[named].getData());
    const answer = { values: Array.from(values), milliseconds: performance.now() - started };
    results[named].dispose();
    input.dispose();
    return answer;
  },
};

/** @typedef {typeof methods} DigitApi */

serve(methods);

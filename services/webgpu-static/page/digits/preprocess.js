// From a drawing to what the model sees: 28 by 28, white on black, centred as in MNIST.
// No page in here: numbers in, numbers out. training/digit_training/images.py does the same steps
// for the pictures that the model learnt from.

export const SIDE = 28;
/** The longer side of the digit, in pixels of the model's picture. */
export const BOX = 20;
/** Less ink than this is paper. */
export const INK = 0.05;

/**
 * A picture in one channel.
 * @typedef {{ width: number, height: number, ink: Float32Array }} Picture
 *   `ink` is row by row, 0 for paper to 1 for full ink.
 */

/**
 * The ink of a canvas on which only ink is opaque.
 * @param {{ width: number, height: number, data: Uint8ClampedArray | Uint8Array }} pixels RGBA
 * @returns {Picture}
 */
export function inkOf({ width, height, data }) {
  const ink = new Float32Array(width * height);
  for (let index = 0; index < ink.length; index += 1) ink[index] = data[index * 4 + 3] / 255;
  return { width, height, ink };
}

/**
 * Cropped to its ink, scaled into 20 by 20, and moved so that its centre of mass is in the middle.
 * @param {Picture} picture
 * @returns {Float32Array | null} 784 values from 0 to 1, or null when nothing is drawn
 */
export function prepare(picture) {
  const crop = inkedBox(picture);
  if (!crop) return null;
  const scale = BOX / Math.max(crop.width, crop.height);
  const width = Math.max(1, Math.floor(crop.width * scale + 0.5));
  const height = Math.max(1, Math.floor(crop.height * scale + 0.5));
  const small = shrunk(picture, crop, width, height);

  const image = new Float32Array(SIDE * SIDE);
  const left = shift(sums(small, width, height, 'columns'), Math.floor((SIDE - width) / 2));
  const top = shift(sums(small, width, height, 'rows'), Math.floor((SIDE - height) / 2));
  for (let y = 0; y < height; y += 1) {
    image.set(small.subarray(y * width, (y + 1) * width), (top + y) * SIDE + left);
  }
  return image;
}

/**
 * The smallest box around the ink.
 * @param {Picture} picture
 */
function inkedBox({ width, height, ink }) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (ink[y * width + x] < INK) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/**
 * Each new pixel is the mean of what it covers, so that thin lines turn grey and never vanish.
 * @param {Picture} picture
 * @param {{ left: number, top: number, width: number, height: number }} crop
 * @param {number} width
 * @param {number} height
 */
function shrunk(picture, crop, width, height) {
  const across = coverage(crop.width, width);
  const down = coverage(crop.height, height);
  const narrow = new Float32Array(crop.height * width);
  for (let y = 0; y < crop.height; y += 1) {
    const row = (crop.top + y) * picture.width + crop.left;
    for (let x = 0; x < width; x += 1) {
      let sum = 0;
      for (const [from, share] of across[x]) sum += picture.ink[row + from] * share;
      narrow[y * width + x] = sum;
    }
  }
  const small = new Float32Array(height * width);
  for (let y = 0; y < height; y += 1) {
    for (const [from, share] of down[y]) {
      for (let x = 0; x < width; x += 1) small[y * width + x] += narrow[from * width + x] * share;
    }
  }
  return small;
}

/**
 * For each of `target` pixels, which of `source` pixels it covers and with what share.
 * @param {number} source
 * @param {number} target
 * @returns {[number, number][][]}
 */
function coverage(source, target) {
  const step = source / target;
  return Array.from({ length: target }, (_, index) => {
    const [start, end] = [index * step, (index + 1) * step];
    /** @type {[number, number][]} */
    const parts = [];
    for (let from = Math.floor(start); from < Math.min(end, source); from += 1) {
      const overlap = Math.min(end, from + 1) - Math.max(start, from);
      if (overlap > 0) parts.push([from, overlap / step]);
    }
    return parts;
  });
}

/**
 * @param {Float32Array} image
 * @param {number} width
 * @param {number} height
 * @param {'rows' | 'columns'} along
 */
function sums(image, width, height, along) {
  const result = new Float64Array(along === 'rows' ? height : width);
  image.forEach((value, index) => {
    result[along === 'rows' ? Math.floor(index / width) : index % width] += value;
  });
  return result;
}

/**
 * Where a line of ink begins so that its mass is in the middle and none of it falls off.
 * @param {Float64Array} profile
 * @param {number} start where it would begin without regard to its mass
 */
function shift(profile, start) {
  let total = 0;
  let moment = 0;
  profile.forEach((value, index) => {
    total += value;
    moment += value * (start + index + 0.5);
  });
  if (total <= 0) return start;
  const wanted = start + Math.floor(SIDE / 2 - moment / total + 0.5);
  return Math.min(Math.max(wanted, 0), SIDE - profile.length);
}

// What a model's ten numbers mean. No page in here.

/**
 * Ten numbers as probabilities: as they are when they are that, else their softmax.
 * @param {ArrayLike<number>} values
 * @returns {number[]}
 */
export function probabilities(values) {
  const numbers = Array.from(values);
  const sum = numbers.reduce((total, value) => total + value, 0);
  if (Math.abs(sum - 1) < 0.01 && numbers.every((value) => value >= -1e-6)) return numbers;
  const highest = Math.max(...numbers);
  const risen = numbers.map((value) => Math.exp(value - highest));
  const total = risen.reduce((before, value) => before + value, 0);
  return risen.map((value) => value / total);
}

/**
 * The most likely digit; the first of equals.
 * @param {number[]} shares
 */
export function likeliest(shares) {
  return shares.indexOf(Math.max(...shares));
}

/**
 * A share as people read it, on one line: `98.2 %`, and never `100.0 %` for what is not certain.
 * @param {number} share
 */
export function percent(share) {
  if (share > 0.999 && share < 1) return '>\u00a099.9\u00a0%';
  if (share > 0 && share < 0.0005) return '<\u00a00.1\u00a0%';
  return `${(share * 100).toFixed(1)}\u00a0%`;
}

/**
 * A duration as people read it.
 * @param {number} milliseconds
 */
export function duration(milliseconds) {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}

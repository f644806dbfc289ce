// Figures of a measurement, and how they are written.

/**
 * @typedef {object} Result in milliseconds
 * @property {number} load runtime, model file and session
 * @property {number} first
 * @property {number[]} steady every run after the first
 * @property {number} p50
 * @property {number} p95
 */

/**
 * The value that a share of the values does not exceed (nearest rank).
 * @param {number[]} values
 * @param {number} share between 0 and 1
 */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/**
 * A duration with the digits that matter: `0.06 ms`, `8.9 ms`, `1.37 s`.
 * @param {number} value in milliseconds
 */
export function milliseconds(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  if (value >= 100) return `${value.toFixed(0)} ms`;
  return `${value.toFixed(value >= 1 ? 1 : 2)} ms`;
}

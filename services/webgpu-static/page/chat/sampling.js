// Which token comes next.

/**
 * The likeliest token; of several equally likely ones the first, as ONNX Runtime GenAI does.
 * @param {ArrayLike<number>} logits
 */
export function likeliest(logits) {
  let best = 0;
  for (let token = 1; token < logits.length; token++) {
    if (logits[token] > logits[best]) best = token;
  }
  return best;
}

/**
 * A token drawn from the likeliest ones.
 * @param {ArrayLike<number>} logits
 * @param {{temperature: number, topK: number, topP: number}} shape
 * @param {() => number} random  from 0 up to, not including, 1
 */
export function draw(logits, { temperature, topK, topP }, random = Math.random) {
  if (temperature <= 0) return likeliest(logits);
  const candidates = Array.from(logits, (logit, token) => ({ token, logit }))
    .sort((a, b) => b.logit - a.logit)
    .slice(0, topK > 0 ? topK : undefined);
  const weights = candidates.map(({ logit }) =>
    Math.exp((logit - candidates[0].logit) / temperature),
  );
  const kept = nucleus(weights, topP);
  let point = random() * kept.reduce((sum, weight) => sum + weight, 0);
  const chosen = kept.findIndex((weight) => (point -= weight) < 0);
  return candidates[Math.max(chosen, 0)].token;
}

/**
 * The fewest of the greatest weights that hold a share of all.
 * @param {number[]} weights  greatest first
 * @param {number} share
 */
function nucleus(weights, share) {
  const enough = share * weights.reduce((sum, weight) => sum + weight, 0);
  let held = 0;
  const end = weights.findIndex((weight) => (held += weight) >= enough);
  return end < 0 ? weights : weights.slice(0, end + 1);
}

// A drawing as what the pen did, so that it can be undone, scaled and drawn again. No page in here.

/** @typedef {{ x: number, y: number }} Point  0 to 1 across and down the drawing area */
/** @typedef {Point[]} Stroke */

/** The pen's width as a share of the drawing area's side: two to three pixels of the model's 28. */
export const PEN = 0.075;

/** The strokes so far; the last one may still be growing. */
export class Sketch {
  /** @type {Stroke[]} */
  strokes = [];

  get empty() {
    return this.strokes.length === 0;
  }

  /** @param {Point} point */
  begin(point) {
    this.strokes.push([inside(point)]);
  }

  /** @param {Point} point */
  extend(point) {
    const stroke = this.strokes.at(-1);
    const next = inside(point);
    const last = stroke?.at(-1);
    if (!stroke || !last || Math.hypot(next.x - last.x, next.y - last.y) < 0.002) return;
    stroke.push(next);
  }

  undo() {
    this.strokes.pop();
  }

  clear() {
    this.strokes = [];
  }
}

/**
 * @param {Point} point
 * @returns {Point}
 */
function inside({ x, y }) {
  return { x: Math.min(Math.max(x, 0), 1), y: Math.min(Math.max(y, 0), 1) };
}

/**
 * What of a canvas is needed to draw strokes.
 * @typedef {Pick<CanvasRenderingContext2D, 'beginPath' | 'moveTo' | 'lineTo' | 'quadraticCurveTo'
 *   | 'stroke' | 'lineWidth' | 'lineCap' | 'lineJoin'>} Pen
 */

/**
 * Draws strokes as smooth curves: through the middles between points, bent by the points.
 * @param {Pen} pen
 * @param {Stroke[]} strokes
 * @param {number} side of the square, in the pen's units
 */
export function draw(pen, strokes, side) {
  pen.lineWidth = PEN * side;
  pen.lineCap = 'round';
  pen.lineJoin = 'round';
  for (const stroke of strokes) {
    const points = stroke.map(({ x, y }) => ({ x: x * side, y: y * side }));
    pen.beginPath();
    pen.moveTo(points[0].x, points[0].y);
    for (let index = 1; index < points.length - 1; index += 1) {
      const [here, next] = [points[index], points[index + 1]];
      pen.quadraticCurveTo(here.x, here.y, (here.x + next.x) / 2, (here.y + next.y) / 2);
    }
    const last = points[points.length - 1];
    pen.lineTo(last.x, last.y); // a tap is a line of no length, which round caps make a dot
    pen.stroke();
  }
}

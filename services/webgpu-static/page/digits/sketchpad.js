// The drawing area: pointer and keyboard in, strokes and their ink out.

import { inkOf } from './preprocess.js';
import { Sketch, draw } from './sketch.js';

/** @typedef {import('./sketch.js').Point} Point */
/** @typedef {import('./sketch.js').Stroke} Stroke */

/** The side of the picture that is handed on, whatever the screen's size. */
const INK_SIDE = 280;
/** One press of an arrow key; half a pen's width. */
const STEP = 0.035;
/** How long a sample takes to be drawn, in milliseconds. */
const SAMPLE_TIME = 450;

const ARROWS = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
});

export class Sketchpad {
  #sketch = new Sketch();
  #canvas;
  #screen;
  #ink;
  #onChange;
  #onSay;
  #frame = 0;
  #sampleRun = 0;
  /** @type {{ at: Point, down: boolean } | undefined} */
  #keyboard;

  /**
   * @param {HTMLCanvasElement} canvas square; its CSS decides the size
   * @param {{ onChange: () => void, onSay: (text: string) => void }} listeners the drawing changed;
   *   something to tell whoever does not see the canvas
   */
  constructor(canvas, { onChange, onSay }) {
    this.#canvas = canvas;
    this.#screen = context(canvas);
    const ink = document.createElement('canvas');
    ink.width = INK_SIDE;
    ink.height = INK_SIDE;
    this.#ink = context(ink, { willReadFrequently: true });
    this.#onChange = onChange;
    this.#onSay = onSay;
    canvas.addEventListener('pointerdown', (event) => this.#begin(event));
    canvas.addEventListener('keydown', (event) => this.#key(event));
    canvas.addEventListener('blur', () => this.#leaveKeyboard());
    new ResizeObserver(() => this.#resize()).observe(canvas);
    for (const query of ['(prefers-color-scheme: dark)', '(resolution: 1dppx)']) {
      globalThis.matchMedia?.(query).addEventListener?.('change', () => this.#resize());
    }
  }

  get empty() {
    return this.#sketch.empty;
  }

  /** What is drawn, in one channel. */
  picture() {
    this.#ink.clearRect(0, 0, INK_SIDE, INK_SIDE);
    draw(this.#ink, this.#sketch.strokes, INK_SIDE);
    return inkOf(this.#ink.getImageData(0, 0, INK_SIDE, INK_SIDE));
  }

  undo() {
    this.#sampleRun += 1;
    this.#sketch.undo();
    this.#changed();
  }

  clear() {
    this.#sampleRun += 1;
    this.#sketch.clear();
    this.#changed();
  }

  /**
   * Draw these strokes as a hand would, in place of what was there.
   * @param {Stroke[]} strokes
   */
  play(strokes) {
    this.clear();
    const run = this.#sampleRun;
    const points = strokes.flatMap((stroke) =>
      stroke.map((point, index) => ({ point, first: index === 0 })),
    );
    const still = globalThis.matchMedia?.('(prefers-reduced-motion: reduce)').matches ?? true;
    const started = performance.now();
    let done = 0;
    const go = () => {
      if (run !== this.#sampleRun) return;
      const share = still ? 1 : (performance.now() - started) / SAMPLE_TIME;
      const until = Math.min(points.length, Math.ceil(share * points.length));
      for (; done < until; done += 1) {
        const { point, first } = points[done];
        if (first) this.#sketch.begin(point);
        else this.#sketch.extend(point);
      }
      this.#changed();
      if (done < points.length) requestAnimationFrame(go);
    };
    go();
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    this.#leaveKeyboard();
    this.#sampleRun += 1;
    const box = this.#canvas.getBoundingClientRect();
    /** @param {PointerEvent} pointer @returns {Point} */
    const point = ({ clientX, clientY }) => ({
      x: (clientX - box.left) / box.width,
      y: (clientY - box.top) / box.height,
    });
    const until = new AbortController();
    const options = { signal: until.signal };
    /** @param {PointerEvent} moved */
    const move = (moved) => {
      if (moved.pointerId !== event.pointerId) return;
      const all = moved.getCoalescedEvents?.() ?? [];
      for (const each of all.length > 0 ? all : [moved]) this.#sketch.extend(point(each));
      this.#changed();
    };
    /** @param {PointerEvent} ended */
    const end = (ended) => {
      if (ended.pointerId === event.pointerId) until.abort();
    };
    this.#canvas.setPointerCapture(event.pointerId);
    this.#canvas.addEventListener('pointermove', move, options);
    for (const name of /** @type {const} */ (['pointerup', 'pointercancel', 'lostpointercapture'])) {
      this.#canvas.addEventListener(name, end, options);
    }
    this.#sketch.begin(point(event));
    this.#changed();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const undo = event.key === 'Backspace' || (event.key === 'z' && (event.ctrlKey || event.metaKey));
    if (undo) this.#said('Last stroke taken back', () => this.undo());
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === 'Escape' || event.key === 'Delete') {
      this.#said('Cleared', () => this.clear());
    } else if (event.key === ' ' || event.key === 'Enter') this.#togglePen();
    else if (event.key in ARROWS) this.#moveCursor(ARROWS[event.key], event.shiftKey ? 3 : 1);
    else return;
    event.preventDefault();
  }

  /**
   * @param {string} text
   * @param {() => void} change
   */
  #said(text, change) {
    if (this.#keyboard) this.#keyboard.down = false;
    change();
    this.#onSay(text);
  }

  #togglePen() {
    this.#keyboard ??= { at: { x: 0.5, y: 0.2 }, down: false };
    this.#keyboard.down = !this.#keyboard.down;
    if (this.#keyboard.down) {
      this.#sampleRun += 1;
      this.#sketch.begin(this.#keyboard.at);
    }
    this.#onSay(this.#keyboard.down ? 'Pen down' : 'Pen up');
    this.#changed();
  }

  /**
   * @param {[number, number]} direction
   * @param {number} steps
   */
  #moveCursor([across, down], steps) {
    this.#keyboard ??= { at: { x: 0.5, y: 0.2 }, down: false };
    const { at } = this.#keyboard;
    this.#keyboard.at = {
      x: Math.min(Math.max(at.x + across * steps * STEP, 0.05), 0.95),
      y: Math.min(Math.max(at.y + down * steps * STEP, 0.05), 0.95),
    };
    if (this.#keyboard.down) this.#sketch.extend(this.#keyboard.at);
    if (this.#keyboard.down) this.#changed();
    else this.#redraw();
  }

  #leaveKeyboard() {
    this.#keyboard = undefined;
    this.#redraw();
  }

  #changed() {
    this.#redraw();
    this.#onChange();
  }

  #redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  /** As many pixels as the screen has, so that lines stay sharp at any zoom. */
  #resize() {
    const side = Math.max(1, Math.round(this.#canvas.clientWidth * devicePixelRatio));
    if (this.#canvas.width !== side) {
      this.#canvas.width = side;
      this.#canvas.height = side;
    }
    this.#paint();
  }

  #paint() {
    const side = this.#canvas.width;
    const style = getComputedStyle(this.#canvas);
    this.#screen.clearRect(0, 0, side, side);
    this.#screen.strokeStyle = style.color;
    draw(this.#screen, this.#sketch.strokes, side);
    if (!this.#keyboard) return;
    const { at, down } = this.#keyboard;
    this.#screen.beginPath();
    this.#screen.arc(at.x * side, at.y * side, 0.045 * side, 0, 2 * Math.PI);
    this.#screen.lineWidth = 0.01 * side;
    this.#screen.strokeStyle = style.getPropertyValue('--accent');
    this.#screen.fillStyle = style.getPropertyValue('--accent');
    if (down) this.#screen.fill();
    else this.#screen.stroke();
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
function context(canvas, settings) {
  const found = canvas.getContext('2d', settings);
  if (!found) throw new Error('This browser has no 2D canvas.');
  return found;
}

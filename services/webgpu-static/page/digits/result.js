// What the model says and what it sees: the big digit, ten bars, the picture of 28 by 28.

import { likeliest, percent } from './outputs.js';
import { SIDE } from './preprocess.js';

/** Long enough that a hand is at rest: a screen reader is not told every step on the way. */
const PAUSE = 900;

export class Result {
  #section;
  /** @type {{ row: HTMLElement, number: HTMLElement }[]} */
  #bars = [];
  #timer = 0;

  /** @param {HTMLElement} section with the elements that panel.js lays out */
  constructor(section) {
    this.#section = section;
    const list = this.#find('.digits-bars');
    for (let digit = 0; digit < 10; digit += 1) {
      const row = document.createElement('li');
      const name = part('span', 'digits-bar-name', String(digit));
      const track = part('span', 'digits-bar-track', '');
      const number = part('span', 'digits-bar-number', '–');
      track.append(part('span', 'digits-bar-fill', ''));
      track.ariaHidden = 'true';
      row.append(name, track, number);
      list.append(row);
      this.#bars.push({ row, number });
    }
    this.empty();
  }

  /** Nothing is drawn. */
  empty() {
    this.#show('–', 'Nothing drawn yet', '');
    this.#find('.digits-glance').textContent = '';
    for (const { row, number } of this.#bars) {
      row.style.setProperty('--share', '0');
      row.classList.remove('likeliest');
      number.textContent = '–';
    }
    this.picture(new Float32Array(SIDE * SIDE));
    window.clearTimeout(this.#timer);
  }

  /** @param {number[]} shares ten probabilities */
  show(shares) {
    const best = likeliest(shares);
    const second = likeliest(shares.map((share, digit) => (digit === best ? -1 : share)));
    this.#bars.forEach(({ row, number }, digit) => {
      row.style.setProperty('--share', shares[digit].toFixed(4));
      row.classList.toggle('likeliest', digit === best);
      number.textContent = percent(shares[digit]);
    });
    const doubt = shares[second] >= 0.1 ? `or ${second}, ${percent(shares[second])}` : '';
    this.#show(String(best), `${percent(shares[best])} sure`, doubt);
    this.#find('.digits-glance').textContent = `${best} · ${percent(shares[best])}`;
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => {
      this.say(`${best}, ${percent(shares[best])} sure${doubt && `, ${doubt}`}`);
    }, PAUSE);
  }

  /** @param {string} text for whoever listens to the page */
  say(text) {
    this.#find('.digits-said').textContent = text;
  }

  /** @param {Float32Array} image what the model sees */
  picture(image) {
    const canvas = /** @type {HTMLCanvasElement} */ (this.#find('.digits-seen-picture'));
    const pixels = new ImageData(SIDE, SIDE);
    image.forEach((value, index) => {
      const grey = Math.round(value * 255);
      pixels.data.set([grey, grey, grey, 255], index * 4);
    });
    canvas.getContext('2d')?.putImageData(pixels, 0, 0);
  }

  /**
   * @param {string} digit
   * @param {string} title
   * @param {string} doubt
   */
  #show(digit, title, doubt) {
    this.#find('.digits-answer-digit').textContent = digit;
    this.#find('.digits-answer-title').textContent = title;
    this.#find('.digits-answer-doubt').textContent = doubt;
  }

  /**
   * @param {string} selector
   * @returns {HTMLElement}
   */
  #find(selector) {
    const found = this.#section.querySelector(selector);
    if (!(found instanceof HTMLElement)) throw new Error(`The panel has no ${selector}`);
    return found;
  }
}

/**
 * @param {string} name
 * @param {string} className
 * @param {string} text
 */
function part(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

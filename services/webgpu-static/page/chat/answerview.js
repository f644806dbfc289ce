// One answer as it comes: its text as Markdown, how fast it was, or why there is none.

import { h, withCode } from './dom.js';
import { RichText } from './richtext.js';
import { Stopwatch, duration, speed } from './stopwatch.js';

/** @import { Finish, Step } from './types.js' */

/** @type {Record<Finish, string>} */
const ENDS = {
  stop: '',
  length: 'Cut at the longest answer allowed.',
  context: 'Cut where the model’s context ends.',
};

export class AnswerView {
  #title;
  #shown = h('div', { class: 'chat-text' });
  #text;
  #note = h('p', { class: 'chat-note' });
  #figures = h('p', { class: 'chat-figures' });
  #stopwatch = new Stopwatch();
  #dropped = 0;
  /** @type {'open' | 'done' | 'failed'} */
  state = 'open';
  /** Whether the model ended it, so that it may be compared. */
  complete = false;
  element;

  /**
   * @param {string} title whose answer it is
   * @param {string} name
   * @param {() => void} onDrawn called when there is more to see
   */
  constructor(title, name, onDrawn) {
    this.#title = title;
    this.#text = new RichText(this.#shown, onDrawn);
    this.element = h(
      'article',
      { class: 'chat-answer', 'aria-busy': 'true', 'data-half': name, 'data-state': 'open' },
      h('h4', { class: 'chat-answer-title' }, title),
      this.#shown,
      this.#note,
      this.#figures,
    );
  }

  get text() {
    return this.#text.text;
  }

  /** @param {string} reason why nothing comes yet */
  wait(reason) {
    this.#note.textContent = reason;
  }

  /** The question has been put: the time counts from here. */
  start() {
    this.#stopwatch = new Stopwatch();
    this.#note.textContent = '';
  }

  /** @param {Step} step */
  take(step) {
    if (step.kind === 'started') {
      this.#text.clear();
      this.#dropped = step.dropped;
    } else if (step.kind === 'waiting') {
      this.#note.textContent = `${sentence(step.reason)}…`;
    } else if (step.kind === 'text') {
      this.#note.textContent = '';
      this.#text.append(step.text);
      this.#stopwatch.lap();
    } else {
      this.complete = step.finish === 'stop';
      this.#finish(ENDS[step.finish], step.tokens);
    }
  }

  /** The person has had enough. */
  stop() {
    this.#finish('Stopped.');
  }

  /**
   * @param {{message: string, remedy: string}} failure
   * @param {() => void} retry
   */
  fail({ message, remedy }, retry) {
    this.#settle('failed');
    this.#note.replaceChildren();
    this.#figures.replaceChildren();
    const more = h('details', {}, h('summary', {}, 'What to do'), h('p', {}, ...withCode(remedy)));
    this.element.append(failureNotice(message, more, retry));
  }

  /** What a screen reader is told when it is over. */
  get announcement() {
    const failure = this.element.querySelector('.chat-failure-message')?.textContent;
    return `${this.#title}: ${[this.#shown.innerText, failure].filter(Boolean).join(' ')}`;
  }

  /**
   * @param {string} end
   * @param {number} [tokens]
   */
  #finish(end, tokens) {
    this.#settle('done');
    const notes = [this.text ? '' : 'No text.', end, left(this.#dropped)];
    this.#note.textContent = notes.filter(Boolean).join(' ');
    const figures = this.#stopwatch.figures(tokens);
    if (!figures) return;
    this.#figures.replaceChildren(
      figure('First token', duration(figures.firstToken)),
      figure('Speed', speed(figures.rate)),
      figure('Length', `${figures.tokens} ${figures.tokens === 1 ? 'token' : 'tokens'}`),
    );
  }

  /** @param {'done' | 'failed'} state */
  #settle(state) {
    this.#text.end();
    this.state = state;
    this.element.dataset.state = state;
    this.element.setAttribute('aria-busy', 'false');
  }
}

/**
 * What is wrong, what to do, and a button that tries again.
 * @param {string} message
 * @param {string | HTMLElement} remedy
 * @param {() => void} retry
 */
export function failureNotice(message, remedy, retry) {
  return h(
    'div',
    { class: 'chat-failure' },
    h('p', { class: 'chat-failure-message' }, ...withCode(message)),
    typeof remedy === 'string' ? h('p', {}, ...withCode(remedy)) : remedy,
    h('button', { type: 'button', class: 'button', click: retry }, 'Try again'),
  );
}

/**
 * @param {string} name
 * @param {string} value
 */
function figure(name, value) {
  return h('span', {}, h('span', { class: 'chat-figure-name' }, `${name} `), h('b', {}, value));
}

/** @param {number} dropped */
function left(dropped) {
  if (!dropped) return '';
  const turns = dropped === 1 ? 'The oldest question' : `The ${dropped} oldest questions`;
  return `${turns} no longer fitted the model’s context and ${dropped === 1 ? 'was' : 'were'} left out.`;
}

/** @param {string} words */
function sentence(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

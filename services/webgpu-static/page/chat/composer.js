// Where the person asks: the question, what to start with, and how the answer is chosen.

import { h } from './dom.js';

/** @import { Choice } from './types.js' */

const SUGGESTIONS = [
  'What am I looking at here?',
  'What is Foundry Local?',
  'Which addresses can I open?',
  'Count from 95 to 110.',
];

export class Composer {
  #question = h('textarea', {
    id: 'chat-question',
    rows: '1',
    placeholder: 'Ask both…',
    enterkeyhint: 'send',
    'aria-describedby': 'chat-keys',
    keydown: (event) => this.#onKey(event),
  });
  #send = h('button', { type: 'submit', class: 'button primary' }, 'Send');
  #stop = h('button', { type: 'button', class: 'button', hidden: true, click: () => this.onStop() }, 'Stop');
  #temperature = h('input', {
    type: 'range', id: 'chat-temperature', min: '0', max: '1.5', step: '0.1', value: '0',
    input: () => this.#showTemperature(),
  });
  #temperatureValue = h('output', { for: 'chat-temperature' });
  #maxTokens = h('input', {
    type: 'number', id: 'chat-max-tokens', min: '1', max: '4096', step: '1', value: '256', required: true,
  });
  suggestions = h(
    'div',
    { class: 'chat-suggestions', role: 'group', 'aria-label': 'Questions to start with' },
    ...SUGGESTIONS.map((text) =>
      h('button', { type: 'button', class: 'button', click: () => this.#put(text) }, text),
    ),
  );
  element = h(
    'form',
    { class: 'chat-composer', submit: (event) => this.#onSubmit(event) },
    h('label', { class: 'visually-hidden', for: 'chat-question' }, 'Your question'),
    // Send keeps its place: the second click of two would else stop what the first has asked.
    h('div', { class: 'chat-ask' }, this.#question, this.#stop, this.#send),
    h(
      'div',
      { class: 'chat-below' },
      h('p', { class: 'chat-keys', id: 'chat-keys' }, 'Enter sends, Shift+Enter starts a new line.'),
      this.#options(),
      h('button', { type: 'button', class: 'chat-link', click: () => this.onClear() }, 'New conversation'),
    ),
  );

  /** @type {(question: string) => void} */
  onAsk = () => {};
  onStop = () => {};
  onClear = () => {};

  constructor() {
    this.#showTemperature();
  }

  /** @returns {Choice} */
  get choice() {
    const maxTokens = Number.parseInt(this.#maxTokens.value, 10);
    return {
      maxTokens: Number.isFinite(maxTokens) ? Math.min(Math.max(maxTokens, 1), 4096) : 256,
      temperature: Number(this.#temperature.value),
    };
  }

  /** @param {boolean} busy whether an answer is under way */
  set busy(busy) {
    const hadFocus = [this.#send, this.#stop].some((button) => button === document.activeElement);
    this.#send.disabled = busy;
    this.#stop.hidden = !busy;
    if (hadFocus) (busy ? this.#stop : this.#question).focus();
  }

  get busy() {
    return this.#send.disabled;
  }

  focus() {
    this.#question.focus();
  }

  #options() {
    return h(
      'details',
      { class: 'chat-options' },
      h('summary', {}, 'Options'),
      h(
        'div',
        {},
        h('label', { for: 'chat-temperature' }, 'Temperature'),
        this.#temperature,
        this.#temperatureValue,
        h('label', { for: 'chat-max-tokens' }, 'Longest answer, in tokens'),
        this.#maxTokens,
      ),
    );
  }

  #showTemperature() {
    const value = this.#temperature.value;
    this.#temperatureValue.textContent = value === '0' ? '0: always the likeliest word' : value;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    // Enter that ends the choice of a character (Chinese, Japanese) does not send. Safari has ended
    // the composition by then and tells it by the key code only.
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key !== 'Enter' || event.shiftKey || composing) return;
    event.preventDefault();
    if (!event.repeat) this.element.requestSubmit();
  }

  /** @param {Event} event */
  #onSubmit(event) {
    event.preventDefault();
    const question = this.#question.value.trim();
    if (this.busy || !question) return;
    this.#question.value = '';
    this.onAsk(question);
  }

  /** @param {string} text */
  #put(text) {
    this.#question.value = text;
    this.element.requestSubmit();
    this.#question.focus();
  }
}

// Foundry Local's half: which of its models answers, or why none does.

import { describe } from '../shared/errors.js';
import { failureNotice } from './answerview.js';
import { h } from './dom.js';
import { answer, models } from './foundry.js';

/** @import { Choice, FoundryModel, Message, Step } from './types.js' */

/** How long until it is looked for again, while it is away; in milliseconds. */
const LOOK_AGAIN_AFTER = 5000;
const STATES = { loaded: '', available: ' (loads when asked)', missing: ' (not downloaded)' };

export class FoundryHalf {
  name = 'foundry';
  title = 'Foundry Local';
  #badge = h('span', { class: 'chat-badge' });
  #picker = h('select', { id: 'chat-model', change: () => this.#showModel() });
  #demo = h('span', { class: 'chat-demo' }, 'Demo');
  #choice = h(
    'p',
    { class: 'chat-model', hidden: true },
    h('label', { class: 'visually-hidden', for: 'chat-model' }, 'Model of Foundry Local'),
    this.#picker,
    this.#demo,
  );
  #state = h('div', { class: 'chat-state' });
  element = h(
    'section',
    { class: 'chat-half', 'data-half': 'foundry', 'aria-labelledby': 'chat-foundry-title' },
    h('div', { class: 'chat-half-head' }, h('h3', { id: 'chat-foundry-title' }, this.title), this.#badge),
    this.#choice,
    this.#state,
  );
  /** @type {FoundryModel[]} */
  #models = [];
  /** What is shown to be wrong. */
  #failure = '';
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #lookingAgain;

  /** Nothing to wait for: the gateway itself says what is wrong. */
  async prepare() {}

  /** Ask which models there are. */
  async refresh() {
    this.#show('Looking for Foundry Local…', '');
    try {
      this.#offer(await models());
    } catch (error) {
      this.showFailure(error);
    }
  }

  /**
   * @param {Message[]} messages
   * @param {Choice} choice
   * @param {AbortSignal} signal
   * @param {(step: Step) => void} onStep
   */
  async ask(messages, choice, signal, onStep) {
    try {
      if (!this.#picker.value) this.#offer(await models());
      for await (const step of answer(this.#picker.value, messages, choice, signal)) onStep(step);
    } catch (error) {
      if (!signal.aborted) this.showFailure(error);
      throw error;
    }
    if (this.element.dataset.state !== 'up') this.#showModel();
  }

  /** @param {unknown} error */
  showFailure(error) {
    const { message, remedy } = describe(error);
    const failure = `${message} ${remedy}`;
    // The same again changes nothing: somebody may be at its button, or reading it aloud.
    if (this.element.dataset.state !== 'down' || failure !== this.#failure) {
      this.element.dataset.state = 'down';
      this.#failure = failure;
      this.#badge.textContent = 'Not answering';
      this.#badge.dataset.level = 'bad';
      this.#state.replaceChildren(failureNotice(message, remedy, () => this.refresh()));
    }
    clearTimeout(this.#lookingAgain);
    this.#lookingAgain = setTimeout(() => void this.#lookAgain(), LOOK_AGAIN_AFTER);
  }

  /** Whoever starts Foundry Local need not come back here to say so. */
  async #lookAgain() {
    try {
      const offered = await models();
      if (this.element.dataset.state === 'down') this.#offer(offered);
    } catch (error) {
      if (this.element.dataset.state === 'down') this.showFailure(error);
    }
  }

  /** @param {FoundryModel[]} offered */
  #offer(offered) {
    const before = this.#picker.value;
    this.#models = offered;
    this.#picker.replaceChildren(
      ...offered.map(({ id, foundry }) => h('option', { value: id }, id + STATES[foundry.state])),
    );
    const kept = offered.find(({ id }) => id === before) ?? offered.find((one) => one.foundry.default);
    this.#picker.value = (kept ?? offered[0])?.id ?? '';
    this.#showModel();
  }

  #showModel() {
    const model = this.#models.find(({ id }) => id === this.#picker.value);
    const context = model?.foundry.context_length;
    this.#choice.hidden = !model;
    this.#demo.hidden = !model?.foundry.demo;
    this.#show(
      'Through the gateway of this stack.' +
        (context ? ` Context: ${context.toLocaleString('en')} tokens.` : ''),
      'up',
    );
    this.#badge.textContent = 'Connected';
    this.#badge.dataset.level = 'good';
  }

  /**
   * @param {string} text
   * @param {string} state
   */
  #show(text, state) {
    this.element.dataset.state = state;
    this.#badge.textContent = '';
    this.#state.replaceChildren(h('p', {}, text));
  }
}

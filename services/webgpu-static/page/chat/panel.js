// The same question, answered by a model in this browser and by Foundry Local, side by side.

import { describe } from '../shared/errors.js';
import { AnswerView } from './answerview.js';
import { BrowserHalf } from './browserhalf.js';
import { Composer } from './composer.js';
import { h } from './dom.js';
import { FoundryHalf } from './foundryhalf.js';
import { prepare } from './richtext.js';

/**
 * @import { Context, Panel } from '../app.js'
 * @import { Choice, Message } from './types.js'
 */

/** Above a turn that fills the window, in pixels. */
const MARGIN = 16;

/** @typedef {BrowserHalf | FoundryHalf} Half */
/** @typedef {Map<Half, AnswerView>} Answers */

/**
 * @typedef {object} Turn
 * @property {string} question
 * @property {HTMLElement} element
 * @property {HTMLElement} verdict what both answers have in common
 * @property {Answers} answers
 */

/**
 * @param {HTMLElement} section
 * @param {Context} context
 * @returns {Panel}
 */
export function mount(section, context) {
  void prepare();
  const chat = new Chat(context);
  section.append(...chat.elements);
  chat.browser.load(context.backend);
  void chat.foundry.refresh();
  return {
    backendChanged(backend) {
      chat.stop();
      chat.browser.load(backend);
    },
  };
}

class Chat {
  foundry = new FoundryHalf();
  composer = new Composer();
  /** @type {Turn[]} */
  #turns = [];
  #list = h('ol', { class: 'chat-turns', role: 'list', 'aria-label': 'Conversation' });
  /** @type {Set<AnswerView>} */
  #underway = new Set();
  #stopper = new AbortController();
  #following = true;

  /** @param {Context} context */
  constructor(context) {
    this.browser = new BrowserHalf(context);
    /** @type {Half[]} */
    this.halves = [this.browser, this.foundry];
    this.announcers = new Map(
      this.halves.map((half) => [half, h('p', { class: 'visually-hidden', role: 'status' })]),
    );
    this.elements = [
      h(
        'header',
        { class: 'chat-head' },
        h('h2', {}, 'One question, two answers'),
        h(
          'p',
          { class: 'muted' },
          'The demo model answers in this browser, and beside it whichever model Foundry Local runs.',
        ),
      ),
      h('div', { class: 'chat-halves' }, ...this.halves.map((half) => half.element)),
      this.#list,
      this.composer.suggestions,
      this.composer.element,
      ...this.announcers.values(),
    ];
    this.composer.onAsk = (question) => this.#ask(question);
    this.composer.onStop = () => this.stop();
    this.composer.onClear = () => this.#clear();
    for (const gesture of ['wheel', 'touchmove']) {
      this.#list.addEventListener(gesture, () => (this.#following = false), { passive: true });
    }
  }

  /** @param {string} question */
  #ask(question) {
    void prepare();
    const turn = newTurn(question);
    this.#turns.push(turn);
    this.#list.append(turn.element);
    this.composer.suggestions.hidden = true;
    for (const half of this.halves) void this.#answer(half, turn);
    this.#following = true;
    this.#follow(turn);
  }

  /**
   * Let one half answer a turn, or answer it again.
   * @param {Half} half
   * @param {Turn} turn
   */
  async #answer(half, turn) {
    const view = new AnswerView(half.title, half.name, () => this.#follow(turn));
    const before = turn.answers.get(half);
    if (before) before.element.replaceWith(view.element);
    else turn.element.querySelector('.chat-answers')?.append(view.element);
    turn.answers.set(half, view);
    turn.verdict.textContent = '';
    this.#begin(view);
    const { signal } = this.#stopper;
    const { choice } = this.composer;
    try {
      view.wait(half === this.browser ? 'Waiting for the model…' : 'Asking…');
      await unless(signal, half.prepare());
      view.start();
      const messages = this.#messagesFor(half, turn);
      await half.ask(messages, choice, signal, (step) => {
        if (signal.aborted) return;
        view.take(step);
      });
    } catch (error) {
      // A worker that is ended, for another backend, is no failure either.
      const ended = error instanceof DOMException && error.name === 'AbortError';
      if (signal.aborted || ended) view.stop();
      else view.fail(describe(error), () => this.#answer(half, turn));
    }
    this.#end(view);
    this.#announce(half, view);
    turn.verdict.textContent = verdict(turn.answers, choice);
    this.#follow(turn);
  }

  /**
   * Keep the newest turn above the composer, its question in sight, until the person scrolls.
   * @param {Turn} turn
   */
  #follow(turn) {
    if (!this.#following || turn !== this.#turns.at(-1)) return;
    const { top, bottom } = turn.element.getBoundingClientRect();
    const hidden = bottom - this.composer.element.getBoundingClientRect().top;
    window.scrollBy({ top: Math.max(0, Math.min(hidden, top - MARGIN)), behavior: 'instant' });
  }

  /**
   * The conversation as one half has seen it: questions that it answered, and the new one.
   * @param {Half} half
   * @param {Turn} turn
   * @returns {Message[]}
   */
  #messagesFor(half, turn) {
    const earlier = this.#turns.slice(0, this.#turns.indexOf(turn));
    const answered = earlier.flatMap(({ question, answers }) => {
      const text = answers.get(half)?.text;
      return text ? [user(question), { role: /** @type {const} */ ('assistant'), content: text }] : [];
    });
    return [...answered, user(turn.question)];
  }

  /** @param {AnswerView} view */
  #begin(view) {
    this.#underway.add(view);
    this.composer.busy = true;
  }

  /** @param {AnswerView} view */
  #end(view) {
    this.#underway.delete(view);
    if (this.#underway.size === 0) this.composer.busy = false;
  }

  /** Give up the answers under way. */
  stop() {
    this.#stopper.abort();
    this.#stopper = new AbortController();
  }

  #clear() {
    this.stop();
    this.#turns = [];
    this.#list.replaceChildren();
    for (const announcer of this.announcers.values()) announcer.textContent = '';
    this.composer.suggestions.hidden = false;
    this.composer.focus();
  }

  /**
   * Only what is finished is read out; words one by one would never end.
   * @param {Half} half
   * @param {AnswerView} view
   */
  #announce(half, view) {
    const announcer = this.announcers.get(half);
    if (announcer && view.element.isConnected) announcer.textContent = view.announcement;
  }
}

/**
 * @param {string} question
 * @returns {Turn}
 */
function newTurn(question) {
  const shared = h('p', { class: 'chat-verdict' });
  const element = h(
    'li',
    { class: 'chat-turn' },
    h('p', { class: 'chat-question' }, h('span', { class: 'visually-hidden' }, 'You: '), question),
    h('div', { class: 'chat-answers' }),
    shared,
  );
  return { question, element, verdict: shared, answers: new Map() };
}

/**
 * @param {Answers} answers
 * @param {Choice} choice
 */
function verdict(answers, { temperature }) {
  const [one, other] = [...answers.values()];
  if (!one?.complete || !other?.complete || temperature > 0) return '';
  return one.text === other.text ? 'Both answers are the same, word for word.' : '';
}

/**
 * @param {string} content
 * @returns {Message}
 */
function user(content) {
  return { role: 'user', content };
}

/**
 * A promise's outcome, or the signal's reason if that comes first.
 * @param {AbortSignal} signal
 * @param {Promise<unknown> | null} promise
 */
function unless(signal, promise) {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    Promise.resolve(promise).then(resolve, reject);
  });
}

// The shell: the parts as tabs, what this browser has, the choice of backend, and errors in sight.
//
// A part is a folder with panel.js and a style sheet of the same name. Its panel exports
// `mount(section, context)`, called when the part is first opened, and returns what it wants to
// hear of later: `backendChanged(backend)`, without which the page reloads for another backend,
// and `shown()` and `hidden()`.

import {
  capabilities,
  chosenBackend,
  judge,
  rememberBackend,
} from './shared/backend.js';
import { guardDrops } from './shared/drops.js';
import { describe } from './shared/errors.js';

/** @typedef {import('./shared/backend.js').Backend} Backend */
/** @typedef {import('./shared/backend.js').Capabilities} Capabilities */

/**
 * What a panel is given.
 * @typedef {object} Context
 * @property {Backend} backend in force now
 * @property {Capabilities} capabilities
 * @property {(error: unknown, retry?: () => void) => void} onError shows what failed, on every part
 * @property {(backend: Backend) => void} chooseBackend
 */

/**
 * @typedef {object} Panel
 * @property {(backend: Backend) => void | Promise<void>} [backendChanged]
 * @property {() => void} [shown]
 * @property {() => void} [hidden]
 */

/** @typedef {(section: HTMLElement, context: Context) => Panel | void | Promise<Panel | void>} Mount */

const PARTS = /** @type {const} */ (['digits', 'chat', 'backends']);
/** @typedef {typeof PARTS[number]} Part */

/** @type {Map<Part, Promise<Panel>>} */
const panels = new Map();
/** @type {Part | undefined} */
let shown;

element('late').remove();

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found;
}

// ---- Errors: always in sight, never a dead page ------------------------------------------------

/**
 * @param {unknown} error
 * @param {() => void} [retry]
 */
function showError(error, retry) {
  const { message, remedy } = describe(error);
  const notices = element('notices');
  const same = [...notices.children].find((notice) => notice.textContent?.includes(message));
  same?.remove();
  const notice = document.createElement('div');
  notice.className = 'notice';
  const text = document.createElement('p');
  const title = document.createElement('strong');
  title.textContent = message;
  text.append(title, remedy);
  notice.append(text);
  if (retry) notice.append(button('Try again', () => (notice.remove(), retry())));
  notice.append(button('Dismiss', () => notice.remove()));
  notices.append(notice);
}

/**
 * @param {string} label
 * @param {() => void} onClick
 */
function button(label, onClick) {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'button';
  made.textContent = label;
  made.addEventListener('click', onClick);
  return made;
}

window.addEventListener('error', (event) => showError(event.error ?? event.message));
window.addEventListener('unhandledrejection', (event) => showError(event.reason));

// ---- Parts ------------------------------------------------------------------------------------

/** @returns {Part} */
function partInUrl() {
  const named = location.hash.slice(1);
  return PARTS.find((part) => part === named) ?? 'digits';
}

function open(part = partInUrl()) {
  if (part === shown) return;
  const before = shown;
  shown = part;
  for (const name of PARTS) {
    const tab = element(`tab-${name}`);
    tab.setAttribute('aria-selected', String(name === part));
    tab.tabIndex = name === part ? 0 : -1;
    element(name).hidden = name !== part;
  }
  element('skip').setAttribute('href', `#${part}`);
  document.title = `${element(`tab-${part}`).textContent} · In your browser · Foundry Chat`;
  if (before) void panels.get(before)?.then((panel) => panel.hidden?.());
  void panelOf(part).then((panel) => panel.shown?.());
}

/**
 * The part's panel, mounted when it is first asked for.
 * @param {Part} part
 */
function panelOf(part) {
  let panel = panels.get(part);
  if (!panel) {
    panel = mount(part);
    panels.set(part, panel);
  }
  return panel;
}

/**
 * @param {Part} part
 * @returns {Promise<Panel>}
 */
async function mount(part) {
  const section = element(part);
  section.setAttribute('aria-busy', 'true');
  section.innerHTML = '<p class="busy">Opening…</p>';
  try {
    const [module, has] = await Promise.all([
      /** @type {Promise<{mount: Mount}>} */ (import(`./${part}/panel.js`)),
      capabilities(),
      addStyle(new URL(`./${part}/${part}.css`, import.meta.url).href),
    ]);
    section.replaceChildren();
    return (
      (await module.mount(section, {
        backend: chosenBackend(has),
        capabilities: has,
        onError: showError,
        chooseBackend,
      })) ?? {}
    );
  } catch (error) {
    showMountError(part, section, error);
    return {};
  } finally {
    section.removeAttribute('aria-busy');
  }
}

/**
 * @param {Part} part
 * @param {HTMLElement} section
 * @param {unknown} error
 */
function showMountError(part, section, error) {
  const { message, remedy } = describe(error);
  const card = document.createElement('div');
  card.className = 'card failed';
  const title = document.createElement('h2');
  title.textContent = 'This part could not be opened';
  const text = document.createElement('p');
  text.textContent = `${message} ${remedy}`;
  const retry = button('Try again', () => {
    panels.delete(part);
    void panelOf(part);
  });
  card.append(title, text, retry);
  section.replaceChildren(card);
}

/**
 * Add a style sheet and wait until it holds, so that nothing shows unstyled.
 * @param {string} href
 * @returns {Promise<void>}
 */
function addStyle(href) {
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = href;
    link.addEventListener('load', () => resolve());
    link.addEventListener('error', () => {
      link.remove();
      reject(new Error('A style sheet could not be loaded.'));
    });
    document.head.append(link);
  });
}

// The arrow keys move between tabs, as the ARIA pattern for tabs has it.
element('tabs').addEventListener('keydown', (event) => {
  const at = PARTS.indexOf(shown ?? 'digits');
  /** @type {Record<string, number>} */
  const targets = {
    ArrowRight: (at + 1) % PARTS.length,
    ArrowLeft: (at + PARTS.length - 1) % PARTS.length,
    Home: 0,
    End: PARTS.length - 1,
  };
  const target = targets[event.key];
  if (target === undefined) return;
  event.preventDefault();
  go(PARTS[target]);
  element(`tab-${PARTS[target]}`).focus();
});
element('tabs').addEventListener('click', (event) => {
  const tab = /** @type {Element} */ (event.target).closest('[role="tab"]');
  if (!tab || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault(); // following the link would scroll to the section
  go(/** @type {Part} */ (tab.getAttribute('aria-controls')));
});
element('skip').addEventListener('click', (event) => {
  event.preventDefault();
  element(shown ?? 'digits').focus();
});
window.addEventListener('hashchange', () => open());
window.addEventListener('popstate', () => open());

/** @param {Part} part */
function go(part) {
  const url = new URL(location.href);
  if (url.hash === `#${part}`) return;
  url.hash = part;
  history.pushState(null, '', url);
  open(part);
}

// ---- What this browser has, and the choice ------------------------------------------------------

/**
 * @param {Capabilities} has
 */
function showCapabilities(has) {
  const backend = chosenBackend(has);
  const { level, title, detail } = judge(has, backend);
  element('badge').dataset.level = level;
  element('badge-title').textContent = title;
  element('badge-detail').textContent = detail;
  element('why').hidden = false;
  element('why').textContent = level === 'good' ? 'What that means' : 'Why, and what to do';
  if (level === 'bad') explain(true);
  const { adapter } = has;
  /** @type {[string, string][]} */
  const facts = [
    ['Adapter', adapter ? [adapter.vendor, adapter.architecture].filter(Boolean).join(' · ') || 'not told' : 'none'],
    ...(adapter ? /** @type {[string, string][]} */ ([['f16', adapter.f16 ? 'yes' : 'no']]) : []),
    ['Isolated', has.isolated ? 'yes' : 'no'],
    ['Threads', String(has.threads)],
  ];
  element('facts').replaceChildren(
    ...facts.map(([name, value]) => {
      const pair = document.createElement('div');
      const term = document.createElement('dt');
      const data = document.createElement('dd');
      term.textContent = name;
      data.textContent = value;
      pair.append(term, data);
      return pair;
    }),
  );
  for (const choice of radios()) {
    choice.disabled = choice.value === 'webgpu' && has.webgpu === 'none';
    choice.checked = choice.value === backend;
  }
  element('capabilities').removeAttribute('aria-busy');
}

/** @param {boolean} open */
function explain(open) {
  element('why').setAttribute('aria-expanded', String(open));
  element('badge-detail').hidden = !open;
}

function radios() {
  return /** @type {NodeListOf<HTMLInputElement>} */ (
    document.querySelectorAll('#backend-choice input')
  );
}

/** @param {Backend} backend */
async function chooseBackend(backend) {
  const has = await capabilities();
  if (chosenBackend(has) === backend) return;
  rememberBackend(backend);
  showCapabilities(has);
  const mounted = await Promise.all(panels.values());
  if (mounted.some((panel) => !panel.backendChanged && Object.keys(panel).length > 0)) {
    location.reload();
    return;
  }
  try {
    await Promise.all(mounted.map((panel) => panel.backendChanged?.(backend)));
  } catch (error) {
    showError(error, () => void chooseBackend(backend));
  }
}

element('why').addEventListener('click', () => explain(element('badge-detail').hidden));
for (const choice of radios()) {
  choice.addEventListener('change', () => void chooseBackend(/** @type {Backend} */ (choice.value)));
}

guardDrops();
open();
showCapabilities(await capabilities());

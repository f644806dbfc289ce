// Where a browser bars storage, asking for it throws, and Chainlit's page would stay empty. What it
// remembers is then forgotten with the page.
for (const name of ['localStorage', 'sessionStorage']) {
  try {
    void window[name].length
  } catch {
    Object.defineProperty(window, name, { value: forgetful() })
  }
}

function forgetful() {
  const kept = new Map()
  return {
    getItem: (key) => kept.get(String(key)) ?? null,
    setItem: (key, value) => void kept.set(String(key), String(value)),
    removeItem: (key) => void kept.delete(String(key)),
    clear: () => kept.clear(),
    key: (index) => [...kept.keys()][index] ?? null,
    get length() {
      return kept.size
    }
  }
}

// Follow the system's light or dark until the person chooses; Chainlit itself would begin dark.
if (!localStorage.getItem('vite-ui-theme')) localStorage.setItem('vite-ui-theme', 'system')

// Enter that ends the choice of a character (Chinese, Japanese) sends nothing. Chainlit goes by the
// composition alone, which Safari has ended by then; it tells it by the key code only.
addEventListener(
  'keydown',
  (event) => {
    if (event.key === 'Enter' && (event.isComposing || event.keyCode === 229)) event.stopPropagation()
  },
  { capture: true }
)

// Files are not taken here. Chainlit would send what is pasted all the same, the picture too that an
// office program puts beside the words, and say "Failed to upload image.png: undefined".
const refused = document.createElement('p')
refused.id = 'files-refused'
refused.setAttribute('role', 'alert')
const REFUSED =
  'Files and pictures cannot be read in this chat. Paste their text, or use Open WebUI: it reads documents.'

function hasFiles(data) {
  return [...(data?.items ?? [])].some((item) => item.kind === 'file')
}

function onPaste(event) {
  if (!hasFiles(event.clipboardData)) return
  event.stopPropagation() // the words are pasted by the browser
  if (!event.clipboardData.types.includes('text/plain')) refused.textContent = REFUSED
}

function onDrag(event) {
  if (!hasFiles(event.dataTransfer)) return
  event.preventDefault() // else the browser leaves the chat to open it
  event.stopPropagation()
  if (event.type === 'drop') refused.textContent = REFUSED
  else event.dataTransfer.dropEffect = 'copy'
}

addEventListener('paste', onPaste, { capture: true })
for (const name of ['dragover', 'drop']) addEventListener(name, onDrag, { capture: true })
for (const name of ['input', 'keydown', 'pointerdown']) {
  addEventListener(name, () => (refused.textContent = ''), { capture: true })
}

// Chainlit's buttons with nothing but a picture have no name for who does not see it.
const NAMES = {
  'new-chat-button': 'New chat',
  'chat-settings-open-modal': 'Settings',
  'chat-submit': 'Send',
  'stop-button': 'Stop'
}

function nameOf(button) {
  if (NAMES[button.id]) return NAMES[button.id]
  // The set of pictures says what each is: lucide-copy.
  const picture = button.querySelector('svg[class*="lucide-"]')?.getAttribute('class').match(/lucide-([a-z-]+)/)?.[1]
  return picture ? picture[0].toUpperCase() + picture.slice(1).replaceAll('-', ' ') : 'Button'
}

function nameButtons() {
  for (const button of document.querySelectorAll('button:not([aria-label]):not([aria-labelledby])')) {
    if (!button.textContent.trim()) button.setAttribute('aria-label', nameOf(button))
  }
}

// A finished answer is read out to whoever does not see it; words one by one would never end.
const told = document.createElement('p')
told.id = 'answer-told'
told.className = 'sr-only'
told.setAttribute('role', 'status')
const heard = new WeakSet()

function tellAnswers() {
  if (!told.isConnected) document.body?.append(told, refused)
  for (const facts of document.querySelectorAll('.ai-message .answer-note-facts')) {
    if (heard.has(facts)) continue
    heard.add(facts)
    told.textContent = facts.closest('.ai-message').querySelector('.prose')?.innerText ?? ''
  }
}

new MutationObserver(() => {
  nameButtons()
  tellAnswers()
}).observe(document, { childList: true, subtree: true })

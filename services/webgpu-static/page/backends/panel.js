// Measures both backends on the digits model and shows them side by side.

/** @type {import('../app.js').Mount} */
export function mount(section) {
  section.innerHTML = '<h2>Backends</h2>';
}

// Elements of the page: found by id, and made; and what a tab keeps.

export const byId = (id) => document.getElementById(id);

/** A new element with these properties and children. */
export function make(name, props = {}, ...inner) {
  const node = Object.assign(document.createElement(name), props);
  node.append(...inner);
  return node;
}

/** A row of a table, its first cell the row's header. */
export const makeRow = (texts) => make("tr", {}, ...texts.map((textContent, n) => n ? make("td", { textContent }) : make("th", { textContent, scope: "row" })));

/** What this tab has kept under a name over a reload; null for nothing. */
export function kept(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name));
  } catch { // a browser that stores nothing throws
    return null;
  }
}

/** Keep a value under a name until this tab is closed; null keeps nothing. */
export function keep(name, value) {
  try {
    sessionStorage.setItem(name, JSON.stringify(value));
  } catch { /* then a reload finds nothing */ }
}

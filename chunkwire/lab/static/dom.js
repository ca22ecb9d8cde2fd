// Elements of the page: found by id, and made.

export const byId = (id) => document.getElementById(id);

/** A new element with these properties and children. */
export function make(name, props = {}, ...inner) {
  const node = Object.assign(document.createElement(name), props);
  node.append(...inner);
  return node;
}

/** A row of a table, its first cell the row's header. */
export const makeRow = (texts) => make("tr", {}, ...texts.map((textContent, n) => n ? make("td", { textContent }) : make("th", { textContent, scope: "row" })));

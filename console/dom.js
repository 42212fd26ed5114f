// Elements out of data. Text is only ever put in as text: whatever a record says, it is shown and
// not run.

const SVG = "http://www.w3.org/2000/svg";

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/** An element: `el("td", {class: "number"}, "12")`. Children are elements or text. */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same in a drawing. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Puts `text` into an element unless it is there already, so that nothing is read out twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the rows of `parent` those of `items`: rows are kept by key, so that focus and selection
 * stay. `make(item)` gives an element, `update(element, item)` fills it.
 */
export function keyed(parent, items, key, make, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let row = known.get(name);
    known.delete(name);
    if (!row) {
      row = make(item);
      row.dataset.key = name;
    }
    update(row, item);
    if (row === place) place = place.nextElementSibling;
    else parent.insertBefore(row, place);
  }
  for (const gone of known.values()) gone.remove();
}

/** Fills cells with these, touching only what differs; `undefined` leaves one as it is. */
export function cells(row, values) {
  values.forEach((value, at) => {
    if (value !== undefined) fill(row.children[at], value);
  });
}

/** Makes a node or a text all that is in an element. */
export function fill(element, value) {
  if (!(value instanceof Node)) say(element, value ?? "");
  else if (element.childNodes.length !== 1 || !element.firstChild.isEqualNode(value)) element.replaceChildren(value);
}

// Building the page and updating it in place: elements stay, only their text changes, so that focus, selection and
// scrolling survive each second's numbers. Everything goes in as text, never as HTML.

import { visible } from "./format.js";

export const byId = (id) => document.getElementById(id);

/** `make("p", {class: "quiet", hidden: true}, "text", child, ...)` */
export function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== undefined) node.setAttribute(key, visible(value));
  }
  node.append(...children.map((child) => (typeof child === "string" ? visible(child) : child)));
  return node;
}

export function setText(node, text) {
  const safe = visible(text);
  if (node.textContent === safe) return;
  // The same text node as long as there is one: what somebody has marked to copy stays marked.
  if (node.childNodes.length === 1 && node.firstChild.nodeType === Node.TEXT_NODE) node.firstChild.data = safe;
  else node.textContent = safe;
}

export function setAttribute(node, name, value) {
  const safe = visible(value);
  if (node.getAttribute(name) !== safe) node.setAttribute(name, safe);
}

export function setClass(node, names) {
  if (node.className !== names) node.className = names;
}

export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

/** A share as a bar. The text beside it says the same, so it is nothing to a screen reader. */
export function makeBar() {
  return make("span", { class: "bar", "aria-hidden": "true" }, make("span"));
}

export function setBar(bar, share, level = "") {
  bar.firstChild.style.transform = `scaleX(${Math.max(0, Math.min(1, share || 0)).toFixed(3)})`;
  setClass(bar, `bar ${level}`.trim());
}

const lists = new WeakMap(); // parent -> Map of key -> child

/**
 * Makes the children of `parent` those of `items`: known ones are updated, new ones made, others removed (`lost` is
 * called if the focus was in one of them). `held`: known ones keep their places, because a pointer is about to press there.
 */
export function keep(parent, items, { key, create, update, held = false, lost }) {
  const known = lists.get(parent) ?? new Map();
  const next = new Map();
  for (const item of items) {
    let name = String(key(item));
    while (next.has(name)) name += "'"; // two of one name: both are shown
    next.set(name, item);
  }
  for (const [name, node] of known) {
    if (next.has(name)) continue;
    const focused = node.contains(document.activeElement);
    node.remove();
    known.delete(name);
    if (focused) lost?.();
  }
  const nodes = [];
  for (const [name, item] of next) {
    if (!known.has(name)) known.set(name, create(item));
    nodes.push(known.get(name));
    update(known.get(name), item);
  }
  const places = new Map([...parent.children].map((node, place) => [node, place]));
  const place = (node) => places.get(node) ?? Infinity;
  if (held) nodes.sort((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)));
  arrange(parent, nodes);
  lists.set(parent, known);
}

/** Puts the nodes in order around the one that has the focus: an element that is moved loses it. */
function arrange(parent, nodes) {
  if (!nodes.length) return;
  const fixed = Math.max(0, nodes.findIndex((node) => node.contains(document.activeElement)));
  if (nodes[fixed].parentNode !== parent) parent.prepend(nodes[fixed]);
  for (let n = fixed - 1; n >= 0; n -= 1) if (nodes[n].nextSibling !== nodes[n + 1]) nodes[n + 1].before(nodes[n]);
  for (let n = fixed + 1; n < nodes.length; n += 1) if (nodes[n - 1].nextSibling !== nodes[n]) nodes[n - 1].after(nodes[n]);
}

/** Says something to a screen reader, once. For what has changed, never for numbers. */
export function say(text) {
  setText(byId("said"), text);
}

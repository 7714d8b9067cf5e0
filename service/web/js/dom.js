// Elements without markup: whatever comes from files or people becomes text, never HTML.

/** @typedef {string | number | Node | null | undefined | false} Child */
/** @typedef {{ [name: string]: unknown, on?: { [event: string]: (event: any) => void } }} Props */

/**
 * Make an element. `class`, `text` and `on` are what they say; `true` sets an attribute without a value, `false`,
 * `null` and `undefined` none; the rest are attributes.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") {
      for (const [event, run] of Object.entries(props.on ?? {})) node.addEventListener(event, run);
    } else if (name === "text") {
      node.textContent = String(value);
    } else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...children.filter(kept).map((child) => (child instanceof Node ? child : String(child))));
  return node;
}

/**
 * @param {Child} child
 * @returns {child is string | number | Node}
 */
function kept(child) {
  return child !== null && child !== undefined && child !== false;
}

/** Replace what is in a node. @param {Element} node @param {...Child} children */
export function fill(node, ...children) {
  node.replaceChildren(...children.filter(kept).map((child) => (child instanceof Node ? child : String(child))));
}

/**
 * Find an element that the page has. @template {HTMLElement} [T=HTMLElement]
 * @param {string} selector @param {ParentNode} [root] @returns {T}
 */
export function $(selector, root = document) {
  const found = root.querySelector(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return /** @type {T} */ (found);
}

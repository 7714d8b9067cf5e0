// What the page tells about itself, spoken by screen readers too; with a way on where there is one.

import { $, h } from "./dom.js";

/** @typedef {{ label: string, run: () => void }} Action */

/**
 * Say something; it goes by itself after `seconds` (0: it stays until it is dismissed).
 * @param {string} text
 * @param {{ kind?: "info" | "good" | "bad", action?: Action, seconds?: number }} [how]
 * @returns {() => void} takes it away
 */
export function say(text, { kind = "info", action, seconds = kind === "bad" ? 0 : 6 } = {}) {
  const node = h("div", { class: `message ${kind}`, role: kind === "bad" ? "alert" : "status" }, h("span", { text }));
  const dismiss = () => node.remove();
  if (action) {
    node.append(h("button", { type: "button", text: action.label, on: { click: () => (dismiss(), action.run()) } }));
  }
  node.append(h("button", { type: "button", class: "quiet", "aria-label": "Dismiss", text: "×", on: { click: dismiss } }));
  $("#messages").append(node);
  if (seconds) setTimeout(dismiss, 1000 * seconds);
  return dismiss;
}

/** Say what a request came up against. @param {unknown} error @param {Action} [action] */
export function sayProblem(error, action) {
  const text = error instanceof Error ? error.message : String(error);
  return say(text, { kind: "bad", action });
}

// Single keys that do something, while nobody types; ? shows them.

import { $, h, fill } from "./dom.js";

/** @type {Map<string, { label: string, run: () => void, shown: string }>} */
const keys = new Map();

/** Have a key do something. @param {string} key as `event.key` has it @param {string} label @param {() => void} run
 * @param {string} [shown] */
export function add(key, label, run, shown = key) {
  keys.set(key, { label, run, shown });
}

/** Listen. Keys that a focused control needs itself stay with it. */
export function listen() {
  add("?", "show these keys", showAll);
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = event.target instanceof Element ? event.target : null;
    if (at?.closest("input:not([type=range]), textarea, select, [contenteditable], dialog[open]")) return;
    if (event.key === " " && at?.closest("button, a, summary, [role=button], [role=slider], [role=application]")) return;
    const found = keys.get(event.key);
    if (!found) return;
    event.preventDefault();
    found.run();
  });
}

/** Show what keys there are. */
export function showAll() {
  const dialog = /** @type {HTMLDialogElement} */ ($("#keys-dialog"));
  const rows = [...keys.values()].flatMap((key) => [h("dt", {}, h("kbd", { text: key.shown })), h("dd", { text: key.label })]);
  fill($("dl", dialog), ...rows);
  dialog.showModal();
}

// What is asked: the prompt, the chips of the query's parts, the two sliders.

import { fixed } from "../affect.js";
import { $, fill, h } from "../dom.js";
import { add as addKey } from "../keys.js";
import { change, show, state } from "../state.js";
import { AWAY, identity, mix, only, remove, title, weigh } from "./parts.js";
import { soundControls } from "./sound.js";

/** @typedef {import("../state.js").Part} Part */

const KINDS = { text: "Prompt", clip: "Clip", affect: "Place in the plane", sound: "Sound" };
const MARKS = { text: "“”", clip: "≈", affect: "◆", sound: "♪" };

/** @param {HTMLElement} root */
export function mountComposer(root) {
  const field = h("input", {
    type: "search",
    id: "prompt",
    placeholder: "How should it sound? For example: calm, but a little sad",
    autocomplete: "off",
    enterkeyhint: "search",
    maxlength: 1000,
    dir: "auto",
    "aria-label": "How the speech should feel",
  });
  const { buttons, panel } = soundControls();
  const chips = h("ul", { class: "chips", "aria-label": "Parts of the search" });
  const note = h("p", { class: "soft small" });
  root.append(
    h(
      "form",
      { class: "ask", role: "search", on: { submit: ask } },
      field,
      h("button", { class: "primary", text: "Search" }),
      h("button", { type: "button", text: "Mix in", title: "Add it to the search", on: { click: () => take(1) } }),
      h("button", { type: "button", text: "Without", title: "Lead away from it", on: { click: () => take(AWAY) } }),
      h("span", { class: "sounds" }, ...buttons),
    ),
    panel,
    h("div", { class: "asked" }, chips, note),
    sliders(),
  );
  addKey("/", "write a prompt", () => (show("search"), field.focus(), field.select()));

  /** @param {Event} event */
  function ask(event) {
    event.preventDefault();
    const text = field.value.trim();
    if (!text) return field.focus();
    only({ kind: "text", text, weight: 1 });
    field.select();
  }

  /** @param {number} weight */
  function take(weight) {
    const text = field.value.trim();
    if (!text) return field.focus();
    mix({ kind: "text", text, weight });
    field.value = "";
    field.focus();
  }

  state.info.subscribe((info) => info && (field.maxLength = info.limits.max_prompt_chars));
  let shown = "";
  state.query.subscribe(({ parts }) => {
    const [lone] = parts;
    if (parts.length === 1 && lone.kind === "text") field.value = lone.text;
    else if (!parts.length) field.value = "";
    const now = parts.map(identity).join();
    if (now !== shown) fill(chips, ...parts.map((part, index) => chip(part, index, field)));
    shown = now;
    parts.forEach((part, index) => showWeight(chips.children[index], part.weight));
    chips.hidden = !parts.length;
    note.textContent = "";
    if (!parts.length) note.textContent = "Words, sounds and places that you mix come here, each with its weight.";
    if (parts.some(({ kind }) => kind === "sound")) {
      note.textContent = "A sound stays in this tab: it is not part of the address that you can send to others.";
    }
    note.hidden = !note.textContent;
  });
}

/** @param {Part} part @param {number} index @param {HTMLInputElement} field */
function chip(part, index, field) {
  const name = title(part);
  const gone = () => {
    remove(index);
    const rest = document.querySelectorAll(".chip .remove");
    /** @type {HTMLElement} */ (rest[Math.min(index, rest.length - 1)] ?? field).focus();
  };
  const weighed = /** @param {{ target: HTMLInputElement }} event */ ({ target }) => {
    const weight = target.valueAsNumber;
    if (Number.isFinite(weight) && weight !== 0) weigh(index, Math.max(-5, Math.min(5, weight)));
  };
  return h(
    "li",
    { class: "chip", title: `${KINDS[part.kind]}: ${name}` },
    h("span", { class: "mark", "aria-hidden": "true", text: MARKS[part.kind] }),
    h("span", { class: "without", text: "without" }),
    h("span", { class: "name", dir: "auto", text: name }),
    h("span", { class: "soft", "aria-hidden": "true", text: "×" }),
    h("input", {
      type: "number", step: 0.25, min: -5, max: 5,
      "aria-label": `Weight of ${name}; below zero leads away from it`,
      on: { input: weighed, change: settle },
    }),
    h("button", { type: "button", class: "quiet remove", "aria-label": `Remove ${name}`, text: "×", on: { click: gone } }),
  );
}

/** What moved stands still: the address says so at once. */
const settle = () => change({}, { live: true, done: true });

/** @param {Element} node @param {number} weight */
function showWeight(node, weight) {
  const field = /** @type {HTMLInputElement} */ ($("input", node));
  if (document.activeElement !== field || field.valueAsNumber !== weight) field.value = String(weight);
  node.classList.toggle("away", weight < 0);
}

function sliders() {
  const group = h("fieldset", { class: "shifts" }, h("legend", { class: "unseen", text: "Move the search in the plane" }));
  const reset = h("button", { type: "button", class: "link", text: "Reset" });
  reset.addEventListener("click", () => change({ shift: { valence: 0, arousal: 0 } }));
  const axes = [
    slider("valence", "sadder", "happier"),
    slider("arousal", "calmer", "more excited"),
  ];
  group.append(...axes.map(({ node }) => node), reset);
  state.query.subscribe(({ parts, shift, region }) => {
    group.disabled = !parts.length && !region;
    reset.hidden = !shift.valence && !shift.arousal;
    for (const axis of axes) axis.show(shift);
  });
  return group;
}

/** @param {"valence" | "arousal"} axis @param {string} low @param {string} high */
function slider(axis, low, high) {
  const value = h("output", { class: "small" });
  const range = h("input", { type: "range", min: -3, max: 3, step: 0.1, "aria-label": `${low} to ${high}` });
  range.addEventListener("input", () =>
    change({ shift: { ...state.query.get().shift, [axis]: range.valueAsNumber } }, { live: true }),
  );
  range.addEventListener("change", settle);
  const node = h("div", { class: "shift" }, h("span", { text: low }), range, h("span", { text: high }), value);
  /** @param {import("../state.js").Place} shift */
  const show = (shift) => {
    const by = shift[axis];
    if (range.valueAsNumber !== by) range.value = String(by);
    value.textContent = by ? `${by > 0 ? "+" : ""}${fixed(by)}` : "";
    range.setAttribute("aria-valuetext", by ? `${fixed(Math.abs(by))} ${by > 0 ? high : low}` : "as it is");
  };
  return { node, show };
}

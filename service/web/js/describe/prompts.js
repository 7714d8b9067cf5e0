// Prompts of the person's own, and how near a recording is to each. They stay for the next recording.

import { embedTexts } from "../api.js";
import { fixed } from "../affect.js";
import { fill, h } from "../dom.js";
import { sayProblem } from "../messages.js";
import { bar } from "./result.js";

/** @type {Map<string, number[]>} */
const own = new Map();

/** @param {number[]} embedding The recording's. */
export function ownPrompts(embedding) {
  const list = h("ol", { class: "bars" });
  const field = h("input", { type: "text", maxlength: 1000, class: "grow", placeholder: "a tense argument", "aria-label": "Your own prompt" });
  const form = h(
    "form",
    { class: "row", on: { submit: (/** @type {Event} */ event) => (event.preventDefault(), void add()) } },
    field,
    h("button", { text: "Compare" }),
  );
  const show = () => {
    const scored = [...own].map(([text, vector]) => ({ text, score: vector.reduce((sum, v, i) => sum + v * embedding[i], 0) }));
    scored.sort((one, other) => other.score - one.score);
    fill(
      list,
      ...scored.map(({ text, score }) => {
        const drop = () => (own.delete(text), show(), field.focus());
        return bar(
          text,
          score,
          fixed(score, 2),
          h("button", { type: "button", class: "quiet", text: "×", "aria-label": `Remove “${text}”`, on: { click: drop } }),
        );
      }),
    );
  };
  async function add() {
    const text = field.value.trim();
    if (!text) return;
    try {
      own.set(text, (await embedTexts([text]))[0]);
    } catch (error) {
      sayProblem(error);
      return;
    }
    field.value = "";
    show();
  }
  show();
  return h(
    "section",
    { class: "card own-prompts" },
    h("h3", { text: "Your own words" }),
    form,
    list,
    h("p", { class: "soft small", text: "How near the recording is to a prompt of yours." }),
  );
}

// What a description says besides its course in time: the sentence, doubts, place on the plane, terms and prompts.

import { fixed, words } from "../affect.js";
import { h } from "../dom.js";
import { createPlane } from "../plane/plane.js";
import { state } from "../state.js";

/** @typedef {import("./listen.js").Description} Description */

const TERMS = 8;
const PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });

/** The sentence, and what to doubt about it. @param {Description} found */
export function sentence({ summary, confidence, doubts }) {
  return [
    h("p", { class: "summary", text: summary }),
    confidence === "low" &&
      h(
        "div",
        { class: "notice doubts" },
        h("strong", { text: "Take this with care" }),
        h("ul", {}, ...doubts.map(({ detail }) => h("li", { text: detail.charAt(0).toUpperCase() + detail.slice(1) }))),
      ),
  ];
}

/** Its place on the plane, and its way from change to change; `leave` when it is no longer shown. @param {Description} found
 * @param {AbortSignal} leave */
export function place({ affect, affect_interval: interval, changes }, leave) {
  const { valence, arousal } = affect;
  const side = /** @param {[number, number]} ends */ (ends) => ends.map((end) => fixed(end)).join(" to ");
  const root = h("div");
  const plane = createPlane(root, { label: "Where the recording lies" });
  plane.show({
    terms: state.info.get()?.bundle.terms ?? [],
    place: affect,
    interval,
    path: changes.length ? [changes[0].before, ...changes.map(({ after }) => after)] : [],
    alt: words(valence, arousal),
  });
  leave.addEventListener("abort", plane.destroy);
  return h(
    "section",
    { class: "card" },
    h("h3", { text: "Its place on the map" }),
    root,
    h("p", { text: `${capital(words(valence, arousal))}: valence ${fixed(valence)}, arousal ${fixed(arousal)} on scales from 1 to 7.` }),
    h("p", {
      class: "soft small",
      text: interval
        ? `For ${PERCENT.format(interval.level)} of such recordings people’s label lies within: valence ${side(interval.valence)}, arousal ${side(interval.arousal)}.`
        : "This bundle does not state how far off that may be.",
    }),
    changes.length > 0 && h("p", { class: "soft small", text: "The line leads from change to change." }),
  );
}

/** Emotion terms with their shares. @param {Description} found */
export function terms({ terms: all, terms_calibrated_on: calibrated }) {
  const shown = all.slice(0, TERMS);
  return h(
    "section",
    { class: "card" },
    h("h3", { text: "Emotions it is closest to" }),
    h("ol", { class: "bars" }, ...shown.map(({ term, share }) => bar(term, share / all[0].share, PERCENT.format(share)))),
    h("p", {
      class: "soft small",
      text: calibrated
        ? `Shares of all ${all.length} terms, fitted on labelled speech for ${calibrated.length} of them.`
        : `Shares of all ${all.length} terms. They only rank them.`,
    }),
  );
}

/** The prompts of the vocabulary that are nearest. @param {Description} found */
export function prompts({ prompts: nearest }) {
  return h(
    "section",
    { class: "card" },
    h("h3", { text: "Prompts it is closest to" }),
    h("ol", { class: "bars" }, ...nearest.map(({ text, score }) => bar(text, score, fixed(score, 2)))),
    h("p", { class: "soft small", text: "With their similarity, which is 1 at most." }),
  );
}

/** A line of a bar chart. @param {string} text @param {number} share of the width, 0..1 @param {string} value
 * @param {...Node} more */
export function bar(text, share, value, ...more) {
  const fill = h("i", {});
  fill.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
  return h("li", {}, h("span", { text }), h("b", { text: value }), ...more, h("span", { class: "bar", "aria-hidden": "true" }, fill));
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// A description in time as text: where it changes, and every moment, for those who read rather than look.

import { clock, fixed, words } from "../affect.js";
import { h } from "../dom.js";

/** @typedef {import("./listen.js").Description} Description */
/** @typedef {(at: number) => void} Play */

/** Where the affect changes for good. @param {Description} found @param {Play} play */
export function changeList({ changes }, play) {
  if (!changes.length) return null;
  return h(
    "ol",
    { class: "changes", "aria-label": "Where it changes" },
    ...changes.map(({ at, before, after, words: how }) => {
      const say = `from ${words(before.valence, before.arousal)} to ${words(after.valence, after.arousal)}`;
      return h(
        "li",
        {},
        h(
          "button",
          { type: "button", on: { click: () => play(at) } },
          h("b", { text: clock(at) }),
          h("span", { text: how || "hardly different" }),
          h("span", { class: "soft small", text: say }),
        ),
      );
    }),
  );
}

/** All moments as a table, made when it is opened: a long recording has a thousand. @param {Description} found
 * @param {Play} play */
export function momentTable({ timeline }, play) {
  const all = h("details", { class: "moments" }, h("summary", { text: `All ${timeline.length} moments as a table` }));
  if (timeline.length === 1) all.firstElementChild?.replaceChildren("The moment as a table");
  all.addEventListener(
    "toggle",
    () => {
      const heads = ["From", "To", "Valence", "Arousal", "Smoothed", "Nearest term"];
      const rows = timeline.map(({ start, end, affect, smoothed, term }) =>
        h(
          "tr",
          {},
          h("td", {}, h("button", { type: "button", class: "link", text: clock(start), "aria-label": `Play from ${clock(start)}`, on: { click: () => play(start) } })),
          h("td", { text: clock(end) }),
          h("td", { text: fixed(affect.valence) }),
          h("td", { text: fixed(affect.arousal) }),
          h("td", { text: words(smoothed.valence, smoothed.arousal) }),
          h("td", { text: term }),
        ),
      );
      const head = h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col", text }))));
      all.append(h("div", { class: "scroller", tabindex: 0, role: "region", "aria-label": "Moments" }, h("table", {}, head, h("tbody", {}, ...rows))));
    },
    { once: true },
  );
  return all;
}

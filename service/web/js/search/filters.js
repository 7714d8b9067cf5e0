// Filters by what the library holds: a few values of each field to choose from, with how many clips have them.

import { facets } from "../api.js";
import { fixed } from "../affect.js";
import { fill, h } from "../dom.js";
import { change, state } from "../state.js";

/** @typedef {import("../api.js").Facet} Facet */
/** @typedef {import("../state.js").Filter} Filter */
/** @typedef {string | number | boolean | null} Scalar */

const MAPPED = ["valence", "arousal"]; // the map filters by these
const MOST = 12;
const roomy = matchMedia("(min-width: 62rem)"); // where an open panel does not push the hits away

/** @param {HTMLElement} root */
export function mountFilters(root) {
  const body = h("div", { class: "facets" });
  const count = h("span", { class: "count small" });
  const panel = h("details", { class: "filters card" }, h("summary", {}, "Filters ", count), body);
  root.append(panel);
  /** @type {Facet[]} */
  let found = [];
  let fresh = false;

  async function ask() {
    if (fresh || !panel.open) return;
    fresh = true;
    try {
      found = (await facets(null)).facets.filter(({ field }) => !MAPPED.includes(field));
      draw();
    } catch (error) {
      fresh = false;
      const again = h("button", { type: "button", text: "Try again", on: { click: () => void ask() } });
      fill(body, h("p", { text: error instanceof Error ? error.message : String(error) }), again);
    }
  }

  function draw() {
    const { filter, grouped, distinct } = state.query.get();
    const chosen = Object.keys(filter ?? {}).length + Number(!grouped) + Number(distinct);
    count.textContent = chosen ? `${chosen} in use` : "";
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.choice : undefined;
    const own = found.map(({ field }) => field);
    const others = Object.keys(filter ?? {}).filter((field) => !own.includes(field));
    fill(
      body,
      option("One hit a clip, its best moment", grouped, (on) => change({ grouped: on })),
      option("Without copies that sound the same", distinct, (on) => change({ distinct: on })),
      ...found.map((facet) => group(facet, filter ?? {})),
      others.length > 0 && fresh && h("p", { class: "small", dir: "auto", text: `And: ${JSON.stringify(Object.fromEntries(others.map((field) => [field, filter?.[field]])))}` }),
      filter && h("button", { type: "button", text: "Remove all filters", on: { click: () => change({ filter: null }) } }),
    );
    const same = focused && body.querySelector(`[data-choice="${CSS.escape(focused)}"]`);
    if (same instanceof HTMLElement) same.focus();
  }

  panel.addEventListener("toggle", () => void ask());
  state.library.subscribe(() => {
    fresh = false;
    void ask();
  });
  state.query.subscribe(({ filter }) => {
    if (filter && roomy.matches) panel.open = true;
    draw();
  });
}

/** @param {string} text @param {boolean} on @param {(on: boolean) => void} turn */
function option(text, on, turn) {
  const box = h("input", { type: "checkbox", checked: on, "data-choice": text });
  box.addEventListener("change", () => turn(box.checked));
  return h("label", { class: "option" }, box, text);
}

/** @param {Facet} facet @param {Filter} filter */
function group(facet, filter) {
  const { field, values, ranges, distinct } = facet;
  const now = filter[field];
  const choices = ranges.length
    ? ranges.filter(({ clips }) => clips).map(({ low, high, clips }) => {
        const range = { ...(low !== null && { gte: low }), ...(high !== null && { lt: high }) };
        const on = JSON.stringify(now) === JSON.stringify(range);
        return choice(field, bounds(low, high), clips, on, () => set(field, on ? undefined : range));
      })
    : values.slice(0, MOST).map(({ value, clips }) => {
        const chosen = several(now);
        const on = chosen.includes(value);
        const next = on ? chosen.filter((other) => other !== value) : [...chosen, value];
        return choice(field, String(value ?? "none"), clips, on, () => set(field, next.length ? { in: next } : undefined));
      });
  const rest = (distinct ?? 0) - choices.length;
  return h(
    "fieldset",
    {},
    h("legend", { dir: "auto", text: field }),
    ...choices,
    !ranges.length && rest > 0 && h("span", { class: "small soft", text: `and ${rest} more` }),
  );
}

/** @param {string} field @param {string} text @param {number} clips @param {boolean} on @param {() => void} turn */
const choice = (field, text, clips, on, turn) =>
  h(
    "button",
    { type: "button", class: "choice", "aria-pressed": String(on), "data-choice": `${field} ${text}`, on: { click: turn } },
    h("bdi", { text }),
    h("span", { class: "small soft", text: clips.toLocaleString("en") }),
  );

/** @param {unknown} condition @returns {Scalar[]} */
function several(condition) {
  if (condition === undefined) return [];
  if (condition === null || typeof condition !== "object") return [/** @type {Scalar} */ (condition)];
  return "in" in condition && Array.isArray(condition.in) ? condition.in : [];
}

/** @param {string} field @param {unknown} condition undefined takes it away */
function set(field, condition) {
  const { [field]: _, ...rest } = state.query.get().filter ?? {};
  const filter = condition === undefined ? rest : { ...rest, [field]: condition };
  change({ filter: Object.keys(filter).length ? filter : null });
}

/** @param {number | null} low @param {number | null} high */
function bounds(low, high) {
  const digits = [low, high].some((side) => side !== null && side % 1) ? 1 : 0;
  if (low === null) return `under ${fixed(high ?? 0, digits)}`;
  return high === null ? `${fixed(low, digits)} and more` : `${fixed(low, digits)}–${fixed(high, digits)}`;
}

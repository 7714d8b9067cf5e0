// The map of the search: all segments, the query and its hits on them. What is done on it changes the query.

import { fixed, words } from "../affect.js";
import { fill, h } from "../dom.js";
import { sayProblem } from "../messages.js";
import { change, state } from "../state.js";
import { createPlane } from "./plane.js";
import { inWords, loadPoints } from "./points.js";

/** @typedef {import("../api.js").Place} Place */
/** @typedef {import("../state.js").Part} Part */
/** @typedef {import("../state.js").Region} Region */

/** @param {HTMLElement} root */
export function mountMap(root) {
  const brush = h("button", { type: "button", "aria-pressed": "false", text: "Select a region", on: { click: () => brushing(!selecting) } });
  const clear = h("button", { type: "button", hidden: true, text: "Remove the region", on: { click: removeRegion } });
  const readout = h("p", { class: "plane-readout" });
  const empty = h("p", { class: "plane-empty soft", text: "Drawing the map…" });
  const told = h("p", { class: "unseen", id: "map-in-words" });
  const help = h("p", { class: "soft small plane-help", id: "map-help" },
    h("span", { class: "by-mouse", text: "Click to search at a point and drag it about; Ctrl-click adds one. Shift-drag selects a region. With keys: arrows, then Enter." }),
    h("span", { class: "by-touch", text: "Tap to search at a point; drag its ring to move it." }));
  root.classList.add("map");
  const head = h("div", { class: "plane-head" }, h("h2", { text: "Map" }), brush, clear);
  root.append(head);
  const plane = createPlane(root, { label: "Map of emotion", onPlace, onMove, onRegion, onMark: state.chosen.set, onHover: state.hovered.set });
  const field = /** @type {HTMLElement} */ (plane.node.querySelector(".plane-field"));
  field.setAttribute("aria-describedby", "map-in-words map-help");
  field.append(empty);
  root.append(readout, help, told);

  let selecting = false;
  /** Where the query lies without its shift, and the parts of which that holds. @type {{ parts: string, place: Place } | null} */
  let base = null;
  /** What the points on the map are of. */
  let drawn = "";
  let asking = new AbortController();

  /** @param {boolean} on */
  function brushing(on) {
    selecting = on;
    plane.brush(on);
    brush.setAttribute("aria-pressed", String(on));
  }

  function removeRegion() {
    change({ region: null });
    field.focus();
  }

  /** @param {Place} to @param {import("./plane.js").How & { add: boolean, target: number }} how */
  function onPlace(to, { live, done, add, target }) {
    const { parts } = state.query.get();
    const points = parts.flatMap((part, i) => (part.kind === "affect" ? [i] : []));
    // A point elsewhere moves the only one that there is, or takes the place of the whole query.
    const at = points[target < 0 && !add && points.length === 1 ? 0 : target];
    const rounded = { valence: round(to.valence), arousal: round(to.arousal) };
    if (at !== undefined) change({ parts: parts.map((part, i) => (i === at ? { ...part, ...rounded } : part)) }, { live, done });
    else {
      /** @type {Part} */
      const part = { kind: "affect", ...rounded, weight: 1 };
      change(add ? { parts: [...parts, part] } : { parts: [part], shift: { valence: 0, arousal: 0 } }, { live, done });
    }
  }

  /** @param {Place} to @param {import("./plane.js").How} how */
  function onMove(to, how) {
    if (!base) return;
    const { place } = base;
    change({ shift: { valence: round(to.valence - place.valence), arousal: round(to.arousal - place.arousal) } }, how);
  }

  /** @param {Region | null} region @param {import("./plane.js").How} how */
  function onRegion(region, how) {
    change({ region }, how);
    if (how.done) brushing(false);
  }

  state.query.subscribe(({ parts, region, filter }) => {
    plane.show({ targets: parts.filter((part) => part.kind === "affect"), region });
    clear.hidden = !region;
    showPlace();
    void draw(filter);
  });
  state.results.subscribe(({ status, hits, place }) => {
    if (status === "loading") return; // what was found before stays until there is something new
    const { parts, shift } = state.query.get();
    const of = JSON.stringify(parts);
    if (!place) base = null;
    else if (base?.parts !== of || !(shift.valence || shift.arousal)) {
      base = { parts: of, place: { valence: clamp(place.valence - shift.valence), arousal: clamp(place.arousal - shift.arousal) } };
    }
    plane.show({
      marks: hits.map(({ clip, affect }) => ({ place: affect, name: `${clip.name}: ${words(affect.valence, affect.arousal)}` })),
      place,
    });
    showPlace();
  });
  state.chosen.subscribe((chosen) => plane.show({ chosen }));
  state.hovered.subscribe((hovered) => plane.show({ hovered }));
  state.info.subscribe((info) => info && plane.show({ terms: info.bundle.terms }));
  state.library.subscribe(() => ((drawn = ""), void draw(state.query.get().filter)));
  state.view.subscribe(() => void draw(state.query.get().filter));

  /** Draw the segments that a filter keeps, unless they are. @param {import("../state.js").Filter | null} filter */
  async function draw(filter) {
    const wanted = JSON.stringify(filter);
    if (drawn === wanted || state.view.get() !== "search") return;
    drawn = wanted;
    asking.abort();
    const { signal } = (asking = new AbortController());
    try {
      const map = await loadPoints(filter, signal);
      plane.show({ map });
      told.textContent = inWords(map);
      empty.hidden = map.segments > 0;
      empty.textContent = filter ? "No recording has what the filter asks for." : "The library has no recordings yet.";
    } catch (error) {
      if (signal.aborted) return;
      drawn = "";
      sayProblem(error, { label: "Draw the map again", run: () => void draw(filter) });
    }
  }

  /** Say where the query lies, and how far it was moved. */
  function showPlace() {
    const { place } = state.results.get();
    const { shift, region } = state.query.get();
    const moved = shift.valence !== 0 || shift.arousal !== 0;
    plane.show({ from: moved && base ? base.place : null });
    const lines = [];
    if (place) lines.push(`◆ The query lies at ${words(place.valence, place.arousal)} (valence ${fixed(place.valence)}, arousal ${fixed(place.arousal)}).`);
    if (region) lines.push(`Only moments in the region: valence ${range(region.valence)}, arousal ${range(region.arousal)}.`);
    fill(readout, lines.join(" "));
    readout.hidden = !lines.length;
  }
}

/** @param {[number, number]} side */
const range = ([low, high]) => `${fixed(low)} to ${fixed(high)}`;
/** @param {number} value */
const round = (value) => Math.round(value * 100) / 100;
/** @param {number} value */
const clamp = (value) => Math.min(7, Math.max(1, value));

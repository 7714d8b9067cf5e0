// One hit as a row: what it is, where it lies, how near it is, and what to do with it.

import { clock, colour, fixed, words } from "../affect.js";
import { fill, h } from "../dom.js";
import { now, play, toggle } from "../player.js";
import { state } from "../state.js";
import { AWAY, mix } from "./parts.js";
import { createWaveform } from "./waveform.js";

/** @typedef {import("../api.js").Clip} Clip */

const FIELDS = 4; // of metadata that a row shows

/** @param {Clip} clip @param {number} start @param {number} end @param {import("../api.js").Place} affect
 * @param {() => number} at where it is in the list now @param {(at: number) => void} choose called when somebody turns to it */
export function createHit(clip, start, end, affect, at, choose) {
  const chosen = () => choose(at());
  const moment = `${clip.name}, ${exact(start)} to ${exact(end)}`;
  const playing = () => toggle(clip, start, end);
  const button = h("button", { type: "button", class: "play", on: { click: playing } });
  const rank = h("span", { class: "rank" });
  const bar = h("span", { class: "bar", "aria-hidden": "true" });
  const score = h("span", { class: "score" });
  const wave = createWaveform(clip, start, end, (from) => void play(clip, from, clip.duration));
  const feel = words(affect.valence, affect.arousal);
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  dot.style.background = colour(affect.valence, affect.arousal);
  const like = /** @param {string} text @param {number} weight */ (text, weight) =>
    h("button", {
      type: "button", class: "link", text, "aria-label": `${text} like this: ${clip.name}`,
      on: { click: () => mix({ kind: "clip", id: clip.id, name: clip.name, weight }) },
    });
  const node = h(
    "li",
    {
      class: "hit",
      on: {
        click: chosen,
        focusin: chosen,
        pointerenter: () => state.hovered.set(at()),
        pointerleave: () => state.hovered.set(-1),
      },
    },
    rank,
    button,
    h("span", { class: "name", dir: "auto", title: clip.name }, h("bdi", { text: clip.name })),
    wave.node,
    h("span", { class: "near" }, bar, score),
    h(
      "span",
      { class: "about small soft" },
      h("span", { text: `${span(start, end)} of ${clock(clip.duration)}` }),
      h("span", { title: `valence ${fixed(affect.valence)}, arousal ${fixed(affect.arousal)} (1 to 7)` }, dot, feel),
      ...metadata(clip),
    ),
    h("span", { class: "likes small soft" }, like("More", 1), "·", like("Less", AWAY), h("span", { "aria-hidden": "true", text: "like this" })),
  );

  let on = false;
  const silence = now.subscribe((current) => {
    const mine = current?.id === clip.id && current.playing && current.start === start && current.end === end;
    if (mine !== on || !button.firstChild) {
      on = mine ?? false;
      fill(button, on ? "■" : "▶");
      button.setAttribute("aria-label", `${on ? "Stop" : "Play"} ${moment}`);
      node.classList.toggle("playing", on);
    }
    wave.at(current?.id === clip.id && current.playing ? current.at : null);
  });

  return {
    node,
    play: playing,
    focus: () => button.focus(),
    /** @param {boolean} yes */
    choose(yes) {
      if (yes) node.setAttribute("aria-current", "true");
      else node.removeAttribute("aria-current");
    },
    /** @param {boolean} yes */
    hover: (yes) => void node.classList.toggle("hovered", yes),
    /** @param {number} ranked @param {number} near @param {number} best */
    place(ranked, near, best) {
      node.dataset.rank = rank.textContent = String(ranked);
      score.textContent = fixed(near, 2);
      score.setAttribute("aria-label", `similarity ${fixed(near, 2)}`);
      bar.style.setProperty("--near", String(best > 0 ? Math.max(0.02, Math.min(1, near / best)) : 0.02));
    },
    /** It leaves the page. */
    end() {
      silence();
      wave.end();
    },
  };
}

/** A few fields, words before numbers. @param {Clip} clip */
function* metadata(clip) {
  const given = Object.entries(clip.metadata).filter(([, value]) => value !== null);
  const all = given.map(([name, value]) => `${name}: ${value}`).join("\n");
  const told = given.sort(([, a], [, b]) => Number(typeof a !== "string") - Number(typeof b !== "string"));
  for (const [name, value] of told.slice(0, FIELDS)) {
    const short = typeof value === "number" ? Math.round(value * 100) / 100 : value;
    yield h(
      "span",
      { class: "field", title: all },
      `${name} `,
      h("bdi", { class: "short", text: String(short) }),
      h("bdi", { class: "whole", text: String(value) }),
    );
  }
  if (given.length > FIELDS) yield h("span", { title: all, text: `+${given.length - FIELDS}` });
}

/** "0:42–0:46"; short ones to a tenth, "0:01.2–0:02.4". @param {number} start @param {number} end */
function span(start, end) {
  const short = Math.round(end) - Math.round(start) < 2;
  const shown = short ? exact : clock;
  return `${shown(start)}–${shown(end)}`;
}

/** @param {number} seconds */
function exact(seconds) {
  const tenths = Math.round(seconds * 10);
  return `${clock(Math.floor(tenths / 10))}.${tenths % 10}`;
}

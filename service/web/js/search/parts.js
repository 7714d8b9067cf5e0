// The parts of the query as people change them: added, weighed, taken away.

import { fixed, words } from "../affect.js";
import { say } from "../messages.js";
import { change, state } from "../state.js";

/** @typedef {import("../state.js").Part} Part */

/** The weight of what is led away from. */
export const AWAY = -0.5;

/** Begin anew with one part; region and filter stay. @param {Part} part */
export const only = (part) => change({ parts: [part], shift: { valence: 0, arousal: 0 } });

/** Mix a part in. @param {Part} part */
export function mix(part) {
  const { parts } = state.query.get();
  const most = state.info.get()?.limits.max_parts ?? 16;
  const others = parts.filter((other) => identity(other) !== identity(part));
  if (others.length >= most) say(`A search has at most ${most} parts. Take one away first.`, { kind: "bad" });
  else change({ parts: [...others, part] });
}

/** @param {number} index */
export const remove = (index) => change({ parts: state.query.get().parts.filter((_, at) => at !== index) });

/** @param {number} index @param {number} weight */
export function weigh(index, weight) {
  const parts = state.query.get().parts.map((part, at) => (at === index ? { ...part, weight } : part));
  change({ parts }, { live: true });
}

/** What a part is called. @param {Part} part */
export function title(part) {
  if (part.kind === "text") return part.text;
  if (part.kind === "affect") {
    return `${words(part.valence, part.arousal)} (${fixed(part.valence)}, ${fixed(part.arousal)})`;
  }
  return part.name;
}

/** What makes a part another part: all but its weight. @param {Part} part */
export function identity(part) {
  const { weight: _, ...rest } = part;
  return JSON.stringify(rest);
}

// What the page is about, and the address bar that holds it: a search can be sent to a colleague, and Back goes back.

import { signal } from "./signal.js";

/** @typedef {{ valence: number, arousal: number }} Place */
/** @typedef {{ kind: "text", text: string, weight: number }} TextPart */
/** @typedef {{ kind: "clip", id: string, name: string, weight: number }} ClipPart */
/** @typedef {{ kind: "affect", valence: number, arousal: number, weight: number }} AffectPart */
/** A sound lives in this page only: it is not in the address.
 * @typedef {{ kind: "sound", name: string, embedding: number[], affect: Place, weight: number }} SoundPart */
/** @typedef {TextPart | ClipPart | AffectPart | SoundPart} Part */
/** @typedef {{ valence: [number, number], arousal: [number, number] }} Region */
/** @typedef {{ [field: string]: unknown }} Filter */
/**
 * @typedef {object} Query
 * @property {Part[]} parts
 * @property {Place} shift In points of the scale.
 * @property {Region | null} region Only moments whose affect lies in it.
 * @property {Filter | null} filter As the service takes it.
 * @property {boolean} grouped One hit a clip.
 * @property {boolean} distinct Without hits that are nearly the same sound as a better one.
 */
/**
 * @typedef {object} Results
 * @property {"none" | "loading" | "done" | "failed"} status
 * @property {import("./api.js").Hit[]} hits
 * @property {Place | null} place Where the query itself lies.
 * @property {boolean} more Whether there may be others.
 * @property {import("./api.js").Problem | null} problem
 * @property {string[]} hints
 */
/** @typedef {"search" | "describe" | "library"} View */

const VIEWS = /** @type {View[]} */ (["search", "describe", "library"]);

/** @type {Query} */
export const NOTHING = {
  parts: [],
  shift: { valence: 0, arousal: 0 },
  region: null,
  filter: null,
  grouped: true,
  distinct: false,
};
/** @type {Results} */
export const NO_RESULTS = { status: "none", hits: [], place: null, more: false, problem: null, hints: [] };

export const state = {
  view: signal(/** @type {View} */ ("search")),
  query: signal(NOTHING),
  results: signal(NO_RESULTS),
  /** The hit that the keyboard is on; -1 is none. */
  chosen: signal(-1),
  /** The hit that is pointed at, in the list or on the map; -1 is none. */
  hovered: signal(-1),
  info: signal(/** @type {import("./api.js").Info | null} */ (null)),
  /** Grows when clips were added or deleted: who shows the library asks again. */
  library: signal(0),
};

/** Change the query; a `live` change (a slider that moves) makes no entry of its own to go back to, and shows in the
 * address once such changes pause, or one is `done`.
 * @param {Partial<Query>} patch @param {{ live?: boolean, done?: boolean }} [how] */
export function change(patch, { live = false, done = false } = {}) {
  state.query.update((query) => ({ ...query, ...patch }));
  clearTimeout(later);
  if (done || !live) write(live);
  else later = setTimeout(() => write(true), 250); // browsers do not let the address change many times a second
}

/** Go to a view. @param {View} view */
export function show(view) {
  if (view === state.view.get()) return;
  state.view.set(view);
  write(false);
}

/** Take the state from the address, now and whenever Back or Forward changes it. */
export function followAddress() {
  const read = () => {
    clearTimeout(later);
    const { view, query } = fromAddress(location.search);
    const sounds = state.query.get().parts.filter((part) => part.kind === "sound");
    state.view.set(view);
    state.query.set({ ...query, parts: [...query.parts, ...(history.state?.sounds ? sounds : [])] });
  };
  addEventListener("popstate", read);
  read();
}

let later = 0;

/** @param {boolean} live */
function write(live) {
  const query = state.query.get();
  const address = toAddress(state.view.get(), query) || location.pathname;
  const kept = { sounds: query.parts.some((part) => part.kind === "sound") };
  if (live || address === (location.search || location.pathname)) history.replaceState(kept, "", address);
  else history.pushState(kept, "", address);
}

/** The query as an address: `?q=calm&q=-0.5*shouting&like=ID NAME&at=6,2.5&shift=0,-1&in=4,7,1,4&filter={}`.
 * A weight other than 1 stands before its part. @param {View} view @param {Query} query @returns {string} */
export function toAddress(view, query) {
  const out = new URLSearchParams();
  if (view !== "search") out.append("view", view);
  for (const part of query.parts) {
    const weight = part.weight === 1 ? "" : `${round(part.weight)}*`;
    if (part.kind === "text") out.append("q", weight + (weight || !WEIGHTED.test(part.text) ? "" : "1*") + part.text);
    else if (part.kind === "clip") out.append("like", `${weight}${part.id} ${part.name}`);
    else if (part.kind === "affect") out.append("at", `${weight}${round(part.valence)},${round(part.arousal)}`);
  }
  const { valence, arousal } = query.shift;
  if (valence || arousal) out.append("shift", `${round(valence)},${round(arousal)}`);
  if (query.region) out.append("in", [...query.region.valence, ...query.region.arousal].map(round).join(","));
  if (query.filter) out.append("filter", JSON.stringify(query.filter));
  if (!query.grouped) out.append("every", "1");
  if (query.distinct) out.append("distinct", "1");
  const text = out.toString();
  return text && `?${text}`;
}

/** What an address says; what of it cannot be understood is left out. @param {string} address
 * @returns {{ view: View, query: Query }} */
export function fromAddress(address) {
  const given = new URLSearchParams(address);
  const view = VIEWS.find((name) => name === given.get("view")) ?? "search";
  /** @type {Part[]} */
  const parts = [];
  for (const [name, value] of given) {
    const { weight, rest } = weighed(value);
    if (!rest) continue;
    if (name === "q") parts.push({ kind: "text", text: rest, weight });
    if (name === "like") {
      const [id, ...words] = rest.split(" ");
      parts.push({ kind: "clip", id, name: words.join(" ") || id, weight });
    }
    const at = name === "at" ? numbers(rest, 2) : null;
    if (at) parts.push({ kind: "affect", valence: clamp(at[0]), arousal: clamp(at[1]), weight });
  }
  const shift = numbers(given.get("shift"), 2) ?? [0, 0];
  const region = numbers(given.get("in"), 4)?.map(clamp);
  return {
    view,
    query: {
      parts,
      shift: { valence: shift[0], arousal: shift[1] },
      region: region ? { valence: [region[0], region[1]], arousal: [region[2], region[3]] } : null,
      filter: object(given.get("filter")),
      grouped: !given.has("every"),
      distinct: given.has("distinct"),
    },
  };
}

const WEIGHTED = /^-?\d+(\.\d+)?\*/;

/** @param {string} text */
function weighed(text) {
  const found = WEIGHTED.exec(text)?.[0] ?? "";
  return { weight: found ? Number(found.slice(0, -1)) : 1, rest: text.slice(found.length).trim() };
}

/** @param {string | null} text @param {number} count */
function numbers(text, count) {
  const found = (text ?? "").split(",").map(Number);
  return text && found.length === count && found.every(Number.isFinite) ? found : null;
}

/** @param {string | null} text @returns {Filter | null} */
function object(text) {
  try {
    const value = JSON.parse(text ?? "null");
    return value && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** @param {number} value */
const clamp = (value) => Math.min(7, Math.max(1, value));
/** @param {number} value */
const round = (value) => Math.round(value * 100) / 100;

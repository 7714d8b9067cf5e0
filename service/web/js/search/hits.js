// The list of hits: best first, one row each, walked through with j and k; and what it says when there are none.

import { counted, fixed } from "../affect.js";
import { fill, h } from "../dom.js";
import { add as addKey } from "../keys.js";
import { change, show, state } from "../state.js";
import { createHit } from "./hit.js";
import { only } from "./parts.js";
import { again, asked, more } from "./run.js";

/** @typedef {import("../state.js").Results} Results */
/** @typedef {import("../api.js").Hit} Hit */
/** @typedef {ReturnType<typeof createHit>} Row */

const EXAMPLES = ["calm and warm", "angry, shouting", "sad and tired", "excited, laughing", "afraid, whispering", "bored"];

/** @param {HTMLElement} root */
export function mountHits(root) {
  const told = h("p", { class: "soft small", role: "status" });
  const list = h("ol", { class: "hits", "aria-label": "Hits" });
  const onward = h("button", { type: "button", text: "More", on: { click: more } });
  const instead = h("div", { class: "instead" });
  root.append(told, list, instead, onward);
  /** @type {Map<string, Row>} */
  let rows = new Map();
  /** @type {Row[]} */
  let order = [];

  /** @param {Hit[]} hits */
  function list_(hits) {
    const best = hits[0]?.score ?? 1;
    const next = new Map();
    for (const hit of hits) {
      const id = `${hit.clip.id} ${hit.start}`;
      /** @type {Row} */
      const row = rows.get(id) ?? createHit(hit.clip, hit.start, hit.end, hit.affect, () => order.indexOf(row), choose);
      row.place(hit.rank, hit.score, best);
      next.set(id, row);
    }
    for (const [id, row] of rows) if (!next.has(id)) row.end();
    rows = next;
    const before = order;
    order = [...next.values()];
    if (before.length <= order.length && before.every((row, index) => row === order[index])) {
      list.append(...order.slice(before.length).map(({ node }) => node)); // the next page: what is there stays
      return;
    }
    const focused = document.activeElement;
    fill(list, ...order.map(({ node }) => node));
    if (focused instanceof HTMLElement && list.contains(focused)) focused.focus({ preventScroll: true });
  }

  state.results.subscribe((results) => {
    list_(results.hits);
    const { status, hits } = results;
    root.setAttribute("aria-busy", String(status === "loading"));
    list.hidden = !hits.length;
    onward.hidden = !results.more || status === "failed";
    told.textContent = summary(results);
    fill(instead, ...(hits.length && status !== "failed" ? [] : advice(results)));
  });
  state.info.subscribe(() => {
    if (!state.results.get().hits.length) fill(instead, ...advice(state.results.get()));
  });
  state.hovered.subscribe((at) => order.forEach((row, index) => row.hover(index === at)));
  state.chosen.subscribe((at) => {
    order.forEach((row, index) => row.choose(index === at));
    const node = order[at]?.node;
    if (!node?.matches(":hover, :focus-within")) node?.scrollIntoView({ block: "nearest" }); // never from under a click
  });

  /** @param {number} at */
  function choose(at) {
    state.chosen.set(Math.max(0, Math.min(order.length - 1, at)));
  }
  /** @param {number} by */
  const step = (by) => () => {
    if (!order.length || state.view.get() !== "search") return;
    choose(state.chosen.get() + by);
    order[state.chosen.get()].focus();
  };
  addKey("j", "the next hit", step(1));
  addKey("k", "the hit before", step(-1));
  addKey(" ", "play the hit, or stop", () => order[Math.max(0, state.chosen.get())]?.play(), "Space");
}

/** What screen readers say when the hits change. @param {Results} results */
function summary({ status, hits, problem, more, hints }) {
  if (status === "loading") return problem ? `The service is busy. Asking again in ${problem.retryAfter || 1} s …` : "Searching …";
  if (status !== "done") return "";
  if (!hits.length) return "No hits";
  const first = `${more ? "The best " : ""}${counted(hits.length, "hit")}; similarity ${fixed(hits[0].score, 2)} to ${fixed(hits[hits.length - 1].score, 2)}`;
  return [first, ...hints.map(sentence)].join(". ");
}

/** @param {string} text */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** What to do where there is nothing to show. @param {Results} results @returns {Node[]} */
function advice({ status, problem, hints }) {
  const query = state.query.get();
  if (status === "failed" && problem) {
    return [
      h("h2", { text: problem.title || "The search did not work" }),
      h("p", { text: problem.message }),
      row(button("Try again", again), asked(query) && problem.status === 404 && button("Begin anew", () => change({ parts: [] }))),
    ];
  }
  const info = state.info.get();
  if (info && !info.library.clips) {
    return [
      h("h2", { text: "The library is empty" }),
      h("p", { text: "Add a few recordings, and search them by how they feel." }),
      row(button("Add recordings", () => show("library"), "primary")),
    ];
  }
  if (status === "done") {
    const narrow = query.region || query.filter;
    return [
      h("h2", { text: "No hits" }),
      h("p", { text: narrow ? "No clip fits what the search is limited to." : "No other clip is there to be found." }),
      ...hints.map((hint) => h("p", { text: sentence(hint) })),
      row(
        query.region && button("Look in the whole plane", () => change({ region: null })),
        query.filter && button("Remove the filter", () => change({ filter: null })),
      ),
    ];
  }
  if (status === "loading") return [];
  return [
    h("h2", { text: "How should it sound?" }),
    h("p", { class: "soft", text: "Write it in your own words, record or drop a sound, or click a place on the map. Some to begin with:" }),
    row(...EXAMPLES.map((text) => button(text, () => only({ kind: "text", text, weight: 1 })))),
  ];
}

/** @param {...(Node | null | false | undefined)} children */
const row = (...children) => h("p", { class: "row" }, ...children);

/** @param {string} text @param {() => void} run @param {string} [kind] */
const button = (text, run, kind) => h("button", { type: "button", text, class: kind, on: { click: run } });

// From the query to the results: one search at a time, the newest; what came before it is given up.

import * as api from "../api.js";
import { NO_RESULTS, state } from "../state.js";

/** @typedef {import("../state.js").Query} Query */
/** @typedef {import("../state.js").Results} Results */

const PAGE = 20;
const PAUSE = 120; // ms from one live search to the next
const PATIENCE = 150; // ms before anything looks like waiting
const TRIES = 8;

/** @type {AbortController | null} */
let running = null;
let begun = 0;
/** @type {number | undefined} */
let timer;
/** @type {Query | null} */
let last = null;

/** Search whenever the query or the library changes. */
export function follow() {
  let library = state.library.get();
  state.query.subscribe((query) => {
    if (last && same(last, query) && state.results.get().status !== "failed") return;
    last = query;
    soon();
  });
  state.library.subscribe((count) => {
    if (count !== library) again();
    library = count;
  });
}

/** Search once more. */
export const again = () => soon();

/** What is asked: a region alone asks for what lies in its middle. @param {Query} query @returns {Query | null} */
export function asked(query) {
  if (query.parts.length) return query;
  if (!query.region) return null;
  const [valence, arousal] = [query.region.valence, query.region.arousal].map(([low, high]) => (low + high) / 2);
  return { ...query, parts: [{ kind: "affect", valence, arousal, weight: 1 }] };
}

function soon() {
  clearTimeout(timer);
  running?.abort();
  const wait = begun + PAUSE - performance.now();
  if (wait > 0) timer = setTimeout(first, wait);
  else first();
}

function first() {
  const query = asked(state.query.get());
  if (query) void find(query, 0);
  else state.results.set(NO_RESULTS);
}

/** Add the next page of hits. */
export function more() {
  const query = asked(state.query.get());
  if (query) void find(query, state.results.get().hits.length);
}

/** @param {Query} query @param {number} offset */
async function find(query, offset) {
  const mine = new AbortController();
  running?.abort();
  running = mine;
  begun = performance.now();
  const before = state.results.get();
  const slow = setTimeout(() => state.results.update((now) => ({ ...now, status: "loading", problem: null })), PATIENCE);
  try {
    const found = await patiently(query, offset, mine.signal);
    clearTimeout(slow);
    const hits = offset ? [...before.hits, ...found.hits] : found.hits;
    if (!offset) state.chosen.set(-1);
    const { affect: place = null, hints } = found;
    state.results.set({ status: "done", hits, place, more: found.hits.length === PAGE, problem: null, hints });
  } catch (error) {
    clearTimeout(slow);
    if (mine.signal.aborted) return;
    const problem = error instanceof api.Problem ? error : new api.Problem({ code: "fault", detail: String(error) });
    state.results.set({ ...(offset ? before : NO_RESULTS), status: "failed", problem });
  }
}

/** Ask, and where the service has too much to do ask again when it says. @param {Query} query @param {number} offset
 * @param {AbortSignal} signal */
async function patiently(query, offset, signal) {
  for (let left = TRIES; ; left -= 1) {
    try {
      return await api.search(query, { k: PAGE, offset, signal });
    } catch (error) {
      if (!(error instanceof api.Problem) || error.status !== 429 || !left) throw error;
      const problem = error;
      state.results.update((now) => ({ ...now, status: "loading", problem }));
      await pause(problem.retryAfter || 1, signal);
    }
  }
}

/** @param {number} seconds @param {AbortSignal} signal @returns {Promise<void>} */
const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const over = setTimeout(resolve, 1000 * seconds);
    signal.addEventListener("abort", () => (clearTimeout(over), reject(signal.reason)), { once: true });
  });

/** @param {Query} a @param {Query} b */
const same = (a, b) => a === b || JSON.stringify(a) === JSON.stringify(b);

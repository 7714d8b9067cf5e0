// Files that are being added: a few at a time, each with a status of its own; what the service is too busy for waits.

import { Problem } from "../api.js";
import { state } from "../state.js";
import { send } from "../upload.js";
import { busy, sentence, tooLarge } from "../ways.js";

/** @typedef {import("../api.js").Clip} Clip */
/**
 * @typedef {object} Item
 * @property {File} file
 * @property {import("./metadata.js").Metadata | null} metadata
 * @property {"waiting" | "sending" | "listening" | "added" | "exists" | "failed" | "cancelled"} status
 * @property {number} sent 0..1
 * @property {string} note
 * @property {Problem | null} problem
 * @property {Clip | null} clip
 * @property {number} tries
 */

const AT_ONCE = 3;
const TRIES = 6;
const TELL_EVERY = 2000; // ms between two times that the rest of the page hears of a larger library

/** @param {(item: Item) => void} changed */
export function createQueue(changed) {
  /** @type {Item[]} */
  const waiting = [];
  let stopper = new AbortController();
  let running = 0;
  let told = 0;
  let untold = false;

  /** @param {Item} item @param {Partial<Item>} patch */
  const set = (item, patch) => changed(Object.assign(item, patch));

  /** @param {Item[]} items */
  function add(items) {
    for (const item of items) {
      const refused = tooLarge(item.file, state.info.get());
      if (refused) set(item, { status: "failed", note: refused, problem: null });
      else {
        set(item, { status: "waiting", sent: 0, note: "", problem: null });
        waiting.push(item);
      }
    }
    while (running < AT_ONCE && waiting.length) void work();
  }

  async function work() {
    running += 1;
    for (let item = waiting.shift(); item; item = waiting.shift()) await one(item, stopper.signal);
    running -= 1;
    tell(running === 0);
  }

  /** @param {Item} item @param {AbortSignal} signal */
  async function one(item, signal) {
    const { file, metadata } = item;
    const form = new FormData();
    form.append("files", file, file.name);
    if (metadata) form.append("metadata", JSON.stringify(metadata));
    set(item, { status: "sending" });
    /** @param {number} sent */
    const onSent = (sent) => set(item, { sent, status: sent < 1 ? "sending" : "listening" });
    try {
      const { results } = JSON.parse(await send("v1/clips", form, { file, onSent, signal }));
      set(item, { status: results[0].status, clip: results[0].clip, note: "" });
      untold ||= item.status === "added";
      tell(false);
    } catch (error) {
      if (signal.aborted) return set(item, { status: "cancelled", note: "" });
      const problem = error instanceof Problem ? error : new Problem({ code: "unknown", detail: String(error) });
      if (busy(problem) && ++item.tries < TRIES) {
        set(item, { status: "waiting", note: "The service is busy; this one waits a little." });
        await pause(Math.max(1, problem.retryAfter), signal);
        if (signal.aborted) set(item, { status: "cancelled", note: "" });
        else waiting.unshift(item);
      } else set(item, { status: "failed", note: sentence(problem), problem });
    }
  }

  /** Have the page ask for the library anew. @param {boolean} last */
  function tell(last) {
    if (!untold || (!last && performance.now() - told < TELL_EVERY)) return;
    told = performance.now();
    untold = false;
    state.library.update((times) => times + 1);
  }

  /** End what waits and what is on its way. */
  function cancel() {
    for (const item of waiting.splice(0)) set(item, { status: "cancelled", note: "" });
    stopper.abort();
    stopper = new AbortController();
  }

  return { add, cancel };
}

/** @param {number} seconds @param {AbortSignal} signal @returns {Promise<void>} */
function pause(seconds, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, 1000 * seconds);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

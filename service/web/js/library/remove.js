// Deleting with undo: a clip is hidden at once, and deleted when the time to undo is over or the page is left.

import { deleteClip } from "../api.js";
import { say, sayProblem } from "../messages.js";
import { state } from "../state.js";
import { sentence } from "../ways.js";

/** @typedef {import("../api.js").Clip} Clip */

const SECONDS = 8;

/** Clips that are hidden, and what ends their time. @type {Map<string, { timer: number, dismiss: () => void }>} */
const pending = new Map();

/** @param {string} id */
export const hidden = (id) => pending.has(id);

/** How many clips are hidden, but still counted by the service. */
export const hiddenCount = () => pending.size;

/** Hide a clip, and delete it a little later. @param {Clip} clip @param {() => void} changed when it is hidden or back */
export function remove(clip, changed) {
  const undo = () => {
    clearTimeout(timer);
    pending.delete(clip.id);
    changed();
    say(`${clip.name} is back.`);
  };
  const dismiss = say(`${clip.name} will be deleted in ${SECONDS} seconds, or when you leave this page.`, {
    action: { label: "Undo", run: undo },
    seconds: SECONDS,
  });
  const timer = setTimeout(async () => {
    dismiss();
    try {
      await deleteClip(clip.id);
      state.library.update((times) => times + 1);
    } catch (error) {
      const problem = /** @type {import("../api.js").Problem} */ (error);
      if (problem.code !== "clip-not-found") sayProblem(new Error(`${clip.name} is still there. ${sentence(problem)}`));
    }
    pending.delete(clip.id);
    changed();
  }, 1000 * SECONDS);
  pending.set(clip.id, { timer, dismiss });
  changed();
}

// The page is left: nothing waits any longer. These requests outlive it.
addEventListener("pagehide", () => {
  for (const [id, { timer, dismiss }] of pending) {
    clearTimeout(timer);
    dismiss();
    deleteClip(id, { leaving: true }).catch(() => {});
  }
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return; // back from the browser's cache
  pending.clear();
  state.library.update((times) => times + 1);
});

// The one player of the page: it plays a moment of a clip, and stops at its end.

import { audioUrl } from "./api.js";
import { sayProblem } from "./messages.js";
import { signal } from "./signal.js";

/** @typedef {{ id: string, start: number, end: number, at: number, playing: boolean }} Playing */

const audio = new Audio();
audio.preload = "none";

/** What plays, and where it is; null when nothing does. */
export const now = signal(/** @type {Playing | null} */ (null));

let asked = 0;

// A tab that is hidden draws no frames; a moment ends there all the same.
audio.addEventListener("timeupdate", () => {
  if (!audio.paused && audio.currentTime >= (now.get()?.end ?? Infinity)) stop();
});

/**
 * Play a moment. `url` is for sounds that are no clips of the library (a file of the user's own).
 * @param {{ id: string, audio_url?: string }} clip @param {number} start @param {number} end seconds; Infinity: to the end
 * @param {string} [url]
 */
export async function play(clip, start, end, url) {
  const mine = ++asked;
  audio.pause();
  now.set({ id: clip.id, start, end, at: start, playing: true });
  try {
    const source = url ?? (await audioUrl(clip.id));
    if (mine !== asked) return;
    const absolute = new URL(source, location.href).href;
    if (audio.src !== absolute) audio.src = absolute;
    audio.currentTime = start;
    await audio.play();
    watch(mine);
  } catch (error) {
    if (mine !== asked) return;
    now.set(null);
    sayProblem(await reason(error, clip.id, url));
  }
}

/** Stop what plays. */
export function stop() {
  asked += 1;
  audio.pause();
  now.set(null);
}

/** Play a moment, or stop it when it plays already.
 * @param {{ id: string }} clip @param {number} start @param {number} end @param {string} [url] */
export function toggle(clip, start, end, url) {
  const current = now.get();
  if (current?.playing && current.id === clip.id && current.start === start && current.end === end) stop();
  else void play(clip, start, end, url);
}

/** @param {number} mine */
function watch(mine) {
  const current = now.get();
  if (mine !== asked || !current) return;
  if (audio.ended || audio.paused || audio.currentTime >= current.end) return stop();
  now.set({ ...current, at: audio.currentTime });
  requestAnimationFrame(() => watch(mine));
}

/** The player only says that it failed; the service says why. @param {unknown} error @param {string} id @param {string} [url] */
async function reason(error, id, url) {
  if (url) return new Error("This browser cannot play the file.");
  try {
    const answer = await fetch(await audioUrl(id), { headers: { Range: "bytes=0-0" } });
    if (!answer.ok) return new Error((await answer.json()).detail);
  } catch {
    return error;
  }
  return new Error("This browser cannot play the clip's format.");
}

// What a person can do about a problem, in a few words: what it is called here, and whether trying again may help.

import { askForKey, bearer } from "./access.js";

/** @typedef {import("./api.js").Problem} Problem */

/** @type {{ [code: string]: string }} */
const TITLES = {
  offline: "The service does not answer",
  "file-gone": "The file is no longer there",
  "key-missing": "This needs a key",
  "key-unknown": "The key is not known",
  "key-insufficient": "Your key may not do this",
};
/** @type {{ [code: string]: string }} */
const ADVICE = {
  "key-insufficient": "Ask who runs the service for a key with the scope “write”.",
  "audio-silent": "Was the microphone on, and the right one?",
  "audio-no-track": "Was the sound recorded with the picture?",
  "audio-too-short": "Record a sentence at least.",
};
const AGAIN = new Set([
  "offline", "overloaded", "rate-limited", "concurrency-limited", "not-ready", "library-busy", "library-away",
  "library-full", "storage-full", "body-too-slow", "internal-error", "unknown", "cut-off", "key-missing", "key-unknown",
]); // prettier-ignore
const BUSY = new Set(["overloaded", "rate-limited", "concurrency-limited", "not-ready", "library-busy"]);

/** @param {Problem} problem */
export const title = (problem) => TITLES[problem.code] ?? (problem.title || "It did not work");

/** @param {Problem} problem */
export const words = (problem) => [problem.message, ADVICE[problem.code]].filter(Boolean).join(" ");

/** The same where there is no room for a title. @param {Problem} problem */
export const sentence = (problem) => (problem.code in TITLES ? `${title(problem)}. ${words(problem)}` : words(problem));

/** Whether the same may work later. @param {Problem} problem */
export const again = (problem) => AGAIN.has(problem.code);

/** Whether it will work by itself in a while. @param {Problem} problem */
export const busy = (problem) => BUSY.has(problem.code);

/** Whether another key would help. @param {Problem} problem */
export const locked = (problem) => problem.code === "key-insufficient";

/** Ask for another key; true when one was given. */
export const otherKey = () => askForKey("Give a key that may do this.", bearer());

/** Why a file cannot be sent, before it is; null where it can. @param {File} file
 * @param {import("./api.js").Info | null} info */
export function tooLarge(file, info) {
  const most = info?.limits.max_upload_bytes ?? Infinity;
  if (file.size <= most) return null;
  return `${file.name} has ${size(file.size)}; this service takes ${size(most)} at most. Cut it up, or save it as MP3 or Opus.`;
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

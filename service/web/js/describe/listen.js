// A recording to words: what is heard, as it is heard, then the description.

import { fromBody, Problem } from "../api.js";
import { send } from "../upload.js";

/** @typedef {import("../api.js").Place} Place */
/** @typedef {{ start: number, end: number, affect: Place }} Segment */
/** @typedef {Segment & { smoothed: Place, term: string }} Moment */
/** @typedef {{ at: number, before: Place, after: Place, words: string }} Change */
/** @typedef {{ level: number, valence: [number, number], arousal: [number, number] }} Interval */
/**
 * @typedef {object} Description
 * @property {string} name
 * @property {number} duration
 * @property {number} voiced
 * @property {Place} affect
 * @property {Interval | null} affect_interval
 * @property {string} summary
 * @property {"usual" | "low"} confidence
 * @property {{ code: string, detail: string }[]} doubts
 * @property {{ term: string, share: number }[]} terms
 * @property {string[] | null} terms_calibrated_on
 * @property {{ text: string, term: string, score: number, affect: Place }[]} prompts
 * @property {Moment[]} timeline
 * @property {Change[]} changes
 * @property {number[]} embedding
 * @property {number[]} peaks
 */
/**
 * @typedef {object} Told
 * @property {(share: number) => void} onSent
 * @property {(duration: number | null) => void} onRecording How long its header says that it is.
 * @property {(segment: Segment) => void} onSegment
 */

const COLUMNS = 1200;

/** @param {File} file @param {Told} told @param {AbortSignal} signal @returns {Promise<Description>} */
export async function describe(file, { onSent, onRecording, onSegment }, signal) {
  const form = new FormData();
  form.append("file", file, file.name);
  form.append("embedding", "true");
  form.append("peaks", String(COLUMNS));
  /** @type {Description | null} */
  let result = null;
  /** @type {Problem | null} */
  let problem = null;
  const take = reader((name, data) => {
    if (name === "recording") onRecording(data.duration);
    else if (name === "segment") onSegment(data);
    else if (name === "result") result = data;
    else if (name === "problem") problem = fromBody(data, data.status);
  });
  take(await send("v1/describe", form, { file, accept: "text/event-stream", onSent, onText: take, signal }));
  if (problem) throw problem;
  if (result) return result;
  throw new Problem({ code: "cut-off", title: "The answer was cut off", detail: "The service ended before it was done." });
}

/** Read server-sent events from a text that grows. @param {(name: string, data: any) => void} on */
export function reader(on) {
  let read = 0;
  return /** @param {string} text */ (text) => {
    for (let end = text.indexOf("\n\n", read); end >= 0; end = text.indexOf("\n\n", read)) {
      let name = "";
      let data = "";
      for (const line of text.slice(read, end).split("\n")) {
        if (line.startsWith("event:")) name = line.slice(6).trim();
        else if (line.startsWith("data:")) data += line.slice(5);
      }
      read = end + 2;
      if (name) on(name, JSON.parse(data));
    }
  };
}

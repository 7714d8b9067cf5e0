// Every request to the service. What it refuses is thrown as a Problem, whose message is for people.

import { askForKey, bearer } from "./access.js";

/** @typedef {{ valence: number, arousal: number }} Place */
/** @typedef {{ id: string, name: string, duration: number, added_at: string, metadata: { [field: string]: string | number | boolean | null }, affect: Place, segments: number, audio_url: string }} Clip */
/** @typedef {{ rank: number, score: number, clip: Clip, start: number, end: number, affect: Place }} Hit */
/** @typedef {{ hits: Hit[], k: number, offset: number, hints: string[], affect?: Place | null }} Found */
/** @typedef {{ version: string, bundle: { name: string, version: string, licence: string, terms: { term: string, affect: Place }[] }, library: { clips: number, segments: number, hours: number }, limits: { [name: string]: number } }} Info */
/** @typedef {{ value: string | number | boolean | null, clips: number }} FacetValue */
/** @typedef {{ field: string, clips: number, distinct: number | null, values: FacetValue[], ranges: { low: number | null, high: number | null, clips: number }[] }} Facet */
/** @typedef {{ name: string, status: "added" | "exists" | "failed", clip?: Clip | null, problem?: { type: string, title: string, detail: string, status: number } | null }} Added */

/** What the service refused, or that it could not be asked: `code` is "offline" then. */
export class Problem extends Error {
  /** @param {{ code: string, title?: string, detail: string, status?: number, retryAfter?: number }} told */
  constructor({ code, title = "", detail, status = 0, retryAfter = 0 }) {
    super(detail);
    this.name = "Problem";
    this.code = code;
    this.title = title;
    this.status = status;
    /** Seconds after which it is worth asking again. */
    this.retryAfter = retryAfter;
  }
}

export const OFFLINE = "The service does not answer. Is it still running? Nothing that you see here is lost.";

/** Ask, with the key that is known; when one is needed, ask the person for it and try again.
 * @param {string} path @param {RequestInit} [init] @returns {Promise<Response>} */
export async function request(path, init = {}) {
  for (;;) {
    const sent = bearer();
    const headers = new Headers(init.headers);
    if (sent) headers.set("Authorization", sent);
    /** @type {Response} */
    let answer;
    try {
      answer = await fetch(path, { ...init, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new Problem({ code: "offline", detail: OFFLINE });
    }
    if (answer.ok) return answer;
    const problem = await problemOf(answer);
    if (answer.status !== 401 || !(await askForKey(problem.message, sent))) throw problem;
  }
}

/** @param {Response} answer */
async function problemOf(answer) {
  const told = await answer.json().catch(() => ({}));
  return fromBody(told, answer.status, Number(answer.headers.get("Retry-After")));
}

/** A problem from a body of the service's. @param {any} told @param {number} status @param {number} retryAfter */
export function fromBody(told, status, retryAfter = 0) {
  return new Problem({
    code: String(told.type ?? "unknown").split(/[:/]/).pop() ?? "unknown",
    title: told.title,
    detail: told.detail ?? told.title ?? `The service answered ${status}.`,
    status,
    retryAfter: retryAfter || 0,
  });
}

/** @template T @param {string} path @param {RequestInit} [init] @returns {Promise<T>} */
async function json(path, init) {
  return (await request(path, init)).json();
}

/** @param {unknown} body @param {AbortSignal} [signal] @returns {RequestInit} */
const posted = (body, signal) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
  signal,
});

/** @returns {Promise<Info>} */
export const info = () => json("v1/info");

/** @param {import("./state.js").Query} query @param {{ k?: number, offset?: number, signal?: AbortSignal }} [how]
 * @returns {Promise<Found>} */
export function search(query, { k = 20, offset = 0, signal } = {}) {
  const parts = query.parts.map((part) => {
    const { weight } = part;
    if (part.kind === "text") return { text: part.text, weight };
    if (part.kind === "clip") return { clip: part.id, weight };
    if (part.kind === "sound") return { embedding: part.embedding, weight };
    return { affect: { valence: part.valence, arousal: part.arousal }, weight };
  });
  const { shift, grouped, distinct, filter, region } = query;
  const asked = { query: parts, shift, k, offset, group_by_clip: grouped, distinct, filter, region };
  return json("v1/search", posted(asked, signal));
}

/** @param {import("./state.js").Filter | null} filter @returns {Promise<{ facets: Facet[] }>} */
export const facets = (filter) => json(`v1/facets${filtered(filter)}`);

/** @param {{ offset?: number, limit?: number, filter?: import("./state.js").Filter | null }} [how]
 * @returns {Promise<{ clips: Clip[], total: number }>} */
export const clips = ({ offset = 0, limit = 50, filter = null } = {}) =>
  json(`v1/clips${filtered(filter, { offset: String(offset), limit: String(limit) })}`);

/** @param {string} id @returns {Promise<Clip>} */
export const clip = (id) => json(`v1/clips/${encodeURIComponent(id)}`);

/** How loud each of `points` parts of a clip is, 0..1. @param {string} id @param {number} points
 * @returns {Promise<{ duration: number, peaks: number[] }>} */
export const waveform = (id, points) => json(`v1/clips/${encodeURIComponent(id)}/waveform?points=${points}`);

/** `leaving`: the page is being left, and the request outlives it. @param {string} id @param {{ leaving?: boolean }} [how] */
export async function deleteClip(id, { leaving = false } = {}) {
  await request(`v1/clips/${encodeURIComponent(id)}`, { method: "DELETE", keepalive: leaving });
}

/** The embedding and affect of a sound, which is not kept. @param {Blob} file @param {string} name
 * @param {AbortSignal} [signal] @returns {Promise<{ embedding: number[], affect: Place }>} */
export async function embedSound(file, name, signal) {
  const form = new FormData();
  form.append("files", file, name);
  const told = await json("v1/embed/audio", { method: "POST", body: form, signal });
  return told.results[0];
}

/** @param {string[]} prompts @returns {Promise<number[][]>} */
export async function embedTexts(prompts) {
  const told = await json("v1/embed/text", posted({ prompts }));
  return told.embeddings.map((/** @type {{ embedding: number[] }} */ each) => each.embedding);
}

/** @type {Map<string, Promise<string>>} */
const blobs = new Map();

/** Where a player finds a clip: a player sends no key, so with one the clip is fetched first. @param {string} id
 * @returns {Promise<string>} */
export function audioUrl(id) {
  const path = `v1/clips/${encodeURIComponent(id)}/audio`;
  if (!bearer()) return Promise.resolve(path);
  const known = blobs.get(id) ?? request(path).then(async (answer) => URL.createObjectURL(await answer.blob()));
  blobs.set(id, known);
  known.catch(() => blobs.delete(id));
  return known;
}

/** @param {import("./state.js").Filter | null} filter @param {{ [name: string]: string }} [others] */
export function filtered(filter, others = {}) {
  const given = new URLSearchParams(filter ? { ...others, filter: JSON.stringify(filter) } : others).toString();
  return given && `?${given}`;
}

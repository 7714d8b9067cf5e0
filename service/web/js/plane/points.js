// The map's bytes (docs/http.md, "The map"): points of the plane, or counts on a grid where there are too many.

import { filtered, request } from "../api.js";

/**
 * @typedef {object} Points
 * @property {number} segments
 * @property {number} clips
 * @property {Uint16Array | null} points Valence and arousal in turns, 0..65535 for 1..7; null for a grid.
 * @property {number} side Cells of the grid's side.
 * @property {Uint32Array} cells Segments a cell, the lowest arousal first, within it the lowest valence.
 */

const SIDE = 256;

/** @param {import("../state.js").Filter | null} filter @param {AbortSignal} [signal] @returns {Promise<Points>} */
export async function loadPoints(filter, signal) {
  return decode(await (await request(`v1/map${filtered(filter)}`, { signal })).arrayBuffer());
}

/** @param {ArrayBuffer} body @returns {Points} */
export function decode(body) {
  const head = new DataView(body);
  const [segments, clips] = [head.getUint32(8, true), head.getUint32(12, true)];
  if (head.getUint8(5)) {
    return { segments, clips, points: null, side: head.getUint16(6, true), cells: new Uint32Array(body, 16) };
  }
  const points = new Uint16Array(body, 16);
  const cells = new Uint32Array(SIDE * SIDE);
  for (let i = 0; i < points.length; i += 2) cells[(points[i + 1] >> 8) * SIDE + (points[i] >> 8)] += 1;
  return { segments, clips, points, side: SIDE, cells };
}

/** How the segments spread over the plane, in words: for those who do not see it. @param {Points} map */
export function inWords({ segments, side, cells }) {
  if (!segments) return "The map is empty.";
  const quarters = [0, 0, 0, 0];
  for (let i = 0; i < cells.length; i++) {
    if (cells[i]) quarters[(i >= cells.length / 2 ? 2 : 0) + (i % side >= side / 2 ? 1 : 0)] += cells[i];
  }
  const names = ["negative and calm", "positive and calm", "negative and activated", "positive and activated"];
  const shares = names.map((name, i) => `${Math.round((100 * quarters[i]) / segments)} % ${name}`);
  return `The map shows ${segments.toLocaleString("en")} moments: ${shares.join(", ")}.`;
}

// The drawing of a recording as geometry: x is seconds, y is 60 units from 7 (top) to 1.

/** @typedef {import("./listen.js").Segment} Segment */
/** @typedef {"valence" | "arousal"} Axis */

export const HEIGHT = 60;
const GAP = 3; // seconds of pause after which a line begins anew

/** @param {number} value 1..7 */
export const y = (value) => Math.round((7 - value) * 100) / 10;
/** @param {number} value */
const x = (value) => Math.round(value * 100) / 100;

/** A line through moments: broken in pauses and where the affect changes for good, and level at its ends.
 * @template {Segment} T
 * @param {T[]} moments in order of time @param {(moment: T) => number} value @param {number[]} changes seconds */
export function line(moments, value, changes = []) {
  let path = "";
  moments.forEach((moment, place) => {
    const [before, after] = [moments[place - 1], moments[place + 1]];
    const at = y(value(moment));
    const middle = x((moment.start + moment.end) / 2);
    if (!before || apart(before, moment, changes)) path += `M${x(Math.max(moment.start, before?.end ?? 0))} ${at}`;
    path += `L${middle} ${at}`;
    if (!after || apart(moment, after, changes)) path += `L${x(moment.end)} ${at}`;
  });
  return path;
}

/** @param {Segment} before @param {Segment} after @param {number[]} changes */
function apart(before, after, changes) {
  if (after.start - before.end > GAP) return true;
  const [from, to] = [(before.start + before.end) / 2, (after.start + after.end) / 2];
  return changes.some((at) => from < at && at <= to);
}

/** The outline of a waveform, mirrored about the middle. @param {number[]} peaks 0..1 @param {number} duration */
export function outline(peaks, duration) {
  const step = duration / peaks.length;
  const loudest = Math.max(0.05, ...peaks);
  /** @param {number} peak @param {number} side */
  const height = (peak, side) => Math.round((HEIGHT / 2) * (1 + side * Math.max(0.015, peak / loudest)) * 10) / 10;
  const upper = peaks.map((peak, place) => `${x(place * step)} ${height(peak, -1)}`);
  const lower = peaks.map((peak, place) => `${x(place * step)} ${height(peak, 1)}`).reverse();
  return `M${upper.join("L")}L${x(duration)} ${HEIGHT / 2}L${lower.join("L")}Z`;
}

/** Round times to write along an axis, at most `most` of them. @param {number} duration @param {number} most */
export function ticks(duration, most) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
  const step = steps.find((each) => duration / each <= Math.max(2, most)) ?? 14_400;
  const last = Math.max(0, duration - duration / most / 2); // room to write it
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, place) => place * step);
}

/** The moment that is heard at a time, or the nearest. @template {Segment} T @param {T[]} moments @param {number} at */
export function nearest(moments, at) {
  const away = /** @param {T} moment */ (moment) => Math.abs((moment.start + moment.end) / 2 - at);
  return moments.length ? moments.reduce((best, moment) => (away(moment) < away(best) ? moment : best)) : null;
}

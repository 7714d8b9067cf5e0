// The valence-arousal plane in words and colours, and numbers as people read them.

/** Colours of the corners, [r, g, b]: by valence (negative, positive), then by arousal (calm, activated). */
const CORNERS = [
  [[86, 98, 190], [206, 62, 72]],
  [[24, 138, 120], [222, 146, 22]],
];

/** The plane's colour at a place, dark enough for marks on white and light enough for marks on black.
 * @param {number} valence 1..7 @param {number} arousal 1..7 @returns {[number, number, number]} */
export function rgb(valence, arousal) {
  const v = Math.min(1, Math.max(0, (valence - 2) / 4));
  const a = Math.min(1, Math.max(0, (arousal - 2) / 4));
  const mix = /** @param {number} i */ (i) =>
    Math.round(
      (1 - v) * ((1 - a) * CORNERS[0][0][i] + a * CORNERS[0][1][i]) +
        v * ((1 - a) * CORNERS[1][0][i] + a * CORNERS[1][1][i]),
    );
  return [mix(0), mix(1), mix(2)];
}

/** @param {number} valence @param {number} arousal @returns {string} */
export const colour = (valence, arousal) => `rgb(${rgb(valence, arousal).join(" ")})`;

/** "positive, activated"; "neutral" in the middle. @param {number} valence @param {number} arousal */
export function words(valence, arousal) {
  const v = grade(valence, "negative", "positive");
  const a = grade(arousal, "calm", "activated");
  return [v, a].filter(Boolean).join(", ") || "neutral";
}

/** @param {number} value @param {string} low @param {string} high */
function grade(value, low, high) {
  const off = value - 4;
  const size = Math.abs(off);
  if (size < 0.4) return "";
  const word = off < 0 ? low : high;
  return size < 1 ? `a little ${word}` : size < 2 ? word : `very ${word}`;
}

/** Seconds as a player shows them: 0:42, 1:02:03. @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const pad = /** @param {number} n */ (n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
}

/** @param {number} value @param {number} [digits] */
export const fixed = (value, digits = 1) => value.toFixed(digits).replace("-", "−");

/** A count with its word. @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

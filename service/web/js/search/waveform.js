// A clip's waveform with a moment of it marked: asked for when it is seen, two at a time, so that searches never wait.

import { Problem, waveform } from "../api.js";
import { h } from "../dom.js";

/** @typedef {import("../api.js").Clip} Clip */

const POINTS = 160;
const AT_ONCE = 2;
const SVG = "http://www.w3.org/2000/svg";

/** @type {Map<string, Promise<number[]>>} */
const known = new Map();
/** @type {(() => Promise<unknown>)[]} */
const waiting = [];
let running = 0;

/** @type {WeakMap<Element, () => void>} */
const seen = new WeakMap();
const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) if (isIntersecting) seen.get(target)?.();
});

/** @param {Clip} clip @param {number} start @param {number} end @param {(from: number) => void} playFrom */
export function createWaveform(clip, start, end, playFrom) {
  const duration = Math.max(clip.duration, 0.001);
  const node = h("span", { class: "wave", "aria-hidden": "true", title: "Play from here" });
  const moment = h("span", { class: "moment" });
  moment.style.left = `${(100 * start) / duration}%`;
  moment.style.width = `${Math.max(0.5, (100 * (end - start)) / duration)}%`;
  const head = h("span", { class: "head", hidden: true });
  node.append(moment, head);
  node.addEventListener("click", (event) => {
    const { left, width } = node.getBoundingClientRect();
    playFrom((duration * (event.clientX - left)) / width);
  });
  let here = true;
  seen.set(node, () => {
    watcher.unobserve(node);
    void peaksOf(clip.id, () => here).then(
      (peaks) => moment.after(drawn(peaks, start / duration, end / duration)),
      () => node.classList.add("plain"), // no waveform is no reason to complain
    );
  });
  watcher.observe(node);
  return {
    node,
    /** @param {number | null} seconds */
    at(seconds) {
      head.hidden = seconds === null;
      if (seconds !== null) head.style.left = `${Math.min(100, (100 * seconds) / duration)}%`;
    },
    end() {
      here = false;
      watcher.unobserve(node);
    },
  };
}

/** @param {string} id @param {() => boolean} wanted @returns {Promise<number[]>} */
function peaksOf(id, wanted) {
  const before = known.get(id);
  if (before) return before;
  const asked = turn(async () => {
    if (!wanted()) throw new Error("no longer shown");
    return (await waveform(id, POINTS)).peaks;
  });
  known.set(id, asked);
  asked.catch((error) => {
    if (!(error instanceof Problem) || ![404, 422].includes(error.status)) known.delete(id); // it may go better later
  });
  return asked;
}

/** @template T @param {() => Promise<T>} ask @returns {Promise<T>} */
function turn(ask) {
  return new Promise((resolve, reject) => {
    waiting.push(() => ask().then(resolve, reject));
    next();
  });
}

function next() {
  const ask = running < AT_ONCE ? waiting.shift() : undefined;
  if (!ask) return;
  running += 1;
  void ask().finally(() => {
    running -= 1;
    next();
  });
}

/** @param {number[]} peaks @param {number} from @param {number} to of the whole, 0..1 */
function drawn(peaks, from, to) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${peaks.length} 2`);
  svg.setAttribute("preserveAspectRatio", "none");
  const loudest = Math.max(0.02, ...peaks);
  const within = /** @param {number} at */ (at) => (at + 0.5) / peaks.length >= from && (at + 0.5) / peaks.length <= to;
  for (const marked of [false, true]) {
    const path = document.createElementNS(SVG, "path");
    const bars = peaks.map((peak, at) => {
      const half = Math.max(0.03, (0.95 * peak) / loudest);
      return within(at) === marked ? `M${at + 0.5} ${(1 - half).toFixed(3)}V${(1 + half).toFixed(3)}` : "";
    });
    path.setAttribute("d", bars.join(""));
    path.setAttribute("class", marked ? "in" : "out");
    svg.append(path);
  }
  return svg;
}

// The valence-arousal plane on a canvas: a cloud of segments, hits as they rank, the query's own place, a region.
//
//   const plane = createPlane(root, { label: "Map", onPlace: (place, { live, add }) => ... });
//   plane.show({ map, terms, marks, chosen, place });      what is not given stays as it was
//
// Without `onPlace` it only shows, and is an image to screen readers, with `alt` for its text.

import { h } from "../dom.js";
import { paintGround } from "./ground.js";
import { handle } from "./hands.js";
import { paintMarks } from "./marks.js";

/** @typedef {import("../api.js").Place} Place */
/** @typedef {import("../state.js").Region} Region */
/** @typedef {{ place: Place, name: string }} Mark */
/**
 * @typedef {object} Scene
 * @property {import("./points.js").Points | null} map
 * @property {import("./ground.js").Term[]} terms Landmarks.
 * @property {Mark[]} marks The hits, best first; the first ten are numbered.
 * @property {number} chosen Which of them is chosen, -1 for none.
 * @property {number} hovered Which of them is pointed at.
 * @property {Place | null} place Where the query, or the recording, itself lies.
 * @property {Place | null} from Where it would lie without its shift: an arrow leads from there.
 * @property {Place[]} targets The points that are asked for.
 * @property {Region | null} region What is searched in.
 * @property {Region | null} interval Where `place` may lie.
 * @property {Place[]} path Places one after the other.
 * @property {Place | null} cursor Where the keyboard is.
 * @property {string} alt The same in words.
 */
/**
 * @typedef {object} Options
 * @property {string} label What the plane is called.
 * @property {(place: Place, how: How & { add: boolean, target: number }) => void} [onPlace] A point was set: the target of
 *   that number, or (-1) a new one, to `add` to the others or to have in their place.
 * @property {(place: Place, how: How) => void} [onMove] The query's own mark was moved.
 * @property {(region: Region | null, how: How) => void} [onRegion]
 * @property {(mark: number) => void} [onMark] A hit's mark was clicked.
 * @property {(mark: number) => void} [onHover] A hit's mark is pointed at; -1: none is any more.
 */
/** What is told of a drag: `live` after its first step, `done` with its last. @typedef {{ live: boolean, done: boolean }} How */
/** @typedef {{ width: number, height: number, ratio: number, at: (place: Place) => number[], placeOf: (x: number, y: number) => Place }} Box */
/** @typedef {{ node: HTMLElement, show: (patch: Partial<Scene>) => void, brush: (on: boolean) => void, destroy: () => void }} Plane */

const INSET = 18;
const INKS = ["ink", "soft", "raised", "line", "accent", "on-accent"];

/** @param {HTMLElement} root @param {Options} options @returns {Plane} */
export function createPlane(root, options) {
  /** @type {Scene} */
  const scene = {
    map: null, terms: [], marks: [], chosen: -1, hovered: -1, place: null, from: null, targets: [], region: null,
    interval: null, path: [], cursor: null, alt: "",
  };
  const hands = Boolean(options.onPlace);
  const canvas = h("canvas", { "aria-hidden": "true" });
  const tip = h("div", { class: "plane-tip", hidden: true, "aria-hidden": "true" });
  const field = h("div", {
    class: hands ? "plane-field hands" : "plane-field",
    role: hands ? "application" : "img",
    "aria-label": options.label,
    "aria-roledescription": hands ? "map" : null,
    tabindex: hands ? 0 : null,
  }, canvas, tip);
  const end = /** @param {string} side @param {string} text */ (side, text) => h("span", { class: `plane-end ${side}`, text });
  const ends = [end("top", "activated"), end("left", "negative"), end("right", "positive"), end("bottom", "calm")];
  const node = h("div", { class: "plane" }, ...ends, field);
  for (const one of ends) one.setAttribute("aria-hidden", "true");
  root.append(node);

  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  /** @type {Box} */
  let box = boxOf(0, 0);
  /** @type {HTMLCanvasElement | null} */
  let ground = null;
  let ink = inks(node);
  let asked = 0;
  /** Where the numbered marks were drawn. @type {number[][]} */
  let spots = [];

  const ask = () => void (asked ||= requestAnimationFrame(paint));
  const repaint = () => ((ground = null), ask());

  function paint() {
    asked = 0;
    if (!box.width) return;
    work.beforePaint();
    ground ??= paintGround(box, scene.map, scene.terms, ink);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(ground, 0, 0);
    pen.scale(box.ratio, box.ratio);
    spots = paintMarks(pen, box, scene, ink);
    showTip();
  }

  function showTip() {
    const mark = scene.marks[scene.hovered];
    const spot = spots[scene.hovered];
    tip.hidden = !mark || !spot;
    if (!mark || !spot) return;
    tip.textContent = `${scene.hovered + 1} · ${mark.name}`;
    tip.style.left = `${Math.min(Math.max(spot[0], 70), box.width - 70)}px`;
    tip.style.top = `${spot[1]}px`;
    tip.classList.toggle("below", spot[1] < 48);
  }

  /** @param {Partial<Scene>} patch */
  function show(patch) {
    if ((patch.map !== undefined && patch.map !== scene.map) || (patch.terms && patch.terms !== scene.terms)) ground = null;
    Object.assign(scene, patch);
    if (patch.alt !== undefined && !hands) field.setAttribute("aria-label", `${options.label}. ${patch.alt}`);
    ask();
  }

  const work = hands
    ? handle(field, canvas, { scene, options, show, ask, box: () => box, spots: () => spots })
    : { beforePaint() {}, brush() {}, destroy() {} };
  const resized = new ResizeObserver(([{ contentRect }]) => {
    box = boxOf(contentRect.width, contentRect.height);
    canvas.width = Math.round(box.width * box.ratio);
    canvas.height = Math.round(box.height * box.ratio);
    repaint();
  });
  resized.observe(field);
  const theme = matchMedia("(prefers-color-scheme: dark)");
  const themed = () => ((ink = inks(node)), repaint());
  theme.addEventListener("change", themed);

  return {
    node,
    show,
    brush: work.brush,
    destroy() {
      resized.disconnect();
      theme.removeEventListener("change", themed);
      cancelAnimationFrame(asked);
      work.destroy();
      node.remove();
    },
  };
}

/** Where places lie on a canvas of this size. @param {number} width @param {number} height @returns {Box} */
function boxOf(width, height) {
  const [across, up] = [width - 2 * INSET, height - 2 * INSET];
  const onto = /** @param {number} share */ (share) => Math.min(7, Math.max(1, 1 + 6 * share));
  return {
    width,
    height,
    ratio: Math.min(3, window.devicePixelRatio || 1),
    at: ({ valence, arousal }) => [INSET + ((valence - 1) / 6) * across, height - INSET - ((arousal - 1) / 6) * up],
    placeOf: (x, y) => ({ valence: onto((x - INSET) / across), arousal: onto((height - INSET - y) / up) }),
  };
}

/** The theme's colours. @param {HTMLElement} node */
function inks(node) {
  const style = getComputedStyle(node.isConnected ? node : document.documentElement);
  return Object.fromEntries(INKS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

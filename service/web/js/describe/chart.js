// A recording in time: its waveform, valence and arousal as two lines, and where they change; it plays from any place.

import { clock, colour, words } from "../affect.js";
import { h } from "../dom.js";
import { HEIGHT, line, nearest, outline, ticks, y } from "./paths.js";

/** @typedef {import("./listen.js").Description} Description */
/** @typedef {import("./listen.js").Segment} Segment */
/** @typedef {import("./listen.js").Moment} Moment */
/** @typedef {import("./paths.js").Axis} Axis */

const AXES = /** @type {[Axis, string, string][]} */ ([
  ["valence", "positive", "negative"],
  ["arousal", "activated", "calm"],
]);
const SVG = "http://www.w3.org/2000/svg";
const MOST_COLOURS = 150;

/** @param {string} tag @param {{ [name: string]: string | number }} props @param {...Element} children */
function s(tag, props, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/**
 * @typedef {object} Chart
 * @property {HTMLElement} node
 * @property {(segments: Segment[], duration: number) => void} growing Show what has been heard so far.
 * @property {(found: Description) => void} done
 * @property {(at: number) => void} moveTo Show where it plays.
 * @property {() => number} cursor Where it is.
 */

/**
 * @param {object} hands
 * @param {(at: number) => void} hands.play From a time on.
 * @param {() => void} hands.toggle
 * @param {(at: number) => void} hands.moved The keyboard has gone elsewhere.
 * @returns {Chart}
 */
export function createChart({ play, toggle, moved }) {
  /** @type {(Segment | Moment)[]} */
  let moments = [];
  /** @type {number[]} */
  let changes = [];
  let duration = 1;
  let cursor = 0;
  let zoom = 1;

  const head = h("div", { class: "playhead" });
  const hover = h("div", { class: "crosshair", hidden: true });
  const wave = s("svg", { class: "shape", preserveAspectRatio: "none", "aria-hidden": "true", hidden: "" });
  const lanes = AXES.map(([axis, top, bottom]) => {
    const drawing = s("svg", { class: "lines", preserveAspectRatio: "none", "aria-hidden": "true" });
    const node = h(
      "div",
      { class: `lane ${axis}` },
      h("span", { class: "axis" }, h("b", { text: axis }), ` ↑ ${top} ↓ ${bottom}`),
      drawing,
    );
    return { axis, drawing, node };
  });
  const marks = h("div", { class: "marks" });
  const scale = h("div", { class: "ticks" });
  const track = h(
    "div",
    { class: "track", role: "slider", tabindex: 0, "aria-label": "Place in the recording", "aria-valuemin": 0 },
    wave,
    ...lanes.map(({ node }) => node),
    scale,
    marks,
    hover,
    head,
  );
  const scroller = h("div", { class: "scroller" }, track);
  const readout = h("span", { class: "readout" });
  const closer = h("button", { type: "button", class: "quiet", text: "+", "aria-label": "Look closer", on: { click: () => magnify(2) } });
  const farther = h("button", { type: "button", class: "quiet", text: "−", "aria-label": "See more of it", on: { click: () => magnify(0.5) } });
  const node = h("div", { class: "chart" }, scroller, h("div", { class: "row" }, readout, h("span", { class: "grow" }), farther, closer));

  /** @param {PointerEvent | MouseEvent} event */
  const timeAt = (event) => {
    const box = track.getBoundingClientRect();
    return Math.min(duration, Math.max(0, ((event.clientX - box.left) / box.width) * duration));
  };
  track.addEventListener("click", (event) => (moveTo(timeAt(event)), play(cursor)));
  track.addEventListener("pointermove", (event) => {
    hover.hidden = event.pointerType === "touch";
    hover.style.left = `${(100 * timeAt(event)) / duration}%`;
    tell(timeAt(event));
  });
  track.addEventListener("pointerleave", () => ((hover.hidden = true), tell(cursor)));
  track.addEventListener("keydown", (event) => {
    const to = place(event.key);
    if (to !== null) moveTo(to);
    else if (event.key === "Enter" || event.key === " ") toggle();
    else return;
    event.preventDefault();
    if (to === null) return;
    bring();
    moved(cursor);
  });

  /** Where a key leads: to the next or former moment, change, or end. @param {string} key */
  function place(key) {
    const starts = moments.map(({ start }) => start);
    const later = /** @param {number[]} times */ (times) => times.find((at) => at > cursor + 0.01) ?? duration;
    const former = /** @param {number[]} times */ (times) => times.filter((at) => at < cursor - 0.01).pop() ?? 0;
    if (key === "ArrowRight" || key === "ArrowUp") return later(starts);
    if (key === "ArrowLeft" || key === "ArrowDown") return former(starts);
    if (key === "PageDown") return later(changes);
    if (key === "PageUp") return former(changes);
    if (key === "Home") return 0;
    return key === "End" ? duration : null;
  }

  /** @param {number} factor */
  function magnify(factor) {
    const middle = (scroller.scrollLeft + scroller.clientWidth / 2) / track.clientWidth;
    zoom = Math.min(32, Math.max(1, zoom * factor));
    track.style.width = `${100 * zoom}%`;
    scroller.scrollLeft = middle * track.clientWidth - scroller.clientWidth / 2;
    measure();
  }

  /** Scroll to the cursor, where it is out of sight. */
  function bring() {
    const at = (cursor / duration) * track.clientWidth - scroller.scrollLeft;
    if (at < 0 || at > scroller.clientWidth) scroller.scrollLeft += at - scroller.clientWidth / 4;
  }

  /** Words for the moment at a time. @param {number} at */
  function said(at) {
    const moment = nearest(moments, at);
    if (!moment) return clock(at);
    const { valence, arousal } = "smoothed" in moment ? moment.smoothed : moment.affect;
    return [clock(at), words(valence, arousal), "term" in moment && moment.term].filter(Boolean).join(" · ");
  }

  /** @param {number} at */
  const tell = (at) => (readout.textContent = moments.length ? said(at) : "");

  /** @param {number} at */
  function moveTo(at) {
    cursor = Math.min(duration, Math.max(0, at));
    head.style.left = `${(100 * cursor) / duration}%`;
    track.setAttribute("aria-valuenow", cursor.toFixed(1));
    track.setAttribute("aria-valuetext", said(cursor));
    if (hover.hidden) tell(cursor);
    if (zoom > 1) bring();
  }

  /** Write the times along the axis: as many as there is room for. */
  function measure() {
    const times = ticks(duration, track.clientWidth / 70 || 8);
    scale.replaceChildren(
      ...times.map((at) => {
        const label = h("span", { text: clock(at) });
        label.style.left = `${(100 * at) / duration}%`;
        return label;
      }),
    );
    farther.disabled = zoom <= 1;
    closer.disabled = zoom >= 32 || duration / zoom < 10;
  }
  new ResizeObserver(measure).observe(scroller);

  /** @param {number} seconds */
  function stretch(seconds) {
    duration = Math.max(0.1, seconds);
    track.setAttribute("aria-valuemax", duration.toFixed(1));
    for (const drawing of [wave, ...lanes.map((lane) => lane.drawing)]) {
      drawing.setAttribute("viewBox", `0 0 ${duration} ${HEIGHT}`);
    }
    measure();
    moveTo(cursor);
  }

  /** @param {Segment[]} segments @param {number} seconds */
  function growing(segments, seconds) {
    moments = [...segments].sort((one, other) => one.start - other.start);
    for (const { axis, drawing } of lanes) {
      const raw = s("path", { class: "smooth", d: line(moments, ({ affect }) => affect[axis]) });
      drawing.replaceChildren(middle(seconds), raw);
    }
    stretch(seconds);
  }

  /** @param {Description} found */
  function done(found) {
    moments = found.timeline;
    changes = found.changes.map(({ at }) => at);
    cursor = 0;
    for (const { axis, drawing } of lanes) {
      const parts = [middle(found.duration)];
      const sides = found.affect_interval?.[axis];
      if (sides) {
        const size = { x: 0, width: found.duration, y: y(sides[1]), height: y(sides[0]) - y(sides[1]) };
        parts.unshift(s("rect", { class: "band", ...size }));
      }
      parts.push(s("path", { class: "raw", d: line(moments, ({ affect }) => affect[axis]) }));
      parts.push(s("path", { class: "smooth", d: line(found.timeline, ({ smoothed }) => smoothed[axis], changes) }));
      drawing.replaceChildren(...parts);
    }
    wave.removeAttribute("hidden");
    wave.replaceChildren(tint(found), s("path", { fill: "url(#tint)", d: outline(found.peaks, found.duration) }));
    marks.replaceChildren(
      ...found.changes.map(({ at }) => {
        const mark = h("i");
        mark.style.left = `${(100 * at) / found.duration}%`;
        return mark;
      }),
    );
    stretch(found.duration);
  }

  return { node, growing, done, moveTo, cursor: () => cursor };
}

/** Where the scale is neutral. @param {number} seconds */
const middle = (seconds) => s("path", { class: "neutral", d: `M0 ${y(4)}H${seconds}` });

/** The colours of the plane along the recording. @param {Description} found */
function tint({ timeline, duration }) {
  const every = Math.ceil(timeline.length / MOST_COLOURS);
  const stops = timeline
    .filter((_, place) => place % every === 0)
    .map(({ start, end, smoothed: { valence, arousal } }) =>
      s("stop", { offset: ((start + end) / 2 / duration).toFixed(4), "stop-color": colour(valence, arousal) }),
    );
  return s("linearGradient", { id: "tint", gradientUnits: "userSpaceOnUse", x1: 0, x2: duration, y1: 0, y2: 0 }, ...stops);
}

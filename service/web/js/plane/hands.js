// The plane under a pointer or the keyboard: setting a point, dragging one, brushing a region, pointing at hits.
//
// A press that does not move is a click. Where a touch begins decides whether it scrolls the page: on a mark, a handle,
// or while a region is being selected it does not.

import { fixed, words } from "../affect.js";
import { h } from "../dom.js";
import { NUMBERED, corners } from "./marks.js";

/** @typedef {import("./plane.js").Place} Place */
/** @typedef {import("./plane.js").Region} Region */
/** @typedef {{ scene: import("./plane.js").Scene, options: import("./plane.js").Options, show: (patch: Partial<import("./plane.js").Scene>) => void, ask: () => void, box: () => import("./plane.js").Box, spots: () => number[][] }} Held */
/** What lies under the pointer. @typedef {{ kind: "new" | "target" | "place" | "hit" | "corner", index: number }} Grip */

const STILL = 4; // pixels that a click may move
const ONCE = { live: false, done: true };

/** @param {HTMLElement} field @param {HTMLCanvasElement} canvas @param {Held} held */
export function handle(field, canvas, { scene, options, show, ask, box, spots }) {
  const told = h("p", { class: "unseen", role: "status" });
  field.after(told);
  let brushing = false;
  /** @type {{ grip: Grip, at: number[], edge: DOMRect, moved: boolean, told: boolean, brush: Place | null, add: boolean } | null} */
  let drag = null;
  /** What is to be told before the next frame: of many moves in one frame, only the last. @type {(() => void) | null} */
  let pending = null;
  /** The corner of a region that the keyboard has set. @type {Place | null} */
  let anchor = null;

  /** Where on the canvas; while dragging, where on it as it lay then: what a first point makes room for may move it.
   * @param {MouseEvent | Touch} event */
  const where = (event) => {
    const edge = drag?.edge ?? canvas.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  };

  /** @param {number[]} at @param {number} reach @returns {Grip} */
  function under(at, reach) {
    const near = /** @param {number[]} spot @param {number} [radius] */ (spot, radius = 0) =>
      Math.hypot(spot[0] - at[0], spot[1] - at[1]) <= Math.max(reach, radius);
    const find = /** @param {number[][]} all @param {number} [radius] */ (all, radius) => all.findIndex((spot) => near(spot, radius));
    const handles = scene.region && options.onRegion ? find(corners(box(), scene.region)) : -1;
    if (handles >= 0) return { kind: "corner", index: handles };
    const target = find(scene.targets.map(box().at), 13);
    if (target >= 0) return { kind: "target", index: target };
    if (scene.place && options.onMove && near(box().at(scene.place), 12)) return { kind: "place", index: 0 };
    const numbered = find(spots().slice(0, NUMBERED), 10);
    const hit = numbered >= 0 ? numbered : find(spots(), 6);
    return hit >= 0 ? { kind: "hit", index: hit } : { kind: "new", index: -1 };
  }

  /** @param {PointerEvent | Touch} event */
  const reachOf = (event) => ("pointerType" in event && event.pointerType === "mouse" ? 8 : 22);

  /** @param {Place} a @param {Place} b @returns {Region} */
  const between = (a, b) => ({ valence: ascending(a.valence, b.valence), arousal: ascending(a.arousal, b.arousal) });

  /** @param {() => void} run */
  const soon = (run) => ((pending = run), ask());

  /** Follow the drag to a place. @param {Place} to @param {boolean} done */
  function follow(to, done) {
    if (!drag) return;
    const { grip, brush, add } = drag;
    const how = { live: drag.told, done };
    pending = null;
    /** @type {() => void} */
    let tell;
    if (brush) {
      const region = between(brush, to);
      show({ region });
      tell = () => options.onRegion?.(region, how);
    } else if (grip.kind === "place") {
      show({ place: to });
      tell = () => options.onMove?.(to, how);
    } else {
      const target = grip.kind === "target" ? grip.index : -1;
      const targets = target < 0 ? [...(add ? scene.targets : []), to] : scene.targets.map((other, i) => (i === target ? to : other));
      show({ targets });
      tell = () => options.onPlace?.(to, { ...how, add, target });
      if (target < 0) drag.grip = { kind: "target", index: targets.length - 1 };
    }
    // The first step is told at once: those that follow only change what it began.
    if (drag.told && !done) soon(tell);
    else tell();
    drag.told = true;
  }

  /** @param {PointerEvent} event */
  function pressed(event) {
    if (event.button !== 0 || drag) return;
    const at = where(event);
    const grip = under(at, reachOf(event));
    /** @type {Place | null} */
    let brush = null;
    if (grip.kind === "corner" && scene.region) {
      const [x, y] = corners(box(), scene.region)[(grip.index + 2) % 4];
      brush = box().placeOf(x, y);
    } else if (options.onRegion && (event.shiftKey || brushing)) {
      brush = box().placeOf(at[0], at[1]);
    }
    drag = { grip, at, edge: canvas.getBoundingClientRect(), moved: false, told: false, brush, add: event.ctrlKey || event.metaKey };
    canvas.setPointerCapture(event.pointerId);
    show({ cursor: null });
  }

  /** @param {PointerEvent} event */
  function moved(event) {
    const at = where(event);
    if (!drag) {
      const grip = under(at, reachOf(event));
      point(grip.kind === "hit" ? grip.index : -1);
      canvas.style.cursor = brushing || grip.kind === "new" ? "crosshair" : grip.kind === "hit" ? "pointer" : "grab";
      return;
    }
    drag.moved ||= Math.hypot(at[0] - drag.at[0], at[1] - drag.at[1]) > STILL;
    if (drag.moved) follow(box().placeOf(at[0], at[1]), false);
  }

  /** @param {PointerEvent} event */
  function released(event) {
    if (!drag) return;
    const [x, y] = where(event);
    const { grip, brush, moved: far } = drag;
    if (far || (grip.kind === "new" && !brush)) follow(box().placeOf(x, y), true);
    else if (grip.kind === "hit" && !brush) options.onMark?.(grip.index);
    drag = null;
  }

  /** The page scrolls instead. */
  function cancelled() {
    drag = pending = null;
  }

  /** @param {number} mark */
  function point(mark) {
    if (mark !== scene.hovered) (show({ hovered: mark }), options.onHover?.(mark));
  }

  /** @param {TouchEvent} event */
  function touched(event) {
    const kind = under(where(event.touches[0]), 22).kind;
    if (brushing || (kind !== "new" && kind !== "hit")) event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  function typed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = scene.cursor ?? scene.targets[0] ?? scene.place ?? { valence: 4, arousal: 4 };
    const step = event.shiftKey ? 0.5 : 0.1;
    const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
    if (by) {
      const to = { valence: stepped(at.valence + by[0]), arousal: stepped(at.arousal + by[1]) };
      show({ cursor: to, ...(anchor ? { region: between(anchor, to) } : {}) });
      say(`${anchor ? "Region to " : ""}valence ${fixed(to.valence)}, arousal ${fixed(to.arousal)}: ${words(to.valence, to.arousal)}`);
    } else if (event.key === "Enter" || event.key === " ") {
      if (brushing) corner(at);
      else (show({ cursor: null }), options.onPlace?.(at, { ...ONCE, add: false, target: -1 }));
    } else if (event.key === "Escape" && (scene.cursor || anchor)) {
      anchor = null;
      show({ cursor: null });
    } else if (event.key === "Delete" && scene.region) {
      options.onRegion?.(null, ONCE);
    } else return;
    event.preventDefault();
  }

  /** One corner of a region, then the other. @param {Place} at */
  function corner(at) {
    if (anchor) {
      const region = between(anchor, at);
      anchor = null;
      show({ cursor: null });
      options.onRegion?.(region, ONCE);
    } else {
      anchor = at;
      show({ cursor: at });
      say("First corner set. Arrow keys and Enter set the other one.");
    }
  }

  /** @param {string} text */
  const say = (text) => void (told.textContent = text);

  canvas.addEventListener("pointerdown", pressed);
  canvas.addEventListener("pointermove", moved);
  canvas.addEventListener("pointerup", released);
  canvas.addEventListener("pointercancel", cancelled);
  canvas.addEventListener("pointerleave", () => point(-1));
  canvas.addEventListener("touchstart", touched, { passive: false });
  field.addEventListener("keydown", typed);
  field.addEventListener("blur", () => ((anchor = null), show({ cursor: null })));

  return {
    beforePaint() {
      const tell = pending;
      pending = null;
      tell?.();
    },
    /** Have the next press, or Enter, begin a region. @param {boolean} on */
    brush(on) {
      brushing = on;
      anchor = null;
    },
    destroy: () => told.remove(),
  };
}

/** @param {number} a @param {number} b @returns {[number, number]} */
const ascending = (a, b) => [round(Math.min(a, b)), round(Math.max(a, b))];
/** @param {number} value */
const round = (value) => Math.round(value * 100) / 100;
/** @param {number} value */
const stepped = (value) => Math.min(7, Math.max(1, Math.round(value * 10) / 10));

// What moves on the plane: the region, the hits in their order, the query's own place with its shift, the points that
// are asked for, the keyboard's crosshair.

import { colour } from "../affect.js";

/** @typedef {import("./plane.js").Box} Box */
/** @typedef {import("./plane.js").Scene} Scene */
/** @typedef {CanvasRenderingContext2D} Pen */
/** @typedef {{ [name: string]: string }} Ink */

export const NUMBERED = 10;
const APART = 19; // pixels between the middles of numbered marks

/** Paint them, and say where the hits' marks are. @param {Pen} pen @param {Box} box @param {Scene} scene @param {Ink} ink
 * @returns {number[][]} */
export function paintMarks(pen, box, scene, ink) {
  if (scene.interval) paintFrame(pen, box, scene.interval, ink.soft, [3, 4]);
  if (scene.region) paintRegion(pen, box, scene.region, ink);
  if (scene.path.length > 1) line(pen, scene.path.map(box.at), ink.soft, 1.5);
  const places = scene.marks.map((mark) => box.at(mark.place));
  const fixed = [...scene.targets, ...(scene.place ? [scene.place] : [])].map(box.at);
  const spots = [...spread(places.slice(0, NUMBERED), fixed, box), ...places.slice(NUMBERED)];
  // The best last, so that it lies on top; the one that is chosen or pointed at over all.
  const order = [...spots.keys()].reverse();
  for (const i of [scene.chosen, scene.hovered]) if (i >= 0 && i < order.length) order.push(i);
  for (const i of order) paintHit(pen, scene, i, places[i], spots[i], ink);
  if (scene.from && scene.place) arrow(pen, box.at(scene.from), box.at(scene.place), ink);
  if (scene.place) paintPlace(pen, box.at(scene.place), ink);
  for (const target of scene.targets) paintTarget(pen, box.at(target), ink);
  if (scene.cursor) paintCursor(pen, box, box.at(scene.cursor), ink);
  return spots;
}

/** Push marks apart that would hide one another, or something fixed, each as near to its place as that allows.
 * @param {number[][]} places @param {number[][]} fixed @param {Box} box */
function spread(places, fixed, box) {
  const spots = [...fixed, ...places].map(([x, y]) => [x, y]);
  for (let round = 0; round < 60; round++) {
    for (let i = fixed.length; i < spots.length; i++) {
      for (let j = 0; j < i; j++) {
        const [dx, dy] = [spots[i][0] - spots[j][0], spots[i][1] - spots[j][1]];
        const still = j < fixed.length;
        const far = Math.hypot(dx, dy) - (still ? 3 : 0);
        if (far >= APART) continue;
        const turn = dx || dy ? Math.atan2(dy, dx) : i * 2.4; // of two at one place, each goes its own way
        const push = (APART - far) / 2;
        for (const [k, side] of still ? [[i, 2]] : [[i, 1], [j, -1]]) {
          spots[k][0] = within(spots[k][0] + side * push * Math.cos(turn), box.width);
          spots[k][1] = within(spots[k][1] + side * push * Math.sin(turn), box.height);
        }
      }
    }
  }
  return spots.slice(fixed.length);
}

/** @param {number} at @param {number} size */
const within = (at, size) => Math.min(size - 12, Math.max(12, at));

/** @param {Pen} pen @param {Scene} scene @param {number} i @param {number[]} place @param {number[]} spot @param {Ink} ink */
function paintHit(pen, scene, i, place, spot, ink) {
  const { valence, arousal } = scene.marks[i].place;
  const chosen = i === scene.chosen;
  const large = chosen || i === scene.hovered ? 2.5 : 0;
  if (i >= NUMBERED) {
    disc(pen, spot, 4.5 + large, chosen ? ink.accent : colour(valence, arousal), ink.raised, 1.5);
    return;
  }
  if (Math.hypot(place[0] - spot[0], place[1] - spot[1]) > 4) {
    line(pen, [place, spot], ink.ink, 1);
    disc(pen, place, 2, ink.ink, ink.raised, 0);
  }
  disc(pen, spot, 9 + large, chosen ? ink.accent : ink.raised, chosen ? ink.raised : colour(valence, arousal), 2.5);
  pen.fillStyle = chosen ? ink["on-accent"] : ink.ink;
  pen.font = "600 11px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(String(i + 1), spot[0], spot[1] + 0.5);
  pen.textAlign = "start";
}

/** The query's own place: a diamond. @param {Pen} pen @param {number[]} at @param {Ink} ink */
function paintPlace(pen, [x, y], ink) {
  pen.beginPath();
  pen.moveTo(x, y - 11);
  pen.lineTo(x + 11, y);
  pen.lineTo(x, y + 11);
  pen.lineTo(x - 11, y);
  pen.closePath();
  pen.fillStyle = ink.accent;
  pen.strokeStyle = ink.raised;
  pen.lineWidth = 2.5;
  pen.stroke();
  pen.fill();
}

/** A point that is asked for: a ring with a dot. @param {Pen} pen @param {number[]} at @param {Ink} ink */
function paintTarget(pen, at, ink) {
  disc(pen, at, 13, "transparent", ink.raised, 6);
  disc(pen, at, 13, "transparent", ink.accent, 2.5);
  disc(pen, at, 3, ink.accent, ink.raised, 1.5);
}

/** @param {Pen} pen @param {Box} box @param {number[]} at @param {Ink} ink */
function paintCursor(pen, box, [x, y], ink) {
  line(pen, [[x, 0], [x, box.height]], ink.accent, 1);
  line(pen, [[0, y], [box.width, y]], ink.accent, 1);
  disc(pen, [x, y], 7, "transparent", ink.accent, 2);
}

/** @param {Pen} pen @param {Box} box @param {import("../state.js").Region} region @param {Ink} ink */
function paintRegion(pen, box, region, ink) {
  const [[left, bottom], [right, top]] = ends(box, region);
  pen.save();
  pen.beginPath();
  pen.rect(0, 0, box.width, box.height);
  pen.rect(left, top, right - left, bottom - top);
  pen.fillStyle = ink.raised;
  pen.globalAlpha = 0.7;
  pen.fill("evenodd");
  pen.restore();
  paintFrame(pen, box, region, ink.accent, []);
  for (const corner of corners(box, region)) disc(pen, corner, 6, ink.raised, ink.accent, 2);
}

/** @param {Pen} pen @param {Box} box @param {import("../state.js").Region} region @param {string} stroke @param {number[]} dash */
function paintFrame(pen, box, region, stroke, dash) {
  const [[left, bottom], [right, top]] = ends(box, region);
  pen.setLineDash(dash);
  pen.strokeStyle = stroke;
  pen.lineWidth = 1.5;
  pen.strokeRect(left, top, right - left, bottom - top);
  pen.setLineDash([]);
}

/** @param {Box} box @param {import("../state.js").Region} region */
const ends = (box, { valence, arousal }) => [0, 1].map((i) => box.at({ valence: valence[i], arousal: arousal[i] }));

/** A region's handles: each corner, the opposite one being two further on. @param {Box} box
 * @param {import("../state.js").Region} region */
export function corners(box, region) {
  const [[left, bottom], [right, top]] = ends(box, region);
  return [[left, bottom], [right, bottom], [right, top], [left, top]];
}

/** @param {Pen} pen @param {number[]} from @param {number[]} to @param {Ink} ink */
function arrow(pen, from, to, ink) {
  const far = Math.hypot(to[0] - from[0], to[1] - from[1]);
  if (far < 8) return;
  const turn = Math.atan2(to[1] - from[1], to[0] - from[0]);
  const tip = [to[0] - 12 * Math.cos(turn), to[1] - 12 * Math.sin(turn)];
  const wing = /** @param {number} side */ (side) => [
    tip[0] - 9 * Math.cos(turn + side * 0.5),
    tip[1] - 9 * Math.sin(turn + side * 0.5),
  ];
  for (const [stroke, width] of /** @type {[string, number][]} */ ([[ink.raised, 6], [ink.accent, 2.5]])) {
    line(pen, [from, tip], stroke, width);
    line(pen, [wing(-1), tip, wing(1)], stroke, width);
  }
  disc(pen, from, 5, ink.raised, ink.accent, 2);
}

/** @param {Pen} pen @param {number[][]} points @param {string} stroke @param {number} width */
function line(pen, points, stroke, width) {
  pen.strokeStyle = stroke;
  pen.lineWidth = width;
  pen.lineJoin = pen.lineCap = "round";
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  pen.stroke();
}

/** @param {Pen} pen @param {number[]} at @param {number} radius @param {string} fill @param {string} stroke @param {number} width */
function disc(pen, [x, y], radius, fill, stroke, width) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.fillStyle = fill;
  pen.fill();
  if (!width) return;
  pen.strokeStyle = stroke;
  pen.lineWidth = width;
  pen.stroke();
}

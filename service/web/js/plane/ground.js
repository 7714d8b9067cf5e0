// What lies still: the cloud of all segments, the axes' crossing and the emotion terms. Painted once into a canvas of
// its own, for a map, a size and a theme; each frame then only copies it.

import { rgb } from "../affect.js";

/** @typedef {import("./points.js").Points} Points */
/** @typedef {import("./plane.js").Box} Box */
/** @typedef {{ term: string, affect: import("../api.js").Place }} Term */

const FEW = 4000; // points that are drawn as dots, one by one

/** @param {Box} box @param {Points | null} map @param {Term[]} terms @param {{ [name: string]: string }} ink */
export function paintGround(box, map, terms, ink) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(box.width * box.ratio);
  canvas.height = Math.round(box.height * box.ratio);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.scale(box.ratio, box.ratio);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image(24, () => 0.1), 0, 0, box.width, box.height);
  paintAxes(pen, box, ink);
  if (map?.points && map.segments <= FEW) paintDots(pen, box, map.points);
  else if (map?.segments) {
    const [left, bottom] = box.at({ valence: 1, arousal: 1 });
    const [right, top] = box.at({ valence: 7, arousal: 7 });
    pen.drawImage(cloud(map), left, top, right - left, bottom - top);
  }
  paintTerms(pen, box, terms, ink);
  return canvas;
}

/** @param {CanvasRenderingContext2D} pen @param {Box} box @param {{ [name: string]: string }} ink */
function paintAxes(pen, box, ink) {
  pen.strokeStyle = ink.line;
  pen.lineWidth = 1;
  for (let value = 1; value <= 7; value++) {
    const [x, y] = box.at({ valence: value, arousal: value }).map((at) => Math.round(at) + 0.5);
    pen.globalAlpha = value === 4 ? 1 : 0.45;
    pen.setLineDash(value === 4 ? [] : [2, 4]);
    pen.beginPath();
    pen.moveTo(x, 0);
    pen.lineTo(x, box.height);
    pen.moveTo(0, y);
    pen.lineTo(box.width, y);
    pen.stroke();
  }
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} pen @param {Box} box @param {Uint16Array} points */
function paintDots(pen, box, points) {
  const count = points.length / 2;
  const radius = count > 1000 ? 1.8 : count > 200 ? 2.5 : 3.5;
  pen.globalAlpha = Math.min(0.75, Math.max(0.3, 12 / Math.sqrt(count)));
  for (let i = 0; i < points.length; i += 2) {
    const place = { valence: 1 + (points[i] * 6) / 65535, arousal: 1 + (points[i + 1] * 6) / 65535 };
    const [x, y] = box.at(place);
    pen.fillStyle = `rgb(${rgb(place.valence, place.arousal).join(" ")})`;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 7);
    pen.fill();
  }
  pen.globalAlpha = 1;
}

/** The segments as a cloud: the plane's colours, denser where there are more. @param {Points} map */
function cloud({ side, cells, segments }) {
  const density = blurred(blurred(Float32Array.from(cells), side), side);
  const peak = density.reduce((a, b) => Math.max(a, b), 0);
  const grain = Math.min(0.35, 40 / Math.sqrt(segments)); // so that even a lone segment is seen
  return image(side, (i) => 0.9 * Math.sqrt(density[i] / peak) + (cells[i] ? grain : 0));
}

/** The plane's colours, as opaque as `alpha` says of each cell. @param {number} side @param {(i: number) => number} alpha */
function image(side, alpha) {
  const pixels = new ImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    const [row, column] = [Math.floor(i / side), i % side];
    const [red, green, blue] = rgb(1 + (6 * (column + 0.5)) / side, 1 + (6 * (row + 0.5)) / side);
    pixels.data.set([red, green, blue, 255 * Math.min(0.95, alpha(i))], 4 * ((side - 1 - row) * side + column));
  }
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(pixels, 0, 0);
  return canvas;
}

/** The mean over a square of five cells a side. @param {Float32Array} values @param {number} side */
function blurred(values, side) {
  const half = new Float32Array(values.length);
  const whole = new Float32Array(values.length);
  const near = [-2, -1, 0, 1, 2];
  for (let i = 0; i < values.length; i++) {
    const column = i % side;
    for (const d of near) if (column + d >= 0 && column + d < side) half[i] += values[i + d] / 5;
  }
  for (let i = 0; i < values.length; i++) {
    for (const d of near) if (i + d * side >= 0 && i + d * side < values.length) whole[i] += half[i + d * side] / 5;
  }
  return whole;
}

/** The terms that find room beside the place they stand for. @param {CanvasRenderingContext2D} pen @param {Box} box
 * @param {Term[]} terms @param {{ [name: string]: string }} ink */
function paintTerms(pen, box, terms, ink) {
  pen.font = `500 ${box.width < 420 ? 11 : 12}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  /** @type {number[][]} */
  const taken = [];
  // The extreme ones first: they say most of where one is.
  const off = /** @param {Term} term */ ({ affect }) => Math.hypot(affect.valence - 4, affect.arousal - 4);
  for (const { term, affect } of [...terms].sort((a, b) => off(b) - off(a))) {
    const [x, y] = box.at(affect);
    const width = pen.measureText(term).width;
    const sides = [[x + 6, y - 7], [x - 6 - width, y - 7], [x - width / 2, y - 20], [x - width / 2, y + 6]];
    const found = sides
      .map(([left, top]) => [left, top, left + width, top + 14])
      .find((spot) => spot[0] > 2 && spot[2] < box.width - 2 && !taken.some((other) => overlap(spot, other)));
    if (!found) continue;
    taken.push(found.map((edge, i) => edge + (i < 2 ? -3 : 3)), [x - 4, y - 4, x + 4, y + 4]);
    pen.fillStyle = ink.ink;
    pen.beginPath();
    pen.arc(x, y, 1.8, 0, 7);
    pen.fill();
    pen.strokeStyle = ink.raised;
    pen.lineWidth = 4;
    pen.globalAlpha = 0.8;
    pen.strokeText(term, found[0], found[1] + 7);
    pen.globalAlpha = 1;
    pen.fillText(term, found[0], found[1] + 7);
  }
}

/** @param {number[]} a @param {number[]} b [left, top, right, bottom] */
const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

// Metadata as people type it: speaker=03, take=2, place="a long room". A number that is written plainly is a number.

/** @typedef {{ [field: string]: string | number | boolean }} Metadata */

const PAIR = /\s*([^\s=,;"]+)\s*=\s*(?:"([^"]*)"|([^,;\s]*))\s*[,;]?/y;

/** @param {string} text @returns {{ metadata: Metadata | null, wrong: string | null }} `wrong` is what cannot be read */
export function parse(text) {
  /** @type {Metadata} */
  const metadata = {};
  PAIR.lastIndex = 0;
  let read = 0;
  for (let found = PAIR.exec(text); found; found = PAIR.exec(text)) {
    const [, field, quoted, plain] = found;
    if (quoted === undefined && !plain) return { metadata: null, wrong: `${field}=` };
    metadata[field] = quoted ?? value(plain);
    read = PAIR.lastIndex;
  }
  const rest = text.slice(read).trim();
  if (rest) return { metadata: null, wrong: rest };
  return { metadata: Object.keys(metadata).length ? metadata : null, wrong: null };
}

/** 03 is text: somebody's name for something. @param {string} text */
function value(text) {
  if (/^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(text)) return Number(text);
  return text === "true" ? true : text === "false" ? false : text;
}

// A place to drop files, with a button that chooses them. Folders are gone through.

import { h } from "./dom.js";

// A file dropped beside its place would otherwise take the page's place.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

/**
 * @param {{ button: string, hint: string, multiple?: boolean, area: HTMLElement, onFiles: (files: File[]) => void }} how
 * `area` takes drops too.
 */
export function dropZone({ button, hint, multiple = false, area, onFiles }) {
  /** @param {File[]} files */
  const give = (files) => files.length && onFiles(multiple ? files : files.slice(0, 1));
  const input = h("input", {
    type: "file",
    multiple,
    accept: "audio/*,video/*",
    hidden: true,
    "aria-label": button,
    on: {
      change: () => {
        const files = [...(input.files ?? [])];
        input.value = ""; // the same file may be chosen again
        give(files);
      },
    },
  });
  const zone = h(
    "div",
    { class: "drop" },
    h("button", { type: "button", class: "primary", text: button, on: { click: () => input.click() } }),
    h("span", { class: "soft", text: hint }),
    input,
  );
  let inside = 0;
  /** @param {number} change */
  const over = (change) => {
    inside = change && Math.max(0, inside + change);
    zone.classList.toggle("over", inside > 0);
  };
  area.addEventListener("dragenter", () => over(1));
  area.addEventListener("dragleave", () => over(-1));
  area.addEventListener("drop", (event) => {
    over(0);
    if (event.dataTransfer) void filesOf(event.dataTransfer).then(give);
  });
  return zone;
}

/** @param {DataTransfer} dropped @returns {Promise<File[]>} */
async function filesOf(dropped) {
  const plain = [...dropped.files]; // both lists are gone after the event
  const entries = [...dropped.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry !== null);
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  return (await Promise.all(entries.map((entry) => (entry ? walked(entry) : [])))).flat();
}

/** @param {any} entry @returns {Promise<File[]>} */
async function walked(entry) {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  /** @type {File[]} */
  const found = [];
  for (;;) {
    /** @type {any[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // 100 at a time
    if (!some.length) return found;
    for (const each of some) found.push(...(await walked(each)));
  }
}

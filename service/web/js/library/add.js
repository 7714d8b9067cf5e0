// Adding recordings: drop them, say what they are, and see what becomes of each.

import { counted } from "../affect.js";
import { dropZone } from "../drop.js";
import { h } from "../dom.js";
import { again, locked, otherKey, size } from "../ways.js";
import { parse } from "./metadata.js";
import { createQueue } from "./queue.js";

/** @typedef {import("./queue.js").Item} Item */

const STATUS = {
  waiting: "Waiting",
  sending: "Sending",
  listening: "Listening",
  added: "Added",
  exists: "Already there",
  failed: "Not added",
  cancelled: "Cancelled",
};
const OVER = new Set(["added", "exists", "failed", "cancelled"]);

/** @param {HTMLElement} area takes drops too */
export function createAdder(area) {
  /** @type {Map<Item, { node: HTMLElement, show: () => void }>} */
  const rows = new Map();
  const queue = createQueue((item) => {
    rows.get(item)?.show();
    schedule();
  });
  const field = h("input", {
    type: "text",
    class: "grow",
    placeholder: 'speaker=03, take=2, place="a quiet room"',
    "aria-describedby": "metadata-read",
    spellcheck: "false",
    autocomplete: "off",
    on: { input: () => read() },
  });
  const reading = h("p", { id: "metadata-read", class: "soft small" });
  const zone = dropZone({ button: "Choose recordings", hint: "or drop files and folders here", multiple: true, area, onFiles: take });
  const list = h("ul", { class: "uploads", "aria-label": "Files" });
  const summary = h("p", { role: "status", class: "grow" });
  const retry = h("button", { type: "button", text: "Retry what failed", on: { click: () => queue.add([...rows.keys()].filter(retriable)) } });
  const cancel = h("button", { type: "button", text: "Cancel the rest", on: { click: queue.cancel } });
  const clear = h("button", { type: "button", text: "Clear the list", on: { click: tidy } });
  const progress = h("progress", { "aria-label": "Files done", value: 0 });
  const work = h("div", { class: "working", hidden: true }, h("div", { class: "row" }, summary, retry, cancel, clear), progress, list);
  const node = h(
    "section",
    { class: "card adder", "aria-labelledby": "add-title" },
    h("h2", { id: "add-title", text: "Add recordings" }),
    zone,
    h("label", { class: "metadata" }, h("span", { text: "Metadata for all of them (optional)" }), field),
    reading,
    work,
  );
  read();

  /** Say what the metadata is taken for. */
  function read() {
    const { metadata, wrong } = parse(field.value);
    field.setAttribute("aria-invalid", String(wrong !== null));
    if (wrong !== null) reading.textContent = `“${wrong}” cannot be read: write field=value, with quotes around a value with spaces.`;
    else if (!metadata) reading.textContent = "You can search and filter by it later.";
    else reading.textContent = Object.entries(metadata).map(([name, value]) => `${name} is the ${kind(value)} ${value}`).join("; ") + ".";
    return { metadata, wrong };
  }

  /** @param {File[]} files */
  function take(files) {
    const { metadata, wrong } = read();
    if (wrong !== null) return field.focus(); // nothing is added with half of what was meant
    const items = files.map((file) => made(file, metadata));
    for (const item of items) {
      const row = createRow(item, () => queue.add([item]));
      rows.set(item, row);
      list.append(row.node);
    }
    queue.add(items);
  }

  function tidy() {
    for (const [item, { node: row }] of rows) {
      if (!OVER.has(item.status)) continue;
      row.remove();
      rows.delete(item);
    }
    schedule();
    zone.querySelector("button")?.focus();
  }

  let planned = 0;
  function schedule() {
    planned ||= requestAnimationFrame(() => ((planned = 0), sum()));
  }

  function sum() {
    const count = /** @param {Item["status"]} status */ (status) => [...rows.keys()].filter((item) => item.status === status).length;
    const [added, exists, failed, cancelled] = [count("added"), count("exists"), count("failed"), count("cancelled")];
    const done = added + exists + failed + cancelled;
    work.hidden = !rows.size;
    progress.hidden = done === rows.size;
    progress.max = rows.size || 1;
    progress.value = done;
    summary.textContent = [
      done < rows.size ? `${done} of ${counted(rows.size, "file")} done` : `${counted(rows.size, "file")} done`,
      added && `${added} added`,
      exists && `${exists} already there`,
      failed && `${failed} not added`,
      cancelled && `${cancelled} cancelled`,
    ].filter(Boolean).join(", ");
    retry.hidden = done < rows.size || ![...rows.keys()].some(retriable);
    cancel.hidden = done === rows.size;
    clear.hidden = !done;
  }

  return node;
}

/** @param {string | number | boolean} value */
const kind = (value) => (typeof value === "number" ? "number" : typeof value === "boolean" ? "truth value" : "text");

/** @param {File} file @param {Item["metadata"]} metadata @returns {Item} */
const made = (file, metadata) => ({ file, metadata, status: "waiting", sent: 0, note: "", problem: null, clip: null, tries: 0 });

/** Whether it may go better another time. @param {Item} item */
const retriable = ({ status, problem }) =>
  status === "cancelled" || (status === "failed" && problem !== null && (again(problem) || locked(problem)));

/** @param {Item} item @param {() => void} retry */
function createRow(item, retry) {
  const status = h("span", { class: "status" });
  const note = h("p", { class: "small", hidden: true });
  const anew = h("button", { type: "button", text: "Retry", "aria-label": `Retry ${item.file.name}`, on: { click: retry } });
  const key = h("button", { type: "button", text: "Use another key", on: { click: async () => (await otherKey()) && retry() } });
  const node = h(
    "li",
    {},
    h("span", { class: "name", text: item.file.name }),
    anew,
    key,
    h("span", { class: "soft small", text: size(item.file.size) }),
    status,
    note,
  );
  const show = () => {
    node.dataset.status = item.status;
    status.textContent = STATUS[item.status] + (item.status === "sending" ? ` ${Math.round(100 * item.sent)} %` : "");
    note.textContent = item.note;
    note.hidden = !item.note;
    anew.hidden = !retriable(item);
    key.hidden = !(item.status === "failed" && item.problem && locked(item.problem));
  };
  show();
  return { node, show };
}

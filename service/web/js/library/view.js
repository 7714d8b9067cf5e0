// The view of the library: add recordings, and go through those that are there.

import { createAdder } from "./add.js";
import { createList } from "./clips.js";

/** @param {HTMLElement} root */
export function mount(root) {
  root.append(createAdder(root), createList());
}

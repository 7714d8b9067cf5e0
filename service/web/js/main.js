// Starts the page: the views, the header, and each piece in its place.

import * as api from "./api.js";
import { counted } from "./affect.js";
import * as describe from "./describe/view.js";
import { $ } from "./dom.js";
import * as keys from "./keys.js";
import * as library from "./library/view.js";
import { sayProblem } from "./messages.js";
import { mountMap } from "./plane/map.js";
import { mountSearch } from "./search/index.js";
import { followAddress, show, state } from "./state.js";

/** @typedef {import("./state.js").View} View */

followAddress();
keys.listen();
$("#show-keys").addEventListener("click", keys.showAll);
mountMap($("#map"));
showViews();
mountSearch({ composer: $("#composer"), hits: $("#hits"), filters: $("#filters") });
describe.mount($("#describe-view"));
library.mount($("#library-view"));
void showService();

function showViews() {
  for (const link of document.querySelectorAll("nav a[data-view]")) {
    const view = /** @type {View} */ (link.getAttribute("data-view"));
    link.addEventListener("click", (event) => {
      const click = /** @type {MouseEvent} */ (event);
      if (click.ctrlKey || click.metaKey || click.shiftKey) return; // a tab of its own
      event.preventDefault();
      show(view);
    });
    state.view.subscribe((current) => {
      $(`#${view}-view`).hidden = current !== view;
      if (current === view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
  }
}

/** Say how large the library is, and again when it changes. */
async function showService() {
  const line = $("#status");
  state.info.subscribe((info) => {
    line.textContent = info
      ? `${counted(info.library.clips, "clip")}, ${counted(info.library.segments, "moment")} · ${info.bundle.name} ${info.bundle.version}`
      : "";
  });
  const ask = () => api.info().then(state.info.set, (error) => sayProblem(error, { label: "Try again", run: ask }));
  state.library.subscribe(() => void ask());
}

// The library's clips, newest first, a page at a time: listen, find more like one, delete with undo.

import * as api from "../api.js";
import { clock, colour, counted, words } from "../affect.js";
import { fill, h } from "../dom.js";
import * as player from "../player.js";
import { change, NOTHING, show, state } from "../state.js";
import { title, words as ways } from "../ways.js";
import { hidden, hiddenCount, remove } from "./remove.js";

/** @typedef {import("../api.js").Clip} Clip */

const PAGE = 25;
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function createList() {
  let page = 0;
  let total = 0;
  /** @type {Clip[]} */
  let clips = [];
  let asked = 0;

  const heading = h("h2", { id: "clips-title", tabindex: -1, text: "Clips" });
  const list = h("ul", { class: "clips" });
  const notice = h("div", { hidden: true });
  const where = h("span", { class: "soft", role: "status" });
  const turn = /** @param {number} by */ (by) => () => ((page += by), void load().then(() => heading.focus()));
  const newer = h("button", { type: "button", text: "Newer", on: { click: turn(-1) } });
  const older = h("button", { type: "button", text: "Older", on: { click: turn(1) } });
  const pages = h("div", { class: "row pages" }, where, h("span", { class: "grow" }), newer, older);
  const node = h("section", { "aria-labelledby": "clips-title", class: "library" }, heading, notice, list, pages);

  /** Ask for the page's clips. The service lists the oldest first, so the newest are its last. */
  async function load() {
    const mine = ++asked;
    try {
      let found = await api.clips(part());
      while (mine === asked && found.total !== total) {
        total = found.total;
        page = Math.max(0, Math.min(page, Math.ceil(total / PAGE) - 1));
        if (total) found = await api.clips(part());
      }
      if (mine !== asked) return; // another has been sent since
      clips = total ? found.clips.reverse() : [];
      fill(notice, total === 0 && empty());
      draw();
    } catch (error) {
      if (mine !== asked) return;
      const problem = /** @type {api.Problem} */ (error);
      const again = h("button", { type: "button", text: "Try again", on: { click: () => void load() } });
      fill(notice, h("div", { class: "card" }, h("h3", { text: title(problem) }), h("p", { text: ways(problem) }), again));
      notice.hidden = false;
    }
  }

  /** Which clips of the service's order the page shows. */
  function part() {
    const end = Math.max(1, total - page * PAGE);
    const offset = Math.max(0, end - PAGE);
    return { offset, limit: end - offset };
  }

  function draw() {
    const shown = clips.filter(({ id }) => !hidden(id));
    notice.hidden = !notice.childElementCount;
    fill(list, ...shown.map((clip) => row(clip)));
    const left = total - hiddenCount();
    const first = page * PAGE + 1;
    const which = total > PAGE ? `${first} to ${first + shown.length - 1} of ` : "";
    where.textContent = shown.length ? `${which}${counted(left, "clip")}, newest first` : "";
    newer.disabled = page === 0;
    older.disabled = (page + 1) * PAGE >= total;
    newer.hidden = older.hidden = total <= PAGE;
  }

  /** @param {Clip} clip */
  function row(clip) {
    const { id, name, duration, affect, metadata } = clip;
    const dot = h("i", { class: "dot", "aria-hidden": "true" });
    dot.style.background = colour(affect.valence, affect.arousal);
    const similar = () => {
      change({ ...NOTHING, parts: [{ kind: "clip", id, name, weight: 1 }] });
      show("search");
    };
    const drop = (/** @type {Event} */ event) => {
      const place = [...list.children].indexOf(/** @type {Element} */ (event.currentTarget).closest("li") ?? list);
      if (player.now.get()?.id === id) player.stop();
      remove(clip, draw);
      /** @type {NodeListOf<HTMLElement>} */
      const others = list.querySelectorAll(".delete");
      (others[Math.min(place, others.length - 1)] ?? heading).focus();
    };
    return h(
      "li",
      { "data-id": id },
      h("button", { type: "button", class: "play", "data-play": id, "aria-label": `Play ${name}`, on: { click: () => player.toggle(clip, 0, Infinity) } }, symbol(id)),
      h(
        "div",
        { class: "what" },
        h("b", { class: "name", text: name }),
        h("span", { class: "soft small" }, dot, `${words(affect.valence, affect.arousal)} · ${clock(duration)} · `, h("time", { datetime: clip.added_at, text: DATE.format(new Date(clip.added_at)) })),
        h("span", { class: "tags" }, ...Object.entries(metadata).map(([field, value]) => h("span", { class: "tag", text: `${field}: ${value}` }))),
      ),
      h("button", { type: "button", class: "quiet more", text: "More like this", "aria-label": `More like this: ${name}`, on: { click: similar } }),
      h("button", { type: "button", class: "quiet delete", text: "Delete", "aria-label": `Delete ${name}`, on: { click: drop } }),
    );
  }

  player.now.subscribe(() => {
    for (const button of list.querySelectorAll("[data-play]")) button.textContent = symbol(button.getAttribute("data-play"));
  });
  state.library.subscribe(() => void (state.view.get() === "library" && load()));
  state.view.subscribe((view) => void (view === "library" && load()));
  return node;
}

/** @param {string | null} id */
const symbol = (id) => (player.now.get()?.id === id ? "■" : "▶");

/** What to do with a library that has nothing in it. */
function empty() {
  return h(
    "div",
    { class: "card" },
    h("h3", { text: "This library is empty" }),
    h("p", {}, "Add recordings above, or a whole folder at once with ", h("code", { text: "emotionrank index build FOLDER --library DIR" }), "."),
    h("p", {}, "Only looking around? ", h("code", { text: "emotionrank demo" }), " makes a spoken library to try."),
  );
}

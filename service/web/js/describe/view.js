// The view that describes a recording: choose one, hear what it says while it is read, then look, listen and compare.

import { clock } from "../affect.js";
import { dropZone } from "../drop.js";
import { $, fill, h } from "../dom.js";
import * as player from "../player.js";
import { change, show, state } from "../state.js";
import { again, title, tooLarge, words } from "../ways.js";
import { createChart } from "./chart.js";
import { describe } from "./listen.js";
import { changeList, momentTable } from "./moments.js";
import { ownPrompts } from "./prompts.js";
import { createProgress } from "./progress.js";
import { place, prompts, sentence, terms } from "./result.js";

/** @typedef {import("./listen.js").Description} Description */

let count = 0;
/** What is at work or on show: ended before the next begins. */
let end = () => {};

/** @param {HTMLElement} root */
export function mount(root) {
  const zone = dropZone({ button: "Choose a recording", hint: "or drop one here. It is not kept.", area: root, onFiles: ([file]) => begin(file) });
  const body = h("div", { class: "described" });
  const spoken = h("p", { class: "unseen", role: "status" });
  const hint = h(
    "p",
    { class: "soft" },
    "Hear how a recording feels: a sentence, its place on the map, and its course in time. Sound or video, seconds or an hour; a voice says most.",
  );
  root.append(zone, hint, spoken, body);

  /** @param {File} file */
  function begin(file) {
    end();
    hint.hidden = true;
    const refused = tooLarge(file, state.info.get());
    if (refused) fail(file, "The file is too large", refused, false);
    else void work(file);
  }

  /** @param {File} file */
  async function work(file) {
    const stopper = new AbortController();
    const url = URL.createObjectURL(file);
    const sound = { id: `file ${++count}` };
    const play = /** @param {number} from */ (from) => void player.play(sound, from, Infinity, url);
    const playing = () => player.now.get()?.id === sound.id;
    const toggle = () => (playing() ? player.stop() : play(chart.cursor()));
    const chart = createChart({ play, toggle, moved: (at) => playing() && play(at) });
    const button = h("button", { type: "button", class: "primary", on: { click: toggle } });
    const unfollow = player.now.subscribe((now) => {
      const mine = now?.id === sound.id;
      button.textContent = mine ? "Stop" : "Play";
      if (mine) chart.moveTo(now.at);
    });
    const progress = createProgress(file.name, () => {
      end();
      fill(body);
      hint.hidden = false;
      spoken.textContent = "Cancelled.";
      $("button", zone).focus();
    });
    end = () => {
      stopper.abort();
      unfollow();
      if (playing()) player.stop();
      URL.revokeObjectURL(url);
      end = () => {};
    };
    const figure = h("div", { class: "card", hidden: true }, chart.node);
    fill(body, progress.node, figure);
    spoken.textContent = `Listening to ${file.name}.`;

    /** @type {import("./listen.js").Segment[]} */
    const segments = [];
    let drawn = 0;
    /** @type {number | null} */
    let total = null;
    const local = new Audio(); // knows most lengths, sooner than the service and for more kinds of files
    local.onloadedmetadata = () => {
      if (!Number.isFinite(local.duration)) return;
      const most = state.info.get()?.limits.max_duration ?? Infinity;
      if (local.duration <= most) progress.expect((total ??= local.duration));
      else if (!segments.length) {
        end();
        fail(file, "The recording is too long", `${file.name} is ${clock(local.duration)} long; this service takes ${clock(most)} at most. Cut it up first.`, false);
      }
    };
    if (file.size) local.src = url;
    stopper.signal.addEventListener("abort", () => local.removeAttribute("src"));
    const draw = () => {
      drawn = 0;
      if (stopper.signal.aborted || !figure.isConnected) return;
      figure.hidden = false;
      chart.growing(segments, Math.max(total ?? 0, ...segments.map((segment) => segment.end)));
    };
    try {
      const found = await describe(
        file,
        {
          onSent: progress.sent,
          onRecording: (duration) => progress.expect((total = duration ?? total)),
          onSegment: (segment) => {
            segments.push(segment);
            progress.heard(segment.end);
            drawn ||= setTimeout(draw, 100);
          },
        },
        stopper.signal,
      );
      clearTimeout(drawn);
      const focused = body.contains(document.activeElement);
      const heading = h("h2", { tabindex: -1, text: found.name });
      chart.done(found);
      chart.node.append(changeNote(found));
      fill(body, ...result(found, heading, button, chart.node, play, stopper.signal));
      spoken.textContent = `Done. ${found.summary}`;
      if (focused) heading.focus();
    } catch (error) {
      if (stopper.signal.aborted) return;
      end();
      const problem = /** @type {import("../api.js").Problem} */ (error);
      fail(file, title(problem), words(problem), again(problem));
    }
  }

  /** Say why there is no description. @param {File} file @param {string} what @param {string} why @param {boolean} retry */
  function fail(file, what, why, retry) {
    const action = retry
      ? h("button", { type: "button", text: "Try again", on: { click: () => begin(file) } })
      : h("button", { type: "button", text: "Choose another", on: { click: () => $("button", zone).click() } });
    fill(body, h("div", { class: "card failed", role: "alert" }, h("h2", { text: what }), h("p", { text: why }), action));
    spoken.textContent = "";
  }
}

/** @param {Description} found @param {HTMLElement} heading @param {HTMLElement} button @param {HTMLElement} chart
 * @param {(at: number) => void} play @param {AbortSignal} leave */
function result(found, heading, button, chart, play, leave) {
  const { name, embedding, affect } = found;
  const similar = () => {
    change({ parts: [{ kind: "sound", name, embedding, affect, weight: 1 }], shift: { valence: 0, arousal: 0 }, region: null });
    show("search");
  };
  const { peaks: _, embedding: __, ...kept } = found;
  const json = URL.createObjectURL(new Blob([JSON.stringify(kept, null, 2)], { type: "application/json" }));
  leave.addEventListener("abort", () => URL.revokeObjectURL(json));
  return [
    h(
      "div",
      { class: "card" },
      h("div", { class: "row" }, h("div", { class: "grow" }, heading, h("p", { class: "soft small", text: `${clock(found.duration)} long, ${clock(found.voiced)} of it voice` }))),
      ...sentence(found),
      h(
        "div",
        { class: "row" },
        button,
        h("button", { type: "button", text: "Find clips like it", on: { click: similar } }),
        h("a", { class: "button", href: json, download: `${name}.json`, text: "Save as JSON" }),
      ),
    ),
    h("div", { class: "card" }, h("h3", { text: "In time" }), chart, changeList(found, play), momentTable(found, play)),
    h("div", { class: "facts" }, place(found, leave), terms(found), prompts(found), ownPrompts(embedding)),
  ];
}

/** What the drawing shows. @param {Description} found */
function changeNote({ affect_interval: interval, changes }) {
  const band = interval ? " The band is where people’s label of the whole recording probably lies; single moments have no such band, as labels belong to recordings." : "";
  const marks = changes.length ? " Dashed: where it changes for good." : "";
  return h("p", { class: "soft small", text: `Bold: smoothed over some seconds; thin: each moment.${marks}${band} Click to play from there; arrow keys move, space plays.` });
}

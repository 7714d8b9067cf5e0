// A sound as a part of the query: chosen, dropped anywhere on the search view, or recorded.

import { embedSound } from "../api.js";
import { clock } from "../affect.js";
import { fill, h } from "../dom.js";
import { say, sayProblem } from "../messages.js";
import { state } from "../state.js";
import { record, whyNot } from "./microphone.js";
import { mix } from "./parts.js";

const LONGEST = 30; // seconds of a recording

/** The buttons that take a sound, and the panel that shows what is heard. */
export function soundControls() {
  const panel = h("div", { class: "recording card", role: "group", "aria-label": "Recording", hidden: true });
  const file = h("input", { type: "file", accept: "audio/*,video/*", hidden: true, tabindex: -1, "aria-hidden": "true" });
  file.addEventListener("change", () => {
    if (file.files?.length) void take(file.files[0], file.files[0].name, panel);
    file.value = "";
  });
  const microphone = h("button", { type: "button", text: "● Record", title: `Say it: at most ${LONGEST} s` });
  const choose = h("button", { type: "button", text: "Choose a sound", on: { click: () => file.click() } });
  microphone.addEventListener("click", () => void hear(panel, microphone));
  catchDrops(panel);
  return { buttons: [microphone, choose, file], panel };
}

/** @param {HTMLElement} panel @param {HTMLElement} button */
async function hear(panel, button) {
  const level = h("meter", { min: 0, max: 1, "aria-label": "Level" });
  const time = h("span", { role: "timer" });
  const stop = h("button", { type: "button", class: "primary", text: "Stop and search" });
  const cancel = h("button", { type: "button", text: "Cancel" });
  const ended = new AbortController();
  const show = /** @param {number} seconds @param {number} loud */ (seconds, loud) => {
    level.value = loud;
    time.textContent = `${clock(seconds)} of ${clock(LONGEST)}`;
  };
  button.setAttribute("disabled", "");
  try {
    const recording = await record(LONGEST, show, ended.signal);
    show(0, 0);
    fill(panel, h("span", { class: "live", role: "status", text: "Recording" }), time, level, stop, cancel);
    panel.hidden = false;
    stop.addEventListener("click", recording.stop);
    cancel.addEventListener("click", () => ended.abort());
    stop.focus();
    const sound = await recording.sound;
    panel.hidden = true;
    if (sound) await take(sound, `Recording ${new Date().toLocaleTimeString()}`, panel);
  } catch (error) {
    say(whyNot(error), { kind: "bad" });
  } finally {
    panel.hidden = true;
    button.removeAttribute("disabled");
    button.focus();
  }
}

/** Have the service hear a sound, and search with it. @param {Blob} sound @param {string} name @param {HTMLElement} panel */
async function take(sound, name, panel) {
  const most = state.info.get()?.limits.max_upload_bytes ?? Infinity;
  if (sound.size > most) {
    say(`${name} is too large: ${Math.ceil(sound.size / 2 ** 20)} MiB, and ${Math.floor(most / 2 ** 20)} are taken.`, { kind: "bad" });
    return;
  }
  const given = new AbortController();
  const cancel = h("button", { type: "button", text: "Cancel", on: { click: () => given.abort() } });
  fill(panel, h("span", { role: "status", dir: "auto", text: `Listening to ${name} …` }), h("progress", { "aria-label": "Listening" }), cancel);
  panel.hidden = false;
  try {
    const { embedding, affect } = await embedSound(sound, name, given.signal);
    mix({ kind: "sound", name, embedding, affect, weight: 1 });
  } catch (error) {
    if (!given.signal.aborted) sayProblem(error, { label: "Try again", run: () => void take(sound, name, panel) });
  } finally {
    panel.hidden = true;
  }
}

/** Files may be dropped anywhere while the search is shown. @param {HTMLElement} panel */
function catchDrops(panel) {
  const target = h("div", { class: "dropping", text: "Drop a sound to search with it", hidden: true });
  document.body.append(target);
  const hasFile = /** @param {DragEvent} event */ (event) => event.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragover", (event) => {
    if (hasFile(event)) target.hidden = state.view.get() !== "search";
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) target.hidden = true;
  });
  addEventListener("drop", (event) => {
    target.hidden = true;
    const [file, ...others] = event.dataTransfer?.files ?? [];
    if (!file || state.view.get() !== "search") return;
    if (others.length) say(`One sound at a time: ${file.name} was taken.`);
    void take(file, file.name, panel);
  });
}

// How far a description is: what is sent, what is heard, and about how long the rest takes.

import { clock, counted } from "../affect.js";
import { h } from "../dom.js";

/** @param {string} name @param {() => void} cancel */
export function createProgress(name, cancel) {
  const bar = h("progress", { "aria-label": `Listening to ${name}`, max: 1 });
  const line = h("p", { class: "soft", text: "Sending…" });
  const node = h(
    "div",
    { class: "card working" },
    h("div", { class: "row" }, h("h2", { class: "grow", text: name }), h("button", { type: "button", text: "Cancel", on: { click: cancel } })),
    bar,
    line,
  );
  /** @type {number | null} */
  let total = null;
  let until = 0;
  let begun = 0;

  return {
    node,
    /** @param {number} share */
    sent(share) {
      bar.value = share;
      if (share < 1) line.textContent = `Sending: ${Math.round(100 * share)} %`;
      else {
        bar.removeAttribute("value");
        line.textContent = "Reading the file…";
      }
    },
    /** @param {number | null} duration seconds */
    expect(duration) {
      total = duration;
    },
    /** @param {number} end seconds */
    heard(end) {
      begun ||= performance.now();
      const again = end < until - 10; // what is no voice is gone through afterwards
      until = Math.max(until, end);
      if (!total) {
        line.textContent = `${clock(until)} heard so far`;
        return;
      }
      bar.value = Math.min(1, until / total);
      const spent = (performance.now() - begun) / 1000;
      const left = (spent * (total - until)) / until;
      const rest = spent > 3 && left >= 1 ? `, about ${left < 90 ? counted(Math.round(left), "second") : counted(Math.round(left / 60), "minute")} left` : "";
      line.textContent = again ? "Listening again to what is no clear voice…" : `${clock(until)} of ${clock(total)} heard${rest}`;
    },
  };
}

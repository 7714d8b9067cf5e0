// The API key, where the service asks for one: kept until the tab is closed, sent with every request.

import { $ } from "./dom.js";

const PLACE = "emotionrank-key";
let key = read();
/** @type {Promise<boolean> | null} */
let asking = null;

/** The header that shows the key; "" without one. */
export const bearer = () => (key ? `Bearer ${key}` : "");

/** Ask for a key; true when there is another than the one that was `sent`.
 * @param {string} why @param {string} sent @returns {Promise<boolean>} */
export function askForKey(why, sent) {
  if (bearer() !== sent) return Promise.resolve(true); // somebody else has asked meanwhile
  asking ??= ask(why).finally(() => (asking = null));
  return asking;
}

/** @param {string} why @returns {Promise<boolean>} */
function ask(why) {
  const dialog = /** @type {HTMLDialogElement} */ ($("#key-dialog"));
  const field = /** @type {HTMLInputElement} */ ($("input", dialog));
  $("#key-why").textContent = why;
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        const given = dialog.returnValue === "use" ? field.value.trim() : "";
        if (given) keep(given);
        resolve(Boolean(given));
      },
      { once: true },
    );
  });
}

function read() {
  try {
    return sessionStorage.getItem(PLACE) ?? "";
  } catch {
    return ""; // a browser that keeps nothing
  }
}

/** @param {string} given */
function keep(given) {
  key = given;
  try {
    sessionStorage.setItem(PLACE, given);
  } catch {
    // then until the page is loaded again
  }
}

// Sending files: how much of them is sent, the answer as it comes (fetch tells neither), and the key as everywhere.

import { askForKey, bearer } from "./access.js";
import { fromBody, OFFLINE, Problem } from "./api.js";

/**
 * @typedef {object} How
 * @property {File} file What is sent: looked at when sending fails.
 * @property {string} [accept]
 * @property {(share: number) => void} [onSent] 0..1
 * @property {(text: string) => void} [onText] All of a good answer that has come so far.
 * @property {AbortSignal} [signal]
 */
/** @typedef {{ status: number, text: string, retryAfter: number }} Answer */

/** Post a form; gives the answer's text. Throws Problem, and the signal's reason when it is aborted.
 * @param {string} path @param {FormData} form @param {How} how @returns {Promise<string>} */
export async function send(path, form, how) {
  for (;;) {
    const sent = bearer();
    const answer = await once(path, form, sent, how);
    if (answer.status < 300) return answer.text;
    const problem = fromBody(parsed(answer.text), answer.status, answer.retryAfter);
    if (answer.status !== 401 || !(await askForKey(problem.message, sent))) throw problem;
  }
}

/** @param {string} path @param {FormData} form @param {string} key @param {How} how @returns {Promise<Answer>} */
function once(path, form, key, { file, accept, onSent, onText, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open("POST", path);
    if (accept) request.setRequestHeader("Accept", accept);
    if (key) request.setRequestHeader("Authorization", key);
    if (onSent) request.upload.onprogress = ({ loaded, total }) => onSent(total ? loaded / total : 1);
    request.upload.onload = () => onSent?.(1);
    request.onprogress = () => request.status < 300 && onText?.(request.responseText);
    request.onload = () =>
      resolve({
        status: request.status,
        text: request.responseText,
        retryAfter: Number(request.getResponseHeader("Retry-After")),
      });
    request.onerror = () => void failed(file).then(reject);
    request.onabort = () => reject(signal?.reason);
    request.onloadend = () => signal?.removeEventListener("abort", abort);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", abort);
    request.send(form);
  });
}

/** A request that comes to nothing: no service, or no file. @param {File} file @returns {Promise<Problem>} */
async function failed(file) {
  const there = await file.slice(0, 1).arrayBuffer().then(Boolean, () => false);
  if (there) return new Problem({ code: "offline", detail: OFFLINE });
  const detail = `${file.name} can no longer be read: it was moved, changed or deleted. Choose it again.`;
  return new Problem({ code: "file-gone", detail });
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

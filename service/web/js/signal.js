// A value that tells who asked when it changes.

/**
 * @template T
 * @typedef {object} Signal
 * @property {() => T} get
 * @property {(value: T) => void} set
 * @property {(change: (value: T) => T) => void} update
 * @property {(listener: (value: T) => void) => () => void} subscribe Calls at once and at each change; gives the way to stop.
 */

/** @template T @param {T} value @returns {Signal<T>} */
export function signal(value) {
  /** @type {Set<(value: T) => void>} */
  const listeners = new Set();
  const self = {
    get: () => value,
    /** @param {T} next */
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener(value);
    },
    /** @param {(value: T) => T} change */
    update: (change) => self.set(change(value)),
    /** @param {(value: T) => void} listener */
    subscribe(listener) {
      listeners.add(listener);
      listener(value);
      return () => void listeners.delete(listener);
    },
  };
  return self;
}

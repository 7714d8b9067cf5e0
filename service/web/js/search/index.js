// Searching: the composer, the hits, the filters, and what runs between them.

import { mountComposer } from "./composer.js";
import { mountFilters } from "./filters.js";
import { mountHits } from "./hits.js";
import { follow } from "./run.js";

/** @param {{ composer: HTMLElement, hits: HTMLElement, filters: HTMLElement }} roots */
export function mountSearch({ composer, hits, filters }) {
  mountComposer(composer);
  mountFilters(filters);
  mountHits(hits);
  follow();
}

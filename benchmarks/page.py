"""The page in a real browser: `python -m benchmarks.page --library FOLDER` (made by `benchmarks.library make`).

    python -m benchmarks.segments embed CORPUS... --output real.npz
    python -m benchmarks.library make real.npz FOLDER --segments 100000
    python -m benchmarks.page --library FOLDER

`emotionrank serve` runs in a process of its own, headless Chromium without a graphics card on the same machine. Of them
it takes

- the time from Enter to the first result on the screen, for prompts that nobody asked before: from the key's event to
  the second frame after the first hit's row came into the page;
- frames while the query's mark is dragged over the map of the whole library, with its live searches;
- what the page weighs: every byte of all its files, as they are sent (gzip).

It prints the figures, then what must hold.
"""

import argparse
import gzip
import json
import os
import platform
import shutil
import statistics
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.load import prompts, served
from encoders.encoder import Encoder
from service.routes.page import WEB

FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
# Counts answers to searches, so that hits of this search are told from those of the one before.
_COUNT_ANSWERS: Final = """
window.answered = 0;
const ask = window.fetch;
window.fetch = async (...given) => {
  const answer = await ask(...given);
  if (String(given[0]).includes("v1/search")) window.answered += 1;
  return answer;
};
"""
_UNTIL_FIRST_HIT: Final = """() => new Promise((resolve) => {
  const before = window.answered;
  let pressed = 0;
  addEventListener("keydown", () => { pressed = performance.now(); }, {capture: true, once: true});
  const watch = new MutationObserver(() => {
    if (window.answered === before || !document.querySelector("#hits [data-rank]")) return;
    watch.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - pressed)));
  });
  const everything = {childList: true, subtree: true, attributes: true, characterData: true};
  watch.observe(document.querySelector("#hits"), everything);
})"""
_FRAMES: Final = """() => {
  window.frames = [];
  const note = (now) => { window.frames.push(now); window.following = requestAnimationFrame(note); };
  window.following = requestAnimationFrame(note);
}"""


def main() -> None:
    """Run the benchmark as the module's docstring says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--searches", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=5.0, help="of dragging")
    parser.add_argument("--output", type=Path, help="write the figures as JSON, too")
    parser.add_argument("--screenshot", type=Path, help="keep a picture of the page as it ended")
    given = parser.parse_args()

    asked = list(islice(prompts(Encoder.load(threads=1)), given.searches + 1))
    with served(given.library) as port, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(_COUNT_ANSWERS)
        page.goto(f"http://127.0.0.1:{port}/")
        expect(page.locator("#status")).not_to_be_empty()
        page.wait_for_load_state("networkidle")
        first = [first_result(page, prompt) for prompt in asked][1:]
        intervals = dragged(page, given.seconds)
        if given.screenshot:
            page.screenshot(path=given.screenshot)
        browser.close()
    figures: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "searches": len(first),
        "first_result_p50_ms": statistics.median(first),
        "first_result_max_ms": max(first),
        "frames": len(intervals),
        "frames_per_second": 1000 * len(intervals) / sum(intervals),
        "frame_p95_ms": sorted(intervals)[int(0.95 * len(intervals))],
        "page_bytes": sum(len(gzip.compress(path.read_bytes())) for path in WEB.rglob("*") if path.is_file()),
    }
    for name, value in figures.items():
        print(f"{name:22} {value if isinstance(value, str) else f'{value:,.1f}'}")
    print(f"{'holds' if figures['first_result_p50_ms'] <= 300 else 'MISSED'}: first result within 300 ms (median)")
    print(f"{'holds' if figures['frames_per_second'] >= 30 else 'MISSED'}: 30 frames a second while dragging")
    print(f"{'holds' if figures['page_bytes'] <= 150_000 else 'MISSED'}: the page weighs 150 kB at most")
    if given.output:
        given.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def first_result(page: Page, prompt: str) -> float:
    """Search from the page; return the milliseconds from Enter to the first result on the screen."""
    field = page.locator("#composer").get_by_role("searchbox")
    field.fill(prompt)
    field.focus()
    page.evaluate(f"window.taken = ({_UNTIL_FIRST_HIT})(); 0")
    page.keyboard.press("Enter")
    return float(page.evaluate("window.taken"))


def dragged(page: Page, seconds: float) -> list[float]:
    """Drag the query's mark over the map; return the milliseconds between frames."""
    canvas = page.locator("#map canvas").last
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.evaluate(_FRAMES)
    step, began = 0, page.evaluate("performance.now()")
    while page.evaluate("performance.now()") - began < 1000 * seconds:
        across = 0.2 + 0.6 * abs(step % 60 - 30) / 30
        page.mouse.move(box["x"] + across * box["width"], box["y"] + (0.3 + 0.4 * across) * box["height"])
        step += 1
    times = page.evaluate("cancelAnimationFrame(window.following), window.frames")
    page.mouse.up()
    return [later - sooner for sooner, later in pairwise(times)]


if __name__ == "__main__":
    main()

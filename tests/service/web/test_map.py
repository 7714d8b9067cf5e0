"""The map in the browser: what it shows, and everything that can be done on it by mouse, touch and keyboard."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from service.maps import draw
from tests.service.test_map import places
from tests.service.web.conftest import NARROW, WIDE, Open, accessible

INSET = 18  # of the plane in its canvas, in pixels
# Search for the page's query as it stands, and show what came of it.
SEARCHED = """async () => {
  const { state } = await import("./js/state.js");
  const api = await import("./js/api.js");
  const found = await api.search(state.query.get());
  state.results.set({ status: "done", hits: found.hits, place: found.affect, more: false, problem: null, hints: [] });
}"""


def drawn(page: Page) -> None:
    """Wait until the map shows the library."""
    expect(page.locator("#map-in-words")).to_contain_text("The map")


def spot(page: Page, valence: float, arousal: float) -> tuple[float, float]:
    """Return where a place lies on the screen."""
    canvas = page.locator("#map canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    across, up = box["width"] - 2 * INSET, box["height"] - 2 * INSET
    return box["x"] + INSET + (valence - 1) / 6 * across, box["y"] + box["height"] - INSET - (arousal - 1) / 6 * up


def asked(page: Page, name: str) -> list[list[float]]:
    """Return the numbers of the address, one list for each time that it has the name; waits until it has it."""
    expect(page).to_have_url(re.compile(rf"[?&]{name}="))
    return [[float(n) for n in value.split(",")] for value in parse_qs(urlsplit(page.url).query)[name]]


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=3)
    page.mouse.move(*end, steps=3)
    page.mouse.up()


def lies(page: Page) -> tuple[float, float]:
    """Return where the map says that the query lies."""
    found = re.search(r"valence ([\d.]+), arousal ([\d.]+)\)", page.locator(".plane-readout").inner_text())
    assert found
    return float(found[1]), float(found[2])


@pytest.fixture
def searched(site: str, open_page: Open) -> Page:
    """A page with a prompt's hits on its map."""
    page = open_page(f"{site}/?q=a+calm+voice")
    drawn(page)
    page.evaluate(SEARCHED)
    expect(page.locator(".plane-readout")).to_contain_text("The query lies at")
    return page


def test_the_map_says_in_words_what_it_shows(site: str, client: httpx.Client, open_page: Open) -> None:
    segments = client.get("/v1/info").json()["library"]["segments"]
    page = open_page(site)
    drawn(page)
    field = page.get_by_role("application", name="Map of emotion")
    expect(field).to_have_accessible_description(re.compile(rf"shows {segments} moments: .*negative and calm.*arrows"))
    painted = page.evaluate(
        """() => { const canvas = document.querySelector("#map canvas");
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return new Set(new Uint32Array(data.buffer)).size; }"""
    )
    assert painted > 50  # colours: grid, points and terms


def test_very_many_segments_come_as_a_grid(site: str, open_page: Open) -> None:
    page = open_page(site)
    drawn(page)
    affect = np.concatenate([np.full((3_000, 2), 2.5), np.full((1_000, 2), [6.5, 5.5])])
    body = draw(places(affect), most=1_000)
    page.route("**/v1/map", lambda route: route.fulfill(body=body, content_type="application/octet-stream"))
    page.reload()
    expect(page.locator("#map-in-words")).to_have_text(
        "The map shows 4,000 moments: 75 % negative and calm, 0 % positive and calm, 0 % negative and activated, "
        "25 % positive and activated."
    )


def test_a_map_that_cannot_be_had_can_be_asked_for_again(site: str, open_page: Open) -> None:
    page = open_page(site, allowed=("503",))
    drawn(page)
    problem = {"type": "urn:emotionrank:problem:library-busy", "title": "Busy", "status": 503, "detail": "It is busy."}
    page.route("**/v1/map", lambda route: route.fulfill(status=503, json=problem))
    page.reload()
    told = page.get_by_role("alert")
    expect(told).to_contain_text("It is busy.")
    page.unroute("**/v1/map")
    told.get_by_role("button", name="Draw the map again").click()
    drawn(page)


def test_a_filter_leaves_its_segments_on_the_map(site: str, open_page: Open) -> None:
    page = open_page(f'{site}/?filter={{"name": "voice0.wav"}}')
    expect(page.locator("#map-in-words")).to_contain_text("shows 1 moments")
    page.goto(f'{site}/?filter={{"name": "nobody"}}')
    expect(page.locator(".plane-empty")).to_have_text("No recording has what the filter asks for.")


def test_an_empty_library_is_said(own_site: str, open_page: Open) -> None:
    expect(open_page(own_site).locator(".plane-empty")).to_have_text("The library has no recordings yet.")


def test_a_click_searches_at_its_place(site: str, open_page: Open) -> None:
    page = open_page(site)
    drawn(page)
    page.mouse.click(*spot(page, 6, 2.5))
    assert asked(page, "at") == [pytest.approx([6, 2.5], abs=0.03)]
    page.mouse.click(*spot(page, 2, 6))
    expect(page).to_have_url(re.compile("at=[12]"))
    assert asked(page, "at") == [pytest.approx([2, 6], abs=0.03)]
    page.keyboard.down("Control")
    page.mouse.click(*spot(page, 5, 5))
    page.keyboard.up("Control")
    expect(page).to_have_url(re.compile("at=.*at="))
    assert asked(page, "at") == [pytest.approx([2, 6], abs=0.03), pytest.approx([5, 5], abs=0.03)]
    page.go_back()
    page.go_back()
    expect(page).to_have_url(re.compile("at=[56]"))
    assert asked(page, "at") == [pytest.approx([6, 2.5], abs=0.03)]


def test_a_click_takes_the_place_of_words(searched: Page) -> None:
    searched.mouse.click(*spot(searched, 6.5, 6.5))
    assert asked(searched, "at") == [pytest.approx([6.5, 6.5], abs=0.03)]
    assert "q=" not in searched.url


def test_dragging_a_point_is_one_step_back(site: str, open_page: Open) -> None:
    page = open_page(site)
    drawn(page)
    drag(page, spot(page, 3, 4), spot(page, 6, 5))
    # The first point makes room for what can be done with it, which moves the map under the pointer: no matter.
    first = asked(page, "at")
    assert first == [pytest.approx([6, 5], abs=0.03)]
    expect(page.locator("[data-rank]").first).to_be_visible()
    drag(page, spot(page, 6, 5), spot(page, 2, 2))
    expect(page).to_have_url(re.compile(r"at=[12][.\d]*%2C[12]"))
    assert asked(page, "at") == [pytest.approx([2, 2], abs=0.03)]
    page.go_back()
    expect(page).to_have_url(re.compile("at=[56]"))
    assert asked(page, "at") == first
    page.go_back()
    expect(page).not_to_have_url(re.compile("at="))


def test_dragging_the_query_s_mark_shifts_it(searched: Page) -> None:
    valence, arousal = lies(searched)
    drag(searched, spot(searched, valence, arousal), spot(searched, valence + 1, arousal + 1.5))
    assert asked(searched, "shift") == [pytest.approx([1, 1.5], abs=0.12)]
    assert "q=a+calm+voice" in searched.url
    searched.evaluate(SEARCHED)
    assert lies(searched) == pytest.approx((valence + 1, arousal + 1.5), abs=0.25)


def test_a_region_is_brushed_changed_and_removed(site: str, open_page: Open, shot: Callable[[Page, str], None]) -> None:
    page = open_page(f"{site}/?q=calm")
    drawn(page)
    page.keyboard.down("Shift")
    drag(page, spot(page, 2, 2), spot(page, 5, 6))
    page.keyboard.up("Shift")
    assert asked(page, "in") == [pytest.approx([2, 5, 2, 6], abs=0.03)]
    expect(page.locator(".plane-readout")).to_contain_text("valence 2.0 to 5.0, arousal 2.0 to 6.0")
    drag(page, spot(page, 5, 6), spot(page, 6, 4))
    expect(page).to_have_url(re.compile(r"in=[12][.\d]*%2C[56]"))
    assert asked(page, "in") == [pytest.approx([2, 6, 2, 4], abs=0.03)]
    shot(page, "map-region")
    page.get_by_role("button", name="Remove the region").click()
    expect(page).not_to_have_url(re.compile("in="))
    expect(page.get_by_role("button", name="Remove the region")).to_be_hidden()


def test_a_button_selects_a_region_without_shift(site: str, open_page: Open) -> None:
    page = open_page(site)
    drawn(page)
    button = page.get_by_role("button", name="Select a region")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    drag(page, spot(page, 6, 6), spot(page, 4, 5))
    assert asked(page, "in") == [pytest.approx([4, 6, 5, 6], abs=0.03)]
    expect(button).to_have_attribute("aria-pressed", "false")
    assert "at=" not in page.url


def test_the_keyboard_sets_a_point_and_a_region(site: str, open_page: Open) -> None:
    page = open_page(site)
    drawn(page)
    field = page.get_by_role("application", name="Map of emotion")
    field.focus()
    for key in ["ArrowRight"] * 3 + ["Shift+ArrowUp"] * 2 + ["ArrowUp"]:
        page.keyboard.press(key)
    expect(page.locator("#map [role=status]")).to_have_text("valence 4.3, arousal 5.1: activated")
    assert "at=" not in page.url
    page.keyboard.press("Enter")
    assert asked(page, "at") == [[4.3, 5.1]]
    page.get_by_role("button", name="Select a region").focus()
    page.keyboard.press("Enter")
    field.focus()
    page.keyboard.press("Enter")
    for key in ["Shift+ArrowLeft"] * 2 + ["Shift+ArrowDown"] * 4:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    assert asked(page, "in") == [[3.3, 4.3, 3.1, 5.1]]
    page.keyboard.press("Delete")
    expect(page).not_to_have_url(re.compile("in="))


def test_hits_on_the_map_are_pointed_at_and_chosen(searched: Page) -> None:
    best = searched.evaluate(
        """async () => { const { state } = await import("./js/state.js");
        const { clip, affect } = state.results.get().hits[0]; return { name: clip.name, ...affect }; }"""
    )
    tip = searched.locator(".plane-tip")
    searched.evaluate("import('./js/state.js').then(({ state }) => state.hovered.set(0))")
    expect(tip).to_contain_text(f"1 · {best['name']}")
    searched.evaluate("import('./js/state.js').then(({ state }) => state.hovered.set(-1))")
    expect(tip).to_be_hidden()
    # Numbers that would hide one another lie apart, so its mark is looked for around its place.
    x, y = spot(searched, best["valence"], best["arousal"])
    for dx, dy in [(0, 0), *((12 * a, 12 * b) for a in (-1, 0, 1) for b in (-1, 0, 1)), (24, 0), (-24, 0), (0, 24)]:
        searched.mouse.move(x + dx, y + dy)
        if tip.is_visible() and tip.inner_text().startswith("1 ·"):
            break
    expect(tip).to_contain_text(best["name"])
    searched.mouse.down()
    searched.mouse.up()
    assert searched.evaluate("import('./js/state.js').then(({ state }) => state.chosen.get())") == 0
    assert "at=" not in searched.url


def test_a_tap_sets_a_point_and_its_ring_can_be_dragged(site: str, open_page: Open) -> None:
    page = open_page(site, size=NARROW)
    drawn(page)
    page.touchscreen.tap(*spot(page, 5, 3))
    assert asked(page, "at") == [pytest.approx([5, 3], abs=0.05)]
    # A touch on the ring drags it; one beside it scrolls the page.
    refused = """([x, y]) => { const canvas = document.querySelector("#map canvas");
        const touch = new Touch({ identifier: 1, target: canvas, clientX: x, clientY: y });
        const begun = new TouchEvent("touchstart", { touches: [touch], cancelable: true, bubbles: true });
        return !canvas.dispatchEvent(begun);
    }"""
    assert page.evaluate(refused, spot(page, 5, 3)) is True
    assert page.evaluate(refused, spot(page, 2, 6)) is False


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_map_with_all_on_it_is_accessible(
    site: str, open_page: Open, shot: Callable[[Page, str], None], dark: bool, size: dict[str, int]
) -> None:
    page = open_page(f"{site}/?q=an+angry+voice&shift=1,-1.5&in=2,6,2,6", dark=dark, size=size)
    drawn(page)
    page.evaluate(SEARCHED)
    expect(page.locator(".plane-readout")).to_contain_text("The query lies at")
    page.get_by_role("application", name="Map of emotion").focus()
    page.keyboard.press("ArrowLeft")
    accessible(page)
    shot(page, f"map-{'dark' if dark else 'light'}-{size['width']}")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]

"""The page in a real browser, opened from a file as its readers do. Skipped where no Chromium is installed."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.service.web.conftest import CHROMIUM, FLAGS, NARROW, WIDE, accessible


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (or name it with EMOTIONRANK_CHROMIUM)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, html: str, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open the page; what it writes to the console, throws or asks of others fails the test."""
    file = tmp_path / "report.html"
    file.write_text(html, encoding="utf-8")
    faults: list[str] = []

    def opener(*, wide: bool = True, dark: bool = False, scripts: bool = True) -> Page:
        context = browser.new_context(
            viewport=WIDE if wide else NARROW, color_scheme="dark" if dark else "light", java_script_enabled=scripts
        )
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda sent: None if sent.url.startswith(("file:", "data:")) else faults.append(sent.url))
        page.goto(file.as_uri())
        return page

    yield opener
    for context in browser.contexts:
        context.close()
    assert faults == []


def test_a_moment_plays_and_stops_the_one_before(opened: Callable[..., Page]) -> None:
    page = opened()
    players, buttons = page.locator("audio"), page.locator(".play")
    assert players.count() == buttons.count() == page.get_by_role("button", name="Play ").count() > 20
    players.nth(0).evaluate("player => { player.loop = true }")  # so that it does not end before it is looked at
    buttons.nth(0).click()
    expect(buttons.nth(0)).to_have_class("play on")
    expect(buttons.nth(0)).to_have_accessible_name(re.compile("^Stop "))
    expect(players.nth(0)).to_have_js_property("paused", False)
    buttons.nth(1).focus()
    page.keyboard.press("Enter")
    expect(players.nth(0)).to_have_js_property("paused", True)
    expect(buttons.nth(0)).to_have_class("play")
    expect(players.nth(1)).to_have_js_property("ended", True, timeout=30_000)  # it plays to its end
    assert players.nth(1).evaluate("player => player.currentTime") > 0.3
    expect(buttons.nth(1)).to_have_accessible_name(re.compile("^Play "))


def test_without_scripts_the_browsers_own_players_are_there(opened: Callable[..., Page]) -> None:
    page = opened(scripts=False)
    assert page.locator(".play").count() == 0
    expect(page.locator("audio[controls]").first).to_be_visible()


@pytest.mark.parametrize(("wide", "dark"), [(True, False), (False, True)])
def test_it_fits_and_anyone_can_read_it(opened: Callable[..., Page], wide: bool, dark: bool) -> None:
    page = opened(wide=wide, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.get_by_role("img", name="The library in the valence-arousal plane")).to_be_visible()
    accessible(page)

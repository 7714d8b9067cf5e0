"""The view that describes a recording: from a file to a sentence, a drawing in time and a comparison."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import FilePayload, Locator, Page, ViewportSize, expect

from service.access.keys import new_key
from service.app import create_app
from service.engine import Engine
from tests.service.conftest import running
from tests.service.web.conftest import NARROW, WIDE, Open, accessible
from tests.sounds import RATE, media, speech

Shot = Callable[[Page, str], None]


def named(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "audio/wav", "buffer": content}


def talked(seconds: float) -> FilePayload:
    """Make speech that is quick and high at first, and slow and deep after `seconds`, for a little longer."""
    reading = speech(seconds)
    slow = np.interp(np.arange(round(1.3 * reading.size)) / 1.3, np.arange(reading.size), reading) * 0.4
    return named("a long talk.flac", media(np.concatenate([reading, slow]), "flac"))


@pytest.fixture(scope="module")
def talk() -> FilePayload:
    """A minute and nine seconds of speech, which changes after 30 s."""
    return talked(30.0)


@pytest.fixture(scope="module")
def word() -> FilePayload:
    """One moment of speech."""
    return named("a word.wav", media(speech(2.5), "wav"))


@pytest.fixture
def describing(site: str, open_page: Open) -> Page:
    """The view, open."""
    return open_page(f"{site}/?view=describe")


def choose(page: Page, file: FilePayload) -> None:
    page.get_by_label("Choose a recording").and_(page.locator("input")).set_input_files(files=[file])


def described(page: Page, file: FilePayload) -> Locator:
    """Choose a recording and wait for its description; return where it says it."""
    choose(page, file)
    expect(page.get_by_role("heading", name=str(file["name"]))).to_be_visible(timeout=60_000)
    expect(page.locator("#describe-view .summary")).to_be_visible(timeout=60_000)
    return page.locator("#describe-view")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_recording_becomes_words_and_drawings(
    site: str, open_page: Open, talk: FilePayload, shot: Shot, dark: bool, size: ViewportSize
) -> None:
    page = open_page(f"{site}/?view=describe", dark=dark, size=size)
    view = described(page, talk)
    expect(view.locator(".summary")).to_contain_text("Sounds")
    expect(view.get_by_text("1:09 long, ")).to_be_visible()
    for heading in ("In time", "Its place on the map", "Emotions it is closest to", "Prompts it is closest to"):
        expect(view.get_by_role("heading", name=heading)).to_be_visible()
    for lane in ("valence", "arousal"):
        expect(view.locator(f".lane.{lane} path.smooth")).to_have_attribute("d", re.compile("^M.*L.*L"))
    expect(view.locator(".shape path")).to_have_count(1)
    accessible(page)
    shot(page, f"described-{'dark' if dark else 'light'}-{size['width']}")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_minutes_of_speech_are_told_as_they_are_heard(describing: Page) -> None:
    describing.evaluate(
        """() => {
          window.told = [];
          new MutationObserver((changes) => {
            for (const { addedNodes } of changes) for (const node of addedNodes) window.told.push(node.textContent);
          }).observe(document.querySelector("#describe-view"), { childList: true, subtree: true });
        }"""
    )
    view = described(describing, talked(75.0))
    told = [line for line in describing.evaluate("window.told") if re.match(r"\d:\d\d of 2:53 heard", line)]
    assert len(told) > 60  # one for each moment
    assert told == sorted(told)
    expect(view.get_by_role("list", name="Where it changes").get_by_role("listitem")).to_have_count(1)


def test_a_short_recording_says_what_to_doubt(describing: Page, word: FilePayload, shot: Shot) -> None:
    view = described(describing, word)
    expect(view.get_by_text("The moment as a table")).to_be_visible()
    noise = np.random.default_rng(0).normal(0, 0.05, 5 * RATE)
    view = described(describing, named("noise.wav", media(noise, "wav")))
    expect(view.get_by_text("Take this with care")).to_be_visible()
    shot(describing, "described-doubts")


def test_the_drawing_plays_from_where_it_is_clicked(describing: Page, talk: FilePayload) -> None:
    view = described(describing, talk)
    place = view.get_by_role("slider", name="Place in the recording")
    box = place.bounding_box()
    assert box is not None
    place.click(position={"x": box["width"] / 2, "y": 40})
    expect(view.get_by_role("button", name="Stop")).to_be_visible()
    # The head moves by itself.
    expect(place).to_have_attribute("aria-valuenow", re.compile(r"^(3[5-9]|[456]\d)\."))
    view.get_by_role("button", name="Stop").click()
    expect(view.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_the_drawing_is_played_and_read_with_keys(describing: Page, talk: FilePayload) -> None:
    view = described(describing, talk)
    place = view.get_by_role("slider", name="Place in the recording")
    place.focus()
    describing.keyboard.press("End")
    expect(place).to_have_attribute("aria-valuenow", "69.0")
    describing.keyboard.press("Home")
    expect(place).to_have_attribute("aria-valuenow", "0.0")
    expect(place).to_have_attribute("aria-valuetext", re.compile(r"^0:00 · .+ · \w+"))
    describing.keyboard.press("ArrowRight")
    expect(place).not_to_have_attribute("aria-valuenow", "0.0")
    describing.keyboard.press("PageDown")
    expect(place).to_have_attribute("aria-valuenow", re.compile(r"^(2\d|3[0-2])\."))  # where it changes
    describing.keyboard.press("Space")
    expect(view.get_by_role("button", name="Stop")).to_be_visible()
    expect(place).to_have_attribute("aria-valuenow", re.compile(r"^([23456]\d)\."))
    describing.keyboard.press("Space")
    expect(view.get_by_role("button", name="Play", exact=True)).to_be_visible()
    view.get_by_text("moments as a table").click()
    rows = view.get_by_role("row")
    expect(rows.nth(30)).to_be_visible()
    rows.nth(3).get_by_role("button").click()
    expect(view.get_by_role("button", name="Stop")).to_be_visible()


def test_a_closer_look_is_scrolled(describing: Page, talk: FilePayload) -> None:
    view = described(describing, talk)
    expect(view.get_by_role("button", name="See more of it")).to_be_disabled()
    view.get_by_role("button", name="Look closer").click()
    wide = "document.querySelector('.track').clientWidth / document.querySelector('.chart .scroller').clientWidth"
    assert describing.evaluate(wide) == pytest.approx(2.0, abs=0.05)
    view.get_by_role("slider", name="Place in the recording").press("End")
    assert describing.evaluate("document.querySelector('.chart .scroller').scrollLeft") > 100


def test_prompts_of_ones_own_are_compared_and_kept_for_the_next(
    describing: Page, talk: FilePayload, word: FilePayload
) -> None:
    view = described(describing, word)
    mine = view.locator(".own-prompts")
    for prompt in ("a furious voice", "bored and tired"):
        mine.get_by_label("Your own prompt").fill(prompt)
        mine.get_by_role("button", name="Compare").click()
        expect(mine.get_by_role("listitem").filter(has_text=prompt)).to_be_visible()
    scores = [float(text.replace("−", "-")) for text in mine.locator("li b").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    described(describing, talk)
    expect(mine.get_by_role("listitem")).to_have_count(2)
    mine.get_by_role("button", name="Remove “bored and tired”").click()
    expect(mine.get_by_role("listitem")).to_have_count(1)


def test_work_is_cancelled(describing: Page, talk: FilePayload) -> None:
    choose(describing, talk)
    describing.get_by_role("button", name="Cancel").click()
    expect(describing.get_by_role("button", name="Cancel")).to_be_hidden()
    expect(describing.get_by_role("button", name="Choose a recording")).to_be_focused()
    expect(describing.locator("#describe-view").get_by_text("Cancelled.")).to_be_attached()
    described(describing, talk)  # and it works again


@pytest.mark.parametrize(
    ("name", "content", "title"),
    [
        ("silence.wav", media(np.zeros(3 * RATE), "wav"), "The sound is silent"),
        ("notes.txt", b"These are no sounds. " * 200, "The file is no audio that can be read"),
        ("nothing.wav", b"", "The file is empty"),
    ],
    ids=["silent", "no audio", "empty"],
)
def test_what_is_no_speech_is_said_plainly(
    site: str, open_page: Open, word: FilePayload, name: str, content: bytes, title: str
) -> None:
    page = open_page(f"{site}/?view=describe", allowed=("422",))
    choose(page, named(name, content))
    told = page.locator("#describe-view").get_by_role("alert")
    expect(told).to_contain_text(title)
    expect(told).to_contain_text(name)
    expect(told.get_by_role("button", name="Choose another")).to_be_visible()
    described(page, word)


def test_a_file_that_is_too_large_is_not_sent(engine: Engine, open_page: Open, talk: FilePayload) -> None:
    with running(create_app(engine.settings, engine=engine)) as client:
        page = open_page(f"{client.base_url}/?view=describe")
        page.route(
            "**/v1/info",
            lambda route: route.fulfill(json=limited(route.fetch().json(), "max_upload_bytes", 100_000)),
        )
        page.reload()
        expect(page.locator("#status")).to_contain_text("6 clips")
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        choose(page, talk)
        expect(page.get_by_role("alert")).to_contain_text("takes 100 kB at most")
        assert sent == []
        page.close()  # before its service is


def test_a_recording_that_is_too_long_is_said_to_be(site: str, open_page: Open, talk: FilePayload) -> None:
    page = open_page(f"{site}/?view=describe", allowed=("ERR_ABORTED",))
    page.route("**/v1/info", lambda route: route.fulfill(json=limited(route.fetch().json(), "max_duration", 60)))
    page.route("**/v1/describe", lambda route: None)  # what is on its way is given up
    page.reload()
    expect(page.locator("#status")).to_contain_text("6 clips")
    choose(page, talk)
    expect(page.get_by_role("alert")).to_contain_text("1:09 long; this service takes 1:00 at most")


def limited(info: dict[str, dict[str, int]], name: str, most: int) -> dict[str, dict[str, int]]:
    info["limits"][name] = most
    return info


def test_a_service_that_is_away_is_asked_again(site: str, open_page: Open, word: FilePayload) -> None:
    page = open_page(f"{site}/?view=describe", allowed=("ERR_FAILED",))
    page.route("**/v1/describe", lambda route: route.abort())
    choose(page, word)
    told = page.locator("#describe-view").get_by_role("alert")
    expect(told).to_contain_text("The service does not answer")
    page.unroute("**/v1/describe")
    told.get_by_role("button", name="Try again").click()
    expect(page.locator("#describe-view .summary")).to_be_visible(timeout=60_000)


def test_a_key_is_asked_for_and_the_recording_is_sent_again(engine: Engine, open_page: Open, word: FilePayload) -> None:
    key, line = new_key("page", ["read"])
    settings = engine.settings.model_copy(update={"keys": line.line()})
    with running(create_app(settings, engine=engine)) as client:
        page = open_page(f"{client.base_url}/?view=describe", allowed=("401",))
        dialog = page.get_by_role("dialog", name="This service needs a key")
        dialog.get_by_role("button", name="Not now").click()
        choose(page, word)
        dialog.get_by_label("API key").fill(key)
        dialog.get_by_role("button", name="Use it").click()
        expect(page.locator("#describe-view .summary")).to_be_visible(timeout=60_000)
        page.close()  # before its service is


def test_the_description_is_saved(describing: Page, word: FilePayload, tmp_path: Path) -> None:
    view = described(describing, word)
    with describing.expect_download() as download:
        view.get_by_role("link", name="Save as JSON").click()
    saved = tmp_path / "saved.json"
    download.value.save_as(saved)
    found = json.loads(saved.read_text(encoding="utf-8"))
    assert found["name"] == "a word.wav"
    assert view.locator(".summary").inner_text() == found["summary"]


def test_a_recording_is_searched_with(describing: Page, word: FilePayload) -> None:
    described(describing, word).get_by_role("button", name="Find clips like it").click()
    expect(describing.locator("#search-view")).to_be_visible()
    expect(describing.locator("#describe-view")).to_be_hidden()

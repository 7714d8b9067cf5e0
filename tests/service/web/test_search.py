"""Searching on the page: the prompt, chips, sliders, sounds, filters, hits, and what it says when there are none."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Request, Route, ViewportSize, expect

from index.build import build
from service.access.keys import new_key
from service.app import create_app
from service.engine import Engine
from service.settings import Settings
from tests.service.conftest import running
from tests.service.web.conftest import NARROW, WIDE, Open, accessible
from tests.sounds import media, voice

Shot = Callable[[Page, str], None]
HIT = "#hits .hit"
expect.set_options(timeout=20_000)


def ask(page: Page, text: str) -> None:
    prompt = page.get_by_role("searchbox")
    prompt.fill(text)
    prompt.press("Enter")


def found(page: Page, text: str = "a calm, warm voice") -> Page:
    ask(page, text)
    expect(page.locator(HIT)).to_have_count(6)
    return page


def chips(page: Page) -> Locator:
    return page.get_by_role("list", name="Parts of the search").get_by_role("listitem")


def names(page: Page) -> list[str]:
    return page.locator(f"{HIT} .name").all_inner_texts()


def expect_address(page: Page, name: str, *values: str) -> None:
    """Wait until the address has these values of a parameter, in this order."""
    page.wait_for_url(lambda url: parse_qs(urlsplit(url).query).get(name, []) == list(values))


def test_a_prompt_finds_hits_and_the_address_says_it_again(site: str, open_page: Open, shot: Shot) -> None:
    page = open_page(site)
    expect(page.locator("#hits")).to_contain_text("How should it sound?")
    found(page)
    first = page.locator(HIT).first
    assert first.get_attribute("data-rank") == "1"
    expect(first.locator(".about")).to_contain_text(re.compile(r"\d:\d\d.*–\d:\d\d.* of \d:\d\d"))
    expect(page.locator("#hits [role=status]")).to_contain_text("6 hits")
    expect_address(page, "q", "a calm, warm voice")
    ranked = names(page)
    other = open_page(page.url)
    expect(other.locator(HIT)).to_have_count(6)
    assert names(other) == ranked
    expect(other.get_by_role("searchbox")).to_have_value("a calm, warm voice")
    expect(page.locator(f"{HIT} svg")).to_have_count(6)
    shot(page, "search-hits-wide")


def test_back_and_forward_go_through_the_searches(site: str, open_page: Open) -> None:
    page = found(open_page(site))
    found(page, "angry, shouting")
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("a calm, warm voice")
    expect(chips(page)).to_contain_text(["a calm, warm voice"])
    page.go_back()
    expect(page.locator("#hits")).to_contain_text("How should it sound?")
    page.go_forward()
    expect(page.locator(HIT)).to_have_count(6)


def test_an_example_is_a_click_away(site: str, open_page: Open) -> None:
    page = open_page(site)
    page.get_by_role("button", name="calm and warm").click()
    expect(page.locator(HIT)).to_have_count(6)


def test_chips_mix_weigh_and_lead_away(site: str, open_page: Open, shot: Shot) -> None:
    page = found(open_page(site), "calm")
    prompt = page.get_by_role("searchbox")
    prompt.fill("tired")
    page.get_by_role("button", name="Mix in").click()
    prompt.fill("shouting")
    page.get_by_role("button", name="Without").click()
    expect(chips(page)).to_have_count(3)
    expect_address(page, "q", "calm", "tired", "-0.5*shouting")
    expect(chips(page).nth(2)).to_have_class(re.compile("away"))
    weight = page.get_by_label("Weight of tired")
    weight.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(weight).to_have_value("1.5")
    expect(weight).to_be_focused()
    expect_address(page, "q", "calm", "1.5*tired", "-0.5*shouting")
    shot(page, "search-chips")
    page.get_by_role("button", name="Remove tired").press("Enter")
    expect(chips(page)).to_have_count(2)
    expect(page.get_by_role("button", name="Remove shouting")).to_be_focused()


def test_the_sliders_shift_the_query_live_and_only_the_last_search_counts(site: str, open_page: Open) -> None:
    page = found(open_page(site))
    sent: list[float] = []
    page.on("request", lambda request: sent.append(shift_of(request)) if "/v1/search" in request.url else None)
    slider = page.get_by_role("slider", name="sadder to happier")
    slider.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".shift output").first).to_have_text("+1.2")
    assert slider.get_attribute("aria-valuetext") == "1.2 happier"
    expect_address(page, "shift", "1.2,0")
    with page.expect_response(lambda answer: shift_of(answer.request) == 0.0):
        page.get_by_role("button", name="Reset").click()
    assert sent[-1] == 0.0
    assert 1.2 in sent
    expect_address(page, "shift")


def shift_of(request: Request) -> float:
    return float(json.loads(request.post_data or "{}").get("shift", {}).get("valence", -99))


def test_searches_while_a_slider_moves_are_few_and_older_ones_are_given_up(site: str, open_page: Open) -> None:
    page = found(open_page(site))
    begun: list[str] = []
    held: list[Route] = []
    page.on("request", lambda request: begun.append(request.url) if "/v1/search" in request.url else None)
    page.route("**/v1/search", lambda route: held.append(route))
    page.evaluate(
        """() => { const slider = document.querySelector(".shift input");
        for (let at = 1; at <= 60; at++) { slider.value = at / 20; slider.dispatchEvent(new Event("input")); } }"""
    )
    expect(page.locator("#hits")).to_have_attribute("aria-busy", "true")
    assert 1 <= len(begun) <= 3  # of sixty moves
    page.unroute("**/v1/search")
    with page.expect_response(lambda answer: shift_of(answer.request) == 3.0):
        page.evaluate(
            """() => { const slider = document.querySelector(".shift input");
            for (const at of [1, 3]) { slider.value = at; slider.dispatchEvent(new Event("input")); } }"""
        )
    expect(page.locator("#hits")).to_have_attribute("aria-busy", "false")


def test_more_like_a_hit_and_less_like_another(site: str, open_page: Open) -> None:
    page = found(open_page(site))
    liked = names(page)[1]
    page.get_by_role("button", name=f"More like this: {liked}").click()
    expect(chips(page)).to_have_count(2)
    expect(page.locator(HIT)).to_have_count(5)  # the clip itself is left out
    unliked = names(page)[-1]
    page.get_by_role("button", name=f"Less like this: {unliked}").click()
    expect(chips(page)).to_have_count(3)
    expect(chips(page).nth(2)).to_have_class(re.compile("away"))
    again = open_page(page.url)
    expect(chips(again)).to_contain_text(["a calm, warm voice", liked, unliked])


def test_j_and_k_move_space_plays_and_slash_asks(site: str, open_page: Open) -> None:
    page = found(open_page(site))
    page.locator("body").click(position={"x": 2, "y": 2})
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator(HIT).nth(1)
    expect(second).to_have_attribute("aria-current", "true")
    expect(second.locator(".play")).to_be_focused()
    page.keyboard.press("k")
    expect(page.locator(HIT).first).to_have_attribute("aria-current", "true")
    page.keyboard.press("k")
    expect(page.locator(HIT).first).to_have_attribute("aria-current", "true")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("jk /")
    expect(page.locator(HIT).first).to_have_attribute("aria-current", "true")


def test_just_the_moment_is_played_and_stops_at_its_end(site: str, open_page: Open) -> None:
    page = open_page(f"{site}/?q=calm&filter=%7B%22take%22%3A5%7D")  # the clip of nine seconds
    expect(page.locator(HIT)).to_have_count(1)
    page.evaluate(
        """async () => { const { now } = await import("/js/player.js"); window.heard = [];
        now.subscribe((playing) => playing && window.heard.push(playing)); }"""
    )
    page.get_by_role("button", name="Play voice5.wav").click()
    expect(page.get_by_role("button", name="Stop voice5.wav")).to_be_visible()
    expect(page.locator(".wave .head")).to_be_visible()
    expect(page.get_by_role("button", name="Play voice5.wav")).to_be_visible()  # it has stopped by itself
    expect(page.locator(".wave .head")).to_be_hidden()
    heard = page.evaluate("window.heard")
    assert heard[-1]["at"] <= heard[0]["end"]
    assert heard[0]["end"] < 8.9


def test_the_waveform_is_played_from_where_it_is_clicked(site: str, open_page: Open) -> None:
    page = open_page(f"{site}/?q=calm&filter=%7B%22take%22%3A5%7D")
    wave = page.locator(f"{HIT} .wave")
    expect(wave.locator("svg")).to_be_visible()
    box = wave.bounding_box()
    assert box is not None
    wave.click(position={"x": box["width"] * 0.9, "y": 10})
    expect(wave.locator(".head")).to_be_visible()
    assert page.evaluate("import('/js/player.js').then(({ now }) => now.get().start)") > 7


def test_without_a_waveform_the_row_shows_a_plain_bar(site: str, open_page: Open) -> None:
    page = open_page(site, allowed=("429",))
    page.route("**/waveform?*", lambda route: route.fulfill(status=429, body="{}"))
    found(page)
    expect(page.locator(f"{HIT} .wave.plain")).to_have_count(6)
    expect(page.locator("#messages")).to_be_empty()


def test_filters_narrow_the_search_and_no_results_say_why(site: str, open_page: Open, shot: Shot) -> None:
    page = found(open_page(site))
    page.locator("summary").click()
    page.get_by_role("group", name="speaker").get_by_role("button", name="01").click()
    expect(page.locator(HIT)).to_have_count(3)
    expect_address(page, "filter", '{"speaker":{"in":["01"]}}')
    page.get_by_role("group", name="speaker").get_by_role("button", name="00").click()
    expect(page.locator(HIT)).to_have_count(6)
    page.goto(f"{site}/?q=calm&filter=%7B%22speeker%22%3A%2201%22%7D")
    expect(page.locator("#hits h2")).to_have_text("No hits")
    expect(page.locator("#hits")).to_contain_text("Did you mean 'speaker'?")
    shot(page, "search-no-hits")
    page.get_by_role("button", name="Remove the filter").click()
    expect(page.locator(HIT)).to_have_count(6)
    page.goto(f"{site}/?q=calm&in=1,1.1,6.9,7")
    page.get_by_role("button", name="Look in the whole plane").click()
    expect(page.locator(HIT)).to_have_count(6)


def test_an_empty_library_shows_the_way_on(own_site: str, open_page: Open) -> None:
    page = open_page(own_site)
    expect(page.locator("#hits h2")).to_have_text("The library is empty")
    ask(page, "calm")
    expect(page.locator("#hits h2")).to_have_text("The library is empty")
    page.get_by_role("button", name="Add recordings").click()
    expect(page.locator("#library-view")).to_be_visible()


def test_when_nothing_answers_one_can_try_again(site: str, open_page: Open) -> None:
    page = open_page(site, allowed=("ERR_CONNECTION_REFUSED",))
    page.route("**/v1/search", lambda route: route.abort("connectionrefused"))
    ask(page, "calm")
    expect(page.locator("#hits")).to_contain_text("The service does not answer")
    page.unroute("**/v1/search")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(HIT)).to_have_count(6)


def test_a_busy_service_is_asked_again_when_it_says(site: str, open_page: Open) -> None:
    page = open_page(site, allowed=("429",))
    problem = {"type": "urn:emotionrank:problem:rate-limited", "title": "Too many requests", "detail": "Wait."}
    page.route(
        "**/v1/search", lambda route: route.fulfill(status=429, headers={"Retry-After": "2"}, body=json.dumps(problem))
    )
    ask(page, "calm")
    expect(page.locator("#hits [role=status]")).to_contain_text("Asking again in 2 s")
    page.unroute("**/v1/search")
    expect(page.locator(HIT)).to_have_count(6)


DROP = """([bytes, name]) => {
  const given = new DataTransfer();
  given.items.add(new File([new Uint8Array(bytes)], name));
  const target = document.querySelector("#hits");
  for (const kind of ["dragover", "drop"])
    target.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: given }));
}"""


def test_a_dropped_sound_is_searched_with_and_a_bad_one_is_refused(site: str, open_page: Open) -> None:
    page = open_page(site, allowed=("422",))
    page.evaluate(DROP, [list(media(voice(0.6, pitch=200.0))), "مرحبا.wav"])
    expect(chips(page)).to_contain_text(["مرحبا.wav"])
    expect(page.locator(HIT)).to_have_count(6)
    expect(page.locator("#composer")).to_contain_text("not part of the address")
    assert urlsplit(page.url).query == ""
    page.evaluate(DROP, [list(b"no sound at all, whatever its name"), "notes.wav"])
    expect(page.get_by_role("alert")).to_contain_text("notes.wav")
    expect(chips(page)).to_have_count(1)


def test_a_chosen_file_is_searched_with(site: str, open_page: Open, recordings: Path) -> None:
    page = open_page(site)
    page.locator("#composer input[type=file]").set_input_files(recordings / "voice1.flac")
    expect(chips(page)).to_contain_text(["voice1.flac"])
    expect(page.locator(f"{HIT} .name").first).to_have_text("voice1.flac")


def test_a_recording_of_the_microphone_is_searched_with(site: str, open_page: Open, shot: Shot) -> None:
    page = open_page(site, microphone=True)
    page.get_by_role("button", name="Record").click()
    panel = page.get_by_role("group", name="Recording")
    expect(panel).to_contain_text("Recording")
    expect(panel.get_by_role("timer")).to_contain_text("0:01 of 0:30")
    page.evaluate(  # the tone comes and goes
        """() => new Promise((heard) => { const meter = document.querySelector(".recording meter");
        const look = () => (meter.value > 0.2 ? heard() : requestAnimationFrame(look)); look(); })"""
    )
    shot(page, "search-recording")
    panel.get_by_role("button", name="Stop and search").click()
    expect(chips(page)).to_contain_text(["Recording "])
    expect(page.locator(HIT)).to_have_count(6)
    expect(panel).to_be_hidden()
    page.get_by_role("button", name="● Record").click()
    expect(panel.get_by_role("timer")).to_contain_text("0:00")
    panel.get_by_role("button", name="Cancel").click()
    expect(panel).to_be_hidden()
    expect(chips(page)).to_have_count(1)


def test_a_denied_microphone_is_said_in_plain_words(site: str, open_page: Open) -> None:
    page = open_page(site)
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("alert")).to_contain_text("may not use the microphone")
    expect(page.get_by_role("button", name="Record")).to_be_enabled()


@pytest.fixture
def large(own_engine: Engine, tmp_path: Path) -> Engine:
    """A library of 25 clips, one of them with a strange name."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    strange = "<img src=x onerror=alert(1)> \u202etxt.exe.wav"
    for number in range(25):
        name = strange if number == 0 else f"{number:02d} {'long name ' * 12}.wav"
        (folder / name).write_bytes(media(voice(0.4, seed=number)))
    build(own_engine.store, own_engine.encoder, [folder], threads=1)
    return own_engine


def test_pages_of_hits_and_strange_names(large: Engine, open_page: Open) -> None:
    with running(create_app(large.settings, engine=large)) as client:
        page = open_page(f"{str(client.base_url).rstrip('/')}/?q=calm", size=NARROW)
        expect(page.locator(HIT)).to_have_count(20)
        page.get_by_role("button", name="More", exact=True).last.click()
        expect(page.locator(HIT)).to_have_count(25)
        ranks = [row.get_attribute("data-rank") for row in page.locator(HIT).all()]
        assert ranks == [str(rank) for rank in range(1, 26)]
        assert page.locator(f"{HIT} .name", has_text="<img src=x").count() == 1
        assert page.locator(f"{HIT} img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_a_key_is_asked_for_and_the_search_goes_on(engine: Engine, open_page: Open) -> None:
    key, line = new_key("page", ["read"])
    settings: Settings = engine.settings.model_copy(update={"keys": line.line()})
    with running(create_app(settings, engine=engine)) as client:
        page = open_page(f"{str(client.base_url).rstrip('/')}/?q=calm", allowed=("401",))
        dialog = page.get_by_role("dialog", name="This service needs a key")
        dialog.get_by_label("API key").fill(key)
        dialog.get_by_role("button", name="Use it").click()
        expect(page.locator(HIT)).to_have_count(6)
        expect(page.locator(f"{HIT} svg")).to_have_count(6)
        page.get_by_role("button", name=re.compile("^Play ")).first.click()
        expect(page.get_by_role("button", name=re.compile("^Stop "))).to_be_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_full_search_is_accessible(site: str, open_page: Open, shot: Shot, size: ViewportSize, dark: bool) -> None:
    page = open_page(
        f"{site}/?q=calm&q=-0.5*shouting&shift=1,0&filter=%7B%22take%22%3A%7B%22gte%22%3A0%7D%7D", size=size, dark=dark
    )
    expect(page.locator(HIT)).to_have_count(6)
    if size == NARROW:
        page.locator("summary").click()
    expect(page.get_by_role("group", name="speaker")).to_be_visible()
    page.locator(HIT).nth(1).locator(".play").focus()
    expect(page.locator(HIT).nth(1)).to_have_attribute("aria-current", "true")
    accessible(page)
    shot(page, f"search-full-{'dark' if dark else 'light'}-{size['width']}")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]

"""The view of the library: adding, listing, playing, and deleting with undo."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import FilePayload, Locator, Page, Route, ViewportSize, expect

from service.access.keys import new_key
from service.app import create_app
from service.engine import Engine
from tests.service.conftest import OpenEngine, running
from tests.service.web.conftest import NARROW, WIDE, Open, accessible
from tests.sounds import RATE, media, voice

Shot = Callable[[Page, str], None]


def sound(name: str, seed: int = 0) -> FilePayload:
    content = media(voice(1.0, seed=seed), name.rsplit(".", 1)[1])
    return {"name": name, "mimeType": "audio/wav", "buffer": content}


def add(page: Page, *files: FilePayload) -> None:
    page.locator("#library-view input[type=file]").set_input_files(files=list(files))


def uploads(page: Page) -> Locator:
    return page.get_by_role("list", name="Files").get_by_role("listitem")


def clips(page: Page) -> Locator:
    return page.locator("#library-view .clips li")


def library(site: str, open_page: Open, allowed: tuple[str, ...] = (), **options: Any) -> Page:
    page = open_page(f"{site}/?view=library", allowed=allowed, **options)
    expect(page.locator("#status")).to_contain_text("clip")
    return page


def names(engine: Engine) -> list[str]:
    return [clip.name for clip in engine.store.clips(limit=100)]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_file_has_a_status_of_its_own(
    own_site: str, open_page: Open, own_engine: Engine, shot: Shot, dark: bool, size: ViewportSize
) -> None:
    page = library(own_site, open_page, ("422",), dark=dark, size=size)
    expect(page.get_by_role("heading", name="This library is empty")).to_be_visible()
    shot(page, f"library-empty-{'dark' if dark else 'light'}-{size['width']}")
    page.get_by_label("Metadata for all of them").fill('speaker=03, take=2, place="a quiet room"')
    expect(
        page.get_by_text("speaker is the text 03; take is the number 2; place is the text a quiet room.")
    ).to_be_visible()
    add(page, sound("first.wav"), {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no sound " * 99})
    expect(page.get_by_role("status").get_by_text("2 files done, 1 added, 1 not added")).to_be_visible()
    add(page, sound("the same.wav"), sound("another.mp3", seed=1))
    expect(
        page.get_by_role("status").get_by_text("4 files done, 2 added, 1 already there, 1 not added")
    ).to_be_visible()
    expect(uploads(page).nth(1)).to_contain_text("Not added")
    expect(uploads(page).nth(1)).to_contain_text("notes.txt is no sound or video file")
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)  # it would be no better another time
    expect(uploads(page).nth(2)).to_contain_text("Already there")
    expect(clips(page)).to_have_count(2)
    expect(clips(page).first).to_contain_text("another.mp3")  # the newest
    expect(clips(page).last).to_contain_text("speaker: 03")
    accessible(page)
    shot(page, f"library-added-{'dark' if dark else 'light'}-{size['width']}")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.get_by_role("button", name="Clear the list").click()
    expect(uploads(page)).to_have_count(0)
    (clip,) = [clip for clip in own_engine.store.clips(limit=9) if clip.name == "first.wav"]
    assert clip.metadata == {"speaker": "03", "take": 2, "place": "a quiet room"}


def test_what_failed_is_retried(own_site: str, open_page: Open, own_engine: Engine) -> None:
    page = library(own_site, open_page, ("ERR_FAILED",))
    page.route("**/v1/clips", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    add(page, sound("first.wav"), sound("second.wav", seed=1))
    expect(uploads(page).filter(has_text="The service does not answer")).to_have_count(2)
    page.unroute("**/v1/clips")
    uploads(page).first.get_by_role("button", name="Retry first.wav").click()
    expect(uploads(page).first).to_contain_text("Added")
    page.get_by_role("button", name="Retry what failed").click()
    expect(uploads(page).last).to_contain_text("Added")
    assert sorted(names(own_engine)) == ["first.wav", "second.wav"]


def test_a_busy_service_is_asked_again_by_itself(own_site: str, open_page: Open) -> None:
    page = library(own_site, open_page, ("429",))
    answers = [429, 429]

    def busy(route: Route) -> None:
        sent = route.request
        if sent.method == "POST" and answers:
            problem = {"type": "urn:emotionrank:problem:overloaded", "title": "Busy", "detail": "Try again."}
            route.fulfill(status=answers.pop(), json=problem, headers={"Retry-After": "1"})
        else:
            route.continue_()

    page.route("**/v1/clips", busy)
    add(page, sound("first.wav"))
    expect(uploads(page).first).to_contain_text("The service is busy")
    expect(uploads(page).first).to_contain_text("Added")
    assert answers == []


def test_the_rest_is_cancelled_and_may_be_taken_up_again(own_site: str, open_page: Open) -> None:
    page = library(own_site, open_page)
    page.route("**/v1/clips", lambda route: None if route.request.method == "POST" else route.continue_())
    add(page, *[sound(f"{number}.wav", seed=number) for number in range(5)])
    expect(uploads(page).filter(has_text="Waiting")).to_have_count(2)  # three at a time
    page.get_by_role("button", name="Cancel the rest").click()
    expect(page.get_by_role("status").get_by_text("5 files done, 5 cancelled")).to_be_visible()
    page.unroute("**/v1/clips")
    page.get_by_role("button", name="Retry what failed").click()
    expect(page.get_by_role("status").get_by_text("5 files done, 5 added")).to_be_visible()


def test_files_and_folders_are_dropped(own_site: str, open_page: Open, own_engine: Engine) -> None:
    page = library(own_site, open_page)
    content = list(media(voice(1.0), "wav"))
    page.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "dropped.wav"));
          const at = document.querySelector("#library-view h2");
          for (const name of ["dragenter", "dragover", "drop"])
            at.dispatchEvent(new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        content,
    )
    expect(uploads(page).first).to_contain_text("Added")
    assert names(own_engine) == ["dropped.wav"]


@pytest.mark.parametrize("text", ["speaker", "speaker=", "=03", "a=1, b"])
def test_metadata_that_cannot_be_read_adds_nothing(own_site: str, open_page: Open, text: str) -> None:
    page = library(own_site, open_page)
    field = page.get_by_label("Metadata for all of them")
    field.fill(text)
    expect(page.get_by_text("cannot be read: write field=value")).to_be_visible()
    add(page, sound("first.wav"))
    expect(field).to_be_focused()
    expect(uploads(page)).to_have_count(0)


def test_a_delete_is_undone(own_site: str, open_page: Open, own_engine: Engine, shot: Shot) -> None:
    page = library(own_site, open_page)
    add(page, sound("first.wav"), sound("second.wav", seed=1))
    expect(clips(page)).to_have_count(2)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "DELETE" else None)
    page.get_by_role("button", name="Delete first.wav").click()
    expect(clips(page)).to_have_count(1)
    expect(page.get_by_role("button", name="Delete second.wav")).to_be_focused()
    expect(page.get_by_text("first.wav will be deleted in 8 seconds, or when you leave this page.")).to_be_visible()
    shot(page, "library-undo")
    page.get_by_role("button", name="Undo").click()
    expect(clips(page)).to_have_count(2)
    assert sent == []
    assert len(names(own_engine)) == 2


def test_a_delete_is_done_when_its_time_is_over(own_site: str, open_page: Open, own_engine: Engine) -> None:
    page = open_page(own_site)
    page.clock.install()
    page.goto(f"{own_site}/?view=library")
    expect(page.locator("#status")).to_contain_text("0 clips")
    add(page, sound("first.wav"))
    expect(clips(page)).to_have_count(1)
    page.get_by_role("button", name="Delete first.wav").click()
    with page.expect_response(lambda answer: answer.request.method == "DELETE") as deleted:
        page.clock.fast_forward(9000)
    assert deleted.value.status == 204
    expect(page.get_by_role("heading", name="This library is empty")).to_be_visible()
    assert names(own_engine) == []


def test_a_delete_is_done_when_the_page_is_left(own_site: str, open_page: Open, own_engine: Engine) -> None:
    page = library(own_site, open_page)
    add(page, sound("first.wav"), sound("second.wav", seed=1))
    expect(clips(page)).to_have_count(2)
    page.get_by_role("button", name="Delete first.wav").click()
    page.goto(f"{own_site}/docs")
    page.goto(f"{own_site}/?view=library")
    expect(clips(page)).to_have_count(1)
    assert names(own_engine) == ["second.wav"]


def test_a_key_that_may_only_read_is_told_so(open_own: OpenEngine, open_page: Open) -> None:
    engine = open_own()
    reader, reader_line = new_key("reader", ["read"])
    writer, writer_line = new_key("writer", ["read", "write"])
    settings = engine.settings.model_copy(update={"keys": f"{reader_line.line()} {writer_line.line()}"})
    with running(create_app(settings, engine=engine)) as client:
        page = open_page(f"{client.base_url}/?view=library", allowed=("401", "403"))
        dialog = page.get_by_role("dialog", name="This service needs a key")
        dialog.get_by_label("API key").fill(reader)
        dialog.get_by_role("button", name="Use it").click()
        expect(page.get_by_role("heading", name="This library is empty")).to_be_visible()
        add(page, sound("first.wav"))
        expect(uploads(page).first).to_contain_text("Your key may not do this")
        expect(uploads(page).first).to_contain_text("a key with the scope “write”")
        uploads(page).first.get_by_role("button", name="Use another key").click()
        dialog.get_by_label("API key").fill(writer)
        dialog.get_by_role("button", name="Use it").click()
        expect(uploads(page).first).to_contain_text("Added")
        expect(clips(page)).to_have_count(1)
        # Sound is fetched with the key, and plays.
        page.get_by_role("button", name="Play first.wav").click()
        expect(clips(page).first.locator(".play")).to_have_text("■")
        page.close()  # before its service is


def test_a_long_list_is_gone_through_by_pages(own_engine: Engine, own_site: str, open_page: Open, shot: Shot) -> None:
    fake = [{**clip_like(), "id": f"{number:016x}", "name": f"{number}.wav"} for number in range(60)]
    page = open_page(own_site)

    def listed(route: Route) -> None:
        url = route.request.url
        wanted = dict(pair.split("=") for pair in url.split("?")[1].split("&"))
        offset, limit = int(wanted.get("offset", 0)), int(wanted["limit"])
        told = {"clips": fake[offset : offset + limit], "total": 60, "offset": offset, "limit": limit, "hints": []}
        route.fulfill(body=json.dumps(told), content_type="application/json")

    page.route("**/v1/clips?*", listed)
    page.goto(f"{own_site}/?view=library")
    expect(clips(page)).to_have_count(25)
    expect(clips(page).first).to_contain_text("59.wav")
    expect(page.get_by_text("1 to 25 of 60 clips, newest first")).to_be_visible()
    shot(page, "library-pages")
    page.get_by_role("button", name="Older").click()
    expect(clips(page).first).to_contain_text("34.wav")
    page.get_by_role("button", name="Older").click()
    expect(clips(page)).to_have_count(10)
    expect(clips(page).last).to_contain_text("0.wav")
    expect(page.get_by_role("button", name="Older")).to_be_disabled()


def clip_like() -> dict[str, object]:
    return {
        "duration": 3.2,
        "added_at": "2026-11-22T12:00:00Z",
        "metadata": {"speaker": "03"},
        "affect": {"valence": 2.4, "arousal": 5.8},
        "segments": 1,
        "sha256": "0" * 64,
        "audio_url": "/v1/clips/0/audio",
    }


def test_an_offline_service_is_asked_again(site: str, open_page: Open) -> None:
    page = open_page(site, allowed=("ERR_FAILED",))
    page.route("**/v1/clips?*", lambda route: route.abort())
    page.get_by_role("link", name="Library").click()
    expect(page.locator("#library-view").get_by_text("The service does not answer", exact=True)).to_be_visible()
    page.unroute("**/v1/clips?*")
    page.locator("#library-view").get_by_role("button", name="Try again").click()
    expect(clips(page)).to_have_count(6)


def test_more_like_a_clip_is_a_search(site: str, open_page: Open) -> None:
    page = library(site, open_page)
    page.get_by_role("button", name="More like this: voice3.ogg").click()
    expect(page.locator("#search-view")).to_be_visible()
    assert "like=" in page.url


def test_silence_is_not_added(own_site: str, open_page: Open) -> None:
    page = library(own_site, open_page, ("422",))
    silence = media(np.zeros(2 * RATE), "wav")
    add(page, {"name": "silence.wav", "mimeType": "audio/wav", "buffer": silence})
    expect(uploads(page).first).to_contain_text("silence.wav is silent")
    expect(page.get_by_role("heading", name="This library is empty")).to_be_visible()

"""The page itself: its views, the key, what it weighs, and that it breaks no rule of its own."""

import os
import shutil
import subprocess
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, ViewportSize, expect

from service.access.keys import new_key
from service.app import create_app
from service.engine import Engine
from service.routes.page import WEB
from tests.service.conftest import running
from tests.service.web.conftest import NARROW, ROOT, WIDE, Open, accessible

MOST_BYTES = 150_000


def test_the_views_are_links_and_the_address_says_which(site: str, open_page: Open) -> None:
    page = open_page(site)
    expect(page.locator("#search-view")).to_be_visible()
    expect(page.locator("#status")).to_contain_text("6 clips")
    page.get_by_role("link", name="Describe").click()
    expect(page.locator("#describe-view")).to_be_visible()
    expect(page.locator("#search-view")).to_be_hidden()
    assert page.url.endswith("?view=describe")
    page.go_back()
    expect(page.locator("#search-view")).to_be_visible()
    page.goto(f"{site}/?view=library")
    expect(page.locator("#library-view")).to_be_visible()


@pytest.mark.parametrize("view", ["search", "describe", "library"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_view_is_accessible(
    site: str, open_page: Open, shot: Callable[[Page, str], None], view: str, dark: bool, size: ViewportSize
) -> None:
    page = open_page(f"{site}/?view={view}", dark=dark, size=size)
    expect(page.locator("#status")).to_contain_text("6 clips")
    accessible(page)
    shot(page, f"{view}-{'dark' if dark else 'light'}-{size['width']}")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]  # nothing to scroll to the side


def test_a_service_with_keys_asks_for_one_and_goes_on(engine: Engine, open_page: Open) -> None:
    key, line = new_key("page", ["read"])
    settings = engine.settings.model_copy(update={"keys": line.line()})
    with running(create_app(settings, engine=engine)) as client:
        page = open_page(str(client.base_url), allowed=("401",))
        dialog = page.get_by_role("dialog", name="This service needs a key")
        dialog.get_by_label("API key").fill("er_wrong")
        dialog.get_by_role("button", name="Use it").click()
        expect(dialog.locator("#key-why")).to_contain_text("none of this service")
        dialog.get_by_label("API key").fill(key)
        dialog.get_by_role("button", name="Use it").click()
        expect(page.locator("#status")).to_contain_text("6 clips")
        page.reload()
        expect(page.locator("#status")).to_contain_text("6 clips")


def test_the_question_mark_shows_the_keys(site: str, open_page: Open) -> None:
    page = open_page(site)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("show these keys")


def test_the_page_is_light(client: httpx.Client) -> None:
    """All that it can ever load, as it is sent."""
    files = [path for path in WEB.rglob("*") if path.is_file()]
    sent = 0
    for path in files:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path.name
        address = f"/{path.relative_to(WEB).as_posix()}".removesuffix("index.html")
        with client.stream("GET", address) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            sent += sum(len(piece) for piece in answer.iter_raw())
    assert sent <= MOST_BYTES


def test_files_are_asked_for_each_time_and_sent_once(client: httpx.Client) -> None:
    content = (WEB / "js" / "main.js").read_bytes()
    for coding in ("gzip", "identity"):
        first = client.get("/js/main.js", headers={"Accept-Encoding": coding})
        assert first.headers["content-type"].startswith("text/javascript")
        assert first.headers["cache-control"] == "no-cache"
        assert first.headers.get("content-encoding", "identity") == coding
        assert first.content == content
        same = {"Accept-Encoding": coding, "If-None-Match": first.headers["etag"]}
        again = client.get("/js/main.js", headers=same)
        assert (again.status_code, again.content) == (304, b"")
    assert client.get("/js/../../engine.py").status_code == 404


def test_the_page_may_run_only_its_own_modules(client: httpx.Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_the_types_of_the_modules_hold() -> None:
    compiler = ROOT / "node_modules" / ".bin" / "tsc"
    if shutil.which("node") is None or not compiler.exists():
        pytest.skip("the TypeScript compiler is not installed (npm ci)")
    done = subprocess.run([compiler], cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stdout

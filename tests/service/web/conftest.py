"""A real browser before the running service. Needs Chromium, and Node.js for the accessibility checks (`make web`)."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize, expect, sync_playwright

from service.app import create_app
from service.engine import Engine
from tests.service.conftest import OpenEngine, running

ROOT: Final = Path(__file__).parents[3]
AXE: Final = ROOT / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM: Final = os.environ.get("EMOTIONRANK_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
# One browser for all tests that a process runs. The microphone is a tone that Chromium makes.
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--mute-audio",
)
WIDE: Final[ViewportSize] = {"width": 1440, "height": 900}
NARROW: Final[ViewportSize] = {"width": 390, "height": 844}

Open = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start Chromium; skips where there is none.

    No longer than for these tests: it keeps an event loop running in the thread of the tests, and others start theirs.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (or name it with EMOTIONRANK_CHROMIUM)")
    expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def site(client: httpx.Client) -> str:
    """The address of a service over the library that is only read (tests.service.conftest)."""
    return str(client.base_url).rstrip("/")


@pytest.fixture
def own_engine(open_own: OpenEngine) -> Engine:
    """An engine over an empty library of the test's own."""
    return open_own()


@pytest.fixture
def own_site(own_engine: Engine) -> Iterator[str]:
    """The address of a service over an empty library of the test's own."""
    with running(create_app(own_engine.settings, engine=own_engine)) as opened:
        yield str(opened.base_url).rstrip("/")


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open pages, each in a context of its own: `open_page(address, size=NARROW, dark=True, microphone=True)`.

    What a page writes to the console as an error, and every exception that nothing catches, fails the test; so does
    a request to another host. `allowed` holds words of console errors that the test means to happen (a 404, say).
    """
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def opener(
        address: str,
        *,
        size: ViewportSize = WIDE,
        dark: bool = False,
        microphone: bool = False,
        allowed: tuple[str, ...] = (),
        **options: Any,
    ) -> Page:
        host = "/".join(address.split("/")[:3])
        context = browser.new_context(
            viewport=size,
            color_scheme="dark" if dark else "light",
            permissions=["microphone"] if microphone else [],
            reduced_motion="reduce",
            has_touch=size == NARROW,
            **options,
        )
        contexts.append(context)
        context.set_default_timeout(20_000)
        page = context.new_page()

        def told(message: ConsoleMessage) -> None:
            if message.type == "error" and not any(words in message.text for words in allowed):
                faults.append(message.text)

        page.on("console", told)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request",
            lambda sent: None if sent.url.startswith((host, "blob:", "data:")) else faults.append(f"asked {sent.url}"),
        )
        page.goto(address)
        return page

    yield opener
    for context in contexts:
        context.close()
    assert faults == []


def accessible(page: Page) -> None:
    """Check a page as it stands with axe-core against WCAG 2.2 A and AA; skips where axe-core is not installed."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm ci)")
    # Through the debugger, not as a script of the page: the page's policy allows none.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    faults = [
        f"{fault['id']}: {fault['help']}: {node['html'][:200]}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]
    assert faults == []


@pytest.fixture
def shot(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Keep a picture of the page, where pytest was given --screenshots FOLDER."""
    folder = request.config.getoption("--screenshots")

    def take(page: Page, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return take

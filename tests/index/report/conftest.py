"""A small library of made voices with their files, and pages about it."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from encoders.encoder import Encoder
from index.build import build
from index.local.library import LocalStore
from index.prompts import PromptBank
from index.report import page
from index.report.gather import Report, gather
from tests import sounds

EVIL = '<img src=x onerror=alert(1)> & "é" \u202e'


class Read(HTMLParser):
    """A page as a parser sees it: its elements with their attributes, in order, and the text of each kind of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of every element of this name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        """All text of the page."""
        return " ".join(self.texts)


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make six recordings, one of them long and one with an evil name, and a manifest of them."""
    folder = tmp_path_factory.mktemp("report")
    lines = ["path,mood,take,<b>evil</b>"]
    for number in range(6):
        file = folder / f"{number}.wav"
        seconds = 9.0 if number == 0 else 1.5
        level = (0.02, 0.3)[number % 2]
        file.write_bytes(sounds.media(sounds.voice(seconds, pitch=90 + 35 * number, level=level, seed=number)))
        lines.append(f"{file.name},{('quiet', 'loud')[number % 2]},{number},<i>{number // 3}</i>")
    (folder / "clips.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="package")
def library(folder: Path, encoder: Encoder) -> Path:
    """Build a library of the recordings."""
    path = folder / "library"
    with LocalStore.create(path, encoder.bundle) as store:
        done = build(store, encoder, [folder / "clips.csv"])
        assert (done.added, list(done.failed)) == (6, [])
        last = next(clip for clip in store.clips() if clip.name == "5.wav")
        store.update(last.id, name=EVIL)
    return path


@pytest.fixture(scope="package")
def report(library: Path, encoder: Encoder, bank: PromptBank) -> Report:
    """Look at the library."""
    with LocalStore.open(library, encoder.bundle, read_only=True) as store:
        return gather(store, encoder, EVIL, bank=bank, prompts=["an angry voice", EVIL])


@pytest.fixture(scope="package")
def html(report: Report) -> str:
    """Write the page about the library."""
    return page.render(report)

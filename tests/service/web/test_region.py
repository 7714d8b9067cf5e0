"""A region of the map and moments: one of a long recording is found, whatever the recording is like in the mean."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from encoders.affect import Affect
from encoders.encoder import EncodedSegment
from index.records import NewClip
from service.engine import Engine
from tests.service.web.conftest import Open
from tests.service.web.test_map import drag, drawn, spot
from tests.sounds import media, speech

HIT = "#hits .hit"
# A talk that is neutral in the mean, as long ones are; the third moment, from 0:04 on, is angry.
TALK = (Affect(4, 4), Affect(6.5, 2), Affect(1.5, 6.5), Affect(4, 4))


@pytest.fixture
def talks(own_engine: Engine, tmp_path: Path) -> Engine:
    """An own library with the talk, and one that is calm all the time."""
    for name, affects in (("talk.wav", TALK), ("calm.wav", (Affect(5, 2),) * 4)):
        path = tmp_path / name
        path.write_bytes(media(speech(10.0 if name == "talk.wav" else 9.0)))
        embedding, _ = own_engine.encoder.embed_clip(path)
        segments = [
            EncodedSegment(2.0 * place, 2.0 * place + 4, embedding, affect) for place, affect in enumerate(affects)
        ]
        own_engine.store.add(NewClip(hashlib.sha256(path.read_bytes()).hexdigest(), name, str(path), 10.0), segments)
    return own_engine


def test_brushing_the_angry_corner_finds_the_angry_moment_of_a_neutral_talk(
    talks: Engine, own_site: str, open_page: Open, shot: Callable[[Page, str], None]
) -> None:
    page = open_page(f"{own_site}/?q=calm")
    drawn(page)
    expect(page.locator(HIT)).to_have_count(2)
    page.keyboard.down("Shift")
    drag(page, spot(page, 1.2, 5.2), spot(page, 3, 6.8))
    page.keyboard.up("Shift")
    expect(page.locator(HIT)).to_have_count(1)
    expect(page.locator(HIT)).to_contain_text("talk.wav")
    expect(page.locator(f"{HIT} .about")).to_contain_text(re.compile(r"^0:04.* of 0:10"))
    shot(page, "region-moment")
    page.get_by_role("button", name="Remove the region").click()
    expect(page.locator(HIT)).to_have_count(2)

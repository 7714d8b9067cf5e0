"""The page: what it says of a library, that it needs nothing else, and that strangers' text stays text."""

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from encoders.audio import SAMPLE_RATE, decode
from encoders.encoder import Encoder
from index.build import build
from index.local.library import LocalStore
from index.prompts import PromptBank
from index.report import page
from index.report.gather import Report, gather
from tests import sounds
from tests.index.report.conftest import EVIL, Read


@pytest.fixture(scope="module")
def read(html: str) -> Read:
    return Read(html)


def test_it_says_what_the_library_is(read: Read, report: Report, encoder: Encoder) -> None:
    facts = " ".join(read.text.split())
    assert f"Clips {report.counts.clips} Segments {report.counts.segments}" in facts
    assert encoder.bundle.fingerprint in facts
    assert encoder.bundle.info.name in facts
    assert f"{report.made:%B %Y}" in facts
    for heading in ("The map", "Valence", "Arousal", "The furthest moments", "What you asked for", "By metadata"):
        assert heading in facts
    for direction, moments in report.extremes:
        assert direction.title in facts
        assert 1 <= len(moments) <= 3
        assert len({moment.clip.id for moment in moments}) == len(moments)


def test_it_asks_for_nothing_outside_itself(read: Read, html: str) -> None:
    for tag, attributes in read.elements:
        assert "style" not in attributes  # the policy forbids them
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href", "action", "srcset", "data", "poster"):
            value = attributes.get(name, "#")
            assert value.startswith(("data:image/svg+xml;base64,", "data:audio/mpeg;base64,", "#")), (tag, value)
    outside = set(re.findall(r"\w+://[^\s\"'<>]+", html))
    assert outside <= {"http://www.w3.org/2000/svg"}
    style = re.search("<style>(.*?)</style>", html, re.DOTALL)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_its_policy_names_its_own_style_and_script(read: Read, html: str) -> None:
    (policy,) = (meta["content"] for meta in read.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_names_fields_titles_and_prompts_are_text(read: Read, html: str) -> None:
    assert "<img" not in html
    assert "<b>" not in html
    assert "<i>" not in html
    assert read.all("img") == []
    assert len(read.all("script")) == 1
    assert sum(text.strip() == EVIL.strip() for text in read.texts) >= 4  # title, heading, prompt, name
    assert "<b>evil</b>" in read.text
    assert "<i>0</i>" in read.text


def test_control_characters_and_long_texts_do_not_reach_the_page(report: Report) -> None:
    html = page.render(replace(report, title="a\x00b\x1bc\u2028" + "x" * 500))
    (heading,) = re.findall("<h1>(.*?)</h1>", html)
    assert heading.startswith("a�b�c�xxx")
    assert len(heading) == 120


def test_every_player_has_its_moment(read: Read, report: Report) -> None:
    moments = [moment for match in (*report.own, *report.matches.best) for moment in match.moments]
    moments += [moment for _, some in report.extremes for moment in some]
    players = read.all("audio")
    assert len(players) == len(moments) > 20
    durations = sorted(
        decode(base64.b64decode(player["src"].partition(",")[2])).size / SAMPLE_RATE for player in players
    )
    assert durations == pytest.approx(sorted(moment.end - moment.start for moment in moments), abs=0.12)
    assert all(player["aria-label"].startswith("Play ") for player in players)


def test_without_sound_it_is_small_and_has_no_player(report: Report, html: str) -> None:
    silent = page.render(replace(report, sounds=None))
    assert Read(silent).all("audio") == []
    assert "No sound" not in silent
    assert len(silent) < 120_000 < len(html)


def test_the_best_prompts_and_those_that_nothing_matches(report: Report, bank: PromptBank) -> None:
    found = report.matches
    scores = [match.score for match in found.best]
    assert scores == sorted(scores, reverse=True)
    terms = {prompt.text: prompt.term for prompt in bank.prompts}
    assert len({terms[match.prompt] for match in found.best}) == len(found.best)
    assert all(match.apart > 1 for match in found.none)
    assert [match.apart for match in found.none] == sorted((match.apart for match in found.none), reverse=True)
    # Six made voices cannot answer every emotion.
    assert found.none
    html = page.render(report)
    assert all(match.prompt in html for match in found.none)


def test_a_library_of_one_short_clip_has_a_page_too(encoder: Encoder, bank: PromptBank, tmp_path: Path) -> None:
    file = tmp_path / "one.wav"
    file.write_bytes(sounds.media(sounds.voice(0.5)))
    with LocalStore.create(tmp_path / "library", encoder.bundle) as store:
        assert build(store, encoder, [file]).added == 1
        read = Read(page.render(gather(store, encoder, "one", bank=bank)))
    assert "Clips 1 Segments 1" in " ".join(read.text.split())
    assert "By metadata" not in read.text
    assert len(read.all("audio")) == 8 + 9  # the directions, and the prompts of as many terms

"""The report: one page that needs nothing else, escapes what it is given, and says what was not measured."""

import json
import re
import xml.etree.ElementTree as ET
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from encoders.affect import Affect
from encoders.encoder import Encoder
from model_export import manifest
from model_export.commands.evaluate import evaluate
from model_export.evaluation import Embedded, figures, report
from model_export.manifest import Row

NASTY = "<script>alert('x')</script> & \"$x_1$\" \\frac"


def scores(name: str = "plain") -> dict[str, Any]:
    """The scores of a small corpus, with `name` wherever a name out of a bundle or a corpus may stand."""
    axes = ("valence", "arousal")
    one_way = {
        "recall": {"1": 0.5, "10": 0.9},
        "recall_by_chance": {"1": 0.1, "10": 0.6},
        "map": 0.4,
        "map_by_chance": 0.1,
    }
    by_level = {str(level): 2.0 + level / 2 for level in range(1, 8)}
    graded = {"tau": 0.612, "interval": [0.5, 0.7], "label_by_level": by_level}
    return {
        "bundle": {"name": name, "version": "1.0", "fingerprint": "0"},
        "corpora": [name],
        "clips": 60,
        "speakers": 3,
        "affect": {
            axis: {"tau": 0.5, "interval": [0.4, None], "ccc": 0.6, "bias": -0.1, "mae": 0.8, "coverage": None}
            for axis in axes
        },
        "graded_prompts": {axis: graded | {"prompts": 140, "top_1": graded | {"tau": None}} for axis in axes},
        "emotions": {f"a voice full of {name}": {"emotion": name, "hits": 4, "chance": 1.5}},
        "zero_shot": {
            "uar": 0.4,
            "interval": [0.3, 0.5],
            "chance": 0.5,
            "classes": [name, "other"],
            "prompts": [name, "other"],
            "counts": [30, 30],
            "recall": [0.5, 0.3],
            "confusion": [[15, 15], [21, 9]],
        },
        "modality_gap": {
            "mmd": 0.1234,
            "mmd_squared": 0.0152,
            "kernel": "exp(-|x-y|^2)",
            "sliced_wasserstein": 0.01,
            "centroid_distance": 0.2,
            "drawn": {"audio": [[0, 0], [1, 1]], "text": [[0, 1], [1, 2]], "along": [[0, 0.1], [1, 0.9]], "share": 0.9},
        },
        "retrieval": {"radius": 1.0, "text_to_audio": one_way, "audio_to_text": one_way},
        "slices": {
            "corpus": {name: {"clips": 60, "valence": 0.5, "arousal": 0.6}},
            "speaker": {f"{name}-{n}": {"clips": 20, "valence": 0.1 * n, "arousal": None} for n in range(3)},
            "gender": {"unknown": {"clips": 2, "valence": None, "arousal": None, "note": f"too few {name}"}},
        },
        "robustness": {
            "clips": 20,
            "clean": dict.fromkeys(axes, 0.5),
            "conditions": {
                name: {
                    "clips": 20,
                    "failed": 0,
                    "valence": 0.4,
                    "arousal": 0.3,
                    "cosine": 0.9,
                    "cosine_low": 0.7,
                    "overlap": 0.5,
                },
                "silence": {"clips": 0, "failed": 20, **dict.fromkeys((*axes, "cosine", "cosine_low", "overlap"))},
            },
        },
        "unseen_words": {
            "words": 3,
            **{axis: {"tau": 0.3, "interval": [0.1, 0.5]} for axis in axes},
            "by_word": {f"{name}{n}": {"place": [n, n], "found": [4, n]} for n in range(1, 4)},
        },
    }


def clips(name: str = "plain", count: int = 60) -> Embedded:
    """Clips at random places, their emotions called `name` and by nothing."""
    rng = np.random.default_rng(0)
    places = rng.uniform(1, 7, size=(count, 2))
    rows = [
        Row(Path(f"{n}.wav"), name, name, (name, "")[n % 2], *Affect(*place)) for n, place in enumerate(places.tolist())
    ]
    return Embedded(rows, np.ones((count, 4), np.float32), rng.uniform(1, 7, size=(count, 2)).astype(np.float32))


class Page(HTMLParser):
    """What a browser would meet: tags, addresses, ids, text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Gather the tag, its id, and where it would load from."""
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href", "action", "data", "srcset"}:
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_data(self, data: str) -> None:
        """Gather the text."""
        self.text += data


@cache
def page(name: str = "plain") -> str:
    """The page with every section."""
    return report.page(scores(name) | {"points": report.points(clips(name))})


def short(**more: Any) -> dict[str, Any]:
    """The scores without the sections that may be missing, and with these."""
    wanted = ("bundle", "corpora", "clips", "affect", "graded_prompts", "modality_gap")
    return {name: value for name, value in scores().items() if name in wanted} | more


def test_the_page_needs_nothing_but_itself() -> None:
    html = page()
    seen = Page(html)
    assert all(address.startswith("#") for address in seen.addresses)
    assert not seen.tags & {"script", "link", "img", "iframe", "object", "embed", "base"}
    assert set(re.findall(r"url\(([^)]*)\)", html)) <= {f"#{name}" for name in seen.ids}
    assert "@import" not in html


def test_figures_of_one_page_do_not_share_names_and_take_the_pages_colour() -> None:
    html = page()
    seen = Page(html)
    assert len(seen.ids) == len(set(seen.ids))
    assert {address[1:] for address in seen.addresses} <= set(seen.ids)
    drawings = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(drawings) == 8
    for drawing in drawings:
        ET.fromstring(drawing)
        assert "currentColor" in drawing
        assert "#000000" not in drawing, "black cannot be read on a dark page"
        assert "#ffffff" not in drawing


def test_names_are_text_wherever_they_stand() -> None:
    seen = Page(page(NASTY))
    assert "script" not in seen.tags
    # Title, heading, slices, robustness, emotions and confusion, in tables and in figures.
    assert seen.text.count(NASTY) > 10


@settings(max_examples=6, deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_any_name_can_stand_in_a_figure_and_a_table(name: str) -> None:
    confused = scores()["zero_shot"] | {"classes": [name, "other"]}
    seen = Page(figures.confusion(confused) + report.table([name], [[name]]))
    assert "script" not in seen.tags
    assert seen.tags == Page(page()).tags & seen.tags


def test_the_same_scores_give_the_same_page() -> None:
    assert report.page(short()) == report.page(short())


def test_what_was_not_measured_is_said_and_not_drawn() -> None:
    text = Page(report.page(short(robustness=None, unseen_words={"note": "its training saw every word"}))).text
    assert "Not measured: its training saw every word." in text
    assert "left alone" not in text
    assert "as read out" not in text, "without clips there is no plane"


def test_what_to_know_of_the_affect_stands_under_its_table() -> None:
    text = Page(report.page(short(affect_note="9 of the 60 clips are <theirs>"))).text
    assert "9 of the 60 clips are <theirs>." in text
    assert text.index("in the interval") < text.index("<theirs>")


def test_unknown_numbers_are_dashes() -> None:
    assert report.number(None) == "–"
    assert report.span([0.41234, None]) == "0.41 to –"
    assert Page(page()).text.count("–") > 5


def test_parts_too_many_to_name_become_one_line() -> None:
    many = {f"number {n}": {"clips": 20, "valence": 0.1, "arousal": 0.2} for n in range(100)}
    html = report.page(short(slices={"speaker": many}))
    drawing = re.findall(r"<svg.*?</svg>", html, re.DOTALL)[1]
    assert "speaker: 100 parts" in drawing
    assert "number 57" not in drawing
    assert "speaker: number 57" in html, "the table names them all"


def test_slices_that_are_all_too_small_are_listed_only() -> None:
    small = {"gender": {"male": {"clips": 3, "valence": None, "arousal": None, "note": "too few clips"}}}
    html = report.page(short(slices=small))
    assert "too few clips" in html
    assert "Tau of the read-out for parts" not in html


@pytest.mark.parametrize("count", [1, 7, 1000, 1001, 5000])
def test_as_many_clips_are_drawn_as_fit(count: int) -> None:
    drawn = report.points(clips(count=count))
    assert len(drawn["label"]) == len(drawn["found"]) == len(drawn["emotion"]) == min(count, report.DRAWN)


def test_the_json_holds_what_the_page_shows(tmp_path: Path) -> None:
    path = report.write(short(), tmp_path / "deep" / "report", clips(count=5))
    saved = json.loads((tmp_path / "deep" / "report" / "scores.json").read_text(encoding="utf-8"))
    assert path.read_text(encoding="utf-8") == report.page(saved)


@pytest.fixture
def measured(tmp_path: Path, encoder: Encoder) -> list[str]:
    """A manifest of clips that are their prompts' embeddings, as arguments of the command."""
    prompts = encoder.bundle.prompts[:40]
    affect = np.array([prompt.affect for prompt in prompts], dtype=np.float32)
    names = [f"{number:03d}.wav" for number in range(len(prompts))]
    rows = [Row(tmp_path / name, "made", "made-1", p.term, *p.affect) for name, p in zip(names, prompts, strict=True)]
    manifest.write(rows, tmp_path / "made.csv")
    vectors = encoder.embed_prompts([prompt.text for prompt in prompts]).embedding
    np.savez(
        tmp_path / "made.npz", path=names, embedding=vectors, affect=affect, fingerprint=encoder.bundle.fingerprint
    )
    return [str(tmp_path / "made.csv"), "--embeddings", str(tmp_path / "made.npz")]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_writes_the_report(measured: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(evaluate, [*measured, "--report", str(tmp_path / "report"), "--json"])
    assert done.exit_code == 0, done.output
    saved = json.loads((tmp_path / "report" / "scores.json").read_text(encoding="utf-8"))
    assert len(saved.pop("points")["label"]) == 40
    assert saved == json.loads(done.stdout)
    assert "as read out" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_is_refused_before_the_work(measured: list[str], tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    done = CliRunner().invoke(evaluate, ["absent.csv", "--report", str(taken)])
    assert str(taken) in str(done.exception)

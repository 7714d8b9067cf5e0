"""Slices: each part's own figure, and words where there is none."""

import math
from pathlib import Path

import numpy as np
import pytest

from model_export.evaluation import Embedded
from model_export.evaluation.slices import SMALLEST, duration_class, seconds, slice_scores
from model_export.manifest import Row
from tests.sounds import media, voice


def embedded(rows: list[Row], affect: list[tuple[float, float]]) -> Embedded:
    return Embedded(rows, np.zeros((len(rows), 2), np.float32), np.array(affect, dtype=np.float32))


def row(n: int, speaker: str, gender: str, arousal: float) -> Row:
    return Row(Path("none.wav"), "made", speaker, "anger", 1 + n % 6, arousal, gender=gender)


def test_parts_are_measured_by_themselves_and_say_why_they_are_not() -> None:
    rows = [row(n, "made-1", "male", 1 + n % 5) for n in range(30)]
    rows += [row(n, "made-2", "female", 4.0) for n in range(SMALLEST)]
    rows += [row(n, "made-3", "", 1 + n % 3) for n in range(SMALLEST - 1)]
    # The first speaker is read exactly, the second upside down.
    affect = [(r.valence if r.speaker == "made-1" else 8 - r.valence, r.arousal) for r in rows]
    scores = slice_scores(embedded(rows, affect))
    assert scores["speaker"]["made-1"] == {"clips": 30, "valence": 1.0, "arousal": 1.0}
    second = scores["speaker"]["made-2"]
    assert (second["valence"], second["arousal"]) == (-1.0, None)
    assert "one arousal label" in second["note"]
    third = scores["speaker"]["made-3"]
    assert (third["clips"], third["valence"], third["arousal"]) == (SMALLEST - 1, None, None)
    assert "too few" in third["note"]
    assert list(scores["gender"]) == ["female", "male", "unknown"]
    assert {by: sum(part["clips"] for part in parts.values()) for by, parts in scores.items()} == dict.fromkeys(
        ("gender", "corpus", "speaker", "duration"), len(rows)
    )
    assert list(scores["duration"]) == ["unknown"], "files that are not there have no length"


@pytest.mark.parametrize("kind", ["wav", "flac", "opus"])
def test_a_file_says_how_long_it_is(kind: str, tmp_path: Path) -> None:
    (tmp_path / f"clip.{kind}").write_bytes(media(voice(2.5), kind))
    assert seconds(tmp_path / f"clip.{kind}") == pytest.approx(2.5, abs=0.1)


def test_a_file_that_is_no_sound_has_no_length(tmp_path: Path) -> None:
    (tmp_path / "clip.wav").write_bytes(b"no sound at all")
    assert math.isnan(seconds(tmp_path / "clip.wav"))


def test_classes_of_duration_meet_without_a_gap() -> None:
    names = [duration_class(value) for value in (0.5, 1.99, 2.0, 3.99, 4.0, 8.0, 3600.0, math.nan)]
    assert names == ["under 2 s"] * 2 + ["2 to 4 s"] * 2 + ["4 to 8 s"] + ["8 s and more"] * 2 + ["unknown"]

"""Moments cut out of recordings: the right stretch of the right sound, or a word why there is none."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoders.audio import SAMPLE_RATE, decode
from index.local.library import LocalStore
from index.records import Clip
from index.report import sound
from index.report.moments import Moment
from index.report.sound import cut, key


@pytest.fixture
def clip(library: Path) -> Clip:
    """Return the longest clip, 9 s."""
    with LocalStore.open(library, None, read_only=True) as store:
        return max(store.clips(), key=lambda clip: clip.duration)


def moment(clip: Clip, start: float, end: float) -> Moment:
    return Moment(clip, start, end, clip.affect)


def test_a_moment_is_the_sound_of_just_that_stretch(clip: Clip) -> None:
    whole = decode(Path(clip.path))
    wanted = [moment(clip, 1.0, 3.5), moment(clip, 5.0, 9.0), moment(clip, 0.0, 0.5), moment(clip, 2.6, 3.4)]
    found = cut(wanted)
    for one in wanted:
        mp3 = found[key(one)].mp3
        assert mp3 is not None
        heard = decode(mp3)
        expected = whole[round(one.start * SAMPLE_RATE) : round(one.end * SAMPLE_RATE)]
        assert heard.size == expected.size
        assert np.corrcoef(heard, expected)[0, 1] > 0.97  # sample for sample: nothing is shifted
        assert len(mp3) < 2_000 + 6_000 * (one.end - one.start)


def test_what_is_wanted_twice_is_cut_out_once(clip: Clip) -> None:
    assert len(cut([moment(clip, 0, 1), replace(moment(clip, 0, 1), score=0.5), moment(clip, 1, 2)])) == 2


def test_a_file_that_is_gone_changed_or_broken_is_said(clip: Clip, tmp_path: Path) -> None:
    def problem(path: Path, start: float = 0.0, *, known: bool = True) -> str:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if known else clip.sha256
        one = moment(replace(clip, path=str(path), sha256=sha256), start, start + 1)
        found = cut([one])[key(one)]
        assert found.mp3 is None
        return found.problem

    assert "not where it was" in problem(tmp_path / "gone.wav", known=False)
    other = tmp_path / "other.wav"
    other.write_bytes(Path(clip.path).read_bytes() + b"\0")
    assert "has changed" in problem(other, known=False)
    assert "shorter than it was" in problem(other, 20.0)
    other.write_bytes(b"no sound")
    assert "cannot be read" in problem(other)


def test_sound_is_bounded(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "MOST_BYTES", 10_000)
    other = replace(clip, id="0" * 16)
    first, second = moment(clip, 0, 4), moment(other, 0, 4)
    found = cut([first, second])
    assert found[key(first)].mp3
    assert "too large" in found[key(second)].problem

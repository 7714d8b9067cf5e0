"""What a build says of the work ahead."""

from pathlib import Path

import pytest

from encoders.encoder import Encoder
from index import estimate
from index.build import build
from index.known import look
from index.local.library import LocalStore
from index.sources import recordings
from tests.index.test_build import age, speak


def test_only_what_is_new_counts(tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    old = speak(tmp_path / "sound", 2)
    age(*old)
    with LocalStore.create(tmp_path / "library", encoder.bundle) as store:
        build(store, encoder, [tmp_path / "sound"])
        new = speak(tmp_path / "sound", 3, seconds=1.0, first=2)
        (tmp_path / "sound" / "noise.wav").write_bytes(b"no sound")
        ahead = estimate.survey(look(store, recordings([tmp_path / "sound", tmp_path / "nowhere.csv"])))
    assert (ahead.total, ahead.new) == (7, 4)
    assert ahead.bytes == sum(file.stat().st_size for file in new) + len(b"no sound")
    assert estimate.seconds(ahead, encoder, 1) is None  # not worth the look
    monkeypatch.setattr(estimate, "_WORTH", 1)
    monkeypatch.setattr(estimate, "_window", lambda *_: 0.4)
    win_dur = encoder.bundle.info.win_dur
    assert estimate.seconds(ahead, encoder, 1) == pytest.approx(3 * 0.4 / win_dur, rel=0.05)
    assert estimate.seconds(ahead, encoder, 2) == pytest.approx(1.5 * 0.4 / win_dur, rel=0.05)


def test_nothing_is_estimated_of_what_has_no_header(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noise.wav").write_bytes(b"no sound")
    monkeypatch.setattr(estimate, "_WORTH", 1)
    with LocalStore.create(tmp_path / "library", encoder.bundle) as store:
        ahead = estimate.survey(look(store, recordings([tmp_path / "noise.wav"])))
    assert estimate.seconds(ahead, encoder, 1) is None

"""Shards: every recording is in exactly one, whoever builds it and wherever it lies."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.encoder import Encoder
from index import shards
from index.build import build
from index.errors import SourceError
from index.open import open_store
from index.sources import Recording, recordings
from tests.sounds import media, voice


@given(st.lists(st.text(st.characters(exclude_characters="\0")), unique=True), st.integers(1, 40))
def test_shards_are_disjoint_and_complete(names: list[str], count: int) -> None:
    parts = [shards.Shard(number, count) for number in range(1, count + 1)]
    for name in names:
        here, there = Recording(Path("/here") / name, name), Recording(Path("/elsewhere") / name, name)
        assert sum(part.has(here) for part in parts) == 1
        assert [part.has(here) for part in parts] == [part.has(there) for part in parts]


def test_shards_are_about_equal() -> None:
    items = [Recording(Path(str(n)), f"speaker-{n % 40:02d}/clip-{n}.wav") for n in range(4000)]
    sizes = [sum(map(shards.Shard(number, 8).has, items)) for number in range(1, 9)]
    assert sum(sizes) == 4000
    assert max(sizes) < 1.2 * min(sizes)


def test_which_shard_a_recording_is_in_never_changes() -> None:
    items = [Recording(Path("x"), name) for name in ("a.wav", "speech/b.flac", "ärger.mp3", "\udcff.wav")]
    assert [next(n for n in range(1, 9) if shards.Shard(n, 8).has(item)) for item in items] == [7, 6, 2, 4]


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b", "1/100001", "1 / 4", "١/٤"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match="must be i/n"):
        shards.parse(text)


def test_shards_of_a_build_make_the_library_of_the_whole(tmp_path: Path, encoder: Encoder) -> None:
    sound = tmp_path / "sound"
    (sound / "deep").mkdir(parents=True)
    for number in range(6):
        (sound / ("deep" if number % 2 else ".") / f"{number}.wav").write_bytes(media(voice(0.6, 100 + 30 * number)))
    names = {item.name for item in recordings([sound])}
    with open_store(tmp_path / "library", bundle=encoder.bundle, create=True) as store:
        reports = [build(store, encoder, [sound], keep=shards.parse(f"{n}/3").has) for n in (1, 2, 3)]
        assert sum(report.added for report in reports) == 6
        assert [report.failed for report in reports] == [()] * 3
        assert {clip.name for clip in store.clips()} == names
        again = [build(store, encoder, [sound], keep=shards.Shard(n, 2).has) for n in (1, 2)]
        assert [report.added for report in again] == [0, 0]
        assert sum(report.skipped for report in again) == 6

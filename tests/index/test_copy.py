"""Copies between libraries of every kind: whole, resumable, brought up to date, and never into another bundle's."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.build import Progress
from index.copy import copy
from index.errors import LibraryAway, LibraryMismatch
from index.local.library import LocalStore
from index.open import open_store
from index.records import JsonScalar, Metadata, Stamp
from index.store import Store
from tests.index import making
from tests.index.oracle import plain

PAIRS = [("local", "local"), ("local", "milvus"), ("milvus", "local"), ("milvus", "milvus")]

ONES: list[JsonScalar] = [1, 1.0, True, "1", None]

_names = itertools.count(1)


def address(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    number = next(_names)
    return str(folder / f"library-{number}") if kind == "local" else f"{request.getfixturevalue('milvus')}copy_{number}"


@pytest.fixture
def stores(pair: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    source, target = (
        open_store(address(kind, request, tmp_path), bundle=making.bundle(), create=True) for kind in pair
    )
    with source, target:
        rng = np.random.default_rng(0)
        for number in range(12):
            metadata: Metadata = {"n": number, "one": ONES[number % 5]}
            new = making.clip(number, metadata, duration=number + 0.5)
            source.add(replace(new, stamp=Stamp(number, number)), making.segments(making.unit(rng, 1 + number % 4)))
        yield source, target


def same(source: Store, target: Store) -> bool:
    there, here = source.clips(limit=1000), target.clips(limit=1000)
    assert [plain(clip) for clip in there] == [plain(clip) for clip in here]
    for clip in there:
        for one, other in zip(source.segments(clip.id), target.segments(clip.id), strict=True):
            assert (one.start, one.end, one.affect) == (other.start, other.end, other.affect)
            assert (one.embedding == other.embedding).all()
    assert source.info().segmentation == target.info().segmentation
    return source.count()[:2] == target.count()[:2]


@pytest.mark.parametrize("pair", PAIRS)
def test_a_copy_has_everything_and_a_second_one_has_nothing_to_do(stores: tuple[Store, Store]) -> None:
    source, target = stores
    told: list[Progress] = []
    report = copy(source, target, told.append)
    assert (report.added, report.updated, report.same, report.failed) == (12, 0, 0, ())
    assert report.segments == source.count().segments
    assert [progress.done for progress in told] == list(range(1, 13))
    assert same(source, target)
    assert copy(source, target).same == 12


@pytest.mark.parametrize("pair", PAIRS[:2])
def test_a_copy_that_was_stopped_goes_on(stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = stores
    left = iter(range(5))
    real = type(target).add

    def add(self: Store, *arguments: object) -> object:
        if next(left, None) is None:
            raise LibraryAway("gone")
        return real(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(type(target), "add", add)
        with pytest.raises(LibraryAway):
            copy(source, target)
    assert target.count().clips == 5
    report = copy(source, target)
    assert (report.added, report.same) == (7, 5)
    assert same(source, target)


@pytest.mark.parametrize("pair", PAIRS[:2])
def test_a_later_copy_brings_the_target_up_to_date(stores: tuple[Store, Store]) -> None:
    source, target = stores
    copy(source, target)
    first, second, third, *_ = source.clips()
    source.update(first.id, metadata={"n": True})
    source.update(second.id, name="other.wav", path="/moved/other.wav")
    source.delete(third.id)
    new = source.add(making.clip("new"), making.segments(making.unit(np.random.default_rng(9), 2)))
    report = copy(source, target)
    assert (report.added, report.updated, report.same) == (1, 2, 9)
    assert plain(target.get(first.id)) == plain(source.get(first.id))
    assert plain(target.get(second.id)) == plain(source.get(second.id))
    assert target.has([third.id, new.id]) == {third.id, new.id}


@pytest.mark.parametrize("pair", PAIRS[:1])
def test_a_clip_that_was_cut_another_way_is_named(stores: tuple[Store, Store]) -> None:
    source, target = stores
    clip = source.clips()[1]
    target.add(making.clip(1), making.segments(making.unit(np.random.default_rng(1), 7)))
    report = copy(source, target)
    assert [failure.name for failure in report.failed] == [f"{clip.id} {clip.name}"]
    assert "with 7 segments, the source with 2" in report.failed[0].message
    assert target.get(clip.id).segments == 7


def test_a_target_of_another_bundle_is_refused(tmp_path: Path) -> None:
    with (
        LocalStore.create(tmp_path / "a", making.bundle()) as source,
        LocalStore.create(tmp_path / "b", making.bundle("other")) as target,
    ):
        source.add(making.clip(1), making.segments(making.unit(np.random.default_rng(1), 1)))
        with pytest.raises(LibraryMismatch, match="another bundle"):
            copy(source, target)
        assert target.count().clips == 0


@pytest.mark.parametrize("pair", PAIRS[:2])
def test_uploaded_audio_goes_along_between_folders(stores: tuple[Store, Store], pair: tuple[str, str]) -> None:
    source, target = stores
    assert isinstance(source, LocalStore)
    clip = source.clips()[0]
    sound = source.audio / f"{clip.id}.wav"
    sound.write_bytes(b"sound")
    source.update(clip.id, path=str(sound))
    report = copy(source, target)
    kept = Path(target.get(clip.id).path)
    if isinstance(target, LocalStore):
        assert kept == target.audio.absolute() / sound.name
        assert report.outside == 0
        assert list(target.audio.iterdir()) == [kept]
        sound.unlink()
        assert copy(source, target).same == 12
    else:
        assert kept == sound
        assert report.outside == 1
    assert pair[1] == "milvus" or kept.read_bytes() == b"sound"

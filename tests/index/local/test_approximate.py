"""The approximate index: its recall on queries that lie apart, what it owes whatever the filter, and its snapshot."""

import shutil
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.local import choice, snapshot
from index.local.approximate import Effort, build
from index.local.catalog import Rows
from index.local.coarse import Coarse
from index.local.codes import Floats, Ints, scan
from index.local.snapshot import FOLDER, SnapshotUnusable
from index.local.tuning import tune
from index.local.vectors import Ranked, Vectors
from index.region import Region
from tests.index.local.making import before_bytes, part_of
from tests.index.making import unit
from tests.index.test_region import lies_in, regions

DIM, COUNT, CLIPS = 48, 12_000, 1_500


def of_length_one(vectors: npt.NDArray[np.float64]) -> Floats:
    lengths: npt.NDArray[np.float64] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / lengths).astype(np.float32)


def near_a_plane(rng: np.random.Generator, count: int, spread: float = 0.02) -> Floats:
    """Make unit vectors as emotion has them: a few dimensions say most, the others little."""
    latent = rng.normal(0, 1, (count, 5)) * (0.5, 0.35, 0.2, 0.1, 0.05)
    axes = np.linalg.qr(np.random.default_rng(99).normal(0, 1, (DIM, 6)))[0].T
    return of_length_one(axes[5] + latent @ axes[:5] + rng.normal(0, spread, (count, DIM)))


def prompts(count: int, seed: int = 5) -> Floats:
    """Make queries that lie apart from the segments, with a part that no segment has."""
    return of_length_one(near_a_plane(np.random.default_rng(seed), count) + np.linspace(0, 0.12, DIM))


def segments(count: int = COUNT) -> Rows:
    rng = np.random.default_rng(7)
    clips = np.sort(rng.integers(0, CLIPS, count))
    ids = rng.integers(0, 2**64, CLIPS, np.uint64)
    centres = near_a_plane(rng, CLIPS)
    own = centres[clips] + 0.3 * (near_a_plane(rng, count) - centres.mean(axis=0))
    codes = of_length_one(own).astype(np.float16)
    codes[1_000:1_020] = codes[1_000]  # the same sound again
    # What is similar lies near in the plane too, more or less; the last values are those that prompts have more of.
    affect = 4 + 8 * (codes[:, :2].astype(np.float32) + rng.normal(0, 0.05, (count, 2)).astype(np.float32))
    starts = np.arange(count) * np.float64(1.5)
    return Rows(np.arange(1, count + 1), clips, ids[clips], starts, affect.clip(1, 7), codes)


class Made(NamedTuple):
    """A library's folder with a snapshot, and all segments, with those that are not in it."""

    folder: Path
    rows: Rows


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Write a snapshot with an approximate index, of all segments but the last thousand."""
    folder, rows = tmp_path_factory.mktemp("library"), segments()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "EXACT_UP_TO", 1_000)
        write(folder, part_of(rows, 0, COUNT - 1_000))
    return Made(folder, rows)


def write(folder: Path, rows: Rows, queries: Floats | None = None) -> snapshot.Manifest:
    return snapshot.write(
        folder,
        name=snapshot.new_name(1),
        fingerprint="f",
        dim=rows.codes.shape[1],
        sequence=1,
        rows=[rows],
        queries=prompts(200) if queries is None else queries,
    )


def opened(made: Made, *, tail: bool = True) -> Vectors:
    vectors = Vectors(DIM, snapshot.open(made.folder, fingerprint="f", dim=DIM))
    assert vectors.kind == "ivf"
    if tail:
        vectors.add(part_of(made.rows, COUNT - 1_000, COUNT))
    return vectors


def oracle(
    rows: Rows,
    query: Floats,
    count: int,
    gone: Ints,
    allowed: Ints | None,
    min_score: float | None,
    by_clip: bool,
    region: Region | None = None,
) -> tuple[list[int], Floats]:
    """Return the best segments by a look at all of them, and the scores of all."""
    scores = np.full(len(rows.segments), -np.inf, np.float32)
    places, found = scan(rows.codes).top(query, len(rows.segments))
    scores[places] = found
    keep = ~np.isin(rows.clips, gone)
    if allowed is not None:
        keep &= np.isin(rows.clips, allowed)
    if region is not None:
        keep &= lies_in(region, rows.affect)
    if min_score is not None:
        keep &= scores >= min_score
    order = np.lexsort((rows.starts, rows.ids, -scores))
    order = order[keep[order]]
    if by_clip:
        _, first = np.unique(rows.clips[order], return_index=True)
        order = order[np.sort(first)]
    return rows.segments[order[:count]].tolist(), scores


def recall(found: Ranked, best: list[int]) -> float:
    return len(set(found.segments.tolist()) & set(best)) / len(best) if best else 1.0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_asked_the_hits_are_there_are_right_and_are_in_order(made: Made, data: st.DataObject) -> None:
    tail = data.draw(st.booleans())
    rows = made.rows if tail else part_of(made.rows, 0, COUNT - 1_000)
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    prompt = rng.random() < 0.8
    query = data.draw(st.sampled_from(list(prompts(20, seed=6)))) if prompt else unit(rng, 1, DIM)[0]
    count = data.draw(st.sampled_from([1, 10, 64, 200, 3_000]))
    share = data.draw(st.sampled_from([None, 0.0, 0.001, 0.01, 0.1, 0.3, 0.7, 1.0]))
    gone = np.flatnonzero(rng.random(CLIPS) < data.draw(st.sampled_from([0.0, 0.01, 0.5])))
    excluded = rng.integers(0, CLIPS, data.draw(st.integers(0, 5)))
    min_score = data.draw(st.sampled_from([None, 0.5, 0.95]))
    region = data.draw(st.none() | regions())
    by_clip = data.draw(st.booleans())
    allowed = None if share is None else np.flatnonzero(rng.random(CLIPS) < share)
    if allowed is not None and len(allowed) and data.draw(st.booleans()):
        # The clips that are furthest from the query: no cell near it holds any of them.
        means = np.bincount(rows.clips, rows.codes.astype(np.float32) @ query, CLIPS)
        allowed = np.sort(np.argsort(means / np.maximum(np.bincount(rows.clips, minlength=CLIPS), 1))[: len(allowed)])

    vectors = opened(made, tail=tail)
    vectors.remove(gone)
    found = vectors.search(
        query, count, allowed=allowed, excluded=excluded, region=region, min_score=min_score, by_clip=by_clip
    )
    best, scores = oracle(rows, query, count, np.concatenate([gone, excluded]), allowed, min_score, by_clip, region)
    places = found.segments - 1
    clips = rows.clips[places]
    assert len(set(found.segments.tolist())) == len(found.segments)
    assert not np.isin(clips, gone).any()
    assert not np.isin(clips, excluded).any()
    assert allowed is None or np.isin(clips, allowed).all()
    assert region is None or lies_in(region, rows.affect[places]).all()
    assert found.scores.tolist() == scores[places].tolist()
    assert places.tolist() == places[np.lexsort((rows.starts[places], rows.ids[places], -found.scores))].tolist()
    assert not by_clip or len(set(clips.tolist())) == len(clips)
    if min_score is None:
        assert len(found.segments) == len(best)
        # Of what is no prompt, and of a single hit, no recall was promised.
        assert recall(found, best) >= 0.5 or not prompt or count == 1
    else:
        assert len(found.segments) <= len(best)
        assert (found.scores >= min_score).all()


@pytest.mark.parametrize("by_clip", [False, True])
@pytest.mark.parametrize("share", [None, 0.003, 0.03, 0.15, 0.4, 0.9])
@pytest.mark.parametrize("how", ["any", "far"])
def test_recall_is_what_was_promised_whatever_the_filter(
    made: Made, share: float | None, how: str, by_clip: bool
) -> None:
    vectors = opened(made)
    rows = made.rows
    rng = np.random.default_rng(3)
    recalls = []
    for query in prompts(30, seed=8):
        if share is None:
            allowed = None
        elif how == "any":
            allowed = np.flatnonzero(rng.random(CLIPS) < share)
        else:
            scores = np.full(CLIPS, 2.0)
            np.minimum.at(scores, rows.clips, rows.codes.astype(np.float32) @ query)
            allowed = np.sort(np.argsort(scores)[: int(share * CLIPS)])
        found = vectors.search(query, 10, allowed=allowed, by_clip=by_clip)
        best, _ = oracle(rows, query, 10, np.empty(0, np.int64), allowed, None, by_clip)
        assert len(found.segments) == len(best)
        recalls.append(recall(found, best))
    assert np.mean(recalls) >= 0.95


@pytest.mark.parametrize("by_clip", [False, True])
@pytest.mark.parametrize("share", [0.003, 0.03, 0.15, 0.4, 0.9])
@pytest.mark.parametrize("end", ["low", "high"])
def test_recall_is_what_was_promised_whatever_the_region(made: Made, share: float, end: str, by_clip: bool) -> None:
    """At either end of the plane: near what some prompts are like, far from what others are."""
    vectors, rows = opened(made), made.rows
    bound = float(np.quantile(rows.affect[:, 1], share if end == "low" else 1 - share))
    region = Region(arousal=(1, bound) if end == "low" else (bound, 7))
    recalls = []
    for query in prompts(30, seed=8):
        found = vectors.search(query, 10, region=region, by_clip=by_clip)
        best, _ = oracle(rows, query, 10, np.empty(0, np.int64), None, None, by_clip, region)
        assert len(found.segments) == len(best)
        recalls.append(recall(found, best))
    assert np.mean(recalls) >= 0.95


@pytest.mark.parametrize("by_clip", [False, True])
def test_the_same_sound_again_comes_in_order_on_the_short_way_too(made: Made, by_clip: bool) -> None:
    """Twenty segments score the same: more than are asked for, of more clips than one, and in the midst of others."""
    rows = part_of(made.rows, 0, COUNT - 1_000)
    vectors = opened(made, tail=False)
    same = rows.codes[1_000].astype(np.float32)
    for nudge in (0.0, 0.02, 0.05):
        query = of_length_one((same + nudge * prompts(1)[0]).astype(np.float64)[np.newaxis])[0]
        for count in (1, 3, 10, 19, 20, 21, 23):
            found = vectors.search(query, count, by_clip=by_clip)
            best, _ = oracle(rows, query, count, np.empty(0, np.int64), None, None, by_clip)
            again = set(range(1_001, 1_021))
            assert [one for one in found.segments.tolist() if one in again] == [one for one in best if one in again]


@pytest.mark.parametrize("tail", [False, True])
def test_the_first_hits_do_not_depend_on_how_many_are_asked_for(made: Made, tail: bool) -> None:
    vectors = opened(made, tail=tail)
    for query in prompts(10, seed=9):
        many = vectors.search(query, 12)
        for count in (1, 10, 11):
            few = vectors.search(query, count)
            assert few.segments.tolist() == many.segments[:count].tolist()
            assert few.scores.tolist() == many.scores[:count].tolist()


def test_the_snapshot_says_how_it_is_searched_and_memory_knows_its_parts(made: Made) -> None:
    opened_again = snapshot.open(made.folder, fingerprint="f", dim=DIM)
    assert opened_again is not None
    manifest = opened_again.manifest
    assert manifest.kind == "ivf"
    assert manifest.parameters.keys() == {"cells", "values", "probes", "candidates"}
    assert manifest.recall >= 0.93
    assert manifest.latency_ms is not None
    assert "exact" in manifest.reason
    assert opened_again.damage() == []
    memory = Vectors(DIM, opened_again).memory
    assert memory.mapped == manifest.count * DIM * 2
    assert memory.index >= manifest.count * (8 + 3 * manifest.parameters["values"])


@pytest.mark.parametrize("name", ["index.faiss", "reduced.faiss"])
def test_a_damaged_index_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(choice, "EXACT_UP_TO", 1_000)
    manifest = write(tmp_path, segments(6_000))
    assert manifest.kind == "ivf"
    path = tmp_path / FOLDER / manifest.name / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SnapshotUnusable, match=name):
        snapshot.open(tmp_path, fingerprint="f", dim=DIM)


@pytest.mark.parametrize("share", [None, 0.03, 0.4])
def test_an_index_of_an_older_version_is_searched_as_it_is(made: Made, tmp_path: Path, share: float | None) -> None:
    older = Made(tmp_path / "library", made.rows)
    shutil.copytree(made.folder, older.folder)
    before_bytes(older.folder)
    vectors = opened(older)
    assert vectors.snapshot is not None
    assert vectors.snapshot.manifest.format == 1
    rng = np.random.default_rng(3)
    recalls = []
    for query in prompts(30, seed=8):
        allowed = None if share is None else np.flatnonzero(rng.random(CLIPS) < share)
        best, _ = oracle(made.rows, query, 10, np.empty(0, np.int64), allowed, None, by_clip=False)
        recalls.append(recall(vectors.search(query, 10, allowed=allowed), best))
    assert np.mean(recalls) >= 0.95


def test_without_prompts_to_tune_with_the_index_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "EXACT_UP_TO", 1_000)
    manifest = write(tmp_path, segments(3_000), prompts(3))
    assert (manifest.kind, manifest.recall, manifest.parameters) == ("exact", 1.0, {})
    assert "3 came" in manifest.reason


def test_what_has_no_few_dimensions_is_searched_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise of 256 dimensions: no few of them find the neighbours of anything, and no recall is made up."""
    monkeypatch.setattr(choice, "EXACT_UP_TO", 1_000)
    monkeypatch.setattr(choice, "MOST_VALUES", 16)
    rng = np.random.default_rng(0)
    plain = segments(20_000)
    rows = Rows(
        plain.segments, plain.clips, plain.ids, plain.starts, plain.affect, unit(rng, 20_000, 256).astype(np.float16)
    )
    manifest = write(tmp_path, rows, unit(rng, 64, 256))
    assert manifest.kind == "exact"
    assert "recall" in manifest.reason


def test_building_holds_no_copy_and_the_index_survives_its_bytes() -> None:
    rows = segments(4_000)
    index = build(rows.codes, prompts(50), 64, 32)
    assert np.shares_memory(index.codes.codes, rows.codes)
    cells, reduced = index.serialized()
    again = index.of(index.codes, Coarse.read(reduced), cells, Effort(8, 128))
    for query in prompts(5):
        assert again.look(query, Effort(8, 128)).tolist() == index.look(query, Effort(8, 128)).tolist()
        everything = np.arange(4_000)
        near = index.look_at(query, everything, 128)
        assert again.look_at(query, everything, 128).tolist() == near.tolist()
        found, scores = index.rank(query, near)
        assert (np.diff(scores) <= 0).all()
        assert sorted(found) == sorted(near)


def test_more_recall_takes_more_effort() -> None:
    index = build(segments(8_000).codes, prompts(100, seed=6), 256, 32)
    efforts = [tune(index, prompts(200), wanted) for wanted in (0.5, 0.97)]
    low, high = efforts
    assert low is not None
    assert high is not None
    assert high.effort.probes * high.effort.candidates >= low.effort.probes * low.effort.candidates
    assert high.recall >= 0.95


def test_a_search_uses_one_thread(made: Made) -> None:
    opened(made).search(prompts(1)[0], 5)
    assert faiss.omp_get_max_threads() == 1

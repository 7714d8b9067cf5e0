"""Congruence: the same questions to every kind of store and to the oracle have the same answers.

A library of 80 clips is made in each, with ties, long clips and metadata of every type; then 100 random filters, the
same in every run, are asked of each operation that takes one. And a random program of changes runs through all of
them, compared after every step. A filter that fails is printed.
"""

import json
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from encoders.affect import Affect
from encoders.encoder import EncodedSegment
from index import facets, filters
from index.errors import ClipNotFound
from index.open import open_store
from index.records import NewClip, Stamp
from index.region import Region
from index.store import Store
from tests.index import making
from tests.index.oracle import Oracle, plain
from tests.index.test_filters import KEYS, clauses

VALUES: list[Any] = [None, True, False, 0, 1, -1, 1.0, 0.5, -0.0, 2**53, 2.0**53, 2**53 + 1, 2**63 - 1, -(2**63)]
VALUES += ["1", "true", "", "null", "a", "B", "03", "3", "é", "日本", "x' OR 1=1 --", 'a"b\\', "\x00", "x" * 300]


@dataclass
class Libraries:
    """One library of every kind, and the oracle, all with the same clips."""

    stores: dict[str, Store]
    oracle: Oracle


def made(rng: random.Random, number: int) -> tuple[NewClip, list[EncodedSegment]]:
    """Make a clip with its segments. Every fifth has the embeddings of the one before it: they tie."""
    metadata = {key: rng.choice(VALUES) for key in rng.sample(KEYS, rng.randrange(6))}
    count = rng.choice([1, 1, 2, 3, 5, 40])
    own = np.random.default_rng(number - 1 if number % 5 == 4 else number)
    affect = Affect(rng.choice([1.0, 2.5, 4.0, 7.0]), rng.choice([1.0, 3.0, 6.75]))
    duration = rng.choice([0.5, 1.0, 1.5, 2.5, 7.0, 0.1 + 0.2])
    new = making.clip(number, metadata, duration)
    if number % 3 == 0:
        new = replace(new, stamp=Stamp(rng.randrange(2**40), rng.randrange(2**60)))
    vectors = making.unit(own, count)
    if number % 2:
        return new, making.segments(vectors, affect)
    # Moments of their own, all over the plane; the mean of float32 numbers is the same in every store.
    return new, [
        replace(segment, affect=Affect(rng.choice([1.0, 2.5, 4.0, 7.0]), rng.choice([1.0, 3.0, 6.75])))
        for segment in making.segments(vectors)
    ]


@pytest.fixture(scope="module")
def libraries(milvus: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Libraries]:
    addresses = {"local": str(tmp_path_factory.mktemp("congruence")), "milvus": f"{milvus}congruence"}
    rng = random.Random(4)
    with ExitStack() as stack:
        stores = {
            kind: stack.enter_context(open_store(address, bundle=making.bundle(), create=True))
            for kind, address in addresses.items()
        }
        oracle = Oracle()
        for number in range(80):
            new, segments = made(rng, number)
            oracle.add(new, segments)
            for store in stores.values():
                store.add(new, segments)
        yield Libraries(stores, oracle)


def some_region(rng: random.Random) -> Region | None:
    """Make a region, or none: its bounds are affects that clips have, or lie between them."""
    marks = [1.0, 2.5, 3.0, 4.0, 6.75, 7.0, 1.0001, 6.7499, 6.1]
    pairs = [cast(tuple[float, float], tuple(sorted(rng.choices(marks, k=2)))) for _ in range(2)]
    axes = rng.choice([(), ("valence",), ("arousal",), ("valence", "arousal")])
    return Region(**{axis: pair for axis, pair in zip(("valence", "arousal"), pairs, strict=True) if axis in axes})


def compare(store: Store, oracle: Oracle, clause: dict[str, Any], rng: random.Random) -> None:
    """Ask a store and the oracle everything that takes a filter."""
    condition = filters.loads(json.dumps(clause))
    expected = oracle.clips(clause)
    listed = store.clips(limit=1000, filter=condition)
    assert [plain(clip) for clip in listed] == [plain(clip) for clip in expected]
    offset = rng.randrange(10)
    assert store.clips(offset=offset, limit=7, filter=condition) == listed[offset : offset + 7]
    counted = store.count(condition)
    assert counted[:2] == oracle.count(clause)[:2]
    assert counted.seconds == pytest.approx(oracle.count(clause).seconds, rel=1e-12)
    if rng.random() < 0.3:
        assert store.facets(filter=condition, limit=3) == facets.count(expected, None, 3)
    if rng.random() < 0.3:
        there = store.places(condition)
        assert there.clips == tuple(clip.id for clip in expected)
        laid = zip(
            there.owners.tolist(), there.starts.tolist(), there.ends.tolist(), there.affect.tolist(), strict=True
        )
        assert [(there.clips[owner], start, end, tuple(affect)) for owner, start, end, affect in laid] == [
            (clip.id, segment.start, segment.end, segment.affect)
            for clip in expected
            for segment in oracle.held[clip.id][1]
        ]
    query = making.unit(np.random.default_rng(rng.randrange(2**32)), 1)[0]
    by_clip = rng.random() < 0.5
    exclude = frozenset(rng.sample(sorted(oracle.held), min(3, len(oracle.held))))
    region = some_region(rng) if rng.random() < 0.7 else None
    scan = oracle.scan(query, clause, by_clip=by_clip, exclude=exclude, region=region)
    k = rng.choice([1, 5, 20, 300])
    ask = partial(
        store.search, query, filter=condition, region=region, group_by_clip=by_clip, exclude=exclude, embeddings=True
    )
    hits = ask(k=k)
    assert making.agrees(hits, scan, k)
    order = [(-hit.score, hit.clip.id, hit.start) for hit in hits]
    assert order == sorted(order)
    assert [plain(hit.clip) for hit in hits] == [plain(oracle.held[hit.clip.id][0]) for hit in hits]
    for hit in hits[:3]:
        (segment,) = [one for one in oracle.held[hit.clip.id][1] if one.start == hit.start]
        assert (hit.end, hit.affect) == (segment.end, segment.affect)
        assert hit.embedding is not None
        assert (hit.embedding == segment.embedding).all()
    assert hits[2:7] == ask(k=5, offset=2)[: max(0, k - 2)]
    if scan and rng.random() < 0.5:
        floor = scan[len(scan) // 2][2] + 1e-4
        above = [entry for entry in scan if entry[2] >= floor]
        assert making.agrees(ask(k=1000, min_score=floor), above, len(above))


@pytest.mark.parametrize("kind", ["local", "milvus"])
@settings(
    max_examples=100,
    phases=[Phase.generate],
    database=None,
    deadline=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)
@seed(4)
@given(clause=clauses())
def test_a_hundred_random_filters_keep_the_same_everywhere(
    libraries: Libraries, kind: str, clause: dict[str, Any]
) -> None:
    compare(libraries.stores[kind], libraries.oracle, clause, random.Random(json.dumps(clause)))


@pytest.mark.parametrize("kind", ["local", "milvus"])
def test_values_of_every_type_meet_values_of_every_type(libraries: Libraries, kind: str) -> None:
    store, oracle = libraries.stores[kind], libraries.oracle
    tests: list[Any] = list(VALUES)
    tests += [{"in": [value, "a", None][:size]} for value in VALUES for size in (1, 3)]
    tests += [{"exists": True}, {"exists": False}, {"in": []}]
    bounds = [value for value in VALUES if value is not None and not isinstance(value, bool)]
    tests += [{operator: value} for value in bounds for operator in ("gt", "gte", "lt", "lte")]
    for number, test in enumerate(tests):
        key = "metadata." + KEYS[number % len(KEYS)]
        for clause in ({key: test}, {"not": {key: test}}):
            expected = [clip.id for clip in oracle.clips(clause)]
            if number % 4:  # quicker
                assert store.count(filters.parse(clause)).clips == len(expected), clause
            else:
                kept = store.clips(limit=1000, filter=filters.parse(clause))
                assert [clip.id for clip in kept] == expected, clause


@pytest.mark.parametrize("kind", ["local", "milvus"])
def test_every_other_answer_is_the_same_too(libraries: Libraries, kind: str) -> None:
    store, oracle = libraries.stores[kind], libraries.oracle
    clips = oracle.clips({})
    for clip, segments in oracle.held.values():
        assert plain(store.get(clip.id)) == plain(clip)
        kept = store.segments(clip.id)
        assert [(one.start, one.end, one.affect) for one in kept] == [(s.start, s.end, s.affect) for s in segments]
        assert all((one.embedding == s.embedding).all() for one, s in zip(kept, segments, strict=True))
    assert store.has([*oracle.held, "0" * 16, "library", 'x" or "']) == set(oracle.held)
    assert store.stamps([clip.path for clip in clips] + ["/nowhere"]) == {
        clip.path: {clip.id: clip.stamp} for clip in clips
    }
    assert store.fields() == {key for clip in clips for key in clip.metadata}
    assert store.fields(["take", "nothing", 'q"uote']) == {"take", 'q"uote'}
    assert store.facets(["take", "valence"], limit=2) == facets.count(clips, ["take", "valence"], 2)
    info = store.info()
    assert (info.fingerprint, info.dim, info.kind) == (making.bundle().fingerprint, making.DIM, kind)
    assert info.counts[:2] == oracle.count({})[:2]
    for axis in ("valence", "arousal"):
        values = [getattr(clip.affect, axis) for clip in clips]
        assert getattr(info, axis) == tuple(np.histogram(values, np.linspace(1, 7, 7))[0].tolist())
    assert [drift for drift in store.verify() if drift.kind != "audio"] == []


@pytest.mark.parametrize("steps", [40, pytest.param(300, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
@pytest.mark.parametrize("kind", ["local", "milvus"])
def test_a_random_program_of_changes_leaves_the_same_library(
    milvus: str, tmp_path: Path, kind: str, steps: int
) -> None:
    address = str(tmp_path / "library") if kind == "local" else f"{milvus}program_{steps}"
    rng, oracle = random.Random(steps), Oracle()
    with open_store(address, bundle=making.bundle(), create=True) as store:
        for step in range(steps):
            known = sorted(oracle.held)
            match rng.choice(["add", "add", "add", "again", "update", "update", "delete", "restamp"]):
                case "again" if known:
                    old, _ = oracle.held[rng.choice(known)]
                    again = NewClip(old.sha256, f"again-{step}.wav", f"/again/{step}.wav", 1.0)
                    if rng.random() < 0.5:
                        again = replace(again, metadata={"take": rng.choice(VALUES)}, stamp=Stamp(step, step))
                    oracle.add(again, [])
                    store.add(again, [])
                case "update" if known:
                    changes: dict[str, Any] = {
                        "name": f"é-{step}.wav",
                        "path": f"/moved/{step}.wav",
                        "metadata": {"take": rng.choice(VALUES)},
                    }
                    chosen = {name: changes[name] for name in rng.sample(sorted(changes), rng.randrange(1, 4))}
                    clip = rng.choice(known)
                    oracle.update(clip, **chosen)
                    store.update(clip, **chosen)
                case "delete" if known:
                    clip = rng.choice(known)
                    oracle.delete(clip)
                    store.delete(clip)
                    with pytest.raises(ClipNotFound):
                        store.get(clip)
                case "restamp" if known:
                    stamps = {clip: Stamp(step, 2 * step) for clip in rng.sample(known, min(2, len(known)))}
                    for clip, stamp in stamps.items():
                        oracle.held[clip] = replace(oracle.held[clip][0], stamp=stamp), oracle.held[clip][1]
                    store.restamp({**stamps, "0" * 16: Stamp(1, 1)})
                case _:
                    new, segments = made(rng, step)
                    oracle.add(new, segments)
                    store.add(new, segments)
            asked: list[dict[str, Any]] = [{}, {"take": 1}, {"not": {"take": {"gt": 0}}}, {"name": {"gte": "d"}}]
            compare(store, oracle, rng.choice(asked), rng)
        assert [drift for drift in store.verify() if drift.kind != "audio"] == []

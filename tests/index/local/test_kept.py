"""What filters keep: the sets agree with SQL, also when only the clips that changed are looked at again."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index import filters
from index.local import kept
from index.local.kept import Kept
from index.local.library import LocalStore
from index.local.where import compile_filter
from index.records import JsonScalar
from tests.index import making

FILTERS: list[dict[str, Any]] = [
    {},
    {"speaker": "a"},
    {"speaker": {"in": ["a", "b", 1, True, None]}},
    {"speaker": None},
    {"speaker": {"exists": True}},
    {"speaker": 1},
    {"speaker": True},
    {"speaker": 1.0},
    {"speaker": {"gte": "b"}},
    {"take": {"gt": 1, "lte": 4}},
    {"not": {"take": {"lt": 3}}},
    {"not": {}},
    {"or": [{"speaker": "a"}, {"take": 2}, {"duration": {"gt": 6}}]},
    {"duration": {"lt": 4}, "speaker": "b"},
    {"arousal": {"gte": 1}, "not": {"or": [{"speaker": "a"}, {"name": {"in": ["clip-3.wav"]}}]}},
    {"speaker": {"in": []}},
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore.create(tmp_path / "library", making.bundle()) as store:
        yield store


def change(store: LocalStore, chance: random.Random) -> None:
    """Add a clip, or change or delete one."""
    number = chance.randrange(30)
    clip = making.clip(number).id
    speaker: JsonScalar = chance.choice(["a", "b", "c", 1, True, 1.5, None])
    metadata: dict[str, JsonScalar] = {"speaker": speaker, "take": chance.randrange(6)}
    for key in chance.sample(["speaker", "take"], chance.randrange(3)):
        del metadata[key]
    if not store.has([clip]):
        new = making.clip(number, metadata, duration=chance.uniform(1, 9))
        store.add(new, making.segments(making.unit(np.random.default_rng(number), 1 + number % 3)))
    elif chance.random() < 0.5:
        store.update(clip, metadata=metadata)
    else:
        store.delete(clip)


@pytest.mark.parametrize("few", [0, 2, 1_000])
def test_what_is_remembered_is_what_sql_finds(store: LocalStore, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_FEW", few)
    chance = random.Random(few)
    conditions = [filters.parse(item) for item in FILTERS]
    remembering = Kept()
    sizes = set()
    for turn in range(40):
        for _ in range(chance.randrange(4)):
            change(store, chance)
        if turn % 10 == 9:
            store.compact()  # the changes before it are not listed any more
        with store._database.read() as connection:
            for condition in conditions:
                sql, parameters = compile_filter(condition)
                rows = connection.execute(f"SELECT number FROM clips WHERE {sql} ORDER BY number", parameters)
                expected = [row[0] for row in rows]
                assert remembering.numbers(connection, condition).tolist() == expected
                assert Kept().numbers(connection, condition).tolist() == expected
                sizes.add(len(expected))
    assert len(sizes) > 10


def test_no_more_is_remembered_than_there_is_room_for(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_ROOM", 700)
    chance = random.Random(0)
    for _ in range(40):
        change(store, chance)
    remembering = Kept()
    with store._database.read() as connection:
        for item in FILTERS:
            numbers = remembering.numbers(connection, filters.parse(item))
            with pytest.raises(ValueError, match="read-only"):
                numbers[:] = 0
            assert remembering._bytes == sum(
                len(key) + entry.numbers.nbytes for key, entry in remembering._entries.items()
            )
            assert remembering._bytes <= 700
    assert 1 < len(remembering._entries) < len(FILTERS)


def test_pages_of_a_filter_are_the_clips_in_the_order_they_were_added(store: LocalStore) -> None:
    for number in range(12):
        store.add(
            making.clip(number, {"odd": number % 2 == 1}), making.segments(making.unit(np.random.default_rng(0), 1))
        )
    odd = filters.parse({"odd": True})
    names = [clip.name for page in range(4) for clip in store.clips(filter=odd, offset=2 * page, limit=2)]
    assert names == [f"clip-{number}.wav" for number in (1, 3, 5, 7, 9, 11)]

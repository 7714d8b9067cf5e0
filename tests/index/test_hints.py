"""Hints: a mistyped field of a filter is named."""

from pathlib import Path

import numpy as np
import pytest

from index import filters, hints
from index.local.library import LocalStore
from index.records import Metadata
from tests.index import making


def library(path: Path, *metadata: Metadata) -> LocalStore:
    store = LocalStore.create(path, making.bundle())
    for number, fields in enumerate(metadata):
        store.add(making.clip(number, fields), making.segments(making.unit(np.random.default_rng(0), 1)))
    return store


def test_a_field_that_no_clip_has_is_named_with_the_nearest(tmp_path: Path) -> None:
    with library(tmp_path, {"speaker": "03", "take": None, "duration": 2}) as store:

        def of(clause: object) -> list[str]:
            return hints.of_filter(store, filters.parse(clause))

        assert of({"speaker": "nobody", "take": 3, "metadata.duration": {"lt": 0}, "duration": {"gt": 1}}) == []
        assert of({"speker": "03"}) == ["no clip has the field 'speker'. Did you mean 'speaker'?"]
        assert of({"not": {"or": [{"Speaker": "03"}, {"speaker": "03"}]}}) == [
            "no clip has the field 'Speaker'. Did you mean 'speaker'?"
        ]
        assert of({"arousel": {"gt": 5}}) == ["no clip has the field 'arousel'. Did you mean 'arousal'?"]
        assert of({"and": [{"x": {"exists": True}}, {"taek": 1}]}) == [
            "no clip has the field 'taek'. Did you mean 'take'?",
            "no clip has the field 'x'. Clips have metadata.duration, speaker, take.",
        ]
        assert hints.of_filter(store, None) == []


@pytest.mark.parametrize(
    ("metadata", "advice"),
    [
        ({}, "Clips have no metadata."),
        ({f"k{n:02}": 1 for n in range(12)}, "Clips have 12 others, among them k00, k01, k02, k03, k04, k05, k06, "),
    ],
)
def test_the_fields_there_are_are_named(tmp_path: Path, metadata: Metadata, advice: str) -> None:
    with library(tmp_path, metadata) as store:
        (hint,) = hints.of_filter(store, filters.parse({"zebra": 1}))
        assert advice in hint

"""Splits in which no speaker is on both sides."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_export import splits
from model_export.errors import CorpusError
from model_export.manifest import Row


def row(corpus: str, speaker: object, emotion: str = "anger", gender: str = "female", split: str = "") -> Row:
    return Row(Path("x.wav"), corpus, f"{corpus}-{speaker}", emotion, 4.0, 4.0, gender=gender, split=split)


def people(corpus: str, count: int) -> list[Row]:
    genders = ("female", "male")
    return [row(corpus, s, e, genders[s % 2]) for s in range(count) for e in ("anger", "calm")]


@settings(max_examples=40, deadline=None)
@given(speakers=st.integers(2, 24), share=st.floats(0.01, 0.99), seed=st.integers(0, 99))
def test_no_speaker_is_on_both_sides_and_none_is_lost(speakers: int, share: float, seed: int) -> None:
    rows = people("a", speakers) + people("b", 3)
    training, validation = splits.speaker_split(rows, share, seed)
    assert sorted([*training, *validation]) == list(range(len(rows)))
    assert not {rows[i].speaker for i in training} & {rows[i].speaker for i in validation}
    for corpus in "ab":
        assert any(rows[i].corpus == corpus for i in validation)
        assert any(rows[i].corpus == corpus for i in training)
    again = splits.speaker_split(rows, share, seed)
    assert [part.tolist() for part in again] == [training.tolist(), validation.tolist()]


def test_both_genders_validate_where_there_is_room() -> None:
    rows = people("a", 10)
    _, validation = splits.speaker_split(rows, 0.2, 5)
    assert sorted({rows[i].gender for i in validation}) == ["female", "male"]


def test_an_official_split_holds_and_its_test_part_is_on_no_side() -> None:
    rows = [
        *(row("p", s, split="train") for s in range(4)),
        *(row("p", s, split="development") for s in range(4, 6)),
        row("p", 6, split="test1"),
        *people("q", 4),
    ]
    training, validation = splits.speaker_split(rows, 0.25, 0)
    assert {rows[i].speaker for i in validation if rows[i].corpus == "p"} == {"p-4", "p-5"}
    assert {rows[i].speaker for i in training if rows[i].corpus == "p"} == {f"p-{s}" for s in range(4)}
    assert len({rows[i].speaker for i in validation if rows[i].corpus == "q"}) == 1


def test_a_corpus_with_an_official_test_part_only_is_split_by_speaker_outside_it() -> None:
    rows = [*people("a", 4), row("a", 9, split="test")]
    training, validation = splits.speaker_split(rows, 0.25, 0)
    assert sorted([*training, *validation]) == list(range(8))
    assert len(validation) == 2


@pytest.mark.parametrize("split", ["", "train"])
def test_unknown_speakers_never_validate(split: str) -> None:
    rows = [*people("a", 4), *(row("a", "unknown", split=split) for _ in range(30))]
    for seed in range(5):
        training, validation = splits.speaker_split(rows, 0.5, seed)
        assert all(rows[i].known_speaker for i in validation)
        assert set(range(8, 38)) <= set(training.tolist())


def test_unknown_speakers_of_an_official_validation_part_are_on_no_side() -> None:
    rows = [row("a", 1, split="train"), row("a", 2, split="validation"), row("a", "unknown", split="validation")]
    training, validation = splits.speaker_split(rows, 0.5, 0)
    assert (training.tolist(), validation.tolist()) == ([0], [1])


def test_a_speaker_in_two_official_parts_is_refused_by_name() -> None:
    rows = [row("a", 1, split="train"), row("a", 1, split="test"), row("a", 2, split="development")]
    with pytest.raises(CorpusError, match="a-1 in test and train"):
        splits.speaker_split(rows, 0.2, 0)
    rows[1] = replace(rows[1], split="development")
    with pytest.raises(CorpusError, match="a-1 in train and validation"):
        splits.speaker_split(rows, 0.2, 0)


def test_two_tests_may_share_a_speaker() -> None:
    rows = [*people("a", 2), row("a", 9, split="test1"), row("a", 9, split="test2")]
    assert splits.leaking(rows) == {}


def test_a_corpus_of_one_speaker_trains_whole_and_cannot_stand_alone() -> None:
    alone = [row("a", 1), row("a", 1)]
    with pytest.raises(CorpusError, match="one speaker"):
        splits.speaker_split(alone, 0.2, 0)
    training, _ = splits.speaker_split(alone + people("b", 4), 0.2, 0)
    assert {0, 1} <= set(training.tolist())


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(CorpusError, match="nothing to train"):
        splits.speaker_split([row("a", 1, split="validation"), row("a", 2, split="test")], 0.2, 0)


def test_rows_without_labels_are_refused_outside_a_test_part() -> None:
    hidden = replace(row("a", 9, split="test3"), valence=math.nan)
    rows = [*people("a", 4), hidden]
    assert len(splits.speaker_split(rows, 0.2, 0)[0])
    with pytest.raises(CorpusError, match=r"without valence or arousal \(1 of a\)"):
        splits.speaker_split([*rows, replace(hidden, speaker="a-8", split="")], 0.2, 0)


def test_speakers_of_a_test_part_are_not_drawn_for_validation() -> None:
    hidden = [row("a", number, split="test") for number in range(10, 40)]
    rows = [*people("a", 4), *hidden]
    for seed in range(5):
        training, validation = splits.speaker_split(rows, 0.25, seed)
        assert len({rows[i].speaker for i in validation}) == 1
        assert len({rows[i].speaker for i in training}) == 3

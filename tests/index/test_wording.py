"""The sentence says what the numbers say."""

from collections.abc import Sequence

import pytest

from encoders.affect import Affect, AffectRange
from index.doubts import Doubt
from index.timeline import Change, Moment
from index.wording import clock, compared, sentence

TERMS = [("angry", 0.5), ("annoyed", 0.3), ("calm", 0.1), ("sad", 0.1)]
TENSE = Affect(2.4, 5.4)


def moments(*valences: float) -> list[Moment]:
    return [Moment(0, 4, Affect(v, 4), Affect(v, 4), "angry") for v in valences]


def said(
    affect: Affect = TENSE,
    low: Affect | None = None,
    high: Affect | None = None,
    terms: Sequence[tuple[str, float]] = TERMS,
    heard: Sequence[Moment] | None = None,
    changes: Sequence[Change] = (),
    doubts: Sequence[Doubt] = (),
) -> str:
    around = AffectRange(0.9, low, high) if low and high else None
    return sentence(affect, around, terms, heard or moments(affect.valence), changes, doubts)


def test_the_whole_of_it() -> None:
    change = Change(42.7, TENSE, Affect(2.4, 3.5))
    found = said(heard=moments(2, 2, 5), changes=[change])
    assert found == "Sounds tense and mostly negative, closest to angry and annoyed; calmer after 0:42."


@pytest.mark.parametrize(
    ("affect", "words"),
    [
        (Affect(4.0, 4.1), "Sounds neutral,"),
        (Affect(6.8, 6.8), "Sounds very lively and very positive,"),
        (Affect(5.2, 4.9), "Sounds a little lively and positive,"),
        (Affect(4.1, 6.0), "Sounds very energetic and neither positive nor negative,"),
        (Affect(2.0, 2.5), "Sounds subdued and very negative,"),
        (Affect(4.6, 2.5), "Sounds calm and slightly positive,"),
        (Affect(2.4, 4.0), "Sounds neither tense nor calm and negative,"),
    ],
)
def test_places_of_the_plane(affect: Affect, words: str) -> None:
    assert said(affect).startswith(words)


def test_an_interval_over_neutral_is_said() -> None:
    assert said(low=Affect(1.2, 4.4), high=Affect(3.6, 6.4)).startswith("Sounds tense and negative,")
    assert said(low=Affect(1.0, 4.4), high=Affect(4.4, 6.4)).startswith("Sounds tense and perhaps negative,")
    assert said(low=Affect(1.2, 3.4), high=Affect(3.6, 7.0)).startswith("Sounds perhaps tense and negative,")
    assert said(low=Affect(1.0, 3.4), high=Affect(4.4, 7.0)).startswith("May sound tense and negative,")


def test_doubts_come_first() -> None:
    found = said(doubts=[Doubt("short", "only 0.4 s of voice"), Doubt("noisy", "noise")])
    assert found.startswith("Hard to tell (only 0.4 s of voice and noise): sounds tense")
    assert found.count(".") == 2


def test_no_term_is_named_where_none_stands_out() -> None:
    even = [("angry", 0.26), ("sad", 0.25), ("calm", 0.245), ("proud", 0.245)]
    assert "close to no emotion term more than to others" in said(terms=even)


def test_changes_are_told_by_what_is_different() -> None:
    assert compared(Affect(4, 4), Affect(4.2, 4.4)) == ""
    assert compared(Affect(2, 6), Affect(2.2, 4)) == "calmer"
    assert compared(Affect(2, 3), Affect(2.0, 6)) == "tenser"
    assert compared(Affect(2, 3), Affect(5.0, 6)) == "livelier and more positive"
    assert compared(Affect(6, 3), Affect(3.0, 2.4)) == "more negative"


def test_many_changes_are_counted() -> None:
    up, down = Change(10, Affect(4, 3), Affect(4, 5)), Change(3723, Affect(4, 5), Affect(4, 2))
    hardly = Change(20, Affect(4, 3), Affect(4, 3.2))
    assert said(changes=[up, down, hardly]).endswith("; livelier after 0:10, calmer after 1:02:03.")
    assert said(changes=[up, down, up, up]).endswith("; changes 4 times, most after 1:02:03 (calmer).")


def test_times_are_written_as_players_do() -> None:
    assert [clock(seconds) for seconds in (0, 59.9, 60, 725, 3607)] == ["0:00", "0:59", "1:00", "12:05", "1:00:07"]

"""Limits of one caller: rates to the request, an exact pause, counts that do not leak."""

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.limits import Limits, Rate, read_rate
from service.errors import ConcurrencyLimited, RateLimited, SettingsInvalid


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.time


def taken(limits: Limits, caller: str = "alice") -> bool:
    try:
        with limits.place(caller):
            return True
    except RateLimited:
        return False


def test_rates_are_read_and_nonsense_is_not() -> None:
    assert read_rate("600/minute") == Rate(600, 60)
    assert read_rate(" 10 / second ") == Rate(10, 1)
    assert str(read_rate("5000/hour")) == "5000 an hour"
    assert str(read_rate("600/minute")) == "600 a minute"
    for text in ("", "600", "0/minute", "-1/second", "1.5/second", "10/day", "1e3/minute", "10/second; 5/hour"):
        with pytest.raises(SettingsInvalid):
            read_rate(text)


def test_a_whole_allowance_may_come_at_once_and_not_one_more() -> None:
    clock = Clock()
    limits = Limits(Rate(5, 60), None, now=clock)
    assert [taken(limits) for _ in range(7)] == [True] * 5 + [False] * 2
    assert taken(limits, "bob"), "another caller has an allowance of his own"


def test_the_pause_that_is_asked_for_is_enough_and_refusals_cost_nothing() -> None:
    clock = Clock()
    limits = Limits(Rate(2, 60), None, now=clock)
    assert [taken(limits), taken(limits)] == [True, True]
    for _ in range(50):
        assert not taken(limits)
    with pytest.raises(RateLimited) as caught, limits.place("alice"):
        pass
    pause = int(caught.value.headers["Retry-After"])
    assert pause == 30
    clock.time += pause - 1
    assert not taken(limits)
    clock.time += 1
    assert taken(limits)


@given(
    requests=st.integers(1, 20),
    period=st.sampled_from([1.0, 60.0, 3600.0]),
    pauses=st.lists(st.floats(0, 200), max_size=80),
)
def test_in_no_period_are_more_taken_than_a_bucket_holds(requests: int, period: float, pauses: list[float]) -> None:
    clock = Clock()
    limits = Limits(Rate(requests, period), None, now=clock)
    level, last = float(requests), clock.time  # the bucket, as one would draw it
    for pause in pauses:
        clock.time += pause
        level = min(requests, level + (clock.time - last) * requests / period)
        last = clock.time
        got = taken(limits)
        if abs(level - 1) > 1e-6:
            assert got == (level > 1)
        if got:
            level -= 1


def test_places_are_given_back_however_the_request_ends() -> None:
    limits = Limits(None, 2)
    with ExitStack() as held:
        held.enter_context(limits.place("alice"))
        held.enter_context(limits.place("alice"))
        with pytest.raises(ConcurrencyLimited) as caught, limits.place("alice"):
            pass
        assert int(caught.value.headers["Retry-After"]) > 0
        with limits.place("bob"):
            pass
    with pytest.raises(ZeroDivisionError), limits.place("alice"):
        _ = 1 / 0
    assert limits.callers == 0
    with limits.place("alice"), limits.place("alice"):
        pass


def test_a_request_refused_for_its_number_costs_nothing_of_the_rate() -> None:
    clock = Clock()
    limits = Limits(Rate(2, 60), 1, now=clock)
    with limits.place("alice"):
        for _ in range(5):
            with pytest.raises(ConcurrencyLimited), limits.place("alice"):
                pass
    assert taken(limits)
    assert not taken(limits)


def test_callers_who_went_away_are_forgotten() -> None:
    clock = Clock()
    limits = Limits(Rate(10, 1), 3, now=clock)
    for number in range(20_000):
        clock.time += 0.01
        assert taken(limits, f"address {number}")
    assert limits.callers < 3000

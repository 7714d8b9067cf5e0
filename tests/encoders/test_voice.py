"""Voice is found in speech and nowhere else, whatever pieces the sound comes in."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.audio import SAMPLE_RATE, Samples
from encoders.voice import PAD, PAUSE, Voices
from tests.sounds import speech, voice

RNG = np.random.default_rng(0)


def noise(seconds: float, level: float = 0.003) -> Samples:
    return RNG.normal(0, level, round(seconds * SAMPLE_RATE)).astype(np.float32)


def stretches(samples: Samples, sizes: list[int] | None = None) -> list[tuple[float, float, Samples]]:
    """Return start, end (seconds) and sound of each stretch; the sound comes in pieces of `sizes`."""

    def pieces() -> Iterator[Samples]:
        place = 0
        for size in sizes or [SAMPLE_RATE] * (samples.size // SAMPLE_RATE):
            yield samples[place : place + size]
            place += size
        yield samples[place:]

    found = []
    parts: list[Samples] = []
    begin = 0
    for part in Voices().stretches(pieces()):
        if not parts:
            begin = part.start
        assert part.start == begin + sum(each.size for each in parts)
        parts.append(part.samples)
        if part.last:
            whole = np.concatenate(parts)
            found.append((begin / SAMPLE_RATE, (begin + whole.size) / SAMPLE_RATE, whole))
            parts = []
    assert not parts
    return found


MIXED = np.concatenate([noise(3), speech(2), noise(0.6), speech(1.5), noise(4), speech(0.7), noise(2), speech(3)])


def test_speech_is_found_with_a_little_around_it_and_short_pauses_belong_to_it() -> None:
    found = stretches(MIXED)
    expected = [(3.0, 7.1), (11.1, 11.8), (13.8, 16.8)]
    assert len(found) == len(expected)
    for (start, end, sound), (begin, until) in zip(found, expected, strict=True):
        assert begin - PAD - 0.2 <= start <= begin
        assert until <= end + 1e-6
        assert end <= until + PAD + 0.3
        assert np.array_equal(sound, MIXED[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)])


@settings(max_examples=25)
@given(st.lists(st.integers(0, 3 * SAMPLE_RATE), max_size=12), st.integers(1, MIXED.size))
def test_the_stretches_do_not_depend_on_the_pieces(sizes: list[int], length: int) -> None:
    whole, parted = stretches(MIXED[:length]), stretches(MIXED[:length], sizes)
    assert [item[:2] for item in whole] == [item[:2] for item in parted]
    assert all(start < end <= later for (start, end, _), (later, _, _) in pairwise(whole))
    assert all(end - start >= PAD for start, end, _ in whole)


@pytest.mark.parametrize("gain", [0.03, 1, 50, 32_768])
def test_the_level_of_the_recording_does_not_matter(gain: float) -> None:
    found = stretches(np.concatenate([np.zeros(2 * SAMPLE_RATE, np.float32), speech(2) * gain, noise(2) * gain]))
    assert len(found) == 1
    assert found[0][0] == pytest.approx(2 - PAD, abs=0.3)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(0, np.float32),
        np.zeros(5 * SAMPLE_RATE, np.float32),
        noise(5, 0.1),
        np.sin(np.arange(5 * SAMPLE_RATE) / 6).astype(np.float32),
    ],
    ids=["nothing", "silence", "noise", "tone"],
)
def test_no_voice_is_heard_where_there_is_none(sound: Samples) -> None:
    assert stretches(sound) == []


def test_a_pause_over_the_limit_parts_two_stretches() -> None:
    def parts(pause: float) -> int:
        return len(stretches(np.concatenate([speech(2), np.zeros(round(pause * SAMPLE_RATE), np.float32), speech(2)])))

    assert (parts(PAUSE - 0.3), parts(PAUSE + 0.4)) == (1, 2)


def doubtful(samples: Samples) -> bool:
    voices = Voices()
    for _ in voices.stretches([samples]):
        pass
    return voices.doubtful()


def test_voice_is_in_doubt_where_more_is_as_loud_without_it() -> None:
    rest = voice(12, level=float(speech(2).std()))  # heard as a voice for a second, and then no more
    assert doubtful(np.concatenate([speech(2), rest]))
    assert doubtful(noise(3))
    assert not doubtful(np.concatenate([speech(12), rest]))
    assert not doubtful(np.concatenate([speech(2), noise(20)]))
    assert not doubtful(np.concatenate([speech(2), np.zeros(20 * SAMPLE_RATE, np.float32)]))


def test_what_is_held_does_not_grow_with_the_recording() -> None:
    voices = Voices()
    held = []

    def hour() -> Iterator[Samples]:
        for number in range(300):
            held.append(voices._held.size)
            yield speech(1) if number // 60 % 2 else noise(1)

    held.extend(part.samples.size for part in voices.stretches(hour()))
    assert max(held) <= (PAUSE + 2 * PAD + 2) * SAMPLE_RATE

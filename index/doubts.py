"""Why a description may be worth little: reasons that are heard in the recording itself.

- little-voice: under LEAST_SHARE of what was encoded is voice: noise, music, or sounds that are no speech.
- short: under LEAST_VOICE seconds of voice in all.
- noisy: the voice, if it is long enough to tell, is less than LEAST_ABOVE dB over the quietest tenth of the recording.

The bounds were found on clips of speakers that the released bundle never heard (docs/benchmarks.md): half a second of a
clip is read .6 of 7 off the whole one, a whole second .3; noise 10 dB under the voice moves affect by .3, as loud as
the voice by .6. What is not said was tried too: how loud the voice is changes nothing, and how near an embedding lies
to those of speech hardly tells noise and music from speech.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from encoders.encoder import EncodedSegment
from encoders.voice import Signs

LEAST_SHARE: Final = 0.2
LEAST_VOICE: Final = 1.0  # seconds
LEAST_ABOVE: Final = 9.0  # dB

Code = Literal["little-voice", "short", "noisy"]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reason: its stable `code`, and it in words with its figures."""

    code: Code
    words: str


def doubts(signs: Signs, segments: Sequence[EncodedSegment]) -> tuple[Doubt, ...]:
    """Return the reasons to doubt what is said of a recording with these segments, which are in order of time."""
    found = []
    covered = _covered(segments)
    if signs.voiced < LEAST_SHARE * covered:
        found.append(Doubt("little-voice", f"hardly any voice in it, {signs.voiced:.1f} s of {covered:.1f} s"))
    elif signs.voiced < LEAST_VOICE:
        found.append(Doubt("short", f"only {signs.voiced:.1f} s of voice"))
    if signs.above is not None and signs.above < LEAST_ABOVE and signs.voiced >= LEAST_VOICE:
        found.append(Doubt("noisy", f"the voice only {signs.above:.0f} dB over the noise"))
    return tuple(found)


def _covered(segments: Sequence[EncodedSegment]) -> float:
    """Return the seconds that lie in some segment."""
    seconds = until = 0.0
    for segment in segments:
        seconds += max(0.0, segment.end - max(until, segment.start))
        until = max(until, segment.end)
    return seconds

"""A recording as what a library holds of it: its segments and its duration."""

from collections.abc import Callable

from encoders.audio import DEFAULT_MAX_DURATION, Source
from encoders.encoder import EncodedSegment, Encoder
from encoders.voice import Voices


def encode_clip(
    encoder: Encoder,
    source: Source,
    *,
    name: str | None = None,
    max_duration: float = DEFAULT_MAX_DURATION,
    visit: Callable[[EncodedSegment], None] | None = None,
    voices: Voices | None = None,
) -> tuple[list[EncodedSegment], float]:
    """Return the segments of a recording, in order of time, and its duration in seconds, silence included.

    `visit` is called with each segment as soon as it is encoded; what it raises ends the encoding. `voices`
    (new ones) hear the recording too. Raises what `Encoder.segments` raises.
    """
    segments: list[EncodedSegment] = []
    encoded = encoder.segments(source, name=name, max_duration=max_duration, voices=voices)
    while True:
        try:
            segment = next(encoded)
        except StopIteration as end:
            duration: float = end.value
            return sorted(segments, key=lambda segment: segment.start), duration
        if visit:
            visit(segment)
        segments.append(segment)

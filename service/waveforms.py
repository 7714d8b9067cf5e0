"""The waveforms of the library's clips: decoded where uploads are, computed once, remembered for a while.

A clip's content never changes (its id comes from it), so what is remembered is never wrong.
"""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final, NamedTuple

from index.records import Clip
from service.inference.decoding import Decoders
from service.peaks import Peaks
from service.uploads import Upload

_MOST: Final = 1024  # some kilobytes each
_SLACK: Final = 1.0  # seconds by which a file may be longer than its record says


class Waveform(NamedTuple):
    """The length of a sound in seconds, and how loud its parts are (`Peaks.columns`)."""

    duration: float
    peaks: list[float]


class Waveforms:
    """The waveforms that were asked for last. To be used from any thread."""

    def __init__(self, decoders: Decoders, most: int = _MOST) -> None:
        self._decoders = decoders
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, int], Waveform] = OrderedDict()

    def known(self, clip_id: str, points: int) -> Waveform | None:
        """Return the waveform if it is remembered."""
        with self._lock:
            found = self._known.get((clip_id, points))
            if found is not None:
                self._known.move_to_end((clip_id, points))
            return found

    def make(self, clip: Clip, path: Path, points: int) -> Waveform:
        """Decode the clip's file and return its waveform. Raises what decoding an upload raises."""
        if found := self.known(clip.id, points):  # somebody else asked while this waited
            return found
        peaks = Peaks()
        with path.open("rb") as file, self._decoders.sound(Upload(clip.name, file)) as sound:
            for piece in sound.read(clip.name, clip.duration + _SLACK):
                peaks.push(piece)
        made = Waveform(peaks.seconds, peaks.columns(points))
        with self._lock:
            self._known[clip.id, points] = made
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return made

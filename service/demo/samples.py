"""The spoken sample clips: sentences that fit any feeling, by eight synthetic voices, over the affect plane.

`make(folder)` leaves 200 WAV files and `manifest.csv` in the folder: a row a clip with the columns path
(relative to the manifest), voice, sex, accent, sentence, target_valence, target_arousal and synthetic. The
target is the affect that the rules of `service.demo.speech` were asked for, not what a listener would rate. The
same clips come out every time; what is already there is not made again, so a run that was stopped goes on
where it was.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from encoders.affect import Affect
from encoders.sessions import available_cpus
from service.demo import speech
from service.demo.speech import VOICES, Voice

# Statements whose words give no feeling away, so that only the voice can.
SENTENCES: Final[tuple[str, ...]] = (
    "The train to the city leaves at ten past four.",
    "They moved the meeting to the room upstairs.",
    "My sister called again this morning.",
    "I did not expect to see you here today.",
    "The letter has been on the table since Monday.",
    "We will know more when the doctor comes back.",
    "He said that he would do it himself.",
    "It is snowing, and all the shops are closed.",
    "You left the door open again last night.",
    "She is coming home at the end of the week.",
    "That is exactly what I told him yesterday.",
    "There are seven people waiting outside.",
)
VALENCES: Final = (2.0, 3.0, 4.0, 5.0, 6.0)
AROUSALS: Final = (1.5, 2.75, 4.0, 5.25, 6.5)
COUNT: Final = len(VOICES) * len(VALENCES) * len(AROUSALS)
COLUMNS: Final = (
    "path",
    "voice",
    "sex",
    "accent",
    "sentence",
    "target_valence",
    "target_arousal",
    "synthetic",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One clip to be spoken."""

    sentence: str
    voice: Voice
    affect: Affect

    @property
    def file_name(self) -> str:
        """Name the file readably, with eight digits that change with all that the sound depends on."""
        sound = (self.sentence, self.voice, speech.prosody(self.affect, self.voice.sex))
        digest = hashlib.sha256(repr(sound).encode()).hexdigest()[:8]
        return f"{self.voice.name}_v{self.affect.valence:g}_a{self.affect.arousal:g}_{digest}.wav"


def plan() -> list[Sample]:
    """List every voice at every point of the grid; the sentences take turns, none belongs to a voice."""
    points = [Affect(valence, arousal) for valence, arousal in product(VALENCES, AROUSALS)]
    return [
        Sample(SENTENCES[(point + voice) % len(SENTENCES)], VOICES[voice], affect)
        for voice, (point, affect) in product(range(len(VOICES)), enumerate(points))
    ]


def make(folder: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Speak what is missing from `folder`, write its manifest and return its path.

    progress is called with (clips there, clips in all). Raises SpeechUnavailable, OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for torn in folder.glob(f".*{speech.PART}"):
        torn.unlink(missing_ok=True)
    samples = plan()
    missing = [sample for sample in samples if not (folder / sample.file_name).exists()]
    done = len(samples) - len(missing)
    progress(done, len(samples))
    for _ in _made(folder, missing):
        done += 1
        progress(done, len(samples))
    return _write_manifest(folder, samples)


def _made(folder: Path, samples: list[Sample]) -> Iterator[Path]:
    def speak(sample: Sample) -> Path:
        path = folder / sample.file_name
        speech.write_wav(path, *speech.speak(sample.sentence, sample.voice, sample.affect))
        return path

    with ThreadPoolExecutor(available_cpus(), thread_name_prefix="speech") as pool:
        try:
            yield from pool.map(speak, samples)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _write_manifest(folder: Path, samples: list[Sample]) -> Path:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for sample in samples:
        voice, affect = sample.voice, sample.affect
        rows.writerow(
            (
                sample.file_name,
                voice.name,
                voice.sex,
                voice.accent,
                sample.sentence,
                affect.valence,
                affect.arousal,
                "true",
            )
        )
    path = folder / "manifest.csv"
    speech.write_atomically(path, text.getvalue().encode())
    return path

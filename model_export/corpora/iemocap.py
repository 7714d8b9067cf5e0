"""IEMOCAP (Busso et al. 2008; academic licence), English: acted dialogues in five sessions, rated on 1..5.

`Session1/dialog/EmoEvaluation/Ses01F_impro01.txt` has, for each turn, a line
`[6.2901 - 8.2357]<tab>Ses01F_impro01_F000<tab>neu<tab>[2.5000, 2.5000, 2.5000]` (valence, activation, dominance) and
under it a line a listener, `A-E2:<tab>val 3; act 2; dom  2;`. Audio: `Session1/sentences/wav/<dialogue>/<turn>.wav`;
words: `Session1/dialog/transcriptions/<dialogue>.txt`. The letter before a turn's number says who speaks.

Only listeners count (A-E...), not what the actors said of themselves (A-F, A-M), as in the corpus' own means. A value
that a listener mistyped off the scale is left out of the mean, and a dominance off the scale is not known.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from encoders.affect import rescale
from model_export.corpora.files import by_stem
from model_export.corpora.listeners import demand, spread
from model_export.errors import CorpusError
from model_export.manifest import Row

CORPUS = "iemocap"
LOW, HIGH = 1.0, 5.0
EMOTIONS = {
    "ang": "anger",
    "hap": "happiness",
    "exc": "excitement",
    "sad": "sadness",
    "neu": "neutral",
    "fru": "frustration",
    "fea": "fear",
    "sur": "surprise",
    "dis": "disgust",
    "oth": "other",
    # The listeners did not agree.
    "xxx": "",
}
GENDERS = {"F": "female", "M": "male"}
AXES = ("val", "act", "dom")

_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
_TURN = re.compile(rf"\[[\d. ]+-[\d. ]+\]\s+(Ses\d\d[FM]_\S+_([FM])\w+)\s+(\w+)\s+\[{_NUMBER},{_NUMBER},{_NUMBER}\]")
_SPOKEN = re.compile(r"(\S+)\s+\[[\d.]+-[\d.]+\]:\s*(.*)")


@dataclass(slots=True)
class Turn:
    """One turn as its dialogue's evaluation has it: the means and every listener's ratings, on 1..5, by axis."""

    stem: str
    speaker: str
    emotion: str
    means: tuple[float, float, float]
    ratings: dict[str, list[float]] = field(default_factory=lambda: {axis: [] for axis in AXES})

    def value(self, axis: str) -> float:
        """The listeners' mean, or the corpus' own where no single ratings are there."""
        return fmean(self.ratings[axis]) if self.ratings[axis] else self.means[AXES.index(axis)]


def rows(root: Path) -> list[Row]:
    """One row a turn of the sessions that are there.

    Raises:
        CorpusError: no sessions, no evaluations in one, an unknown emotion or a mean off the scale (with its line), or
        a turn without audio.
    """
    sessions = sorted(path for path in root.glob("Session[1-5]") if path.is_dir())
    if not sessions:
        raise CorpusError(f"{root}: no Session1 to Session5; give the folder of IEMOCAP that holds them")
    return [row for session in sessions for row in _session(session)]


def _session(folder: Path) -> list[Row]:
    dialogues = sorted(p for p in (folder / "dialog" / "EmoEvaluation").glob("*.txt") if not p.name.startswith("."))
    if not dialogues:
        raise CorpusError(f"{folder}: no dialog/EmoEvaluation/*.txt; give IEMOCAP as its official archive unpacks")
    audio = folder / "sentences" / "wav"
    files = by_stem(audio)
    found = []
    for path in dialogues:
        turns = _turns(path)
        demand(files, (turn.stem for turn in turns), path, audio)
        spoken = _transcript(folder / "dialog" / "transcriptions" / path.name)
        found += [_row(turn, files[turn.stem], spoken.get(turn.stem, "")) for turn in turns]
    return found


def _turns(path: Path) -> list[Turn]:
    turns: list[Turn] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if line.startswith("[") and (match := _TURN.match(line)):
            stem, letter, emotion, *means = match.groups()
            if emotion not in EMOTIONS:
                raise CorpusError(
                    f"{path}, line {number}: emotion {emotion!r} is not one of {', '.join(sorted(EMOTIONS))}"
                )
            valence, arousal, dominance = (float(mean) for mean in means)
            turns.append(Turn(stem, f"{stem[3:5]}{letter}", emotion, (valence, arousal, dominance)))
        elif line.startswith("[") and "Ses" in line:
            raise CorpusError(f"{path}, line {number}: cannot be read as a turn with its emotion and three means")
        elif line.startswith("A-E") and turns:
            for axis in AXES:
                rating = re.search(rf"\b{axis}\s+(\d+(?:\.\d+)?)", line)
                if rating and LOW <= float(rating[1]) <= HIGH:
                    turns[-1].ratings[axis].append(float(rating[1]))
    for turn in turns:
        for axis in ("val", "act"):
            if not LOW <= turn.value(axis) <= HIGH:
                raise CorpusError(f"{path}: {turn.stem} has {axis} {turn.value(axis):g}, outside {LOW:g}..{HIGH:g}")
    return turns


def _row(turn: Turn, path: Path, transcript: str) -> Row:
    dominance = turn.value("dom")
    return Row(
        path=path,
        corpus=CORPUS,
        speaker=f"{CORPUS}-{turn.speaker}",
        emotion=EMOTIONS[turn.emotion],
        valence=rescale(turn.value("val"), LOW, HIGH),
        arousal=rescale(turn.value("act"), LOW, HIGH),
        dominance=rescale(dominance, LOW, HIGH) if LOW <= dominance <= HIGH else math.nan,
        gender=GENDERS[turn.speaker[-1]],
        ratings=min(len(turn.ratings["val"]), len(turn.ratings["act"])),
        valence_sd=spread(turn.ratings["val"], LOW, HIGH),
        arousal_sd=spread(turn.ratings["act"], LOW, HIGH),
        transcript=transcript,
    )


def _transcript(path: Path) -> dict[str, str]:
    """Turn -> words, of lines as `Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.`."""
    if not path.is_file():
        return {}
    matches = map(_SPOKEN.match, path.read_text(encoding="utf-8", errors="replace").splitlines())
    return {match[1]: match[2].strip() for match in matches if match}

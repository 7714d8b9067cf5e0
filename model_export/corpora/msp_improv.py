"""MSP-IMPROV (Busso et al. 2017; academic licence), English: improvised scenes of twelve actors, rated on 1..5.

`Evalution.txt` (the release spells it so) has, for each clip, a line
`UTD-IMPROV-S01A-F01-P-FM01.avi; A; A:2.200000; V:2.400000; D:3.600000 ; N:3.800000;` and under it a line a listener,
`<name>; Angry; Frustrated; A:2.000000; V:2.000000; D:4.000000; N:4.000000;`, then a blank line. The audio,
`MSP-IMPROV-S01A-F01-P-FM01.wav`, lies in folders by session; F01 is the actor, by sex and session.

Activation is turned round in this corpus: 1 is the most active and 5 the calmest (its clips rated neutral have means
above 4, those rated angry or happy nearer to 3), so that it is brought to 1..7 from the other end. A copy in which
angry clips would come out calmer than neutral ones is refused.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from encoders.affect import rescale
from model_export import tables
from model_export.corpora.files import by_stem
from model_export.corpora.listeners import demand, labelled_values, spread
from model_export.errors import CorpusError
from model_export.manifest import Row, check

CORPUS = "msp-improv"
EMOTIONS = {
    "A": "anger",
    "H": "happiness",
    "S": "sadness",
    "N": "neutral",
    "O": "other",
    # The listeners did not agree.
    "X": "",
}
GENDERS = {"F": "female", "M": "male"}
# Letter -> the ratings that mean least and most of it.
ENDS = {"V": (1.0, 5.0), "A": (5.0, 1.0), "D": (1.0, 5.0)}
NAMES = ("Evalution.txt", "Evaluation.txt")
# Clips of each of two emotions from which on the direction of activation is checked.
ENOUGH = 20

_CLIP = re.compile(r"UTD-IMPROV-(\S+)\.(?:avi|wav|mp4);")
_PARTS = re.compile(r"S\d\d[A-Z]-([FM])(\d\d)-[A-Z]-[FM]{2}\d\d")


@dataclass(slots=True)
class Clip:
    """One clip as the evaluation has it: its line, the letters' means, and each listener's ratings by name, on 1..5."""

    line: int
    stem: str
    emotion: str
    means: dict[str, float]
    ratings: dict[str, dict[str, float]] = field(default_factory=dict)

    def listed(self, letter: str) -> list[float]:
        """Every listener's rating of one letter."""
        return [rating[letter] for rating in self.ratings.values() if letter in rating]


def rows(root: Path) -> list[Row]:
    """One row a clip of the evaluation.

    Raises:
        CorpusError: no evaluation, an unknown label or a mean off the scale (with its line), or a clip without audio.
    """
    path = next((root / name for name in NAMES if (root / name).is_file()), None)
    if path is None:
        raise CorpusError(f"{root}: no Evalution.txt; give the folder of MSP-IMPROV that holds it and the sessions")
    clips = _clips(path)
    files = by_stem(root)
    demand(files, (clip.stem for clip in clips), path, root)
    found, problems = [], []
    for clip in clips:
        try:
            row = _row(clip, files[clip.stem])
            check(row)
        except ValueError as error:
            problems.append(f"line {clip.line}: {error}")
        else:
            found.append(row)
    if problems:
        tables.refuse(path, problems)
    _check_orientation(found, path)
    return found


def _check_orientation(found: list[Row], path: Path) -> None:
    angry, neutral = (
        [row.arousal for row in found if row.emotion == emotion and row.labelled] for emotion in ("anger", "neutral")
    )
    if min(len(angry), len(neutral)) >= ENOUGH and fmean(angry) < fmean(neutral):
        raise CorpusError(
            f"{path}: its activation runs from calm to active, not from active to calm as in the official release: "
            f"angry clips would come out calmer than neutral ones ({fmean(angry):.1f} and {fmean(neutral):.1f}); "
            "read it as a table with a column map"
        )


def _clips(path: Path) -> list[Clip]:
    clips: list[Clip] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        parts = line.split(";")
        if match := _CLIP.match(line):
            clips.append(Clip(number, f"MSP-IMPROV-{match[1]}", parts[1].strip(), labelled_values(line)))
        elif len(parts) > 3 and clips:
            # Some listeners' lines stand there twice: the name keeps one of each.
            clips[-1].ratings[parts[0].strip()] = labelled_values(line)
    return clips


def _row(clip: Clip, path: Path) -> Row:
    who = _PARTS.search(clip.stem)
    if who is None:
        raise ValueError(f"{clip.stem} does not name its actor as MSP-IMPROV does")
    if clip.emotion not in EMOTIONS:
        raise ValueError(f"emotion {clip.emotion!r} is not one of {', '.join(sorted(EMOTIONS))}")
    valence, arousal, dominance = (
        rescale(clip.means[letter], *ends) if letter in clip.means else math.nan for letter, ends in ENDS.items()
    )
    return Row(
        path=path,
        corpus=CORPUS,
        speaker=f"{CORPUS}-{who[1]}{who[2]}",
        emotion=EMOTIONS[clip.emotion],
        valence=valence,
        arousal=arousal,
        dominance=dominance,
        gender=GENDERS[who[1]],
        ratings=min(len(clip.listed("V")), len(clip.listed("A"))),
        valence_sd=spread(clip.listed("V"), *ENDS["V"]),
        arousal_sd=spread(clip.listed("A"), *ENDS["A"]),
    )

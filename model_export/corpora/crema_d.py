"""CREMA-D (Cao et al. 2014, Open Database License), English: `AudioWAV/1001_IEO_ANG_HI.wav`, judged by a crowd.

Stem: actor, sentence, acted emotion, acted level. What counts here is what people heard: the votes of the listeners who
had the voice alone (query type 1), each an emotion and its level 0..100. A vote is the point of the plane of its
emotion, nearer to neutral or farther from it with its level; a clip's affect is the mean of its votes and its spread
their standard deviation; its emotion is the one with most votes (of a tie, the acted one if it is in it, else none).

The votes come from the first of these that is there: `finishedResponses.csv` (every single vote),
`processedResults/tabulatedVotes.csv` (counts and mean levels), `processedResults/summaryTable.csv` (only the winner, by
how many is not said: `ratings` is 1). A clip without votes keeps its acted emotion, with `ratings` 0.
`VideoDemographics.csv` gives the actors' sex, where it is there.
"""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from encoders.affect import HIGH, NEUTRAL
from model_export import tables
from model_export.corpora.files import by_stem
from model_export.emotions import MEANS, affect_of, dominance_of
from model_export.errors import CorpusError
from model_export.manifest import Row

CORPUS = "crema-d"
EMOTIONS = {"A": "anger", "D": "disgust", "F": "fear", "H": "happiness", "N": "neutral", "S": "sadness"}
ACTED = {"ANG": "A", "DIS": "D", "FEA": "F", "HAP": "H", "NEU": "N", "SAD": "S"}
# One file of the release is called `..._X` for `..._XX`.
LEVELS = {"LO": "normal", "MD": "", "HI": "strong", "XX": "", "X": ""}
SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
# This recording of the release holds no sound.
SILENT = "1076_MTI_SAD_XX"
GENDERS = {"male": "male", "female": "female", "": ""}
VOICE = "1"


@dataclass(frozen=True, slots=True)
class Vote:
    """What listeners of the voice alone heard: an emotion's letter, its level 0..100, and how many said so."""

    letter: str
    level: float
    count: int = 1

    @property
    def point(self) -> tuple[float, float, float]:
        """(valence, arousal, dominance) on 1..7.

        Level 50 is the emotion's published place; 25 and 75 are where a normal and a strong performance of RAVDESS
        are taken to lie (0.8 and 1.2 of the way).
        """
        scale = 0.6 + 0.8 * self.level / 100
        unit = (min(max(value * scale, -1.0), 1.0) for value in MEANS[EMOTIONS[self.letter]])
        valence, arousal, dominance = (NEUTRAL + value * (HIGH - NEUTRAL) for value in unit)
        return valence, arousal, dominance


def rows(root: Path) -> list[Row]:
    """One row a clip.

    Raises:
        CorpusError: no AudioWAV/, a file name or a vote that is not of the corpus (with its line).
    """
    folder = next((root / name for name in ("AudioWAV", "AudioMP3") if (root / name).is_dir()), None)
    if folder is None:
        raise CorpusError(f"{root}: no AudioWAV/; give the folder of CREMA-D that holds it")
    votes, single = _votes(root)
    genders = _genders(root / "VideoDemographics.csv")
    found = []
    for stem, path in sorted(by_stem(folder).items()):
        if stem != SILENT:
            found.append(_row(path, votes.get(stem, []), genders, counted=single))
    return found


def _row(path: Path, votes: list[Vote], genders: dict[str, str], counted: bool) -> Row:
    fields = path.stem.split("_")
    if len(fields) != 4 or fields[1] not in SENTENCES or fields[2] not in ACTED or fields[3] not in LEVELS:
        raise CorpusError(f"{path}: not named as CREMA-D names its clips (actor_sentence_emotion_level)")
    actor, sentence, acted, level = fields
    emotion, intensity = EMOTIONS[ACTED[acted]], LEVELS[level]
    valence, arousal = affect_of(emotion, intensity)
    dominance, valence_sd, arousal_sd = dominance_of(emotion), math.nan, math.nan
    if votes:
        emotion, intensity = _majority(votes, ACTED[acted])
        (valence, valence_sd), (arousal, arousal_sd), (dominance, _) = (_moments(votes, axis) for axis in range(3))
    return Row(
        path=path,
        corpus=CORPUS,
        speaker=f"{CORPUS}-{actor}",
        emotion=emotion,
        intensity=intensity,
        valence=valence,
        arousal=arousal,
        dominance=dominance,
        gender=genders.get(actor, ""),
        ratings=sum(vote.count for vote in votes) if counted else min(len(votes), 1),
        valence_sd=valence_sd if counted else math.nan,
        arousal_sd=arousal_sd if counted else math.nan,
        transcript=SENTENCES[sentence],
    )


def _majority(votes: list[Vote], acted: str) -> tuple[str, str]:
    """The emotion with most votes and its intensity by their mean level: the crowd's marks were 20, 50 and 80."""
    counts: Counter[str] = Counter()
    for vote in votes:
        counts[vote.letter] += vote.count
    most = [letter for letter, count in counts.items() if count == max(counts.values())]
    winner = acted if acted in most else most[0]
    if len(most) > 1 and winner != acted:
        return "", ""
    total = sum(vote.level * vote.count for vote in votes if vote.letter == winner)
    level = total / counts[winner]
    strength = "normal" if level <= 35 else "strong" if level >= 65 else ""
    return EMOTIONS[winner], "" if winner == "N" else strength


def _moments(votes: list[Vote], axis: int) -> tuple[float, float]:
    """Mean and sample standard deviation (nan for one listener) of the votes along one axis of the plane."""
    count = sum(vote.count for vote in votes)
    mean = sum(vote.point[axis] * vote.count for vote in votes) / count
    if count < 2:
        return mean, math.nan
    return mean, math.sqrt(sum(vote.count * (vote.point[axis] - mean) ** 2 for vote in votes) / (count - 1))


def _votes(root: Path) -> tuple[dict[str, list[Vote]], bool]:
    """The votes by stem, and whether they say how many listeners there were."""
    single = root / "finishedResponses.csv"
    if single.is_file():
        return _single(single), True
    tabulated, summary = (root / "processedResults" / f"{name}.csv" for name in ("tabulatedVotes", "summaryTable"))
    if tabulated.is_file():
        return _tabulated(tabulated), True
    return (_summary(summary), False) if summary.is_file() else ({}, False)


def _single(path: Path) -> dict[str, list[Vote]]:
    """Every vote of the voice alone; the few lines that stand there twice count once."""
    wanted = ("clipName", "queryType", "respEmo", "respLevel", "sessionNums", "questNum")
    votes: dict[str, list[Vote]] = {}
    seen: set[tuple[str, str, str]] = set()

    def hear(cells: dict[str, str]) -> None:
        question = (cells["sessionNums"], cells["questNum"], cells["clipName"])
        if cells["queryType"] == VOICE and question not in seen:
            seen.add(question)
            votes.setdefault(cells["clipName"], []).append(_vote(cells["respEmo"], cells["respLevel"]))

    tables.parse(path, wanted, hear)
    return votes


def _tabulated(path: Path) -> dict[str, list[Vote]]:
    """Votes by emotion with their mean levels; lines 100001 to 199999, by the first column, are of the voice alone."""
    means = {
        "A": "meanAngerResp",
        "D": "meanDisgustResp",
        "F": "meanFearResp",
        "H": "meanHappyResp",
        "N": "meanNeutralResp",
        "S": "meanSadResp",
    }
    votes: dict[str, list[Vote]] = {}

    def hear(cells: dict[str, str]) -> None:
        if len(cells[""]) == 6 and cells[""].startswith(VOICE):
            votes[cells["fileName"]] = [
                _vote(letter, cells[mean], int(cells[letter])) for letter, mean in means.items() if cells[letter] != "0"
            ]

    tables.parse(path, ("fileName", "", *means, *means.values()), hear)
    return votes


def _summary(path: Path) -> dict[str, list[Vote]]:
    """The winning emotion of the voice alone, or several of a tie, as `D:F` with levels `81.33:63.67`."""
    votes: dict[str, list[Vote]] = {}

    def hear(cells: dict[str, str]) -> None:
        pairs = zip(cells["VoiceVote"].split(":"), cells["VoiceLevel"].split(":"), strict=True)
        votes[cells["FileName"]] = [_vote(letter, level) for letter, level in pairs]

    tables.parse(path, ("FileName", "VoiceVote", "VoiceLevel"), hear)
    return votes


def _vote(letter: str, level: str, count: int = 1) -> Vote:
    """A vote; ValueError for an unknown emotion or a level off the scale. One without a level counts as 50."""
    if letter not in EMOTIONS:
        raise ValueError(f"emotion {letter!r} is not one of {', '.join(EMOTIONS)}")
    if count < 1:
        raise ValueError(f"{count} votes for {letter}")
    number = tables.number("" if level == "NA" else level)
    if not math.isnan(number) and not 0 <= number <= 100:
        raise ValueError(f"level {number:g} is outside 0..100")
    return Vote(letter, 50.0 if math.isnan(number) else number, count)


def _genders(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    found: dict[str, str] = {}

    def meet(cells: dict[str, str]) -> None:
        if cells["Sex"].lower() not in GENDERS:
            raise ValueError(f"Sex {cells['Sex']!r} is neither Male nor Female")
        found[cells["ActorID"]] = GENDERS[cells["Sex"].lower()]

    tables.parse(path, ("ActorID", "Sex"), meet)
    return found

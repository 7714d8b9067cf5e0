"""What is wrong with labelled clips, found by reading their manifest's rows and decoding every clip.

A clip is *clipped* when at least CLIPPED_SHARE of its samples lie within FLAT of its own peak and that peak is at full
scale: speech that was recorded whole touches its peak a few times only. Two clips are *duplicates* when their decoded
samples are the same, bit by bit: copies in another format are not found.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from encoders.audio import SAMPLE_RATE, Samples, decode
from encoders.errors import AudioError, AudioNotFound, AudioSilent
from model_export.manifest import Row
from model_export.splits import leaking

CLIPPED_SHARE = 0.002
FLAT = 0.005
FULL_SCALE = 0.98


@dataclass(frozen=True, slots=True)
class Heard:
    """What decoding a clip told: seconds and a digest of its samples, or the problem (its kind and the message)."""

    seconds: float = 0.0
    digest: str = ""
    clipped: bool = False
    kind: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of thing that is wrong, what to do about it, and every case of it."""

    kind: str
    advice: str
    cases: list[str]


@dataclass(frozen=True, slots=True)
class Report:
    """The summary of each corpus, by name, what is wrong, and the rows whose audio can be used: each recording once."""

    corpora: dict[str, dict[str, Any]]
    problems: list[Problem]
    usable: list[Row]

    def as_dict(self) -> dict[str, Any]:
        """The report for JSON."""
        return {
            "ok": not self.problems,
            "corpora": self.corpora,
            "problems": [
                {"kind": p.kind, "count": len(p.cases), "advice": p.advice, "cases": p.cases} for p in self.problems
            ],
        }


def check(rows: Sequence[Row], threads: int = 2) -> Report:
    """Decode every clip once, `threads` at a time, and report."""
    with ThreadPoolExecutor(threads) as pool:
        heard = list(
            track(pool.map(_listen, rows), "decoding", total=len(rows), transient=True, console=Console(stderr=True))
        )
    found = [*_sound(rows, heard), *_labels(rows)]
    names = sorted({row.corpus for row in rows})
    first = {clip.digest: place for place, clip in reversed(list(enumerate(heard)))}
    return Report(
        {name: _summary(name, rows, heard) for name in names},
        [problem for problem in found if problem.cases],
        [rows[place] for place, clip in enumerate(heard) if clip.digest and first[clip.digest] == place],
    )


def is_clipped(samples: Samples) -> bool:
    """Whether the tops of the waveform are cut off at full scale."""
    sizes = np.abs(samples)
    peak = float(sizes.max())
    return peak >= FULL_SCALE and float((sizes >= (1 - FLAT) * peak).mean()) >= CLIPPED_SHARE


def _listen(row: Row) -> Heard:
    try:
        samples = decode(row.path)
    except AudioNotFound as error:
        return Heard(kind="missing", message=str(error))
    except AudioSilent as error:
        return Heard(kind="silent", message=str(error))
    except AudioError as error:
        return Heard(kind="unreadable", message=str(error))
    digest = hashlib.blake2b(samples.tobytes(), digest_size=16).hexdigest()
    return Heard(samples.size / SAMPLE_RATE, digest, is_clipped(samples))


def _sound(rows: Sequence[Row], heard: Sequence[Heard]) -> Iterable[Problem]:
    advice = {
        "missing": "put the files there, or take the rows out",
        "unreadable": "mend or replace the files, or take the rows out",
        "silent": "take the rows out: there is nothing to hear",
    }
    for kind, what in advice.items():
        yield Problem(kind, what, [clip.message for clip in heard if clip.kind == kind])
    clipped = [str(row.path) for row, clip in zip(rows, heard, strict=True) if clip.clipped]
    yield Problem("clipped", "record with less gain, or keep them knowingly: overload sounds like arousal", clipped)
    groups: dict[str, set[str]] = defaultdict(set)
    times: Counter[str] = Counter()
    for row, clip in zip(rows, heard, strict=True):
        times[str(row.path)] += 1
        if clip.digest:
            groups[clip.digest].add(str(row.path))
    twice = [f"{path}: {count} rows" for path, count in times.items() if count > 1]
    yield Problem("listed twice", "keep one row a clip", twice)
    same = [" = ".join(sorted(paths)) for paths in groups.values() if len(paths) > 1]
    yield Problem("duplicate recordings", "keep one of each, or one recording may train and validate", same)


def _labels(rows: Sequence[Row]) -> Iterable[Problem]:
    unlabelled = [str(row.path) for row in rows if not row.labelled and row.role != "test"]
    yield Problem(
        "no valence or arousal", "label them, or take the rows out; only a test part may be hidden", unlabelled
    )
    leaks = [f"{name}: {' and '.join(sorted(parts))}" for name, parts in sorted(leaking(rows).items())]
    yield Problem("leaking speakers", "mend the column split, or empty it to split by speaker", leaks)
    genders = _several(rows, lambda row: row.speaker, lambda row: row.gender)
    yield Problem("speakers of two genders", "name each speaker apart, or mend the column gender", genders)
    corpora = _several(rows, lambda row: row.speaker, lambda row: row.corpus)
    yield Problem("speakers of two corpora", "put the corpus' name before each speaker's", corpora)
    alone = []
    for corpus in sorted({row.corpus for row in rows}):
        labelled = [row for row in rows if row.corpus == corpus and row.labelled]
        if labelled and len({row.affect for row in labelled}) == 1:
            alone.append(f"{corpus}: all {len(labelled)} clips are at one place of the plane")
    yield Problem("a single class", "there is no order to learn from it alone", alone)


def _several(rows: Sequence[Row], of: Callable[[Row], str], what: Callable[[Row], str]) -> list[str]:
    """The known speakers (`of`) that come with more than one value of `what`; an empty value is none."""
    values: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if what(row) and row.known_speaker:
            values[of(row)].add(what(row))
    return [f"{name}: {', '.join(sorted(found))}" for name, found in sorted(values.items()) if len(found) > 1]


def _summary(corpus: str, rows: Sequence[Row], heard: Sequence[Heard]) -> dict[str, Any]:
    of = [(row, clip) for row, clip in zip(rows, heard, strict=True) if row.corpus == corpus]
    mine = [row for row, _ in of]
    seconds = [clip.seconds for _, clip in of if clip.digest]
    labelled = [row for row in mine if row.labelled]
    summary: dict[str, Any] = {
        "clips": len(mine),
        "complete": sum(row.complete for row in mine),
        "labelled": len(labelled),
        "rated": sum(row.ratings > 0 for row in mine),
        "captioned": sum(bool(row.caption) for row in mine),
        "hours": round(sum(seconds) / 3600, 3),
        "seconds": {"median": round(float(np.median(seconds)), 2), "longest": round(max(seconds), 2)}
        if seconds
        else {},
        "speakers": len({row.speaker for row in mine if row.known_speaker}),
        "of unknown speakers": sum(not row.known_speaker for row in mine),
        "genders": dict(Counter(row.gender or "unknown" for row in mine).most_common()),
        "splits": dict(Counter(row.split or "none" for row in mine).most_common()),
        "emotions": dict(Counter(row.emotion or "none" for row in mine).most_common()),
    }
    for axis in ("valence", "arousal"):
        values = [getattr(row, axis) for row in labelled]
        summary[axis] = (
            {"mean": round(float(np.mean(values)), 2), "sd": round(float(np.std(values)), 2)} if values else {}
        )
    return summary

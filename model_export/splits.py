"""Splits of labelled clips in which no speaker is on both sides.

The official split of a corpus holds where it has one. Rows of unknown speakers (`<corpus>-unknown`) may be anyone: they
train, and never validate. Test rows are in neither part. Speakers are told apart by their names, so one name is one
person, in whatever corpus it comes.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model_export.errors import CorpusError
from model_export.manifest import Row

Indices = npt.NDArray[np.int64]


def speaker_split(rows: Sequence[Row], share: float, seed: int) -> tuple[Indices, Indices]:
    """(training, validation) indices into `rows`.

    In a corpus whose official split has validation (or development) rows, those validate. In every other corpus about
    `share` of the known speakers do, at least one, of both genders if possible; a corpus of one known speaker trains
    whole, because it can only be on one side.

    Raises:
        CorpusError: an official split with a speaker in two of its parts, rows without labels outside the test part,
        or nothing to train or to validate on.
    """
    roles = _roles(rows)
    rng = np.random.default_rng(seed)
    official = {row.corpus for row in rows if row.role == "validation"}
    held = {row.speaker for row in rows if row.role == "validation" and row.known_speaker}
    for corpus in sorted({row.corpus for row in rows} - official):
        members = [
            row
            for row, role in zip(rows, roles, strict=True)
            if row.corpus == corpus and role == "train" and row.known_speaker
        ]
        held |= _drawn({row.speaker: row.gender for row in members}, share, rng)
    validates = np.array(
        [
            role == "validation" or (role == "train" and row.speaker in held)
            for row, role in zip(rows, roles, strict=True)
        ]
    )
    trains = np.array([role == "train" for role in roles]) & ~validates
    if not validates.any():
        raise CorpusError(
            "nobody to validate on: every corpus has one speaker only (or none that is known), and a speaker-disjoint "
            "split needs two; add a corpus"
        )
    if not trains.any():
        raise CorpusError("nothing to train on: every clip is in the validation or test part of its corpus")
    return np.flatnonzero(trains), np.flatnonzero(validates)


def leaking(rows: Sequence[Row]) -> dict[str, set[str]]:
    """Known speakers in two parts of an official split, with the parts."""
    parts: dict[str, set[str]] = {}
    for row in rows:
        if row.known_speaker:
            parts.setdefault(row.speaker, set()).add(row.role)
    return {speaker: found for speaker, found in parts.items() if len(found) > 1}


def _roles(rows: Sequence[Row]) -> list[str]:
    """Each row's role; "" for what can be on no side: unknown speakers of a validation part."""
    leaks = leaking(rows)
    if leaks:
        listed = "; ".join(f"{name} in {' and '.join(sorted(parts))}" for name, parts in sorted(leaks.items())[:10])
        raise CorpusError(
            f"speakers ({len(leaks)}) are in two parts of an official split: {listed}. Mend the column split, or "
            "empty it to split by speaker"
        )
    unlabelled = Counter(row.corpus for row in rows if not row.labelled and row.role != "test")
    if unlabelled:
        listed = ", ".join(f"{count} of {corpus}" for corpus, count in sorted(unlabelled.items()))
        raise CorpusError(f"rows without valence or arousal ({listed}): label them, or take them out of the manifest")
    return ["" if row.role == "validation" and not row.known_speaker else row.role for row in rows]


def _drawn(gender_of: dict[str, str], share: float, rng: np.random.Generator) -> set[str]:
    """About `share` of the speakers: the first of each gender, then from whichever gender has more left."""
    if len(gender_of) < 2:
        return set()
    by_gender: dict[str, list[str]] = {}
    for speaker in sorted(gender_of):
        by_gender.setdefault(gender_of[speaker], []).append(speaker)
    queues = [[str(name) for name in rng.permutation(names)] for names in by_gender.values()]
    count = min(max(1, round(share * len(gender_of))), len(gender_of) - 1)
    return {(max(queues, key=len) if turn >= len(queues) else queues[turn]).pop() for turn in range(count)}

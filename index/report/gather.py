"""Everything that a report says, asked of the store once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from encoders.affect import Affect
from encoders.encoder import Encoder
from index.errors import ClipNotFound, LibraryError
from index.filters import Filter
from index.places import Places
from index.prompts import PromptBank
from index.records import Clip, Counts
from index.report import matches, sound
from index.report.groups import Breakdown, Grouping
from index.report.matches import Match, Matches
from index.report.moments import DIRECTIONS, Direction, Moment, furthest
from index.report.sound import Key, Sound
from index.store import Progress, Store

EXTREMES: Final = 3
BEST: Final = 9

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """What a library is, on `made`. `sounds` is None where no sound is wanted; `filtered`: only a part is shown.

    `landmarks` are the vocabulary's terms with the mean place of their prompts.
    """

    title: str
    made: date
    filtered: bool
    bundle: str
    fingerprint: str
    counts: Counts
    places: Places
    landmarks: tuple[tuple[str, Affect], ...]
    extremes: tuple[tuple[Direction, tuple[Moment, ...]], ...]
    own: tuple[Match, ...]
    matches: Matches
    breakdowns: tuple[Breakdown, ...]
    sounds: dict[Key, Sound] | None


def gather(
    store: Store,
    encoder: Encoder,
    title: str,
    *,
    bank: PromptBank | None = None,
    prompts: Sequence[str] = (),
    filter: Filter | None = None,
    with_sound: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Look at a whole library, or at what a filter keeps of it. `bank` is the encoder's, where the caller has one.

    Raises LibraryError where there is nothing to look at, QueryError, PromptError.
    """
    counts = store.count(filter)
    if not counts.segments:
        kept = " that the filter keeps" if filter else ""
        raise LibraryError(
            f"there is nothing to report on: the library has no clips{kept}. Add some with: emotionrank index build "
            "SOURCE... --library LIBRARY"
        )
    bank = bank or PromptBank(encoder)
    own = matches.own(store, encoder, bank, prompts, filter=filter)
    places = store.places(filter)
    grouping = Grouping()
    for page in _pages(store, filter):
        grouping.add(page)
    extremes = tuple((direction, _moments(store, places, direction)) for direction in DIRECTIONS)
    found = matches.vocabulary(store, bank, filter=filter, progress=progress)
    found = Matches(found.best[:BEST], found.none[:BEST])
    heard = [moment for match in (*own, *found.best) for moment in match.moments]
    heard += [moment for _, some in extremes for moment in some]
    info = encoder.bundle.info
    return Report(
        title=title,
        made=date.today(),
        filtered=filter is not None,
        bundle=f"{info.name} {info.version}",
        fingerprint=store.fingerprint,
        counts=counts,
        places=places,
        landmarks=tuple(_landmarks(bank)),
        extremes=extremes,
        own=own,
        matches=found,
        breakdowns=tuple(grouping.breakdowns()),
        sounds=sound.cut(heard, progress) if with_sound else None,
    )


def _pages(store: Store, filter: Filter | None) -> Iterator[list[Clip]]:
    offset = 0
    while page := store.clips(offset=offset, limit=_PAGE, filter=filter):
        yield page
        offset += _PAGE


def _moments(store: Store, places: Places, direction: Direction) -> tuple[Moment, ...]:
    found = []
    for row in furthest(places, direction, EXTREMES):
        try:
            clip = store.get(places.clips[places.owners[row]])
        except ClipNotFound:  # deleted a moment ago
            continue
        found.append(
            Moment(clip, float(places.starts[row]), float(places.ends[row]), Affect(*places.affect[row].tolist()))
        )
    return tuple(found)


def _landmarks(bank: PromptBank) -> Iterator[tuple[str, Affect]]:
    terms: dict[str, list[Affect]] = {}
    for prompt in bank.prompts:
        terms.setdefault(prompt.term, []).append(prompt.affect)
    for term, at in terms.items():
        valence, arousal = zip(*at, strict=True)
        yield term, Affect(sum(valence) / len(at), sum(arousal) / len(at))

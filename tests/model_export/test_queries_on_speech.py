"""The query algebra does what it says on real speech: EmoDB, which no constant of it was chosen on."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from encoders import audio, bundle
from encoders.affect import Affect
from encoders.encoder import Encoder
from index import filters
from index.build import build
from index.open import open_store
from index.prompts import PromptBank
from index.query import AffectPart, ClipPart, Part, Query, Shift, TextPart, search
from index.store import Store
from model_export import corpora
from tests import sounds

RELEASED = Path(bundle.__file__).parents[1] / "models" / "emotionrank-base"
ORIGINALS = filters.parse({"copy": 0})
# As copies are in a library that grew over years: other formats, rates and levels.
COPIES = (
    {"container": "mp3", "bit_rate": 64_000},
    {"container": "ogg", "bit_rate": 32_000},
    {"container": "m4a", "bit_rate": 64_000},
    {"container": "flac", "rate": 44_100, "channels": 2},
)
COPIED = range(0, 395, 10)

pytestmark = [pytest.mark.corpus, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def speech() -> Encoder:
    return Encoder.load(RELEASED, threads=1)


@pytest.fixture(scope="module")
def words(speech: Encoder) -> PromptBank:
    return PromptBank(speech)


@pytest.fixture(scope="module")
def emodb(real_corpora: Path, speech: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """EmoDB's complete clips with their listeners' ratings, and copies of some of them."""
    folder = tmp_path_factory.mktemp("emodb")
    rows = [row for row in corpora.prepare("emodb", real_corpora / "emodb") if row.complete and row.labelled]
    assert len(rows) == 395
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "emotion", "rated_valence", "rated_arousal", "recording", "copy"])
        for number, row in enumerate(rows):
            about = [row.emotion, row.valence, row.arousal, number]
            writer.writerow([row.path.resolve(), *about, 0])
            if number in COPIED:
                copy = folder / f"{number}"
                samples = np.concatenate(list(audio.stream(row.path)))
                copy.write_bytes(sounds.media(samples, **COPIES[number // 10 % len(COPIES)]))  # type: ignore[arg-type]
                writer.writerow([copy, *about, 1])
    with open_store(folder / "library", bundle=speech.bundle, create=True) as store:
        report = build(store, speech, [folder / "clips.csv"])
        assert (report.added, report.failed) == (395 + len(COPIED), ())
        assert store.count(ORIGINALS).clips == 395
        yield store


def rated(
    store: Store, encoder: Encoder, bank: PromptBank, parts: Sequence[Part], shift: Shift, k: int
) -> tuple[float, float]:
    """Return what listeners said of the first `k` hits, the mean of valence and of arousal."""
    hits = search(store, encoder, Query(parts, k, filter=ORIGINALS, shift=shift), bank)
    ratings = [[hit.clip.metadata[f"rated_{axis}"] for axis in ("valence", "arousal")] for hit in hits]
    valence, arousal = np.mean(np.array(ratings, np.float64), axis=0).tolist()
    return valence, arousal


def moved(axis: str, points: float) -> Shift:
    return Shift()._replace(**{axis: points})


@pytest.mark.parametrize(("axis", "rise"), [("valence", 1.0), ("arousal", 2.0)])
def test_the_further_a_neutral_voice_is_shifted_the_higher_listeners_rate_what_it_finds(
    emodb: Store, speech: Encoder, words: PromptBank, axis: str, rise: float
) -> None:
    neutral = emodb.clips(limit=1000, filter=filters.parse({"emotion": "neutral", "copy": 0}))
    assert len(neutral) > 50
    means = []
    for points in np.arange(-2, 2.1, 0.5).tolist():
        shift = moved(axis, points)
        found = [rated(emodb, speech, words, [ClipPart(clip.id)], shift, 10) for clip in neutral]
        means.append(np.mean([getattr(Affect(*mean), axis) for mean in found]))
    assert all(low < high for low, high in pairwise(means)), means
    assert means[-1] - means[0] > rise


@pytest.mark.parametrize("axis", ["valence", "arousal"])
def test_a_prompt_is_shifted_as_a_clip_is(emodb: Store, speech: Encoder, words: PromptBank, axis: str) -> None:
    prompt = [TextPart("a neutral voice")]
    means = [
        getattr(Affect(*rated(emodb, speech, words, prompt, moved(axis, points), 20)), axis) for points in range(-2, 3)
    ]
    assert all(low < high for low, high in pairwise(means)), means


def test_a_place_finds_clips_that_listeners_put_there(emodb: Store, speech: Encoder, words: PromptBank) -> None:
    def found(valence: float, arousal: float) -> Affect:
        return Affect(*rated(emodb, speech, words, [AffectPart(Affect(valence, arousal))], Shift(), 20))

    assert found(4, 2).arousal < found(4, 4).arousal < found(4, 6).arousal
    assert found(2, 3).valence < found(4, 4).valence < found(6, 5.5).valence


def test_copies_are_left_out_and_nothing_else(emodb: Store, speech: Encoder, words: PromptBank) -> None:
    query = Query([TextPart("an angry voice")], k=1000, distinct=True)
    left = Counter(hit.clip.metadata["recording"] for hit in search(emodb, speech, query, words))
    assert len(left) == 395  # none is gone
    missed = Counter(COPIES[number // 10 % len(COPIES)]["container"] for number in COPIED if left[number] == 2)
    assert missed["flac"] == 0, missed
    assert missed.total() <= 0.25 * len(COPIED), missed

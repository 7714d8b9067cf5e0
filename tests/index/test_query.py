"""Queries: parts, weights, and what is left of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.affect import Affect
from encoders.encoder import Encoder, pool
from encoders.errors import AudioUnreadable, PromptError
from index import filters
from index.errors import ClipNotFound, QueryError
from index.local.library import LocalStore
from index.plane import Plane
from index.prompts import PromptBank
from index.query import (
    AffectPart,
    AudioPart,
    ClipPart,
    EmbeddingPart,
    Part,
    Query,
    Shift,
    TextPart,
    answer,
    search,
    texts,
    vector,
)
from tests import sounds
from tests.index import making


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Iterator[LocalStore]:
    """A library of 20 clips of 3 segments, with embeddings near those of real prompts."""
    dim = encoder.bundle.info.embedding_dim
    rng = np.random.default_rng(0)
    with LocalStore.create(tmp_path_factory.mktemp("library"), encoder.bundle) as store:
        for number in range(20):
            store.add(making.clip(number, {"n": number}), making.segments(making.unit(rng, 3, dim)))
        yield store


def test_an_answer_has_the_hits_and_the_place_of_the_query(encoder: Encoder, store: LocalStore) -> None:
    bank = PromptBank(encoder)
    asked = Query([TextPart("a happy voice")], shift=Shift(arousal=-1))
    found = answer(store, encoder, asked, bank)
    assert found.hits == search(store, encoder, asked, bank)
    expected = bank.plane().affect_of(vector(asked.parts, encoder, store, shift=asked.shift, bank=bank))
    assert found.affect == pytest.approx(expected, abs=1e-6)


def test_a_vocabulary_that_does_not_span_the_plane_places_no_query(encoder: Encoder, store: LocalStore) -> None:
    bank = PromptBank(encoder)

    def unspanned() -> Plane:
        raise QueryError("it does not spread over the plane")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bank, "plane", unspanned)
        found = answer(store, encoder, Query([TextPart("a happy voice")], k=1), bank)
    assert found.affect is None
    assert len(found.hits) == 1


def test_landmarks_are_the_mean_places_of_the_terms(encoder: Encoder) -> None:
    marks = dict(PromptBank(encoder).landmarks())
    angry = [prompt.affect for prompt in encoder.bundle.prompts if prompt.term == "angry"]
    assert marks["angry"] == pytest.approx(tuple(np.mean(angry, axis=0)))
    assert list(marks) == list(dict.fromkeys(prompt.term for prompt in encoder.bundle.prompts))


def dim_of(encoder: Encoder) -> int:
    return encoder.bundle.info.embedding_dim


def test_one_text_is_its_embedding(encoder: Encoder, store: LocalStore) -> None:
    expected = encoder.embed_prompts(["an angry voice"]).embedding[0]
    for weight in (1.0, 0.2, 7.0):
        assert vector([TextPart("an angry voice", weight)], encoder, store) == pytest.approx(expected, abs=1e-6)
    assert vector([TextPart("an angry voice", -1)], encoder, store) == pytest.approx(-expected, abs=1e-6)


def test_prompts_that_were_embedded_elsewhere_are_taken_as_they_are(encoder: Encoder, store: LocalStore) -> None:
    ones = EmbeddingPart([1.0] * encoder.bundle.info.embedding_dim)
    parts: list[Part] = [TextPart("a calm voice"), ones, TextPart("sad", -0.5)]
    elsewhere = encoder.embed_prompts(["furious", "delighted"]).embedding
    assert texts(parts) == ["a calm voice", "sad"]
    found = vector(parts, encoder, store, prompts=elsewhere)
    same = vector([TextPart("furious"), ones, TextPart("delighted", -0.5)], encoder, store)
    np.testing.assert_allclose(found, same, atol=1e-6)


def test_parts_of_all_kinds_are_summed_by_weight(encoder: Encoder, store: LocalStore, tmp_path: Path) -> None:
    clip = making.clip(3).id
    sound = tmp_path / "voice"
    sound.write_bytes(sounds.media(sounds.voice(0.5)))
    raw = np.arange(1, dim_of(encoder) + 1, dtype=np.float32)
    parts: list[Part] = [
        TextPart("a calm voice", 2.0),
        ClipPart(clip, -0.5),
        EmbeddingPart(raw.tolist(), 0.25),
        AudioPart(sound, weight=1.5),
        TextPart("a sad voice", -1.0),
    ]
    calm, sad = encoder.embed_prompts(["a calm voice", "a sad voice"]).embedding
    total = (
        2.0 * calm
        - 0.5 * pool(store.segments(clip))[0]
        + 0.25 * making.normal(raw)
        + 1.5 * encoder.embed_clip(sound)[0]
        - 1.0 * sad
    )
    assert vector(parts, encoder, store) == pytest.approx(making.normal(total), abs=1e-5)
    as_bytes = AudioPart(sound.read_bytes(), "upload")
    assert vector([as_bytes], encoder, store) == pytest.approx(encoder.embed_clip(sound)[0], abs=1e-6)


WEIGHTS = st.floats(0.01, 100).flatmap(lambda size: st.sampled_from([size, -size]))


@given(st.lists(st.tuples(st.integers(0, 7), WEIGHTS), min_size=1, max_size=5), st.floats(0.01, 100))
def test_only_the_proportions_of_weights_count(
    encoder: Encoder, store: LocalStore, chosen: list[tuple[int, float]], factor: float
) -> None:
    axes = np.eye(dim_of(encoder), dtype=np.float32)
    total = sum(weight * axes[axis] for axis, weight in chosen)
    parts = [EmbeddingPart(axes[axis] * 3, weight) for axis, weight in chosen]
    scaled = [EmbeddingPart(axes[axis], weight * factor) for axis, weight in chosen]
    if np.linalg.norm(total) < 1e-3 * sum(abs(weight) for _, weight in chosen):
        return
    one = vector(parts, encoder, store)
    assert one == pytest.approx(making.normal(total), abs=1e-5)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-6)
    assert vector(scaled, encoder, store) == pytest.approx(one, abs=1e-5)


def test_parts_that_cancel_out_are_refused(encoder: Encoder, store: LocalStore) -> None:
    with pytest.raises(QueryError, match="cancel one another out"):
        vector([TextPart("an angry voice"), TextPart("an angry voice", -1)], encoder, store)


def test_a_place_of_the_plane_is_a_part(encoder: Encoder, store: LocalStore, bank: PromptBank) -> None:
    place = Affect(valence=6, arousal=2.5)
    alone = vector([AffectPart(place, 3.0)], encoder, store, bank=bank)
    assert alone == pytest.approx(bank.plane().at(place), abs=1e-6)
    calm = encoder.embed_prompts(["a calm voice"]).embedding[0]
    both = vector([TextPart("a calm voice"), AffectPart(place, -0.5)], encoder, store, bank=bank)
    assert both == pytest.approx(making.normal(calm - 0.5 * alone), abs=1e-6)


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.1, 10))
def test_the_sum_of_the_parts_is_shifted(
    encoder: Encoder, store: LocalStore, bank: PromptBank, valence: float, arousal: float, factor: float
) -> None:
    parts: list[Part] = [TextPart("a neutral voice"), AffectPart(Affect(4, 4), -0.2)]
    still = vector(parts, encoder, store, bank=bank)
    assert (vector(parts, encoder, store, bank=bank, shift=Shift()) == still).all()
    shift = Shift(valence=valence, arousal=arousal)
    moved = vector(parts, encoder, store, bank=bank, shift=shift)
    assert moved == pytest.approx(bank.plane().shifted(still, valence, arousal), abs=1e-6)
    scaled: list[Part] = [TextPart("a neutral voice", factor), AffectPart(Affect(4, 4), -0.2 * factor)]
    assert vector(scaled, encoder, store, bank=bank, shift=shift) == pytest.approx(moved, abs=1e-4)


def test_a_shift_or_a_place_off_the_scale_is_refused(encoder: Encoder, store: LocalStore, bank: PromptBank) -> None:
    for points in (6.5, -7, float("nan"), float("inf")):
        with pytest.raises(QueryError, match=f"the shift of arousal is {points}"):
            vector([TextPart("a")], encoder, store, shift=Shift(arousal=points), bank=bank)
    for value in (0.9, 7.1, float("nan")):
        with pytest.raises(QueryError, match=f"part 2 of the query: valence is {value}; the plane runs from 1 to 7"):
            vector([TextPart("a"), AffectPart(Affect(value, 4))], encoder, store, bank=bank)


def test_what_is_wrong_with_a_part_is_named(encoder: Encoder, store: LocalStore) -> None:
    dim = dim_of(encoder)
    zeros, huge = np.zeros(dim, np.float32), [1e300] * dim
    with pytest.raises(QueryError, match="at least one part"):
        vector([], encoder, store)
    for weight in (0.0, float("nan"), float("inf")):
        with pytest.raises(QueryError, match=r"part 2 of the query has the weight"):
            vector([TextPart("a"), TextPart("b", weight)], encoder, store)
    with pytest.raises(QueryError, match=f"has 3 values; this bundle's have {dim}"):
        vector([EmbeddingPart([1, 2, 3])], encoder, store)
    with pytest.raises(QueryError, match="not finite"):
        vector([EmbeddingPart([float("nan")] * dim)], encoder, store)
    with pytest.raises(QueryError, match="embedding is zero"):
        vector([EmbeddingPart(zeros)], encoder, store)
    with pytest.raises(QueryError, match="no list of numbers"):
        vector([EmbeddingPart(["x"] * dim)], encoder, store)  # type: ignore[list-item]
    with pytest.raises(QueryError, match="part 1"):
        vector([EmbeddingPart([[1.0] * dim] * 2)], encoder, store)  # type: ignore[list-item]
    assert np.isfinite(vector([EmbeddingPart(huge)], encoder, store)).all()
    with pytest.raises(ClipNotFound):
        vector([ClipPart("nowhere")], encoder, store)
    with pytest.raises(PromptError):
        vector([TextPart("  ")], encoder, store)
    with pytest.raises(AudioUnreadable, match=r"upload\.wav"):
        vector([AudioPart(b"no sound at all " * 40, "upload.wav")], encoder, store)


def test_a_clip_is_not_like_itself(encoder: Encoder, store: LocalStore) -> None:
    clips = [making.clip(3).id, making.clip(5).id]
    hits = search(store, encoder, Query([ClipPart(clips[0]), ClipPart(clips[1], -0.1)], k=100))
    assert len(hits) == 18
    assert not {hit.clip.id for hit in hits} & set(clips)
    embedding = pool(store.segments(clips[0]))[0]
    (hit,) = search(store, encoder, Query([EmbeddingPart(embedding)], k=1))
    assert hit.clip.id == clips[0]


def test_every_option_of_a_query_reaches_the_search(encoder: Encoder, store: LocalStore) -> None:
    text = [TextPart("a sad, tired voice")]
    whole = search(store, encoder, Query(text, k=100, group_by_clip=False))
    assert len(whole) == 60
    assert search(store, encoder, Query(text, k=7, offset=3, group_by_clip=False)) == whole[3:10]
    floor = whole[20].score
    assert search(store, encoder, Query(text, k=100, min_score=floor, group_by_clip=False)) == whole[:21]
    few = filters.parse({"n": {"lt": 4}})
    assert len(search(store, encoder, Query(text, k=100, filter=few))) == 4

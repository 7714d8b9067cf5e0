"""From audio to words: the prompt bank and descriptions."""

import copy
import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest

from encoders.affect import Affect
from encoders.bundle import AffectInterval
from encoders.encoder import Encoder, pool
from encoders.errors import AudioSilent, PromptError
from encoders.terms import TermShares
from index import present
from index.describe import NEAREST, describe
from index.prompts import PromptBank
from index.timeline import Change
from tests import sounds
from tests.index import making


def test_a_prompts_own_embedding_is_nearest_to_it(encoder: Encoder, bank: PromptBank) -> None:
    prompts = encoder.bundle.prompts
    for place in (0, len(prompts) // 2, len(prompts) - 1):
        embedding = encoder.embed_prompts([prompts[place].text]).embedding[0]
        found = bank.nearest(embedding, 3)
        assert found[0][0].text == prompts[place].text
        assert found[0][1] == pytest.approx(1, abs=1e-4)
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert len(bank.nearest(embedding, 10**6)) == len(prompts)


def test_every_term_has_a_share_and_they_sum_to_one(encoder: Encoder, bank: PromptBank) -> None:
    vectors = making.unit(np.random.default_rng(0), 20, encoder.bundle.info.embedding_dim)
    for vector in vectors:
        terms = bank.terms(vector)
        assert {term for term, _ in terms} == {prompt.term for prompt in encoder.bundle.prompts}
        shares = [share for _, share in terms]
        assert sum(shares) == pytest.approx(1)
        assert min(shares) > 0
        assert shares == sorted(shares, reverse=True)


def test_a_terms_prompts_speak_for_the_term(encoder: Encoder, bank: PromptBank) -> None:
    """The mean of a term's own prompts has that term first in most terms, and next to a neighbour of it in the rest."""
    prompts = encoder.bundle.prompts
    embeddings = bank.embeddings()
    terms = sorted({prompt.term for prompt in prompts})
    places = []
    for term in terms:
        own = embeddings[[prompt.term == term for prompt in prompts]].mean(axis=0)
        places.append([name for name, _ in bank.terms(making.normal(own))].index(term))
    assert max(places) <= 1
    assert places.count(0) >= 0.7 * len(terms)


def test_the_bank_is_embedded_once_whoever_asks(encoder: Encoder) -> None:
    bank = PromptBank(encoder)
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(id(bank.embeddings()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 1


def test_a_description_says_what_the_encoder_says(encoder: Encoder, bank: PromptBank, tmp_path: Path) -> None:
    info = encoder.bundle.info
    file = tmp_path / "voice.wav"
    file.write_bytes(sounds.media(sounds.voice(2.2 * info.win_dur)))
    candidates = ["an angry, furious voice", "a calm voice", "a sad voice"]
    found = describe(encoder, bank, file, candidates=candidates)

    segments = list(encoder.segments(file))
    embedding, affect = pool(segments)
    assert found.affect == pytest.approx(affect)
    assert found.duration == pytest.approx(2.2 * info.win_dur, abs=0.05)
    assert [(m.start, m.end, m.affect) for m in found.timeline] == [(s.start, s.end, s.affect) for s in segments]
    assert [m.term for m in found.timeline] == [bank.terms(s.embedding)[0][0] for s in segments]
    assert list(found.terms) == bank.terms(embedding)
    assert list(found.prompts) == bank.nearest(embedding, NEAREST)
    scores = encoder.embed_prompts(candidates).embedding @ embedding
    expected = sorted(zip(candidates, scores.tolist(), strict=True), key=lambda pair: -pair[1])
    assert [text for text, _ in found.candidates] == [text for text, _ in expected]
    assert [score for _, score in found.candidates] == pytest.approx([score for _, score in expected])


def test_the_summary_is_one_sentence_with_the_nearest_terms(encoder: Encoder, bank: PromptBank) -> None:
    found = describe(encoder, bank, sounds.media(sounds.speech(1.5), "flac"))
    assert found.candidates == ()
    assert found.summary.count(". ") == 0
    assert found.summary.endswith(".")
    assert found.terms[0][0] in found.summary or "no emotion term" in found.summary


def test_shares_follow_the_temperature_that_the_bundle_states(encoder: Encoder, bank: PromptBank) -> None:
    sound = sounds.media(sounds.speech(1.0), "flac")
    silent = with_info(encoder, term_shares=None)
    plain = describe(silent, PromptBank(silent), sound)
    assert present.description_json(plain)["terms_calibrated_on"] is None
    stated = with_info(encoder, term_shares=TermShares(temperature=5.0, terms=("angry", "sad")))
    found = describe(stated, PromptBank(stated), sound)
    assert present.description_json(found)["terms_calibrated_on"] == ["angry", "sad"]
    assert [term for term, _ in found.terms] == [term for term, _ in plain.terms]
    assert found.terms[0][1] < plain.terms[0][1]


def test_a_change_is_shown_where_it_is(encoder: Encoder, bank: PromptBank, capsys: pytest.CaptureFixture[str]) -> None:
    plain = describe(encoder, bank, sounds.media(sounds.speech(12.0)))
    middle = plain.timeline[2].start + 2
    found = dataclasses.replace(plain, changes=(Change(middle, Affect(2, 6), Affect(2, 4)),), calibration=None)
    shown = present.description_json(found)
    assert [(change["at"], change["words"]) for change in shown["changes"]] == [(middle, "calmer")]
    assert set(shown["timeline"][0]) == {"start", "end", "affect", "smoothed", "term"}
    present.print_description(Path("a.wav"), found)
    lines = capsys.readouterr().out.splitlines()
    first = next(place for place, line in enumerate(lines) if line.split()[:2] == ["from", "to"])
    assert "calmer from here on" in lines[first + 3]
    assert any("not calibrated" in line for line in lines)


def test_a_clip_has_the_interval_that_the_bundle_states(encoder: Encoder, bank: PromptBank) -> None:
    sound = sounds.media(sounds.voice(1.0), "flac")
    plain = describe(with_info(encoder, affect_interval=None), bank, sound)
    assert plain.affect_range is None
    assert present.description_json(plain)["affect_interval"] is None
    found = describe(
        with_info(encoder, affect_interval=AffectInterval(level=0.8, valence=0.5, arousal=9.0)), bank, sound
    )
    shown = present.description_json(found)
    low, high = shown["affect_interval"]["valence"]
    assert (low, high) == pytest.approx((max(found.affect.valence - 0.5, 1), min(found.affect.valence + 0.5, 7)))
    assert shown["affect_interval"]["arousal"] == [1.0, 7.0]
    assert shown["affect_interval"]["level"] == 0.8
    assert shown["affect"] == found.affect._asdict()


def test_the_table_shows_the_interval(encoder: Encoder, bank: PromptBank, capsys: pytest.CaptureFixture[str]) -> None:
    sound = sounds.media(sounds.voice(1.0), "flac")
    present.print_description(Path("a.wav"), describe(with_info(encoder, affect_interval=None), bank, sound))
    assert "interval" not in capsys.readouterr().out
    interval = AffectInterval(level=0.9, valence=9.0, arousal=9.0)
    present.print_description(Path("a.wav"), describe(with_info(encoder, affect_interval=interval), bank, sound))
    out = capsys.readouterr().out
    assert "90% interval" in out
    assert out.count("1.0 to 7.0") == 2


def with_info(encoder: Encoder, **fields: object) -> Encoder:
    """Return the same encoder, of a bundle that states this."""
    other = copy.copy(encoder)
    other.bundle = dataclasses.replace(encoder.bundle, info=encoder.bundle.info.model_copy(update=fields))
    return other


def test_errors_name_the_upload_and_the_candidate(encoder: Encoder, bank: PromptBank) -> None:
    silence = sounds.media(np.zeros(32_000, np.float32))
    with pytest.raises(AudioSilent, match=r"quiet\.wav"):
        describe(encoder, bank, silence, name="quiet.wav")
    with pytest.raises(PromptError):
        describe(encoder, bank, sounds.media(sounds.voice(1.0)), candidates=["fine", " "])

"""The released bundle keeps what its card promises, on speech that it was never trained on."""

from collections import Counter
from pathlib import Path

import pytest

from encoders import bundle
from encoders.encoder import Encoder
from index.build import build
from index.open import open_store
from index.query import Query, TextPart, search
from model_export import corpora, evaluation
from model_export.evaluation.graded import graded_scores

RELEASED = Path(bundle.__file__).parents[1] / "models" / "emotionrank-base"
# How many times as often as by chance each finds its emotion at least: no clip that was trained on acts boredom.
PROMPTS = {
    "an angry, furious voice": ("W", 2.5),
    "a sad, tired voice": ("T", 5.0),
    "a happy, cheerful voice": ("F", 5.0),
    "bored and indifferent": ("L", 1.9),
}


def test_the_released_bundle_is_whole_and_small() -> None:
    released = bundle.load(RELEASED)
    assert released.info.licence == "CC-BY-NC-SA-4.0"
    assert sum(path.stat().st_size for path in RELEASED.iterdir()) < 60e6
    assert released.info.version in (RELEASED / "README.md").read_text(encoding="utf-8")


@pytest.mark.corpus
@pytest.mark.timeout(600)
def test_affect_and_graded_prompts_follow_the_listeners_of_emodb(real_corpora: Path) -> None:
    encoder = Encoder.load(RELEASED)
    rows, left_out = evaluation.judged(corpora.prepare("emodb", real_corpora / "emodb"), encoder.bundle.info.provenance)
    assert (len(rows), left_out) == (395, 0)
    clips = evaluation.embed(rows, encoder)
    scores = evaluation.affect_scores(clips)
    assert scores["arousal"]["tau"] >= 0.68
    assert scores["valence"]["tau"] >= 0.38
    graded = graded_scores(clips, encoder, rounds=1)
    assert min(graded[axis]["tau"] for axis in ("valence", "arousal")) >= 0.65


@pytest.mark.corpus
@pytest.mark.timeout(600)
def test_prompts_find_their_emotion_in_a_library_of_emodb(real_corpora: Path, tmp_path: Path) -> None:
    encoder = Encoder.load(RELEASED, threads=1)
    with open_store(tmp_path / "library", bundle=encoder.bundle, create=True) as store:
        assert build(store, encoder, [real_corpora / "emodb" / "wav"]).added == 535
        for prompt, (letter, times) in PROMPTS.items():
            found = Counter(hit.clip.name[5] for hit in search(store, encoder, Query([TextPart(prompt)])))
            everywhere = Counter(clip.name[5] for clip in store.clips(limit=600))
            chance = 10 * everywhere[letter] / everywhere.total()
            assert found[letter] >= times * chance, (prompt, found)

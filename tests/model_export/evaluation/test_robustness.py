"""Robustness: what is left alone stays as it was, and what is changed is measured against it."""

from pathlib import Path

import numpy as np
import pytest

from encoders.audio import Samples, decode
from encoders.encoder import Encoder
from model_export.errors import CorpusError
from model_export.evaluation import Embedded, embed, graded
from model_export.evaluation.perturb import CONDITIONS
from model_export.evaluation.robustness import embed_samples, robustness_scores
from model_export.manifest import Row
from tests.model_export.conftest import speak
from tests.sounds import media, voice


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Embedded:
    """Twelve made voices."""
    folder = tmp_path_factory.mktemp("voices")
    rows = []
    for n in range(12):
        path = folder / f"{n}.wav"
        speak(path, seed=n, pitch=90 + 15 * n)
        rows.append(Row(path, "made", f"made-{n % 3}", "anger", 1 + n % 6, 1 + n / 2))
    return embed(rows, encoder)


def mute(samples: Samples, rng: np.random.Generator) -> Samples:
    return np.zeros_like(samples)


def test_samples_are_embedded_as_their_file_is(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(media(voice(encoder.bundle.info.win_dur * 2.2)))
    embedding, affect = encoder.embed_clip(path)
    again, also = embed_samples(encoder, decode(path))
    np.testing.assert_array_equal(again, embedding)
    assert also == affect


def test_noise_moves_clips_and_leaving_them_alone_does_not(clips: Embedded, encoder: Encoder) -> None:
    conditions = {name: CONDITIONS[name] for name in ("clean", "white noise 20 dB", "white noise 5 dB")}
    scores = robustness_scores(clips, encoder, graded.read(), 11, conditions=conditions | {"mute": mute})
    assert scores is not None
    found = scores["conditions"]
    assert (scores["clips"], list(found)) == (11, [*conditions, "mute"])
    assert {axis: found["clean"][axis] for axis in ("valence", "arousal")} == scores["clean"]
    assert (found["clean"]["cosine"], found["clean"]["overlap"]) == (1.0, 1.0)
    assert 1 > found["white noise 20 dB"]["cosine"] > found["white noise 5 dB"]["cosine"]
    assert found["white noise 5 dB"]["cosine_low"] <= found["white noise 5 dB"]["cosine"]
    assert found["mute"] == {
        "clips": 0,
        "failed": 11,
        **dict.fromkeys(("valence", "arousal", "cosine", "cosine_low", "overlap")),
    }


def test_the_same_seed_gives_the_same_figures(clips: Embedded, encoder: Encoder) -> None:
    conditions = {"cut": CONDITIONS["cut to 2 s"], "noise": CONDITIONS["babble noise 10 dB"]}
    once, twice, other = (
        robustness_scores(clips, encoder, graded.read(), 4, seed, conditions=conditions) for seed in (1, 1, 2)
    )
    assert once == twice != other


def test_it_is_left_out_unless_asked_for_and_needs_the_sound(clips: Embedded, encoder: Encoder, tmp_path: Path) -> None:
    assert robustness_scores(clips, encoder, graded.read(), 0) is None
    gone = Embedded(
        [Row(tmp_path / "gone.wav", "made", "made-1", "anger", 1, 1)], clips.embedding[:1], clips.affect[:1]
    )
    with pytest.raises(CorpusError, match=r"gone\.wav"):
        robustness_scores(gone, encoder, graded.read(), 1)

"""A bundle's words are taught again, and nothing that was heard changes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.bundle import Bundle
from encoders.encoder import Encoder
from model_export import data, manifest, rewording, towers
from model_export.errors import CorpusError, ExportError
from model_export.export import export
from model_export.rewording import Heard, read_out_of, reword
from model_export.training.config import Config
from model_export.training.texts import embed_texts
from tests.model_export.training.conftest import changed

pytestmark = pytest.mark.filterwarnings(
    # torch's exporter speaks of its own internals
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
    "ignore:.*The axis name.*:UserWarning",
)
HELD = ["made-0", "made-1", "made-2"]


@pytest.fixture
def recipe(config: Config) -> Config:
    return changed(config, features={"versions": 2}, optimisation={"steps": 3})


@pytest.fixture
def before(recipe: Config, tmp_path: Path) -> Bundle:
    torch.manual_seed(3)
    model = towers.build(recipe.towers).eval()
    about = {"validation_speakers": HELD, "corpora": ["made"]}
    return export(model, tmp_path / "before", name="small", version="1", licence="none", provenance=about, int8=False)


@pytest.mark.timeout(300)
def test_only_the_words_change_and_they_are_read_as_sound_is(
    before: Bundle, recipe: Config, material: Path, tmp_path: Path
) -> None:
    rows = manifest.read(material / "made.csv")
    after = reword(before.path, rows, tmp_path / "after", changed(recipe, captions={"leave_out": ["weary"]}), "2")
    assert (after.path / "audio.onnx").read_bytes() == (before.path / "audio.onnx").read_bytes()
    assert (after.info.name, after.info.version, after.info.licence) == ("small", "2", "none")
    old, new = Encoder.load(before.path, threads=1), Encoder.load(after.path, threads=1)
    asked = ["an angry voice", "calm", "not sad at all"]
    was, now = old.embed_prompts(asked), new.embed_prompts(asked)
    assert np.abs(was.embedding - now.embedding).max() > 1e-3
    about = after.info.provenance["rewording"]
    assert isinstance(about, dict)
    assert after.info.hears_as == (before.fingerprint,)
    assert after.info.provenance["words_left_out"] == ["weary"]
    assert (about["of"], about["fingerprint"], about["clips"]) == ("small 1", before.fingerprint, 12)
    assert after.info.affect_interval is not None, "three speakers were kept back"
    read_out = read_out_of(rewording.hear(rows, old, recipe))
    with torch.inference_mode():
        expected = towers.read_affect(read_out, torch.from_numpy(now.embedding)).numpy()
    np.testing.assert_allclose(now.affect, np.clip(expected, 1, 7), atol=1e-3)
    with pytest.raises(ExportError, match="is there already"):
        reword(before.path, rows, tmp_path / "after", recipe, "2")


@pytest.mark.timeout(300)
def test_words_can_be_held_near_what_they_were(before: Bundle, recipe: Config, material: Path) -> None:
    rows = manifest.read(material / "made.csv")
    encoder = Encoder.load(before.path, threads=1)
    heard = rewording.hear(rows, encoder, recipe)
    asked = ["an angry voice", "calm", "not sad at all"]
    was = torch.from_numpy(encoder.embed_prompts(asked).embedding)
    near: list[float] = []
    for keep in (0.0, 100.0):
        torch.manual_seed(recipe.seed)
        model = towers.build(recipe.towers)
        model.read_out = read_out_of(heard)
        chosen = changed(recipe, reword={"keep": keep}, optimisation={"steps": 40})
        rewording.teach(model, heard, chosen, encoder)
        near.append(float((embed_texts(model, asked, torch.device("cpu")) * was).sum(dim=1).mean()))
    assert near[1] > near[0] + 0.1, near


def test_the_speakers_kept_for_validation_are_not_learnt_from(material: Path) -> None:
    rows = manifest.read(material / "made.csv")
    kept = data.learnable(rows, {"validation_speakers": HELD}, 8)
    assert {row.speaker for row in kept} == {"made-3", "made-4", "made-5"}
    with pytest.raises(CorpusError, match="12 of the 24 clips can be learnt from"):
        data.learnable(rows, {"validation_speakers": HELD}, 13)


def test_a_read_out_is_found_exactly_and_one_that_is_not_linear_is_refused() -> None:
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(2, 40, 16)).astype(np.float32)
    weights = rng.normal(size=(16, 2)) * 0.1
    affect = (4 + 3 * (embedding @ weights + [0.1, -0.2])).astype(np.float32)
    affect = np.clip(affect, 1, 7)
    found = read_out_of(Heard([], embedding, affect))
    np.testing.assert_allclose(found.weight.numpy(), weights.T, atol=1e-4)
    np.testing.assert_allclose(found.bias.numpy(), [0.1, -0.2], atol=1e-4)
    with pytest.raises(ExportError, match="no linear read-out"):
        read_out_of(Heard([], embedding, np.clip(4 + np.sin(5 * affect), 1, 7).astype(np.float32)))
    with pytest.raises(ExportError, match="no linear read-out"):
        read_out_of(Heard([], embedding[:1, :8], affect[:1, :8]))

"""What no training touched is given a say in affect, by a ridge regression that is exact; nothing else changes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.encoder import Encoder
from model_export import manifest, pooling, steadying, towers
from model_export.errors import CorpusError, ExportError, TrainingError
from model_export.export import export
from model_export.rewording import reword
from model_export.steadying import ridge, steady
from model_export.training import checkpoint, train
from model_export.training.config import Config
from tests.model_export.training.conftest import changed

pytestmark = pytest.mark.filterwarnings(
    # torch's exporter speaks of its own internals
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
    "ignore:.*The axis name.*:UserWarning",
)


def test_the_ridge_is_that_of_its_definition_stretched_to_the_spread_of_its_targets() -> None:
    rng = np.random.default_rng(0)
    heard = rng.normal(size=(40, 2, 3, 4)).astype(np.float16)
    targets, counted = rng.normal(size=(40, 5)), rng.uniform(0.5, 2, size=40)
    found = ridge(heard, targets, counted, 0.3)
    x = np.concatenate([heard[:, 0].reshape(40, 12), heard[:, 1].reshape(40, 12)]).astype(np.float64)
    y, w = np.tile(targets, (2, 1)), np.tile(counted, 2) / counted.sum() / 2
    mean = w @ x
    deviation = np.sqrt(w @ (x - mean) ** 2)
    # The same as least squares with rows added that pull each weight towards zero.
    z = np.concatenate([np.sqrt(w)[:, None] * (x - mean) / deviation, np.sqrt(0.3) * np.eye(12)])
    aim = np.concatenate([np.sqrt(w)[:, None] * (y - w @ y), np.zeros((12, 5))])
    slope = np.linalg.lstsq(z, aim, rcond=None)[0] / deviation[:, None]
    slope *= np.sqrt((w @ (y - w @ y) ** 2) / (w @ ((x - mean) @ slope) ** 2))
    asked = rng.normal(size=(6, 12))
    with torch.inference_mode():
        said = found(torch.from_numpy(asked).float()).numpy()
    np.testing.assert_allclose(said, w @ y + (asked - mean) @ slope, atol=1e-5)


@pytest.mark.timeout(300)
def test_a_steadied_bundle_hears_and_reads_as_before_and_has_a_second_opinion(
    config: Config, material: Path, tmp_path: Path
) -> None:
    best = train(config, tmp_path / "run")
    run, rows = tmp_path / "run", manifest.read(material / "made.csv")
    model, saved = checkpoint.load(best)
    about = saved["provenance"]
    before = export(model, tmp_path / "before", name="small", version="1", licence="none", provenance=about, int8=False)
    chosen = changed(
        config,
        features={"versions": 2, "folder": ""},
        optimisation={"batch": 4},
        steady={"share": 0.25, "penalty": 2.0},
    )
    after = steady(before.path, run, rows, tmp_path / "after", chosen, "2")
    assert (after.info.name, after.info.version, after.info.licence) == ("small", "2", "none")
    assert (after.path / "text.onnx").read_bytes() == (before.path / "text.onnx").read_bytes()
    assert not after.info.hears_as, "the affect of recordings is another"
    said = after.info.provenance["steadying"]
    assert isinstance(said, dict)
    held = set(about["validation_speakers"])
    assert said["clips"] == sum(row.speaker not in held for row in rows)
    assert (said["of"], said["share"], said["penalty"]) == ("small 1", 0.25, 2.0)

    samples = np.random.default_rng(0).normal(scale=0.1, size=20_000).astype(np.float32)
    old, new = (Encoder.load(bundle.path, threads=1).embed_samples(samples) for bundle in (before, after))
    np.testing.assert_allclose(new.embedding, old.embedding, atol=2e-2)  # the new one is stored as int8
    ear = steadying.untrained(chosen)
    with torch.inference_mode():
        states, inside = ear.states(torch.from_numpy(samples)[None], torch.tensor([samples.size]))
        assert len(states) == 2, "the stem and the block left alone"
        weights = pooling.even(inside, states[0].dtype)
        first = torch.cat([pooling.mean_and_deviation(state, weights) for state in states], dim=1)
        opinion = steadying.Opinion(torch.nn.Linear(first.shape[1], 2), 2, 0.25)
        voted = opinion(torch.from_numpy(old.affect), states, inside).numpy()
        expected = 0.75 * old.affect + 0.25 * towers.read_affect(opinion.ridge, first).numpy()
    np.testing.assert_allclose(voted, expected, atol=1e-5)
    assert np.abs(new.affect - old.affect).max() > 1e-2

    with pytest.raises(ExportError, match="steadied already"):
        steady(after.path, run, rows, tmp_path / "again", chosen, "3")
    with pytest.raises(ExportError, match="a bundle not steadied"):
        reword(after.path, rows, tmp_path / "reworded", changed(config, features={"versions": 2}), "3")
    with pytest.raises(CorpusError, match="can be learnt from"):
        steady(before.path, run, rows[:3], tmp_path / "few", chosen, "2")
    torch.manual_seed(9)
    stranger = towers.build(config.towers).eval()
    other = export(stranger, tmp_path / "other", name="o", version="1", licence="none", provenance=about, int8=False)
    with pytest.raises(ExportError, match="hears speech otherwise than the run"):
        steady(other.path, run, rows, tmp_path / "wrong", chosen, "2")


@pytest.mark.parametrize("trained", ["all", "last-2"])
def test_without_a_block_left_alone_there_is_nothing_to_steady_by(config: Config, trained: str) -> None:
    with pytest.raises(TrainingError, match="trains every block"):
        steadying.untrained(changed(config, towers={"train_audio": trained}))
